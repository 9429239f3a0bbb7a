//! Advisories as OSV writes them (<https://ossf.github.io/osv-schema/>), taken apart by package.

use std::collections::{BTreeMap, BTreeSet};

use interlock_domain::Timestamp;
use interlock_store::Advisory;
use serde_json::{Map, Value};

use super::purl;
use crate::FlowError;

/// Longest id of a record.
const ID_CHARS_MAX: usize = 200;
/// What only people read: whoever wants it finds it under the id, and no gate has to carry it.
const PROSE: [&str; 3] = ["details", "references", "credits"];

/// Longest purl of a package, in bytes: both databases have to find it in an index.
const PACKAGE_BYTES_MAX: usize = 1_000;
/// Where a record says when it was altered, taken back and made known.
const TIMES: [&str; 3] = ["modified", "withdrawn", "published"];

/// What a record may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Most packages that it is about.
    pub(super) packages_max: usize,
    /// No time in it is later.
    pub(super) latest: Timestamp,
}

/// A record that was taken apart.
#[derive(Debug)]
pub(super) struct Read {
    /// What is kept of it.
    pub(super) advisory: Advisory,
    /// Its makers took it back.
    pub(super) withdrawn: bool,
    /// It speaks of packages that cannot be looked up.
    pub(super) partly: bool,
    /// The ecosystems of the packages that it speaks of, also when it was withdrawn.
    pub(super) ecosystems: BTreeSet<String>,
}

impl Read {
    /// How many bytes it makes in the database.
    pub(super) fn bytes(&self) -> u64 {
        let Advisory { id, body, packages, .. } = &self.advisory;
        let of_package = |(package, affected): &(String, String)| id.len() + package.len() + affected.len();
        (id.len() + body.len() + packages.iter().map(of_package).sum::<usize>()) as u64
    }
}

