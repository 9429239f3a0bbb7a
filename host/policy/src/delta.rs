//! What one bundle alters of another, and whether it could let through what was refused before.
//!
//! Whether it really does is for a proof; this errs on the side of asking for an approval.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, Policy};
use serde_json::Value;

use crate::{Bundle, BundleError, Limits, Written, written};

/// The files of a bundle by path.
type Files = BTreeMap<String, Vec<u8>>;

/// What differs between two bundles, by what their policies say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Ids that only the new one has.
    pub added: Vec<String>,
    /// Ids that only the old one has.
    pub removed: Vec<String>,
    /// Ids of policies that say something else, or count for more or less.
    pub altered: Vec<String>,
    /// How the new one may let through what was refused before, one sentence each.
    pub weakens: Vec<String>,
}

impl Delta {
    /// Compares two bundles. Both must load.
    pub fn between(old: &Files, new: &Files) -> Result<Self, BundleError> {
        let (before, after) = (loaded(old)?, loaded(new)?);
        let (was, is) = (by_id(old), by_id(new));
        let mut delta = Delta::default();
        for id in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
            match (was.get(id), is.get(id)) {
                (None, Some(new)) => {
                    delta.added.push(id.clone());
                    delta.note(counts(new, Effect::Permit), || format!("`{id}` permits something new"));
                }
                (Some(old), None) => {
                    delta.removed.push(id.clone());
                    delta.note(counts(old, Effect::Forbid), || format!("`{id}` no longer forbids anything"));
                }
                (Some(old), Some(new)) if said(old) != said(new) => {
                    delta.altered.push(id.clone());
                    delta.note(counts(old, Effect::Forbid), || {
                        format!("`{id}` forbids something else than before")
                    });
                    delta.note(counts(new, Effect::Permit), || {
                        format!("`{id}` permits something else than before")
                    });
                }
                _ => {}
            }
        }
        for (id, promised) in promises(&before) {
            match promises(&after).get(&id) {
                None => delta.weakens.push(format!("the invariant `{id}` is no longer promised")),
                Some(now) if *now != promised => {
                    delta.weakens.push(format!("the invariant `{id}` promises something else"));
                }
                Some(_) => {}
            }
        }
        for environment in after.unguarded.difference(&before.unguarded) {
            delta.weakens.push(format!("environment `{environment}` is no longer guarded"));
        }
        if before.profiles() != after.profiles() {
            delta.weakens.push("the approval profiles say something else".to_owned());
        }
        if schema(old) != schema(new) {
            delta.weakens.push("the schema says something else".to_owned());
        }
        Ok(delta)
    }

    fn note(&mut self, weakens: bool, why: impl FnOnce() -> String) {
        if weakens {
            self.weakens.push(why());
        }
    }
}

/// Both were within somebody's limits already.
fn loaded(files: &Files) -> Result<Bundle, BundleError> {
    Bundle::from_files_within(files, &Limits::NONE)
}

/// Whether it decides with this effect.
fn counts(policy: &Written, effect: Effect) -> bool {
    policy.policy.effect() == effect && !policy.monitored()
}

/// Effect, scope and conditions, and whether they count.
fn said(written: &Written) -> (Value, bool) {
    (body(&written.policy), written.monitored())
}

/// Effect, scope and conditions, without annotations: two policies with the same body mean the same.
pub fn body(policy: &Policy) -> Value {
    let mut json = policy.to_json().unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.remove("annotations");
    }
    json
}

/// What the invariants say, by id.
fn promises(bundle: &Bundle) -> BTreeMap<String, Value> {
    bundle.invariants().iter().map(|each| (each.id.clone(), body(&each.policy))).collect()
}

fn by_id(files: &Files) -> BTreeMap<String, Written> {
    written(files).into_iter().map(|written| (written.id.clone(), written)).collect()
}

