//! Advisories as OSV writes them (<https://ossf.github.io/osv-schema/>), taken apart by package.

use std::collections::BTreeMap;

use interlock_domain::Timestamp;
use interlock_store::Advisory;
use serde_json::{Map, Value};

use super::purl;
use crate::FlowError;

/// Longest id of a record.
const ID_CHARS_MAX: usize = 200;
/// What only people read: whoever wants it finds it under the id, and no gate has to carry it.
const PROSE: [&str; 3] = ["details", "references", "credits"];

/// A record that was taken apart.
#[derive(Debug)]
pub(super) struct Read {
    /// What is kept of it.
    pub(super) advisory: Advisory,
    /// Its makers took it back.
    pub(super) withdrawn: bool,
    /// It speaks of packages that cannot be looked up.
    pub(super) partly: bool,
}

/// Takes a record apart. `field` is where it stands.
pub(super) fn read(record: Value, field: &str) -> Result<Read, FlowError> {
    let Value::Object(mut record) = record else {
        return Err(FlowError::invalid(field, "an advisory is a JSON object in the OSV format"));
    };
    let id = text(&record, "id", field)?.to_owned();
    if id.is_empty() || id.chars().count() > ID_CHARS_MAX || id.chars().any(char::is_control) {
        let detail = format!("the id of an advisory has 1 to {ID_CHARS_MAX} characters");
        return Err(FlowError::invalid(format!("{field}/id"), detail));
    }
    let instant = |name: &str| {
        let given = text(&record, name, field)?;
        given.parse::<Timestamp>().map_err(|error| {
            FlowError::invalid(format!("{field}/{name}"), format!("advisory `{id}`: `{name}`: {error}"))
        })
    };
    let modified = instant("modified")?;
    // Whatever it says there, a record that was withdrawn is about nothing.
    if record.get("withdrawn").is_some_and(|withdrawn| !withdrawn.is_null()) {
        let withdrawn = instant("withdrawn")?;
        let advisory = Advisory { id, modified: modified.max(withdrawn), packages: Vec::new() };
        return Ok(Read { advisory, withdrawn: true, partly: false });
    }
    let affected = match record.remove("affected") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(affected)) => affected,
        Some(_) => {
            let detail = format!("advisory `{id}`: `affected` is a list");
            return Err(FlowError::invalid(format!("{field}/affected"), detail));
        }
    };
    for prose in PROSE {
        record.remove(prose);
    }
    let mut by_package: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut partly = false;
    for entry in affected {
        match package(&entry) {
            Some(package) => by_package.entry(package).or_default().push(entry),
            None => partly = true,
        }
    }
    let packages = by_package.into_iter().map(|(package, affected)| {
        let mut body = record.clone();
        body.insert("affected".to_owned(), Value::Array(affected));
        (package, Value::Object(body).to_string())
    });
    let advisory = Advisory { id, modified, packages: packages.collect() };
    Ok(Read { advisory, withdrawn: false, partly })
}

fn text<'a>(record: &'a Map<String, Value>, name: &str, field: &str) -> Result<&'a str, FlowError> {
    record.get(name).and_then(Value::as_str).ok_or_else(|| {
        let which = record.get("id").and_then(Value::as_str).unwrap_or("without id");
        let which: String = which.chars().take(ID_CHARS_MAX).collect();
        let detail = format!("advisory `{which}`: every record of the OSV format has `{name}`, as text");
        FlowError::invalid(format!("{field}/{name}"), detail)
    })
}

/// The package that an entry of `affected` is about.
fn package(entry: &Value) -> Option<String> {
    let package = entry.get("package")?;
    let by_purl = package.get("purl").and_then(Value::as_str).and_then(purl::package);
    by_purl
        .or_else(|| purl::of_ecosystem(package.get("ecosystem")?.as_str()?, package.get("name")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_package_gets_what_a_record_says_of_it_and_no_prose() {
        let entry = |purl: &str, fixed: &str| {
            json!({ "package": { "ecosystem": "npm", "name": "x", "purl": purl },
                "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": fixed }] }] })
        };
        let record = json!({ "id": "GHSA-1", "modified": "2026-02-01T10:00:00.123456Z", "details": "long", "references": [],
            "summary": "short", "affected": [entry("pkg:npm/a", "1"), entry("pkg:npm/b", "2"), entry("pkg:npm/a", "3")] });
        let Read { advisory, withdrawn, partly } = read(record, "/records/0").unwrap();
        assert!(!partly && !withdrawn);
        assert_eq!(advisory.modified.to_string(), "2026-02-01T10:00:00.123Z");
        let packages: Vec<&str> = advisory.packages.iter().map(|(package, _)| package.as_str()).collect();
        assert_eq!(packages, ["pkg:npm/a", "pkg:npm/b"]);
        let about_a: Value = serde_json::from_str(&advisory.packages[0].1).unwrap();
        assert_eq!(about_a["affected"], json!([entry("pkg:npm/a", "1"), entry("pkg:npm/a", "3")]));
        assert_eq!((&about_a["summary"], about_a.get("details")), (&json!("short"), None));
    }

    #[test]
    fn what_is_withdrawn_is_about_nothing() {
        let record = json!({ "id": "GHSA-1", "modified": "2026-02-01T10:00:00Z", "withdrawn": "2026-02-02T10:00:00Z",
            "affected": [{ "package": { "ecosystem": "npm", "name": "a" } }] });
        let Read { advisory, withdrawn, .. } = read(record, "").unwrap();
        assert!(withdrawn && advisory.packages.is_empty());
        assert_eq!(advisory.modified.to_string(), "2026-02-02T10:00:00.000Z");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (record, field) in [
            (json!([]), "/r"),
            (json!({ "modified": "2026-02-01T10:00:00Z" }), "/r/id"),
            (json!({ "id": "", "modified": "2026-02-01T10:00:00Z" }), "/r/id"),
            (json!({ "id": "a\n", "modified": "2026-02-01T10:00:00Z" }), "/r/id"),
            (json!({ "id": "x".repeat(201), "modified": "2026-02-01T10:00:00Z" }), "/r/id"),
            (json!({ "id": "a" }), "/r/modified"),
            (json!({ "id": "a", "modified": "yesterday" }), "/r/modified"),
            (json!({ "id": "a", "modified": "2026-02-01T10:00:00Z", "withdrawn": true }), "/r/withdrawn"),
            (json!({ "id": "a", "modified": "2026-02-01T10:00:00Z", "affected": {} }), "/r/affected"),
        ] {
            let error = read(record.clone(), "/r").unwrap_err();
            assert!(
                matches!(&error, FlowError::Invalid { field: at, .. } if at == field),
                "{record}: {error:?}"
            );
        }
    }

    #[test]
    fn packages_of_unknown_ecosystems_are_left_out_and_said() {
        let record = json!({ "id": "A", "modified": "2026-02-01T10:00:00Z", "affected": [
            { "package": { "ecosystem": "OSS-Fuzz", "name": "a" } }, { "package": { "ecosystem": "PyPI", "name": "a" } },
            { "ranges": [] }] });
        let Read { advisory, partly, .. } = read(record, "").unwrap();
        assert_eq!((advisory.packages.len(), partly), (1, true));
    }
}
