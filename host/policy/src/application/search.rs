//! Searches: which subjects, resources or actions would be allowed?

use interlock_domain::Timestamp;

use super::{Application, Search, Wanted};

impl Application {
    /// Those among the subjects, resources or actions that the application knows for which the answer is yes, by id or
    /// name, beginning after `after`; and whether there are more than `limit`. What it does not know is not found.
    pub fn search(
        &self,
        search: &Search,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> (Vec<String>, bool) {
        let kept = |kind: &str| {
            let uids = self.types.get(kind).and_then(|kind| self.by_type.get(&kind.to_string()));
            uids.into_iter().flatten().map(|uid| uid.id().unescaped()).collect::<Vec<_>>()
        };
        let candidates = match search.search {
            Wanted::Subject => kept(&search.subject.kind),
            Wanted::Resource => kept(&search.resource.kind),
            Wanted::Action => self.actions.keys().map(String::as_str).collect(),
        };
        let mut found = Vec::new();
        for candidate in candidates {
            if after.is_some_and(|after| candidate <= after)
                || !self.evaluate(&search.about(candidate), now).allowed
            {
                continue;
            }
            if found.len() == limit {
                return (found, true);
            }
            found.push(candidate.to_owned());
        }
        (found, false)
    }
}
