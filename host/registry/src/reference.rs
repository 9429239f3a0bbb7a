//! Where a component is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use interlock_ledger::Digest;
use thiserror::Error;

const FOLDER: &str = "dir:";
const REPOSITORY_CHARS_MAX: usize = 255;
const TAG_CHARS_MAX: usize = 128;

/// A place, and what is meant there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference {
    /// `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY@sha256:…`, with the **manifest** digest.
    Oci {
        /// `registry.example` or `127.0.0.1:5000`.
        host: String,
        /// `plugins/size-limit`.
        repository: String,
        /// Which of its artifacts.
        pin: Pin,
    },
    /// `dir:PATH/NAME` or `dir:PATH/NAME@sha256:…`, with the **plugin** digest: the file `PATH/NAME.wasm`.
    Folder {
        /// The file.
        file: PathBuf,
        /// What it must hold.
        digest: Option<Digest>,
    },
    /// `sha256:…`, the **plugin** digest: from the cache or from a folder.
    Plugin(Digest),
}

/// Which artifact of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// The one that a tag names now.
    Tag(String),
    /// The one with this manifest.
    Manifest(Digest),
}

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{found}` names no plugin, because {reason}: write `HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@sha256:…` (manifest digest), \
     `dir:PATH/NAME[@sha256:…]` or `sha256:…` (plugin digest)"
)]
pub struct ReferenceError {
    found: String,
    reason: &'static str,
}

impl Reference {
    /// The digest that a pull of this always gives, if it names one; tags and bare files may change.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        match self {
            Self::Oci { pin, .. } => matches!(pin, Pin::Manifest(_)),
            Self::Folder { digest, .. } => digest.is_some(),
            Self::Plugin(_) => true,
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let refused = |reason| ReferenceError { found: text.chars().take(200).collect(), reason };
        let digest = |text: &str| {
            text.parse().map_err(|_| refused("a digest is `sha256:` and 64 lower-case hex digits"))
        };
        if let Some(path) = text.strip_prefix(FOLDER) {
            let (path, pin) = match path.rsplit_once("@sha256:") {
                Some((path, hex)) => (path, Some(digest(&format!("sha256:{hex}"))?)),
                None => (path, None),
            };
            if path.is_empty() || path.ends_with('/') || path.contains('\0') {
                return Err(refused("it has no file name"));
            }
            let path = if path.ends_with(".wasm") { path.to_owned() } else { format!("{path}.wasm") };
            return Ok(Self::Folder { file: PathBuf::from(path), digest: pin });
        }
        if text.starts_with("sha256:") {
            return Ok(Self::Plugin(digest(text)?));
        }
        let (host, rest) = text.split_once('/').ok_or_else(|| refused("it has no host"))?;
        if !is_host(host) {
            return Err(refused("its first part is no host such as `registry.example` or `localhost:5000`"));
        }
        let (repository, pin) = if let Some((repository, pin)) = rest.split_once('@') {
            (repository, Pin::Manifest(digest(pin)?))
        } else {
            // No default such as `latest`: a gate is not what happens to be newest.
            let (repository, tag) =
                rest.split_once(':').ok_or_else(|| refused("it has neither a tag nor a digest"))?;
            if !is_tag(tag) {
                return Err(refused("a tag has letters, digits, `_`, `.` and `-` only, at most 128"));
            }
            (repository, Pin::Tag(tag.to_owned()))
        };
        if !is_repository(repository) {
            return Err(refused(
                "a repository has lower-case letters, digits and single `.`, `_`, `-` between `/`",
            ));
        }
        Ok(Self::Oci { host: host.to_owned(), repository: repository.to_owned(), pin })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci { host, repository, pin: Pin::Tag(tag) } => write!(f, "{host}/{repository}:{tag}"),
            Self::Oci { host, repository, pin: Pin::Manifest(digest) } => {
                write!(f, "{host}/{repository}@{digest}")
            }
            Self::Folder { file, digest: Some(digest) } => write!(f, "{FOLDER}{}@{digest}", file.display()),
            Self::Folder { file, digest: None } => write!(f, "{FOLDER}{}", file.display()),
            Self::Plugin(digest) => digest.fmt(f),
        }
    }
}

/// A name with a dot, a port or an address: `plugins/size-limit:1` is a mistake and no host `plugins`.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_address = inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    let is_name = !name.is_empty() && name.bytes().all(fits) && !name.starts_with(['.', '-']);
    let is_port =
        port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let is_told_apart = port.is_some() || name.contains('.') || name == "localhost" || is_address;
    (is_name || is_address) && is_port && is_told_apart
}

fn is_repository(repository: &str) -> bool {
    let part = |part: &str| {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let separates = |b: u8| matches!(b, b'.' | b'_' | b'-');
        let bytes = part.as_bytes();
        bytes.first().is_some_and(|b| fits(*b))
            && bytes.last().is_some_and(|b| fits(*b))
            && bytes.iter().all(|b| fits(*b) || separates(*b))
            && !part.contains("..")
    };
    repository.len() <= REPOSITORY_CHARS_MAX && repository.split('/').all(part)
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=TAG_CHARS_MAX).contains(&tag.len())
        && word(tag.as_bytes()[0])
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn each_form_is_understood_and_reads_back() {
        for text in [
            "registry.example/plugins/size-limit:1.0.0",
            "127.0.0.1:5000/size-limit:1",
            "[::1]:5000/size-limit:1",
            "localhost/a/b-c.d:x",
            &format!("registry.example/size-limit@{HEX}"),
            &format!("dir:/srv/plugins/size-limit.wasm@{HEX}"),
            "dir:plugins/size-limit.wasm",
            HEX,
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        let short: Reference = "dir:plugins/size-limit".parse().unwrap();
        assert_eq!(short.to_string(), "dir:plugins/size-limit.wasm");
    }

    #[test]
    fn what_could_mean_two_things_is_refused_with_the_reason() {
        let reason = |text: &str| text.parse::<Reference>().unwrap_err().to_string();
        for (text, said) in [
            ("size-limit", "no host"),
            ("plugins/size-limit:1", "is no host"),
            ("registry.example/size-limit", "neither a tag nor a digest"),
            ("registry.example/Size:1", "lower-case letters"),
            ("registry.example/../secrets:1", "lower-case letters"),
            ("registry.example/a:-x", "a tag has"),
            ("registry.example/a:1@sha256:12", "a digest is"),
            ("user@registry.example/a:1", "is no host"),
            ("registry.example:99999/a:1", "is no host"),
            ("sha256:12", "a digest is"),
            ("dir:", "no file name"),
            ("dir:plugins/", "no file name"),
        ] {
            assert!(reason(text).contains(said), "{text}: {}", reason(text));
        }
        assert!(reason(&format!("registry.example/{}:1", "a".repeat(256))).contains("lower-case"));
        assert!(format!("registry.example/{}:1", "a".repeat(255)).parse::<Reference>().is_ok());
        assert!(reason(&format!("registry.example/a:{}", "a".repeat(129))).contains("a tag has"));
        assert!(format!("registry.example/a:{}", "a".repeat(128)).parse::<Reference>().is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic_and_what_it_takes_it_writes_the_same(text in "[a-z0-9:/@.\\[\\]_é-]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
            }
        }
    }
}
