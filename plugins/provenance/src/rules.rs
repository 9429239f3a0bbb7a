//! What a statement must say.

use interlock_plugin_sdk::Artifact;

use crate::settings::Settings;
use crate::statement::{Descriptor, Statement};

/// How many things are spelt out in one sentence.
const NAMED_MAX: usize = 3;

/// Codes and what is wrong.
pub(crate) fn objections(
    artifact: &Artifact,
    settings: &Settings,
    statement: &Statement,
) -> Vec<(&'static str, String)> {
    let found = [
        subject(artifact, statement),
        builder(settings, statement),
        build_type(settings, statement),
        materials(settings, statement),
    ];
    found.into_iter().flatten().collect()
}

/// One subject of several may be the artifact: a build makes many things. Only its SHA-256 counts: of others we know nothing.
fn subject(artifact: &Artifact, statement: &Statement) -> Option<(&'static str, String)> {
    let digest = artifact.digest.strip_prefix("sha256:").unwrap_or(&artifact.digest);
    let sha256 = |subject: &Descriptor| {
        subject.digest.get("sha256").is_some_and(|hex| hex.eq_ignore_ascii_case(digest))
    };
    if statement.subjects.iter().any(sha256) {
        return None;
    }
    let about = if statement.subjects.is_empty() {
        "nothing".to_owned()
    } else {
        listed(&statement.subjects.iter().map(Descriptor::shown).collect::<Vec<_>>())
    };
    let why = format!(
        "it is about {about}, not about sha256 {digest}; attach the attestation of this very content"
    );
    Some(("provenance-other-subject", why))
}

fn builder(settings: &Settings, statement: &Statement) -> Option<(&'static str, String)> {
    let builder = &statement.builder;
    let trusted = settings.builders.iter().any(|entry| allows(entry, builder));
    (!trusted).then(|| {
        let why = format!("it was built by `{builder}`, which is not among the trusted builders; build it there, or add it to `builders`");
        ("provenance-builder", why)
    })
}

/// Whole, or below a prefix that ends in a slash: `https://builds.example.com` must not allow `https://builds.example.com.evil`.
fn allows(entry: &str, builder: &str) -> bool {
    builder == entry || (entry.ends_with('/') && builder.starts_with(entry) && !climbs(builder))
}

/// A path that climbs could leave the prefix again.
fn climbs(uri: &str) -> bool {
    uri.split(['/', '?', '#']).any(|part| part == ".." || part.to_ascii_lowercase().contains("%2e"))
}

fn build_type(settings: &Settings, statement: &Statement) -> Option<(&'static str, String)> {
    let accepted = settings.build_types.is_empty() || settings.build_types.contains(&statement.build_type);
    (!accepted).then(|| {
        let why = format!(
            "its build type is `{}`, and the accepted ones are {}",
            statement.build_type,
            listed(&settings.build_types)
        );
        ("provenance-build-type", why)
    })
}

/// With rules for materials, a build that names none has something to hide.
fn materials(settings: &Settings, statement: &Statement) -> Option<(&'static str, String)> {
    if settings.materials.is_empty() {
        return None;
    }
    if statement.materials.is_empty() {
        let why = "it does not say what it was built from; have the builder name its materials".to_owned();
        return Some(("provenance-materials", why));
    }
    let accepted = |material: &&Descriptor| {
        let uri = material.uri.as_deref();
        uri.is_some_and(|uri| !climbs(uri) && settings.materials.iter().any(|entry| uri.starts_with(entry)))
    };
    let others: Vec<String> =
        statement.materials.iter().filter(|material| !accepted(material)).map(Descriptor::shown).collect();
    (!others.is_empty()).then(|| {
        let why = format!("it was built from {}, which `materials` does not accept", listed(&others));
        ("provenance-materials", why)
    })
}

impl Descriptor {
    fn shown(&self) -> String {
        let digest = self.digest.get("sha256").map(|hex| format!("sha256 {hex}"));
        let other =
            || self.digest.keys().next().map(|algorithm| format!("something by its {algorithm} alone"));
        self.uri
            .clone()
            .or(digest)
            .or_else(|| self.name.clone())
            .or_else(other)
            .unwrap_or_else(|| "something unnamed".into())
    }
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
