//! Release counters: below which one an artifact is a downgrade.

use interlock_ledger::Digest;

use crate::{Change, ChangeKind, State};

/// A release of one artifact that was admitted, whatever became of it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The version that it brought.
    pub version: String,
    /// SHA-256 of the plain content.
    pub digest: Digest,
    /// The counter in its statement. What the statement is worth today does not matter: that it was admitted does.
    pub release_counter: Option<u64>,
    /// The versions that its targets went back to, when it was rolled back; empty while it stands.
    pub went_back_to: Vec<(String, Digest)>,
}

impl Released {
    /// Every release of the artifact of this name that a change brought, once the change was admitted.
    pub fn of<'a>(change: &'a Change, name: &'a str) -> impl Iterator<Item = Self> + 'a {
        let admitted = match change.state {
            State::RollingOut | State::Paused | State::RollingBack | State::RolledBack | State::Completed => {
                true
            }
            State::Gating | State::Approving | State::Rejected | State::Cancelled | State::Expired => false,
        };
        let went_back_to: Vec<_> = match change.state {
            State::RolledBack => change
                .manifest
                .rollback
                .iter()
                .filter_map(|target| Some((target.version.clone()?, target.artifact?)))
                .collect(),
            _ => Vec::new(),
        };
        // A plugin may be called like an artifact, and is none.
        let release = change.manifest.kind == ChangeKind::Release;
        let brought =
            change.manifest.artifacts.iter().filter(move |artifact| release && artifact.name == name);
        brought.filter(move |_| admitted).map(move |artifact| Self {
            version: artifact.version.clone(),
            digest: artifact.digest,
            release_counter: None,
            went_back_to: went_back_to.clone(),
        })
    }
}

/// The counter below which an artifact is a downgrade: the highest that was ever admitted.
///
/// A statement that expired and a key that was rotated or revoked do not lower it, and neither does a rollback: what a
/// withdrawn release repaired is known to the world all the same. There is one exception, without which a rollback
/// would be a dead end: a release that was rolled back does not count against the very artifact that its targets went
/// back to, which is what they run. It is followed to its end: when 3.0 went back to 2.0, and 2.0 to 1.0, then neither
/// counts against 1.0. Whatever else of that name still stands does.
pub fn release_counter_floor(version: &str, digest: &Digest, released: &[Released]) -> Option<u64> {
    let mut undone = vec![(version, *digest)];
    let mut standing: Vec<&Released> = released.iter().collect();
    loop {
        let (back, others): (Vec<&Released>, Vec<&Released>) = standing.into_iter().partition(|release| {
            release.went_back_to.iter().any(|(version, digest)| undone.contains(&(version.as_str(), *digest)))
        });
        if back.is_empty() {
            return others.iter().filter_map(|release| release.release_counter).max();
        }
        undone.extend(back.iter().map(|release| (release.version.as_str(), release.digest)));
        standing = others;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Releases as `VERSION COUNTER` or, when rolled back, `VERSION COUNTER -> VERSION`; `-` is no counter.
    fn floor(candidate: &str, released: &[&str]) -> Option<u64> {
        let released: Vec<Released> = released
            .iter()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                Released {
                    version: words[0].to_owned(),
                    digest: Digest::of(words[0]),
                    release_counter: words[1].parse().ok(),
                    went_back_to: words[2..]
                        .iter()
                        .filter(|word| **word != "->")
                        .map(|word| ((*word).to_owned(), Digest::of(word)))
                        .collect(),
                }
            })
            .collect();
        release_counter_floor(candidate, &Digest::of(candidate), &released)
    }

    #[test]
    fn the_highest_counter_that_was_ever_admitted_is_the_floor() {
        assert_eq!(floor("1.0", &[]), None);
        assert_eq!(floor("1.0", &["0.9 -"]), None);
        assert_eq!(floor("4.0", &["1.0 1", "3.0 3", "2.0 2"]), Some(3));
    }

    #[test]
    fn a_rollback_does_not_lower_the_floor_for_anything_but_what_it_went_back_to() {
        let released = ["1.0 1", "2.0 2 -> 1.0"];
        assert_eq!(floor("1.0", &released), Some(1));
        assert_eq!(floor("0.9", &released), Some(2));
        assert_eq!(floor("1.5", &released), Some(2));
        assert_eq!(floor("3.0", &released), Some(2));
        // The same version with other content is another artifact.
        let back = [Released {
            version: "2.0".to_owned(),
            digest: Digest::of("2.0"),
            release_counter: Some(2),
            went_back_to: vec![("1.0".to_owned(), Digest::of("1.0"))],
        }];
        assert_eq!(release_counter_floor("1.0", &Digest::of("other"), &back), Some(2));
        assert_eq!(release_counter_floor("1.1", &Digest::of("1.0"), &back), Some(2));
    }

    #[test]
    fn a_release_that_stands_somewhere_counts_though_it_was_rolled_back_elsewhere() {
        assert_eq!(floor("1.0", &["1.0 1", "2.0 2 -> 1.0", "2.0 2"]), Some(2));
        // Part of the fleet ran something much older: going back to 1.0 makes that no better.
        assert_eq!(floor("0.5", &["1.0 3", "2.0 4 -> 1.0 0.5"]), Some(3));
    }

    #[test]
    fn a_way_back_is_followed_to_its_end() {
        let chain = ["1.0 1", "2.0 2 -> 1.0", "3.0 3 -> 2.0"];
        assert_eq!(floor("1.0", &chain), Some(1));
        assert_eq!(floor("2.0", &chain), Some(2));
        assert_eq!(floor("1.0", &["1.0 1", "2.0 2", "3.0 3 -> 2.0"]), Some(3));
        // Releases that went back to each other end too.
        assert_eq!(floor("1.0", &["2.0 2 -> 3.0", "3.0 3 -> 2.0"]), Some(3));
        assert_eq!(floor("2.0", &["2.0 2 -> 3.0", "3.0 3 -> 2.0"]), None);
    }
}
