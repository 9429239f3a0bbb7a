//! Python versions, ordered as PEP 440 says.

/// A version in the order of its fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    epoch: u64,
    /// Without zeros at the end, which do not count.
    release: Vec<u64>,
    pre: Pre,
    /// Absent comes first.
    post: Option<u64>,
    dev: Dev,
    /// Absent comes first.
    local: Option<Vec<Local>>,
}

/// A development release of a final version comes before its pre-releases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    DevOnly,
    Alpha(u64),
    Beta(u64),
    Candidate(u64),
    Final,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dev {
    Number(u64),
    No,
}

/// Texts come before numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Local {
    Text(String),
    Number(u64),
}

impl Version {
    /// Reads a version in any of the spellings that PEP 440 allows.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (public, local) = match text.split_once('+') {
            Some((public, local)) => (public, Some(local_segments(local)?)),
            None => (text.as_str(), None),
        };
        let mut rest = public.strip_prefix('v').unwrap_or(public);
        let mut epoch = 0;
        if let Some((number, after)) = rest.split_once('!') {
            epoch = number.parse().ok()?;
            rest = after;
        }
        let mut release = vec![digits(&mut rest)??];
        while let Some(number) = rest.strip_prefix('.').and_then(|mut after| {
            let number = digits(&mut after)?;
            rest = after;
            Some(number)
        }) {
            release.push(number?);
        }
        while release.last() == Some(&0) {
            release.pop();
        }
        let pre = suffix(&mut rest, &["alpha", "a", "beta", "b", "preview", "pre", "c", "rc"])?;
        // `1.0-1` is a post release as well.
        let post = match rest.strip_prefix('-').map(|mut after| (digits(&mut after), after)) {
            Some((Some(number), after)) => {
                rest = after;
                Some(("post", number?))
            }
            _ => suffix(&mut rest, &["post", "rev", "r"])?,
        };
        let dev = suffix(&mut rest, &["dev"])?;
        let pre = match pre {
            Some((word, number)) => match word.as_bytes().first() {
                Some(b'a') => Pre::Alpha(number),
                Some(b'b') => Pre::Beta(number),
                _ => Pre::Candidate(number),
            },
            None if post.is_none() && dev.is_some() => Pre::DevOnly,
            None => Pre::Final,
        };
        let (post, dev) =
            (post.map(|(_, number)| number), dev.map_or(Dev::No, |(_, number)| Dev::Number(number)));
        rest.is_empty().then_some(Self { epoch, release, pre, post, dev, local })
    }
}

/// Takes digits off the front: absent without any, and the inner absent when they are too many.
fn digits(rest: &mut &str) -> Option<Option<u64>> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (taken, left) = rest.split_at_checked(end).filter(|(taken, _)| !taken.is_empty())?;
    *rest = left;
    Some(taken.parse().ok())
}

/// Takes one of `words` and its number off the front, each after a separator or without; a number left out is 0. The outer
/// absence is a number that is too long.
fn suffix<'a>(rest: &mut &str, words: &[&'a str]) -> Option<Option<(&'a str, u64)>> {
    let bare = rest.strip_prefix(['.', '-', '_']).unwrap_or(rest);
    let Some((word, after)) = words.iter().find_map(|word| Some((*word, bare.strip_prefix(word)?))) else {
        return Some(None);
    };
    let mut numbered = after.strip_prefix(['.', '-', '_']).unwrap_or(after);
    let number = match digits(&mut numbered) {
        Some(number) => {
            *rest = numbered;
            number?
        }
        None => {
            *rest = after;
            0
        }
    };
    Some(Some((word, number)))
}

fn local_segments(text: &str) -> Option<Vec<Local>> {
    let segment = |segment: &str| {
        let fits = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| segment.parse().map_or_else(|_| Local::Text(segment.to_owned()), Local::Number))
    };
    text.split(['.', '-', '_']).map(segment).collect()
}