/// Takes a record apart. `field` is where it stands.
pub(super) fn read(record: Value, field: &str, bounds: Bounds) -> Result<Read, FlowError> {
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
        let refused = |why: String| {
            FlowError::invalid(format!("{field}/{name}"), format!("advisory `{id}`: `{name}`: {why}"))
        };
        let at = given.parse::<Timestamp>().map_err(|error| refused(error.to_string()))?;
        if at > bounds.latest {
            return Err(refused(format!(
                "{at} is in the future, and would keep the genuine record out until then; take the record from its source, and \
                 see that the clock of this server is right (`advisories.skew_ms`)"
            )));
        }
        Ok(at)
    };
    let mut times = BTreeMap::new();
    for name in TIMES {
        // Only the first is in every record.
        if name == "modified" || record.get(name).is_some_and(|at| !at.is_null()) {
            times.insert(name, instant(name)?);
        }
    }
    let modified = times["modified"];
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
    for (at, entry) in affected.into_iter().enumerate() {
        match package(&entry) {
            Some(package) if package.len() > PACKAGE_BYTES_MAX => {
                let detail =
                    format!("advisory `{id}`: the purl of a package has at most {PACKAGE_BYTES_MAX} bytes");
                return Err(FlowError::invalid(format!("{field}/affected/{at}/package"), detail));
            }
            Some(package) => by_package.entry(package).or_default().push(entry),
            None => partly = true,
        }
    }
    let (count, most) = (by_package.len(), bounds.packages_max);
    if count > most {
        let detail = format!(
            "advisory `{id}` is about {count} packages and may be about {most} (`advisories.packages_max`); leave it out, or \
             have the limit raised"
        );
        return Err(FlowError::invalid(format!("{field}/affected"), detail));
    }
    let ecosystems = by_package.keys().map(|package| purl::ecosystem(package).to_owned()).collect();
    // Whatever it says there, a record that was withdrawn is about nothing.
    if let Some(withdrawn) = times.get("withdrawn") {
        let modified = modified.max(*withdrawn);
        let advisory = Advisory { id, modified, body: String::new(), packages: Vec::new() };
        return Ok(Read { advisory, withdrawn: true, partly: false, ecosystems });
    }
    let packages =
        by_package.into_iter().map(|(package, affected)| (package, Value::Array(affected).to_string()));
    let packages = packages.collect();
    let advisory = Advisory { id, modified, body: Value::Object(record).to_string(), packages };
    Ok(Read { advisory, withdrawn: false, partly, ecosystems })
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

    fn read(record: Value, field: &str) -> Result<Read, FlowError> {
        let latest = "2026-11-20T18:05:00Z".parse().unwrap();
        super::read(record, field, Bounds { packages_max: 3, latest })
    }

    #[test]
    fn each_package_gets_what_a_record_says_of_it_and_no_prose() {
        let entry = |purl: &str, fixed: &str| {
            json!({ "package": { "ecosystem": "npm", "name": "x", "purl": purl },
                "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": fixed }] }] })
        };
        let record = json!({ "id": "GHSA-1", "modified": "2026-02-01T10:00:00.123456Z", "details": "long", "references": [],
            "summary": "short", "affected": [entry("pkg:npm/a", "1"), entry("pkg:npm/b", "2"), entry("pkg:npm/a", "3")] });
        let Read { advisory, withdrawn, partly, ecosystems } = read(record, "/records/0").unwrap();
        assert_eq!(ecosystems, ["npm".to_owned()].into());
        assert!(!partly && !withdrawn);
        assert_eq!(advisory.modified.to_string(), "2026-02-01T10:00:00.123Z");
        let packages: Vec<&str> = advisory.packages.iter().map(|(package, _)| package.as_str()).collect();
        assert_eq!(packages, ["pkg:npm/a", "pkg:npm/b"]);
        let about_a: Value = serde_json::from_str(&advisory.packages[0].1).unwrap();
        assert_eq!(about_a, json!([entry("pkg:npm/a", "1"), entry("pkg:npm/a", "3")]));
        let body: Value = serde_json::from_str(&advisory.body).unwrap();
        assert_eq!(
            body,
            json!({ "id": "GHSA-1", "modified": "2026-02-01T10:00:00.123456Z", "summary": "short" })
        );
    }

    #[test]
    fn what_is_withdrawn_is_about_nothing() {
        let record = json!({ "id": "GHSA-1", "modified": "2026-02-01T10:00:00Z", "withdrawn": "2026-02-02T10:00:00Z",
            "affected": [{ "package": { "ecosystem": "npm", "name": "a" } }] });
        let Read { advisory, withdrawn, ecosystems, .. } = read(record, "").unwrap();
        assert!(withdrawn && advisory.packages.is_empty() && advisory.body.is_empty());
        assert_eq!(ecosystems, ["npm".to_owned()].into());
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
            (json!({ "id": "a", "modified": "2026-02-01T10:00:00Z", "published": "soon" }), "/r/published"),
        ] {
            let error = read(record.clone(), "/r").unwrap_err();
            assert!(
                matches!(&error, FlowError::Invalid { field: at, .. } if at == field),
                "{record}: {error:?}"
            );
        }
    }

    #[test]
    fn no_time_of_a_record_is_in_the_future_and_the_record_is_named() {
        let record = |name: &str, at: &str| {
            let mut record = json!({ "id": "CVE-1", "modified": "2026-01-01T00:00:00Z" });
            record[name] = json!(at);
            read(record, "/r")
        };
        for name in TIMES {
            record(name, "2026-11-20T18:05:00.000Z").unwrap();
            match record(name, "2026-11-20T18:05:00.001Z").unwrap_err() {
                FlowError::Invalid { field, detail } => {
                    assert!(field == format!("/r/{name}") && detail.contains("`CVE-1`"), "{field}: {detail}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_record_is_about_so_many_packages_and_not_one_more() {
        let record = |packages: &[String]| {
            let affected: Value =
                packages.iter().map(|purl| json!({ "package": { "purl": purl } })).collect();
            read(json!({ "id": "CVE-1", "modified": "2026-01-01T00:00:00Z", "affected": affected }), "/r")
        };
        let names = ["a", "b", "c", "d"].map(|name| format!("pkg:npm/{name}"));
        assert_eq!(record(&names[..3]).unwrap().advisory.packages.len(), 3);
        let long = |bytes: usize| [format!("pkg:npm/{}", "x".repeat(bytes - "pkg:npm/".len()))];
        record(&long(1_000)).unwrap();
        for (packages, at) in [(&names[..], "/r/affected"), (&long(1_001), "/r/affected/0/package")] {
            match record(packages).unwrap_err() {
                FlowError::Invalid { field, detail } => {
                    assert!(field == at && detail.contains("`CVE-1`"), "{field}: {detail}");
                }
                other => panic!("{other:?}"),
            }
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
