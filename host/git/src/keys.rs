//! Whose signatures count: a file in OpenSSH's `allowed_signers` format (ssh-keygen(1), ALLOWED SIGNERS).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::civil::DateTime;

/// What git signs in.
const NAMESPACE: &str = "git";
/// Largest file, in bytes.
const BYTES_MAX: usize = 1 << 20;

/// A file of allowed signers that does not mean what its author hopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("allowed signers, line {line}: {reason}")]
pub struct KeysError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// The keys whose signatures on commits count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSigners {
    keys: Vec<Allowed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    principals: String,
    blob: Vec<u8>,
    after: Option<i64>,
    before: Option<i64>,
}

impl AllowedSigners {
    /// Reads the file. A line that cannot count, such as a certificate authority or another namespace alone, is refused and
    /// not passed over.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        if text.len() > BYTES_MAX {
            return Err(KeysError { line: 1, reason: format!("the file is larger than {BYTES_MAX} bytes") });
        }
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_text = line.trim();
            if line_text.is_empty() || line_text.starts_with('#') {
                continue;
            }
            let allowed = line_of(line_text);
            keys.push(allowed.map_err(|reason| KeysError { line: index + 1, reason })?);
        }
        if keys.is_empty() {
            return Err(KeysError {
                line: 1,
                reason: "there is no key in it, so that nobody could sign".to_owned(),
            });
        }
        Ok(Self { keys })
    }

    /// Whose key this is, of what says that it was signed at that time, in seconds since 1970; or why it does not count.
    /// Whoever holds a key writes that time as they like, so that one that ran out by now signs nothing new.
    pub(crate) fn whose(&self, blob: &[u8], at: i64, now: i64) -> Result<&str, &'static str> {
        let mut found = None;
        for key in self.keys.iter().filter(|key| key.blob == blob) {
            let begun = key.after.is_none_or(|after| at >= after);
            let over = |at: i64| key.before.is_some_and(|before| at >= before);
            if begun && !over(at) && !over(now) {
                return Ok(&key.principals);
            }
            found = Some(if over(now) && !over(at) {
                "its key has run out, and what it signed was not taken before; sign it again with another key"
            } else {
                "its key was not valid when it was signed"
            });
        }
        Err(found.unwrap_or("its key is not among the allowed signers"))
    }
}

fn line_of(line: &str) -> Result<Allowed, String> {
    let words = words(line)?;
    let mut words = words.iter().map(String::as_str);
    let principals = words.next().unwrap_or_default().to_owned();
    let mut next = words.next().ok_or("it has no key")?;
    let (mut after, mut before) = (None, None);
    if !is_key_type(next) {
        for option in options(next) {
            let (name, value) = option.split_once('=').unwrap_or((option.as_str(), ""));
            let value = value.trim_matches('"');
            match name.to_ascii_lowercase().as_str() {
                "namespaces" if value.split(',').any(|pattern| matches!(pattern, NAMESPACE | "*")) => {}
                "namespaces" => return Err("its namespaces do not include `git`; remove the line".to_owned()),
                "valid-after" => after = Some(instant(value)?),
                "valid-before" => before = Some(instant(value)?),
                "cert-authority" => {
                    return Err("certificate authorities are not supported; list the keys".to_owned());
                }
                other => return Err(format!("option `{other}` is not known")),
            }
        }
        next = words.next().ok_or("it has no key")?;
    }
    if !is_key_type(next) {
        return Err(format!(
            "`{next}` is no type of key that can be checked; use ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384 or ssh-rsa"
        ));
    }
    let blob = words.next().and_then(|text| STANDARD.decode(text).ok());
    let blob = blob.ok_or("its key is not base64")?;
    crate::signature::check_key(&blob, next)?;
    Ok(Allowed { principals, blob, after, before })
}

fn is_key_type(word: &str) -> bool {
    matches!(word, "ssh-ed25519" | "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ssh-rsa")
}

/// Words between blanks; a blank between quotes is part of one.
fn words(line: &str) -> Result<Vec<String>, String> {
    split(line, char::is_whitespace)
}

fn options(word: &str) -> Vec<String> {
    split(word, |c| c == ',').unwrap_or_default()
}

fn split(text: &str, is_border: impl Fn(char) -> bool) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        if c == '"' {
            quoted = !quoted;
        }
        if is_border(c) && !quoted {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else {
            word.push(c);
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, each with or without `Z`: UTC either way, since a server's own zone
/// should not decide.
fn instant(text: &str) -> Result<i64, String> {
    let fault = || format!("`{text}` is no time; write YYYYMMDD or YYYYMMDDHHMMSS, in UTC");
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fault());
    }
    let full = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(fault()),
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%S", &full).map_err(|_| fault())?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| fault())?;
    Ok(zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk";

    fn fault(line: &str) -> String {
        AllowedSigners::parse(line).unwrap_err().to_string()
    }

    #[test]
    fn a_key_counts_between_its_times_only() {
        let signers = AllowedSigners::parse(&format!(
            "# people\nana@example.org namespaces=\"file,git\",valid-after=\"20260101\",valid-before=\"20260201Z\" {KEY} a comment\n"
        ))
        .unwrap();
        let blob = signers.keys[0].blob.clone();
        let january = instant("20260101").unwrap();
        let february = instant("202602010000").unwrap();
        assert_eq!(signers.whose(&blob, january, january), Ok("ana@example.org"));
        assert_eq!(signers.whose(&blob, february - 1, february - 1), Ok("ana@example.org"));
        assert!(signers.whose(&blob, january - 1, january).is_err());
        assert!(signers.whose(&blob, february, february).is_err());
        assert!(signers.whose(&blob, january, february).unwrap_err().contains("has run out"));
        assert!(signers.whose(b"another", january, january).unwrap_err().contains("not among"));
    }

    #[test]
    fn a_line_that_cannot_count_is_refused_by_number() {
        assert!(fault("# nobody\n").contains("no key"));
        assert!(
            fault(&format!("ana {KEY}\nana cert-authority {KEY}"))
                .starts_with("allowed signers, line 2: certificate")
        );
        assert!(fault(&format!("ana namespaces=\"file\" {KEY}")).contains("do not include `git`"));
        assert!(fault(&format!("ana valid-after=\"soon\" {KEY}")).contains("is no time"));
        assert!(fault(&format!("ana valid-after=\"20261301\" {KEY}")).contains("is no time"));
        assert!(fault("ana ssh-dss AAAA").contains("not known"));
        assert!(fault("ana ssh-ed25519 !").contains("not base64"));
        assert!(fault("ana ssh-ed25519 AAAA").contains("not what its type says"));
        assert!(fault("ana \"open").contains("quote"));
        assert!(fault("ana").contains("no key"));
    }
}
