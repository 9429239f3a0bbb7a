//! Debian versions, ordered as deb-version(7) says: `[epoch:]upstream[-revision]`.

use std::cmp::Ordering;

pub(super) fn compare(one: &str, two: &str) -> Option<Ordering> {
    let (one, two) = (split(one)?, split(two)?);
    let parts = one.epoch.cmp(&two.epoch).then_with(|| part(one.upstream, two.upstream));
    Some(parts.then_with(|| part(one.revision, two.revision)))
}

struct Version<'a> {
    epoch: u64,
    upstream: &'a str,
    revision: &'a str,
}

fn split(text: &str) -> Option<Version<'_>> {
    let text = text.trim();
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().ok()?, rest),
        None => (0, text),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '~' | ':');
    (!upstream.is_empty() && rest.chars().all(allowed)).then_some(Version { epoch, upstream, revision })
}

/// Text and numbers in turn. In text, `~` comes before everything, also before the end, and letters before the rest.
fn part(one: &str, two: &str) -> Ordering {
    let (mut one, mut two) = (one.as_bytes(), two.as_bytes());
    while !one.is_empty() || !two.is_empty() {
        let texts =
            (take(&mut one, |byte| !byte.is_ascii_digit()), take(&mut two, |byte| !byte.is_ascii_digit()));
        let order = text(texts.0, texts.1);
        if order.is_ne() {
            return order;
        }
        let order = number(
            take(&mut one, |byte| byte.is_ascii_digit()),
            take(&mut two, |byte| byte.is_ascii_digit()),
        );
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes what `wanted` accepts off the front.
fn take<'a>(rest: &mut &'a [u8], wanted: impl Fn(u8) -> bool) -> &'a [u8] {
    let end = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
    let (taken, left) = rest.split_at(end);
    *rest = left;
    taken
}

fn text(one: &[u8], two: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let weights = (0..one.len().max(two.len())).map(|at| weight(one.get(at)).cmp(&weight(two.get(at))));
    weights.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Numbers of any length.
fn number(one: &[u8], two: &[u8]) -> Ordering {
    let bare = |digits: &[u8]| {
        digits.iter().position(|digit| *digit != b'0').map_or(Vec::new(), |at| digits[at..].to_vec())
    };
    let (one, two) = (bare(one), bare(two));
    one.len().cmp(&two.len()).then_with(|| one.cmp(&two))
}
