//! Which part of a file is asked for (RFC 9110 §13 and §14).

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it: there is no such header, or one that says nothing that we know.
    Whole,
    /// A part that is there, and not empty.
    Part(Range<u64>),
    /// A part that is not there.
    Outside,
}

/// Reads a `Range` header for a file of this size. More than one part at once is answered with the whole file, which
/// the RFC allows and clients understand.
pub(super) fn asked(range: &str, size: u64) -> Asked {
    let Some((unit, parts)) = range.split_once('=') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let Some((first, last)) = parts.trim().split_once('-') else { return Asked::Whole };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Asked::Whole,
        (Some(first), Some(_)) if first >= size => Asked::Outside,
        (Some(first), Some(last)) => Asked::Part(first..last.saturating_add(1).min(size)),
        (Some(first), None) if last.is_empty() && first >= size => Asked::Outside,
        (Some(first), None) if last.is_empty() => Asked::Part(first..size),
        (None, Some(count)) if first.is_empty() && (count == 0 || size == 0) => Asked::Outside,
        (None, Some(count)) if first.is_empty() => Asked::Part(size.saturating_sub(count)..size),
        _ => Asked::Whole,
    }
}

/// A number of any length: one that is too large for us is larger than any file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Whether `If-Match` holds for this SHA-1: hawkBit's clients leave the quotation marks out.
pub(super) fn matches(if_match: &str, sha1: &str) -> bool {
    if_match.split(',').map(str::trim).any(|tag| {
        let bare = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
        tag == "*" || bare == sha1
    })
}

/// Whether a part may be sent to somebody whose `If-Range` this is.
pub(super) fn still(if_range: &str, etag: &str, last_modified: &str) -> bool {
    let if_range = if_range.trim();
    if_range == etag || if_range == last_modified
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_read_as_the_rfc_says() {
        for (range, expected) in [
            ("bytes=0-3", Asked::Part(0..4)),
            ("Bytes=0-3", Asked::Part(0..4)),
            ("bytes=4-", Asked::Part(4..10)),
            ("bytes=9-9", Asked::Part(9..10)),
            ("bytes=0-99", Asked::Part(0..10)),
            ("bytes=0-99999999999999999999999", Asked::Part(0..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-99", Asked::Part(0..10)),
            ("bytes=10-", Asked::Outside),
            ("bytes=10-12", Asked::Outside),
            ("bytes=99999999999999999999999-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=3-2", Asked::Whole),
            ("bytes=0-1,4-5", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("bytes=4-x", Asked::Whole),
            ("lines=0-3", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(asked(range, 10), expected, "{range}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Outside);
        assert_eq!(asked("bytes=-5", 0), Asked::Outside);
    }

    #[test]
    fn an_if_match_may_leave_the_quotation_marks_out() {
        for good in ["*", "abc", "\"abc\"", "\"x\", \"abc\"", "x,abc"] {
            assert!(matches(good, "abc"), "{good}");
        }
        for wrong in ["", "\"\"", "abd", "\"ab\"", "W/\"abc\"", "\"abc"] {
            assert!(!matches(wrong, "abc"), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(range in "(bytes=)?[0-9,-]{0,24}", size in 0_u64..1_000) {
            if let Asked::Part(part) = asked(&range, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }

        #[test]
        fn no_text_is_too_odd(range in ".{0,40}", size: u64) {
            let _ = asked(&range, size);
        }
    }
}
