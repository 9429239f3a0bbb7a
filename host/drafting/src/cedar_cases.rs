//! Cases in the format of `cedar run-tests`: a list of
//! `{ "name"?, "request": { "principal", "action", "resource", "context" }, "entities": […] or "file.json",
//! "decision": "allow" or "deny", "reason": [ids], "num_errors": 0 }`.
//!
//! They ask Cedar itself, with the schema: `reason` must be among the deciding policies, and an error skips a policy. What
//! Interlock makes of an error, a denial, is what a bundle's own cases are for.

use std::{fs, path::Path};

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, Schema};
use interlock_policy::{Bundle, CaseResult, Written};
use serde::Deserialize;
use serde_json::Value;

/// Files of entities beside the cases.
const ENTITIES_BYTES_MAX: u64 = 4 << 20;

#[derive(Deserialize)]
struct Case {
    request: Asked,
    entities: Value,
    decision: Expected,
    reason: Vec<String>,
    num_errors: usize,
}

#[derive(Deserialize)]
struct Asked {
    principal: String,
    action: String,
    resource: String,
    #[serde(default)]
    context: Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Allow,
    Deny,
}

/// Runs a file of cases. Whatever is wrong with it is a case that fails, so that it cannot pass for nothing.
pub fn run(file: &str, folder: &Path, text: &str, bundle: &Bundle, policies: &[Written]) -> Vec<CaseResult> {
    let result = |name: &str, differences: Vec<String>, decided| CaseResult {
        file: file.to_owned(),
        name: name.to_owned(),
        differences,
        decided,
    };
    let whole = |text: String| vec![result("(the file)", vec![text], Vec::new())];
    let cases: Vec<Value> = match serde_json::from_str(text) {
        Ok(cases) => cases,
        Err(error) => return whole(format!("it is no list of cases in Cedar's format: {error}")),
    };
    if cases.is_empty() {
        return whole("it has no cases, so it tests nothing; write one".to_owned());
    }
    let enforced =
        policies.iter().filter(|written| !written.monitored()).map(|written| written.policy.clone());
    let set = match PolicySet::from_policies(enforced) {
        Ok(set) => set,
        Err(error) => return whole(error.to_string()),
    };
    let asked = cases.into_iter().enumerate().map(|(at, case)| {
        let name = case["name"].as_str().map_or_else(|| format!("case {}", at + 1), str::to_owned);
        match ask(case, folder, bundle.schema(), &set) {
            Ok((differences, decided)) => result(&name, differences, decided),
            Err(problem) => result(&name, vec![problem], Vec::new()),
        }
    });
    asked.collect()
}

type Compared = (Vec<String>, Vec<String>);

fn ask(case: Value, folder: &Path, schema: &Schema, set: &PolicySet) -> Result<Compared, String> {
    let case: Case = serde_json::from_value(case).map_err(|error| format!("it does not fit: {error}"))?;
    let uid = |name: &str, text: &str| {
        text.parse::<EntityUid>().map_err(|error| format!("`{name}` `{text}` is no entity: {error}"))
    };
    let Asked { principal, action, resource, context } = case.request;
    let (principal, action, resource) =
        (uid("principal", &principal)?, uid("action", &action)?, uid("resource", &resource)?);
    let context = if context.is_null() { Value::Object(serde_json::Map::new()) } else { context };
    let context = Context::from_json_value(context, Some((schema, &action)))
        .map_err(|error| format!("`context` does not fit the schema: {error}"))?;
    let request = Request::new(principal, action, resource, context, Some(schema))
        .map_err(|error| format!("`request` does not fit the schema: {error}"))?;
    let entities = match case.entities {
        Value::String(file) => beside(folder, &file)?,
        entities => entities,
    };
    let entities = Entities::from_json_value(entities, Some(schema))
        .map_err(|error| format!("`entities` do not fit: {}", chain(&error)))?;

    let response = Authorizer::new().is_authorized(&request, set, &entities);
    let mut decided: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    decided.sort();
    let mut differences = Vec::new();
    if (response.decision() == Decision::Allow) != (case.decision == Expected::Allow) {
        let said = if response.decision() == Decision::Allow { "allowed" } else { "denied" };
        differences.push(format!("it is {said}, by {decided:?}"));
    }
    for id in case.reason.iter().filter(|id| !decided.contains(id)) {
        differences.push(format!("`{id}` does not decide; {decided:?} do"));
    }
    let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
    if errors.len() != case.num_errors {
        differences.push(format!(
            "expected {} errors, but there are {}: {errors:?}",
            case.num_errors,
            errors.len()
        ));
    }
    Ok((differences, decided))
}

/// A file beside the cases; a path that leads out of their folder is refused.
fn beside(folder: &Path, file: &str) -> Result<Value, String> {
    let unreadable = |error: std::io::Error| format!("`entities` file `{file}`: {error}");
    let folder = folder.canonicalize().map_err(unreadable)?;
    let path = folder.join(file).canonicalize().map_err(unreadable)?;
    if !path.starts_with(&folder) {
        return Err(format!("`entities` file `{file}` lies outside the folder of its cases; move it there"));
    }
    if fs::metadata(&path).map_err(unreadable)?.len() > ENTITIES_BYTES_MAX {
        return Err(format!("`entities` file `{file}` has more than {ENTITIES_BYTES_MAX} bytes; shorten it"));
    }
    serde_json::from_slice(&fs::read(&path).map_err(unreadable)?)
        .map_err(|error| format!("`entities` file `{file}` is no JSON: {error}"))
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
