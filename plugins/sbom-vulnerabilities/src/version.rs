//! How versions are ordered, by the rules of each ecosystem.

use std::cmp::Ordering;

mod debian;
mod pep440;

/// Whose rules order versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// semver.org 2.0.0: npm, crates.io, Go and others.
    Semantic,
    /// As `dpkg --compare-versions` does.
    Debian,
    /// PEP 440: PyPI.
    Pep440,
}

impl Scheme {
    /// The rules of a purl's type; nothing for the many of which this gate knows none.
    pub(crate) fn of(purl_type: &str) -> Option<Self> {
        match purl_type {
            "cargo" | "golang" | "hex" | "npm" | "pub" => Some(Self::Semantic),
            "deb" => Some(Self::Debian),
            "pypi" => Some(Self::Pep440),
            _ => None,
        }
    }

    /// The order of two versions; nothing when one is none by these rules.
    pub(crate) fn compare(self, one: &str, two: &str) -> Option<Ordering> {
        match self {
            Self::Semantic => Some(semantic(one)?.cmp_precedence(&semantic(two)?)),
            Self::Debian => debian::compare(one, two),
            Self::Pep440 => Some(pep440::Version::read(one)?.cmp(&pep440::Version::read(two)?)),
        }
    }
}

/// One `v` before it does not count, and what is missing is 0: `v1.2` is `1.2.0`.
fn semantic(text: &str) -> Option<semver::Version> {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    if let Ok(version) = semver::Version::parse(text) {
        return Some(version);
    }
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, rest) = text.split_at_checked(end)?;
    let padding = match core.matches('.').count() {
        0 => ".0.0",
        1 => ".0",
        _ => return None,
    };
    semver::Version::parse(&format!("{core}{padding}{rest}")).ok()
}
