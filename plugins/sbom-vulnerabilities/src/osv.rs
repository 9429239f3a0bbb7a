//! Advisories as OSV writes them (<https://ossf.github.io/osv-schema/>), and whether one is about a component.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::purl::Purl;
use crate::sbom::Component;
use crate::version::Scheme;

/// What the host answers for a batch of purls.
#[derive(Deserialize)]
pub(crate) struct Answer {
    pub(crate) as_of: String,
    pub(crate) advisories: BTreeMap<String, Vec<Record>>,
}

/// One advisory.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    #[serde(default)]
    pub(crate) published: Option<String>,
    #[serde(default)]
    pub(crate) withdrawn: Option<String>,
    #[serde(default)]
    pub(crate) severity: Vec<Severity>,
    #[serde(default)]
    pub(crate) database_specific: Option<Specific>,
    #[serde(default)]
    affected: Vec<Affected>,
}

/// A score as a vector.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Severity {
    pub(crate) score: String,
}

/// What databases add.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Specific {
    #[serde(default)]
    pub(crate) severity: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) known_exploited: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Affected {
    #[serde(default)]
    package: Option<Package>,
    #[serde(default)]
    severity: Vec<Severity>,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Package {
    #[serde(default)]
    ecosystem: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    purl: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

/// What an advisory says of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// It is about something else.
    No,
    /// It is affected; with the vectors of the matching entry and the first version that is not affected any more.
    Yes { vectors: Vec<String>, fixed: Option<String> },
    /// Its versions cannot be ordered, and it is not listed as such.
    Unknown,
}

impl Record {
    /// Whether this advisory is about `component`.
    pub(crate) fn matches(&self, component: &Component) -> Match {
        let mut answer = Match::No;
        for affected in self.affected.iter().filter(|affected| affected.is_about(&component.purl)) {
            match affected.holds(component) {
                Match::Yes { fixed, vectors } => match &mut answer {
                    Match::Yes { fixed: known, .. } => *known = known.take().or(fixed),
                    _ => answer = Match::Yes { fixed, vectors },
                },
                Match::Unknown if answer == Match::No => answer = Match::Unknown,
                _ => {}
            }
        }
        answer
    }
}

impl Affected {
    fn is_about(&self, purl: &Purl) -> bool {
        let Some(package) = &self.package else { return true };
        let same = match package.purl.as_deref().and_then(Purl::read) {
            Some(other) => other.package == purl.package,
            // The host found this advisory under the package's purl; only another name rules it out.
            None => plain(&package.name).ends_with(&plain(&purl.name())),
        };
        same && package.fits_distro(purl.distro.as_deref())
    }

    fn holds(&self, component: &Component) -> Match {
        let version = component.version.as_str();
        let vectors = || self.severity.iter().map(|severity| severity.score.clone()).collect();
        let ranges = self.ranges.iter().filter(|range| range.kind != "GIT");
        // Nobody knows which version it is, or the advisory speaks of all: then it counts.
        if version.is_empty() || (self.versions.is_empty() && ranges.clone().next().is_none()) {
            return Match::Yes { vectors: vectors(), fixed: self.first_fixed() };
        }
        let listed = self.versions.iter().any(|listed| listed == version);
        let (mut inside, mut unknown) = (listed, false);
        let mut fixed: Option<String> = None;
        for range in ranges {
            let scheme = if range.kind == "SEMVER" {
                Some(Scheme::Semantic)
            } else {
                Scheme::of(&component.purl.kind)
            };
            let judged = scheme.and_then(|scheme| Some((scheme, range.contains(scheme, version)?)));
            let Some((scheme, contains)) = judged else {
                unknown = true;
                continue;
            };
            inside |= contains;
            if contains || listed {
                fixed = fixed.or_else(|| range.fixed_after(scheme, version));
            }
        }
        match (inside, unknown) {
            (true, _) => Match::Yes { vectors: vectors(), fixed },
            (false, true) => Match::Unknown,
            (false, false) => Match::No,
        }
    }

    fn first_fixed(&self) -> Option<String> {
        self.ranges.iter().flat_map(|range| &range.events).find_map(|event| event.fixed.clone())
    }
}

impl Package {
    /// `Debian:12` is not about a package of `debian-11`; where either does not say, it may be.
    fn fits_distro(&self, distro: Option<&str>) -> bool {
        let release = self.ecosystem.split(':').nth(1).filter(|release| starts_with_digit(release));
        let distro =
            distro.and_then(|distro| distro.rsplit('-').next()).filter(|release| starts_with_digit(release));
        match (release, distro) {
            (Some(release), Some(distro)) => {
                release == distro
                    || distro.strip_prefix(release).is_some_and(|rest| rest.starts_with('.'))
                    || release.strip_prefix(distro).is_some_and(|rest| rest.starts_with('.'))
            }
            _ => true,
        }
    }
}

/// Names as they are compared: ecosystems differ in whether case, `_` and `.` count.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

impl Range {
    /// The evaluation that OSV describes: events in the order of versions, the last one that `version` reached decides. Nothing
    /// when a version cannot be read.
    fn contains(&self, scheme: Scheme, version: &str) -> Option<bool> {
        // Compared with itself, so that a version that is none is noticed also where every event is 0.
        scheme.compare(version, version)?;
        let mut inside = false;
        for event in self.sorted(scheme)? {
            if let Some(introduced) = &event.introduced {
                inside |= introduced == "0" || scheme.compare(version, introduced)?.is_ge();
            }
            if let Some(fixed) = &event.fixed {
                inside &= scheme.compare(version, fixed)?.is_lt();
            }
            if let Some(last) = &event.last_affected {
                inside &= scheme.compare(version, last)?.is_le();
            }
        }
        let limits: Vec<&String> = self.events.iter().filter_map(|event| event.limit.as_ref()).collect();
        let mut below = limits.is_empty();
        for limit in limits {
            below |= limit == "*" || scheme.compare(version, limit)?.is_lt();
        }
        Some(inside && below)
    }

    fn sorted(&self, scheme: Scheme) -> Option<Vec<&Event>> {
        let mut events: Vec<(&str, &Event)> =
            self.events.iter().filter_map(|event| Some((event.version()?, event))).collect();
        let mut readable = true;
        events.sort_by(|(one, _), (two, _)| match (*one == "0", *two == "0") {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => scheme.compare(one, two).unwrap_or_else(|| {
                readable = false;
                Ordering::Equal
            }),
        });
        readable.then(|| events.into_iter().map(|(_, event)| event).collect())
    }

    /// The lowest version above `version` that fixes it.
    fn fixed_after(&self, scheme: Scheme, version: &str) -> Option<String> {
        let fixed = self.events.iter().filter_map(|event| event.fixed.as_ref());
        let later = fixed.filter(|fixed| scheme.compare(fixed, version).is_some_and(Ordering::is_gt));
        later.min_by(|one, two| scheme.compare(one, two).unwrap_or(Ordering::Equal)).cloned()
    }
}

impl Event {
    fn version(&self) -> Option<&str> {
        self.introduced.as_deref().or(self.fixed.as_deref()).or(self.last_affected.as_deref())
    }
}
