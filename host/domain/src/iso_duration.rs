//! Durations as files write them: ISO 8601, `PT72H`, `P3D`, `PT1H30M`.

/// Reads a duration of weeks, days, hours, minutes and seconds, in milliseconds. Years and months have no fixed length, and
/// are refused like everything else.
///
/// ```
/// assert_eq!(interlock_domain::iso_millis("PT72H"), Ok(72 * 3_600_000));
/// assert_eq!(interlock_domain::iso_millis("P1DT30M"), Ok(86_400_000 + 1_800_000));
/// assert!(interlock_domain::iso_millis("72h").is_err());
/// ```
pub fn iso_millis(text: &str) -> Result<u64, String> {
    let wrong = || {
        let text: String = text.chars().take(40).collect();
        format!(
            "`{text}` is not a duration such as `PT72H`, `P3D` or `PT1H30M` (ISO 8601), longer than nothing"
        )
    };
    let mut rest = text.strip_prefix('P').ok_or_else(wrong)?;
    let (mut total, mut in_time, mut last) = (0_u64, false, 0);
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if in_time || time.is_empty() {
                return Err(wrong());
            }
            (rest, in_time) = (time, true);
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let (place, unit_ms) = match (in_time, rest.as_bytes().get(digits)) {
            (false, Some(b'W')) => (1, 7 * 86_400_000),
            (false, Some(b'D')) => (2, 86_400_000),
            (true, Some(b'H')) => (3, 3_600_000),
            (true, Some(b'M')) => (4, 60_000),
            (true, Some(b'S')) => (5, 1_000),
            _ => return Err(wrong()),
        };
        if place <= last {
            return Err(wrong());
        }
        last = place;
        total = number.checked_mul(unit_ms).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    if total == 0 { Err(wrong()) } else { Ok(total) }
}

/// A duration as files write it, in the largest units that fit.
pub fn iso_text(millis: u64) -> String {
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (hours, rest) = (rest / 3_600_000, rest % 3_600_000);
    let (minutes, seconds) = (rest / 60_000, (rest % 60_000) / 1_000);
    let mut text = String::from("P");
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    let time: String = [(hours, 'H'), (minutes, 'M'), (seconds, 'S')]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if !time.is_empty() || days == 0 {
        text.push('T');
        text.push_str(if time.is_empty() { "0S" } else { &time });
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_fixed_length_is_refused() {
        for wrong in [
            "",
            "P",
            "PT",
            "72h",
            "P1M",
            "P1Y",
            "PT0S",
            "PT1M1H",
            "PTT1H",
            "P1H",
            "PT1.5H",
            "PT99999999999999999H",
        ] {
            assert!(iso_millis(wrong).is_err(), "{wrong}");
        }
        assert_eq!(iso_millis("P1W"), Ok(604_800_000));
    }

    proptest! {
        #[test]
        fn whole_seconds_come_back_as_they_went(seconds in 1_u64..10_000_000) {
            prop_assert_eq!(iso_millis(&iso_text(seconds * 1_000)), Ok(seconds * 1_000));
        }
    }
}
