//! The formats that are checked. JSON Schema lets a validator skip formats in silence; a gate must not.

use std::net::{Ipv4Addr, Ipv6Addr};

use interlock_plugin_sdk::read_instant;

/// A format of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    DateTime,
    Ipv4,
    Ipv6,
    Uuid,
}

impl Format {
    pub(crate) const ALL: [Format; 4] = [Self::DateTime, Self::Ipv4, Self::Ipv6, Self::Uuid];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Uuid => "uuid",
        }
    }

    pub(crate) fn fits(self, text: &str) -> bool {
        match self {
            Self::DateTime => is_date_time(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Uuid => {
                text.len() == 36
                    && text.bytes().enumerate().all(|(index, byte)| match index {
                        8 | 13 | 18 | 23 => byte == b'-',
                        _ => byte.is_ascii_hexdigit(),
                    })
            }
        }
    }
}

/// RFC 3339, of which `read_instant` also takes what others make of it.
fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let zoned = matches!(bytes, [.., b'Z' | b'z'] | [.., b'+' | b'-', _, _, b':', _, _]);
    if !zoned || !matches!(bytes.get(10), Some(b'T' | b't')) || bytes.get(16) != Some(&b':') {
        return false;
    }
    // Instants begin in 1970, values need not: the calendar is the same again after 2000 years.
    let (year, rest) = text.split_at_checked(4).unwrap_or_default();
    match year.parse::<u32>() {
        Ok(early) if early < 2000 => read_instant(&format!("{:04}{rest}", early + 2000)).is_some(),
        _ => read_instant(text).is_some(),
    }
}