fn schema(files: &Files) -> Option<&Vec<u8>> {
    files.get("schema.cedarschema")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::default_files;

    /// The default bundle with one of its files altered.
    fn with(file: &str, edit: impl Fn(&str) -> String) -> Files {
        let mut files = default_files();
        let text = String::from_utf8(files[file].clone()).unwrap();
        let edited = edit(&text);
        assert_ne!(edited, text, "the edit of {file} alters nothing");
        files.insert(file.to_owned(), edited.into_bytes());
        files
    }

    const PERMIT: &str = "\n@id(\"x.more\")\n@reason(\"More\")\npermit (principal is Interlock::User, action == \
        Interlock::Action::\"ReadLedger\", resource) when { principal.on_hold };\n";

    fn delta(new: &Files) -> Delta {
        Delta::between(&default_files(), new).unwrap()
    }

    #[test]
    fn what_is_reworded_or_laid_out_anew_differs_in_nothing() {
        assert_eq!(delta(&default_files()), Delta::default());
        let reworded = with("approvals.cedar", |text| {
            text.replace("Clinical safety answers for the patient", "It answers")
                .replace("\n  resource\n", " resource ")
        });
        assert_eq!(delta(&reworded), Delta::default());
    }

    #[test]
    fn a_new_permit_weakens_and_a_new_forbid_does_not() {
        let more = delta(&with("rbac.cedar", |text| text.to_owned() + PERMIT));
        assert_eq!(
            (more.added, more.weakens),
            (vec!["x.more".to_owned()], vec!["`x.more` permits something new".to_owned()])
        );
        let fewer = delta(&with("rbac.cedar", |text| text.to_owned() + &PERMIT.replace("permit", "forbid")));
        assert_eq!((fewer.added.len(), fewer.weakens), (1, vec![]));
        let watched = PERMIT.replace("@reason", "@mode(\"monitor\")\n@reason");
        assert_eq!(
            delta(&with("rbac.cedar", |text| text.to_owned() + &watched)).weakens,
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_forbid_that_goes_or_only_watches_weakens() {
        let id = "approvals.weakening";
        let edited = with("approvals.cedar", |text| {
            text.replace(&format!("@id(\"{id}\")"), &format!("@id(\"{id}\")\n@mode(\"monitor\")"))
        });
        let watched = delta(&edited);
        assert_eq!((watched.altered, watched.weakens.len()), (vec![id.to_owned()], 1));
        assert_eq!(delta(&default_files()).weakens, Vec::<String>::new());
        // The other way round: what only watched counts.
        assert_eq!(Delta::between(&edited, &default_files()).unwrap().weakens, Vec::<String>::new());
    }

    #[test]
    fn an_invariant_that_goes_or_promises_something_else_weakens_and_a_new_one_does_not() {
        let id = "invariants.own-change";
        let less = delta(&with("invariants/approvals.cedar", |text| {
            text.replace(
                "when { resource.author == principal };",
                "when { resource.author == principal && resource.guarded };",
            )
        }));
        assert_eq!(less.weakens, [format!("the invariant `{id}` promises something else")]);
        let gone = with("invariants/approvals.cedar", |text| text.replace(id, "invariants.other"));
        assert_eq!(delta(&gone).weakens, [format!("the invariant `{id}` is no longer promised")]);
        let mut none = default_files();
        none.retain(|path, _| !path.starts_with("invariants/"));
        assert_eq!(Delta::between(&none, &default_files()).unwrap(), Delta::default());
    }

    #[test]
    fn an_environment_that_is_no_longer_guarded_weakens() {
        let less = delta(&with("bundle.toml", |text| text.replace("\"lab\",", "\"lab\", \"ward-9\",")));
        assert_eq!(less.weakens, ["environment `ward-9` is no longer guarded"]);
        let more = delta(&with("bundle.toml", |text| text.replace("\"lab\",", "")));
        assert_eq!(more, Delta::default());
    }
}
