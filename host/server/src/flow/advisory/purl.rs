//! Package URLs (<https://github.com/package-url/purl-spec>) of packages, in one spelling each.

use interlock_domain::{from_address, in_address};

/// Types whose names have no capitals.
const LOWER: [&str; 9] = ["apk", "bitbucket", "composer", "deb", "github", "golang", "hex", "npm", "pypi"];

/// A purl's package in the one spelling under which advisories are kept; `None` for what is no purl. Version, qualifiers
/// and subpath are left out.
pub(crate) fn package(purl: &str) -> Option<String> {
    let rest = purl.trim().strip_prefix("pkg:")?.trim_start_matches('/');
    let rest = rest.split(['?', '#']).next()?;
    let (kind, path) = rest.split_once('/')?;
    let kind = kind.to_ascii_lowercase();
    let path = path.trim_matches('/');
    // The version begins at the last at sign of the last part; the scope of npm may be written with one too.
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    let path = match path.rfind('@') {
        Some(at) if at > name_at => path.get(..at)?,
        _ => path,
    };
    let is_word =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte));
    if kind.is_empty() || !is_word(&kind) || path.is_empty() || path.chars().any(char::is_control) {
        return None;
    }
    let lower = LOWER.contains(&kind.as_str());
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let mut part = from_address(part);
        if lower {
            part = part.to_lowercase();
        }
        if kind == "pypi" {
            part = part.replace('_', "-");
        }
        parts.push(encoded(&part));
    }
    Some(format!("pkg:{kind}/{}", parts.join("/")))
}

/// Types whose packages belong to distributions, each with advisories of its own; the namespace says to which.
const DISTRIBUTED: [&str; 4] = ["apk", "alpm", "deb", "rpm"];

/// The ecosystem of a package in its one spelling: the type and, where distributions have advisories of their own, the
/// namespace. Migration 0010 says the same in SQL.
pub(crate) fn ecosystem(package: &str) -> &str {
    let rest = package.strip_prefix("pkg:").unwrap_or(package);
    let mut ends = rest.match_indices('/').map(|(at, _)| at);
    let kind = ends.next().and_then(|at| rest.get(..at)).unwrap_or(rest);
    match ends.next() {
        Some(at) if DISTRIBUTED.contains(&kind) => rest.get(..at).unwrap_or(rest),
        _ => kind,
    }
}

/// Whether nobody publishes advisories about such packages: they are the only ones that need no import.
pub(crate) fn is_unpublished(ecosystem: &str) -> bool {
    ["docker", "generic", "huggingface", "oci", "swid"].contains(&ecosystem)
}

/// Whether it names a package and nothing else.
pub(crate) fn is_plain(purl: &str) -> bool {
    let name = purl.rsplit('/').next().unwrap_or_default();
    !purl.contains(['?', '#']) && !name.get(1..).unwrap_or_default().contains('@')
}

/// The purl of a package that an advisory names by ecosystem alone (<https://ossf.github.io/osv-schema/#affectedpackage-field>).
pub(crate) fn of_ecosystem(ecosystem: &str, name: &str) -> Option<String> {
    let kind = match ecosystem.split(':').next().unwrap_or_default() {
        "npm" => "npm",
        "PyPI" => "pypi",
        "crates.io" => "cargo",
        "Go" => "golang",
        "Maven" => "maven",
        "RubyGems" => "gem",
        "NuGet" => "nuget",
        "Packagist" => "composer",
        "Hex" => "hex",
        "Pub" => "pub",
        "SwiftURL" => "swift",
        "GitHub Actions" => "github",
        "Debian" => "deb/debian",
        "Ubuntu" => "deb/ubuntu",
        "Alpine" => "apk/alpine",
        _ => return None,
    };
    let name = if kind == "maven" { name.replacen(':', "/", 1) } else { name.to_owned() };
    let parts: Vec<String> = name.split('/').map(encoded).collect();
    package(&format!("pkg:{kind}/{}", parts.join("/")))
}

/// A part of a package URL, in which a colon needs no escape.
fn encoded(part: &str) -> String {
    in_address(part).replace("%3A", ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ecosystem_is_a_type_or_a_distribution() {
        for (package, of) in [
            ("pkg:npm/%40angular/core", "npm"),
            ("pkg:golang/github.com/x/y", "golang"),
            ("pkg:deb/debian/xz-utils", "deb/debian"),
            ("pkg:rpm/redhat/xz", "rpm/redhat"),
            ("pkg:deb/xz-utils", "deb"),
        ] {
            assert_eq!(ecosystem(package), of);
        }
        assert!(is_unpublished("generic") && !is_unpublished("npm"));
    }

    #[test]
    fn a_package_has_one_spelling() {
        for (given, kept) in [
            ("pkg:npm/%40angular/core@1.0.0", "pkg:npm/%40angular/core"),
            ("pkg:npm/@angular/core", "pkg:npm/%40angular/core"),
            ("pkg:npm/@angular/core@1.0.0?x=y#z", "pkg:npm/%40angular/core"),
            ("pkg:PyPI/Zope_Interface@5", "pkg:pypi/zope-interface"),
            ("pkg:deb/debian/libstdc++6?arch=source", "pkg:deb/debian/libstdc%2B%2B6"),
            ("pkg:deb/debian/libstdc%2b%2b6", "pkg:deb/debian/libstdc%2B%2B6"),
            (
                "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1",
                "pkg:maven/org.apache.logging.log4j/log4j-core",
            ),
            ("pkg://golang/github.com/Foo/bar", "pkg:golang/github.com/foo/bar"),
            ("pkg:cargo/Inflector", "pkg:cargo/Inflector"),
        ] {
            assert_eq!(package(given).as_deref(), Some(kept), "{given}");
            assert_eq!(package(kept).as_deref(), Some(kept), "once more");
        }
        for bad in
            ["", "npm/left-pad", "pkg:npm", "pkg:npm/", "pkg:/x", "pkg:n p m/x", "pkg:npm/a\nb", "pkg:npm/?x"]
        {
            assert_eq!(package(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_version_or_a_qualifier_is_no_part_of_a_package() {
        assert!(is_plain("pkg:npm/%40angular/core") && is_plain("pkg:npm/@angular/core"));
        assert!(!is_plain("pkg:npm/a@1") && !is_plain("pkg:npm/a?b=c") && !is_plain("pkg:npm/a#b"));
    }

    #[test]
    fn a_package_without_purl_is_known_by_its_ecosystem() {
        for (ecosystem, name, kept) in [
            ("npm", "@angular/core", "pkg:npm/%40angular/core"),
            ("Debian:12", "curl", "pkg:deb/debian/curl"),
            ("Maven", "org.apache:log4j", "pkg:maven/org.apache/log4j"),
            ("Go", "github.com/Foo/bar", "pkg:golang/github.com/foo/bar"),
        ] {
            assert_eq!(of_ecosystem(ecosystem, name).as_deref(), Some(kept));
        }
        assert_eq!(of_ecosystem("OSS-Fuzz", "x"), None);
    }
}
