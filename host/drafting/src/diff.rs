//! What two bundles differ in, by what policies mean and not by how they are laid out.

use std::collections::BTreeMap;

use cedar_policy::Policy;
use interlock_ledger::Digest;
use interlock_policy::{Bundle, BundleError, Written, body, written};
use serde::Serialize;
use serde_json::Value;

use crate::format::{settled, unified};

/// Which bundle.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: u64,
    /// Its digest.
    pub digest: Digest,
}

/// What differs.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The one before.
    pub old: Side,
    /// The one after.
    pub new: Side,
    /// Ids that only the new one has.
    pub added: Vec<String>,
    /// Ids that only the old one has.
    pub removed: Vec<String>,
    /// Policies that both have and that differ.
    pub changed: Vec<Changed>,
    /// The schema's lines, when they differ.
    pub schema: Option<String>,
    /// The lines of `approvals.toml`, when the profiles differ.
    pub approvals: Option<String>,
    /// Environments that are no longer, or newly, unguarded.
    pub unguarded: Vec<String>,
    /// Invariants that come, go or say something else.
    pub invariants: Vec<String>,
}

/// A policy that differs.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    /// Its `@id`.
    pub id: String,
    /// The annotations that differ, with what they were and are.
    pub annotations: BTreeMap<String, (Option<String>, Option<String>)>,
    /// The body's lines, when they mean something else.
    pub body: Option<String>,
}

/// The files of a bundle by path.
type Files = BTreeMap<String, Vec<u8>>;

/// Compares two bundles. Both must load: what a broken one means, nobody can say.
pub fn diff(old: &Files, new: &Files) -> Result<Difference, BundleError> {
    let (before, after) = (Bundle::from_files(old.clone())?, Bundle::from_files(new.clone())?);
    let (old_policies, new_policies) = (by_id(old), by_id(new));
    let only = |these: &BTreeMap<String, Written>, those: &BTreeMap<String, Written>| {
        these.keys().filter(|id| !those.contains_key(*id)).cloned().collect()
    };
    let changed = old_policies
        .iter()
        .filter_map(|(id, old)| changed(id, &old.policy, &new_policies.get(id)?.policy))
        .collect();
    let text = |files: &Files, path: &str| {
        String::from_utf8_lossy(files.get(path).map_or(&[][..], Vec::as_slice)).into_owned()
    };
    let (old_schema, new_schema) = (text(old, "schema.cedarschema"), text(new, "schema.cedarschema"));
    let (old_approvals, new_approvals) = (text(old, "approvals.toml"), text(new, "approvals.toml"));
    let unguarded =
        before.unguarded.difference(&after.unguarded).map(|name| format!("`{name}` is guarded now")).chain(
            after.unguarded.difference(&before.unguarded).map(|name| format!("`{name}` is UNGUARDED now")),
        );
    Ok(Difference {
        added: only(&new_policies, &old_policies),
        removed: only(&old_policies, &new_policies),
        changed,
        schema: (old_schema != new_schema).then(|| unified("schema.cedarschema", &old_schema, &new_schema)),
        approvals: (before.profiles() != after.profiles())
            .then(|| unified("approvals.toml", &old_approvals, &new_approvals)),
        unguarded: unguarded.collect(),
        invariants: invariants(&before, &after),
        old: side(&before),
        new: side(&after),
    })
}

fn invariants(old: &Bundle, new: &Bundle) -> Vec<String> {
    let named = |bundle: &Bundle| -> BTreeMap<String, Value> {
        bundle.invariants().iter().map(|each| (each.id.clone(), body(&each.policy))).collect()
    };
    let (old, new) = (named(old), named(new));
    let gone = old.keys().filter(|id| !new.contains_key(*id)).map(|id| format!("the invariant {id} is GONE"));
    let come = new.iter().filter_map(|(id, body)| match old.get(id) {
        None => Some(format!("the invariant {id} is new")),
        Some(before) if before != body => Some(format!("the invariant {id} says something else")),
        Some(_) => None,
    });
    gone.chain(come).collect()
}

fn side(bundle: &Bundle) -> Side {
    Side { name: bundle.name.clone(), revision: bundle.revision, digest: bundle.digest }
}

fn by_id(files: &Files) -> BTreeMap<String, Written> {
    written(files).into_iter().map(|written| (written.id.clone(), written)).collect()
}

fn changed(id: &str, old: &Policy, new: &Policy) -> Option<Changed> {
    let named = |policy: &Policy| -> BTreeMap<String, String> {
        policy.annotations().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let (was, is) = (named(old), named(new));
    let annotations: BTreeMap<_, _> = was
        .keys()
        .chain(is.keys())
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| (name.clone(), (was.get(name).cloned(), is.get(name).cloned())))
        .collect();
    let body = (body(old) != body(new)).then(|| unified(id, &pretty(old), &pretty(new)));
    (body.is_some() || !annotations.is_empty()).then(|| Changed { id: id.to_owned(), annotations, body })
}

/// The body alone, in form.
fn pretty(policy: &Policy) -> String {
    let bare = Policy::from_json(None, body(policy)).ok().and_then(|policy| policy.to_cedar());
    let text = bare.unwrap_or_default();
    settled(&text).unwrap_or(text)
}

impl Difference {
    /// True when questions could be answered differently, or fit differently.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.schema.is_none()
            && self.approvals.is_none()
            && self.unguarded.is_empty()
            && self.invariants.is_empty()
    }

    /// For a person.
    pub fn lines(&self) -> String {
        let name = |side: &Side| format!("{} revision {} ({})", side.name, side.revision, side.digest);
        let mut text = format!("- {}\n+ {}\n", name(&self.old), name(&self.new));
        if self.new.revision <= self.old.revision && self.old.digest != self.new.digest {
            text.push_str("! the revision does not rise: a server will refuse the new one\n");
        }
        self.unguarded.iter().chain(&self.invariants).for_each(|line| text.push_str(&format!("! {line}\n")));
        self.added.iter().for_each(|id| text.push_str(&format!("added    {id}\n")));
        self.removed.iter().for_each(|id| text.push_str(&format!("removed  {id}\n")));
        for each in &self.changed {
            let what = if each.body.is_some() { "changed " } else { "reworded" };
            text.push_str(&format!("{what} {}\n", each.id));
            for (annotation, (was, is)) in &each.annotations {
                let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
                text.push_str(&format!("  @{annotation}: {} -> {}\n", shown(was), shown(is)));
            }
            text.push_str(each.body.as_deref().unwrap_or_default());
        }
        if let Some(approvals) = &self.approvals {
            text.push_str("the approval profiles differ\n");
            text.push_str(approvals);
        }
        if let Some(schema) = &self.schema {
            text.push_str("the schema differs\n");
            text.push_str(schema);
        }
        if self.is_empty() {
            text.push_str("no policy differs in what it says\n");
        }
        text
    }
}
