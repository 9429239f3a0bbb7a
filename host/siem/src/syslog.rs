//! Messages of RFC 5424, framed by counting octets (RFC 6587, 3.4.1; RFC 5425 over TLS).

use jiff::Timestamp;

use crate::{Format, Happening, cef, ocsf};

/// Facility 13: log audit.
const FACILITY: u8 = 13;
/// Longest host name, application name and message id of RFC 5424.
const HOST_MAX: usize = 255;
const APP_MAX: usize = 48;
const MSGID_MAX: usize = 32;

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The host's name, as the receiver knows it.
    pub host: String,
    /// The program's name.
    pub app: String,
    /// The program's version.
    pub version: String,
    /// The private enterprise number that structured data is named under; 32473 is the one for documentation (RFC 5612).
    pub enterprise: u32,
}

/// One entry as a message, without its frame.
pub fn message(happening: &Happening, format: Format, source: &Source) -> String {
    let (data, text) = match format {
        Format::StructuredData => (structured(happening, source.enterprise), happening.sentence()),
        Format::Ocsf => ("-".to_owned(), ocsf::event(happening, source).to_string()),
        Format::Cef => ("-".to_owned(), cef::event(happening, source)),
    };
    format!(
        "<{}>1 {} {} {} - {} {data} \u{feff}{text}",
        FACILITY * 8 + happening.severity().syslog(),
        time(happening.at_ms),
        printable(&source.host, HOST_MAX),
        printable(&source.app, APP_MAX),
        printable(&happening.kind, MSGID_MAX),
    )
}

/// A message with its length before it, as it goes over TCP and TLS.
pub fn framed(message: &str) -> Vec<u8> {
    let mut frame = message.len().to_string().into_bytes();
    frame.push(b' ');
    frame.extend_from_slice(message.as_bytes());
    frame
}

/// RFC 3339 with milliseconds, in UTC; what no calendar has is no time.
pub(crate) fn time(at_ms: i64) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => "-".to_owned(),
    }
}

fn structured(happening: &Happening, enterprise: u32) -> String {
    let mut data = format!("[interlock@{enterprise}");
    for (name, value) in happening.facts() {
        data.push_str(&format!(" {name}=\"{}\"", escaped(&value)));
    }
    data.push(']');
    data
}

/// A value as RFC 5424, 6.3.3, wants it. Control characters mean nothing in an id, and some receivers end a line with them.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '"' | '\\' | ']' => escaped.extend(['\\', character]),
            _ if character.is_control() => escaped.push('?'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A field of the header: printable ASCII without spaces, and not nothing.
fn printable(text: &str, longest: usize) -> String {
    let shown = |character: char| if character.is_ascii_graphic() { character } else { '?' };
    match text.chars().map(shown).take(longest).collect::<String>() {
        nothing if nothing.is_empty() => "-".to_owned(),
        some => some,
    }
}
