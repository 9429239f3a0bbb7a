//! Pace: how many targets of a site or of a group may be on their way at once, whatever a strategy asks for.
//!
//! A strategy says how far a rollout may reach. How many devices of a ward may be down at the same moment is not its
//! to say: two pumps that stand in for each other must not restart together under any strategy, forward or back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most rules that one change may have: each is looked at for each target.
const RULES_MAX: usize = 32;

/// A rule: of each site or group whose name begins so, at most so many targets are on their way at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtOnce {
    /// `site:` is each site, `site:north` that one (and `site:north-2`), `group:pair-` each group whose name begins with
    /// `pair-`.
    pub of: String,
    /// Most targets of one of them that are on their way at once.
    pub targets: u32,
}

impl AtOnce {
    /// What is wrong with a set of rules: which of them, and why.
    pub fn fault(rules: &[AtOnce]) -> Option<(usize, String)> {
        if rules.len() > RULES_MAX {
            return Some((
                RULES_MAX,
                format!("there are at most {RULES_MAX} rules of what is on its way at once"),
            ));
        }
        let of_what = |text: &str| text.starts_with("site:") || text.starts_with("group:");
        for (index, rule) in rules.iter().enumerate() {
            let shown: String = rule.of.chars().take(80).collect();
            let wrong = if !of_what(&rule.of) {
                format!("`{shown}` begins with neither `site:` nor `group:`")
            } else if rule.targets == 0 {
                format!("no target of `{shown}` would ever be reached; give at least 1")
            } else if rules.iter().take(index).any(|other| other.of == rule.of) {
                format!("there are two rules for `{shown}`")
            } else {
                continue;
            };
            return Some((index, wrong));
        }
        None
    }

    /// The operator's rules and the author's, by name; where both say something, what lets fewer go counts.
    pub fn strictest(operator: &[AtOnce], author: &[AtOnce]) -> Vec<AtOnce> {
        let mut rules: BTreeMap<&str, u32> = BTreeMap::new();
        for rule in operator.iter().chain(author) {
            let targets = rules.entry(&rule.of).or_insert(rule.targets);
            *targets = rule.targets.min(*targets);
        }
        rules.into_iter().map(|(of, targets)| AtOnce { of: of.to_owned(), targets }).collect()
    }
}

/// The places that are taken in each site and group.
#[derive(Debug, Clone)]
pub struct Places<'a> {
    rules: &'a [AtOnce],
    taken: BTreeMap<String, u32>,
}

impl<'a> Places<'a> {
    /// All places are free.
    pub fn new(rules: &'a [AtOnce]) -> Self {
        Self { rules, taken: BTreeMap::new() }
    }

    /// A target in these sites and groups (`site:north`, `group:pair-7`) is on its way, wanted or not.
    pub fn occupy(&mut self, names: &[String]) {
        for name in names {
            if self.rules.iter().any(|rule| name.starts_with(&rule.of)) {
                *self.taken.entry(name.clone()).or_default() += 1;
            }
        }
    }

    /// A target would go on its way: true, and its places are taken, when each of its sites and groups has one left.
    pub fn take(&mut self, names: &[String]) -> bool {
        let free = names.iter().all(|name| self.fullest(name).is_none());
        if free {
            self.occupy(names);
        }
        free
    }

    /// The rule that keeps a further target of this site or group.
    pub fn fullest(&self, name: &str) -> Option<&'a AtOnce> {
        let taken = self.taken.get(name).copied().unwrap_or(0);
        let full = self.rules.iter().filter(|rule| name.starts_with(&rule.of) && rule.targets <= taken);
        full.min_by_key(|rule| rule.targets)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(of: &str, targets: u32) -> AtOnce {
        AtOnce { of: of.to_owned(), targets }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_target_needs_a_place_in_each_of_its_sites_and_groups() {
        let rules = [rule("group:pair-", 1), rule("site:", 2)];
        let mut places = Places::new(&rules);
        assert!(places.take(&names(&["site:north", "group:pair-1"])));
        assert!(!places.take(&names(&["site:south", "group:pair-1"])), "its twin is on its way");
        assert!(places.take(&names(&["site:north", "group:pair-2"])));
        assert!(!places.take(&names(&["site:north", "group:labs"])), "two of the site are on their way");
        assert!(places.take(&names(&["site:south", "group:labs"])), "what was refused took no place");
        assert!(places.take(&[]), "no rule speaks of a target without site and groups");
        assert_eq!(places.fullest("site:north"), Some(&rules[1]));
        assert_eq!(places.fullest("site:south"), None);
    }

    #[test]
    fn a_target_that_is_on_its_way_anyway_counts_beyond_the_rule() {
        let rules = [rule("site:", 1)];
        let mut places = Places::new(&rules);
        places.occupy(&names(&["site:north"]));
        places.occupy(&names(&["site:north"]));
        assert!(!places.take(&names(&["site:north"])));
    }

    #[test]
    fn where_operator_and_author_both_say_something_fewer_counts() {
        let merged = AtOnce::strictest(
            &[rule("site:", 3), rule("group:a", 1)],
            &[rule("site:", 5), rule("group:a", 1)],
        );
        assert_eq!(merged, [rule("group:a", 1), rule("site:", 3)]);
        assert_eq!(AtOnce::strictest(&[rule("site:", 3)], &[rule("site:", 2)]), [rule("site:", 2)]);
    }

    #[test]
    fn a_rule_that_means_nothing_is_named() {
        let told = |rules: &[AtOnce]| AtOnce::fault(rules).map(|(index, why)| format!("{index}: {why}"));
        assert_eq!(told(&[rule("site:", 1), rule("group:", 1)]), None);
        let told = |rules: &[AtOnce]| told(rules).unwrap();
        assert_eq!(told(&[rule("ward:", 1)]), "0: `ward:` begins with neither `site:` nor `group:`");
        assert_eq!(
            told(&[rule("site:", 1), rule("group:a", 0)]),
            "1: no target of `group:a` would ever be reached; give at least 1"
        );
        assert_eq!(told(&[rule("site:", 1), rule("site:", 2)]), "1: there are two rules for `site:`");
        let many: Vec<AtOnce> = (0..33).map(|n| rule(&format!("group:{n}"), 1)).collect();
        assert_eq!(told(&many), "32: there are at most 32 rules of what is on its way at once");
        assert_eq!(AtOnce::fault(&many[..32]), None);
    }

    proptest! {
        #[test]
        fn never_more_than_the_rule_says_and_whoever_is_kept_is_kept_by_a_full_place(
            limits in proptest::collection::vec(1u32..4, 3),
            targets in proptest::collection::vec(proptest::collection::hash_set(0usize..9, 0..4), 0..60),
        ) {
            let rules: Vec<AtOnce> =
                limits.iter().enumerate().map(|(kind, limit)| rule(&format!("group:{kind}-"), *limit)).collect();
            let mut places = Places::new(&rules);
            let mut on_their_way: BTreeMap<String, u32> = BTreeMap::new();
            for groups in targets {
                let names: Vec<String> = groups.iter().map(|group| format!("group:{}-{group}", group % 3)).collect();
                let full = names.iter().any(|name| on_their_way.get(name) >= limits.get(usize::from(name.as_bytes()[6] - b'0')));
                let goes = places.take(&names);
                prop_assert_eq!(goes, !full || names.is_empty());
                if goes {
                    for name in names {
                        *on_their_way.entry(name).or_default() += 1;
                    }
                }
            }
        }
    }
}
