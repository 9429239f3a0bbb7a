//! The gate `config-schema`: configuration values are what their JSON Schemas say.

use interlock_plugin_sdk::prelude::*;
use serde::Deserialize;
use serde_json::Value;

mod format;
mod judge;
mod keys;
mod number;
mod once;
mod read;
mod schema;
mod settings;

use judge::Unjudged;
use keys::Schemas;
use once::OnceMap;
pub use settings::Settings;

/// How many findings are spelt out: the host bounds what a plugin may say.
const FINDINGS_MAX: usize = 200;

/// Validates the values of a configuration change against the JSON Schemas of their keys.
#[gate(name = "config-schema", evidence = ["document"])]
pub fn config_schema(change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
    match change.kind {
        ChangeKind::Config => config(change, settings),
        ChangeKind::Release if settings.check_releases => release(change, settings),
        _ => Ok(Verdict::pass()),
    }
}

/// What this gate reads of the manifest of a configuration change.
#[derive(Deserialize)]
struct Manifest {
    values: Vec<Moved>,
}

/// One value that moves.
#[derive(Deserialize)]
struct Moved {
    key: String,
    /// Absent, or null, where the value is taken away.
    #[serde(default)]
    after: Option<Value>,
}

fn config(change: &Change, settings: &Settings) -> Result<Verdict, Fault> {
    let manifest: Manifest = serde_json::from_str(&change.manifest).map_err(|e| {
        Fault::evidence(format_args!(
            "the manifest does not say which values change ({e}); propose the change again"
        ))
    })?;
    let mut schemas = Schemas::new(settings);
    let mut findings = Vec::new();
    for (index, Moved { key, after }) in manifest.values.iter().enumerate() {
        let subject = format!("/values/{index}/after");
        match after {
            Some(value) => {
                findings.extend(judge(&mut schemas, settings, key, value, |at| format!("{subject}{at}"))?)
            }
            None if schemas.pattern(key).is_some() => {
                let message = format!("`{key}` is taken away, so there is no value to validate");
                findings.push(Finding::info("value-removed", message).about(subject));
            }
            None => {}
        }
    }
    Ok(shortened(findings).into_iter().collect())
}

fn release(change: &Change, settings: &Settings) -> Result<Verdict, Fault> {
    let mut schemas = Schemas::new(settings);
    let mut findings = Vec::new();
    for artifact in &change.artifacts {
        let document = format!("{}/configuration", artifact.digest);
        let Some(OnceMap(values)) = evidence::find_json("document", &document)? else {
            let message = format!(
                "`{}` comes without its configuration; attach a JSON object of keys and values as `configuration`",
                artifact.name
            );
            findings.push(Finding::critical("configuration-missing", message).about(&artifact.digest));
            continue;
        };
        for (key, value) in &values {
            findings.extend(judge(&mut schemas, settings, key, value, |_| artifact.digest.clone())?);
        }
    }
    Ok(shortened(findings).into_iter().collect())
}

/// What is wrong with `value`; `subject` names a place in it.
fn judge(
    schemas: &mut Schemas<'_>,
    settings: &Settings,
    key: &str,
    value: &Value,
    subject: impl Fn(&str) -> String,
) -> Result<Vec<Finding>, Fault> {
    let Some(pattern) = schemas.pattern(key) else {
        let message = format!(
            "`{key}` has no schema; correct the key, describe it in `schemas`, or set `allow_unknown_keys`"
        );
        let unknown = Finding::critical("unknown-key", message).about(subject(""));
        return Ok(if settings.allow_unknown_keys { Vec::new() } else { vec![unknown] });
    };
    let judgement = match schemas.schema(pattern)?.judge(value) {
        Ok(judgement) => judgement,
        Err(unjudged) => {
            let why = match unjudged {
                Unjudged::TooDeep => {
                    format!("it leads through more than {} schemas at once", judge::DEPTH_MAX)
                }
                Unjudged::TooMuch => format!("it takes more than {} comparisons", judge::STEPS_MAX),
            };
            let message = format!(
                "`{key}` cannot be validated with the schema of `{pattern}`: {why}; simplify the schema, or the value"
            );
            return Ok(vec![Finding::critical("value-unjudged", message).about(subject(""))]);
        }
    };
    let mut findings: Vec<Finding> = judgement
        .violations
        .iter()
        .map(|violation| {
            let place =
                if violation.at.is_empty() { String::new() } else { format!(" at `{}`", violation.at) };
            let message = format!(
                "`{key}` does not fit: the value{place} {}; correct it, or `{}` in the schema of `{pattern}`",
                violation.why, violation.rule
            );
            Finding::critical("value-invalid", message).about(subject(&violation.at))
        })
        .collect();
    if let more @ 1.. = judgement.count.saturating_sub(findings.len()) {
        let message = format!("`{key}` does not fit in {more} more places");
        findings.push(Finding::critical("more-findings", message).about(subject("")));
    }
    Ok(findings)
}

/// The gravest, and how many more there are: what is left out must not be what decides.
fn shortened(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    if findings.len() > FINDINGS_MAX {
        let left_out = findings.split_off(FINDINGS_MAX);
        let severity = left_out.first().map_or(Severity::Info, |finding| finding.severity);
        let message = format!("{} more findings are not shown", left_out.len());
        findings.push(Finding::new(severity, "more-findings", message));
    }
    findings
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
