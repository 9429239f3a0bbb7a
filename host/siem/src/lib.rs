//! The ledger's entries as security systems read them: syslog messages (RFC 5424) with structured data, with an event of the
//! Open Cybersecurity Schema Framework (OCSF), or in the Common Event Format (CEF).
//!
//! Pure: it makes texts out of entries and sends nothing. **Invariant:** every message carries `log`, `idx` and `leaf_hash`, so
//! that whoever reads them sees what is missing, what came twice, and can have any of it proved; and nothing of an entry can
//! end a message, a field or a line early.

mod cef;
mod happening;
mod ocsf;
mod syslog;

pub use self::{
    happening::{Happening, Severity},
    syslog::{Source, framed, message},
};

/// How the content of a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Format {
    /// Structured data of RFC 5424, and a sentence.
    #[serde(rename = "rfc5424-sd")]
    StructuredData,
    /// One JSON object of OCSF 1.3.
    #[serde(rename = "json-ocsf")]
    Ocsf,
    /// Common Event Format, version 0.
    #[serde(rename = "cef")]
    Cef,
}
