//! Searches: which subjects, resources or actions would be allowed?

use interlock_domain::Timestamp;

use super::{Application, Search, Wanted};

/// Which part of what a search would find.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Only what comes after it.
    pub after: Option<&'a str>,
    /// Most that are found.
    pub limit: usize,
    /// Most that are tried; at least one is.
    pub tries: usize,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// By id or name, in order.
    pub found: Vec<String>,
    /// After which to go on; nothing when nothing is left.
    pub next: Option<String>,
}

impl Application {
    /// Those among the subjects, resources or actions that the application knows for which the answer is yes, by id or
    /// name. What it does not know is not found.
    pub fn search(&self, search: &Search, part: Part<'_>, now: Timestamp) -> Found {
        let kept = |kind: &str| {
            let uids = self.types.get(kind).and_then(|kind| self.by_type.get(&kind.to_string()));
            uids.into_iter().flatten().map(|uid| uid.id().unescaped()).collect::<Vec<_>>()
        };
        let candidates = match search.search {
            Wanted::Subject => kept(&search.subject.kind),
            Wanted::Resource => kept(&search.resource.kind),
            Wanted::Action => self.actions.keys().map(String::as_str).collect(),
        };
        let mut found: Vec<String> = Vec::new();
        let mut last = None;
        let new =
            candidates.into_iter().filter(|candidate| part.after.is_none_or(|after| *candidate > after));
        for (tried, candidate) in new.enumerate() {
            if tried >= part.tries.max(1) {
                return Found { found, next: last.map(str::to_owned) };
            }
            last = Some(candidate);
            if !self.evaluate(&search.about(candidate), now).allowed {
                continue;
            }
            if found.len() == part.limit {
                let next = found.last().cloned();
                return Found { found, next };
            }
            found.push(candidate.to_owned());
        }
        Found { found, next: None }
    }
}
