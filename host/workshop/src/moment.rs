//! Instants as cases write them: `2026-03-02T22:30:00+01:00`, milliseconds, or `2h ago`.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// 2026-03-02T12:00:00Z, a Monday: the `now` of whoever does not say.
pub const NOON: u64 = 1_772_452_800_000;

/// When something was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Milliseconds since the epoch.
    At(u64),
    /// Milliseconds from now; negative is the past.
    FromNow(i64),
}

impl Moment {
    /// The instant that it is when it is `now`.
    pub(crate) const fn instant(self, now: u64) -> u64 {
        match self {
            Self::At(instant) => instant,
            Self::FromNow(millis) => now.saturating_add_signed(millis),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(at) = instant(text) {
            return Ok(Self::At(at));
        }
        let refused = || {
            format!(
                "`{text}` is no instant: write `2026-03-02T12:00:00Z`, `2h ago`, `in 5m` or milliseconds since 1970"
            )
        };
        let ahead = text.strip_prefix("in ").unwrap_or(text);
        let duration: SignedDuration = ahead.parse().map_err(|_| refused())?;
        i64::try_from(duration.as_millis()).map(Self::FromNow).map_err(|_| refused())
    }
}

/// An RFC 3339 time as milliseconds since the epoch.
///
/// # Errors
/// Says how a time is written.
pub fn instant(text: &str) -> Result<u64, String> {
    let refused = || format!("`{text}` is no time: write it like `2026-03-02T12:00:00Z`");
    let at: Timestamp = text.parse().map_err(|_| refused())?;
    u64::try_from(at.as_millisecond()).map_err(|_| refused())
}

/// Milliseconds since the epoch for people.
#[must_use]
pub fn shown(instant: u64) -> String {
    let at = i64::try_from(instant).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    at.map_or_else(|| instant.to_string(), |at| at.to_string())
}

/// A span of time: `2h`, `90s`, or milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) millis: u64,
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Time { expected: "an instant", text: Moment::parse, number: Moment::At })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = |text: &str| {
            let refused = || format!("`{text}` is no span of time: write `2h`, `90s` or milliseconds");
            let span: SignedDuration = text.parse().map_err(|_| refused())?;
            u64::try_from(span.as_millis()).map(|millis| Span { millis }).map_err(|_| refused())
        };
        from.deserialize_any(Time { expected: "a span of time", text, number: |millis| Span { millis } })
    }
}

struct Time<F, G> {
    expected: &'static str,
    text: F,
    number: G,
}

impl<T, F, G> Visitor<'_> for Time<F, G>
where
    F: Fn(&str) -> Result<T, String>,
    G: Fn(u64) -> T,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Ok((self.number)(number))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn moment(value: serde_json::Value) -> Result<Moment, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn instants_are_written_in_three_ways() {
        assert_eq!(moment(json!("2026-03-02T12:00:00Z")), Ok(Moment::At(NOON)));
        assert_eq!(moment(json!("2026-03-02T13:00:00+01:00")), Ok(Moment::At(NOON)));
        assert_eq!(moment(json!(NOON)), Ok(Moment::At(NOON)));
        assert_eq!(moment(json!("2h ago")), Ok(Moment::FromNow(-7_200_000)));
        assert_eq!(moment(json!("in 5m")), Ok(Moment::FromNow(300_000)));
    }

    #[test]
    fn what_is_no_instant_says_how_one_is_written() {
        for bad in [json!("noon"), json!(""), json!("2026-03-02"), json!("1969-01-01T00:00:00Z")] {
            assert!(moment(bad.clone()).unwrap_err().contains("2h ago"), "{bad}");
        }
        assert!(moment(json!(-1)).is_err());
        assert!(moment(json!({})).is_err());
    }

    #[test]
    fn instants_are_shown_in_utc() {
        assert_eq!(shown(NOON), "2026-03-02T12:00:00Z");
        assert_eq!(shown(u64::MAX), u64::MAX.to_string());
    }
}
