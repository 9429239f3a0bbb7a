//! Package URLs (<https://github.com/package-url/purl-spec>).

/// A package, without its version, and the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purl {
    /// `pkg:type/namespace/name` in canonical spelling: what the advisory database is asked for.
    pub(crate) package: String,
    /// `npm`, `deb`, …
    pub(crate) kind: String,
    /// Empty when it has none.
    pub(crate) version: String,
    /// The qualifier `distro`: `debian-12`.
    pub(crate) distro: Option<String>,
}

impl Purl {
    /// Reads a purl; nothing for what is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let rest = text.trim().strip_prefix("pkg:")?.trim_start_matches('/');
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let distro =
            qualifiers.split('&').find_map(|qualifier| qualifier.strip_prefix("distro=")).map(decoded);
        // The scope of npm may be written with an at sign as well.
        let name_at = rest.rfind('/')?;
        let (path, version) = match rest.rfind('@') {
            Some(at) if at > name_at + 1 => (rest.get(..at)?, decoded(rest.get(at + 1..)?)),
            _ => (rest, String::new()),
        };
        let (kind, path) = path.split_once('/')?;
        let kind = kind.to_ascii_lowercase();
        let mut path = path.trim_matches('/').replace('@', "%40");
        if matches!(kind.as_str(), "pypi" | "github" | "bitbucket" | "deb" | "apk") {
            path = path.to_ascii_lowercase();
        }
        if kind == "pypi" {
            path = path.replace('_', "-");
        }
        let fits = !kind.is_empty() && !path.is_empty() && !path.contains(char::is_whitespace);
        fits.then(|| Self { package: format!("pkg:{kind}/{path}"), kind, version, distro })
    }

    /// The name without the namespace.
    pub(crate) fn name(&self) -> String {
        decoded(self.package.rsplit('/').next().unwrap_or_default())
    }
}

/// Percent-decoded; what is no escape stays as it is.
fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = text
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(hex.unwrap_or(*byte));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}
