//! Versions that can be compared: semantic ones, otherwise numbers with dots.

use std::cmp::Ordering;
use std::fmt;

/// A version that can be compared with another.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    written: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// By semver.org 2.0.0.
    Semantic(semver::Version),
    /// `2.10`, `1.2.3.4`, `2026.03`: number by number, and what is missing is 0.
    Numeric(Vec<u64>),
}

impl Version {
    /// Reads a version; one `v` before it does not count. The error says what to do.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let written = text.trim();
        let bare = written.strip_prefix(['v', 'V']).unwrap_or(written);
        let kind = semver::Version::parse(bare)
            .ok()
            .map(Kind::Semantic)
            .or_else(|| Some(Kind::Numeric(numbers(bare)?)));
        kind.map(|kind| Self { written: written.to_owned(), kind }).ok_or_else(|| {
            format!("version `{written}` cannot be compared; write `1.2.3` or numbers with dots")
        })
    }

    /// The order of two versions; nothing between a pre-release and a version that is not semantic, which knows none.
    /// What follows a `+` does not count.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        if let (Kind::Semantic(one), Kind::Semantic(two)) = (&self.kind, &other.kind) {
            return Some(one.cmp_precedence(two));
        }
        let (one, two) = (self.numbers()?, other.numbers()?);
        let longest = one.len().max(two.len());
        let padded = |numbers: Vec<u64>| numbers.into_iter().chain(std::iter::repeat(0)).take(longest);
        Some(padded(one).cmp(padded(two)))
    }

    fn numbers(&self) -> Option<Vec<u64>> {
        match &self.kind {
            Kind::Numeric(numbers) => Some(numbers.clone()),
            Kind::Semantic(version) if version.pre.is_empty() => {
                Some(vec![version.major, version.minor, version.patch])
            }
            Kind::Semantic(_) => None,
        }
    }
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    let number = |part: &str| {
        let all = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| part.parse().ok()).flatten()
    };
    text.split('.').map(number).collect()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}
