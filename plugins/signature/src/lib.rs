//! The gate `signature`: every artifact is signed by a trusted key, is meant for the models that it goes to, and is not
//! older than what was released.

use interlock_plugin_sdk::prelude::*;

mod facts;

use facts::Facts;

/// What an operator sets for the gate.
#[settings]
pub struct Settings {
    /// The keys that may sign, by id. Left out or empty, every key in the host's trust store may.
    #[default]
    pub trusted_keys: Vec<String>,
    /// Accept the release counter that is released now, for example to roll the same release out again.
    #[default(true)]
    pub allow_counter_equal: bool,
    /// Accept a release counter below the one that is released now. This allows downgrades.
    #[default(false)]
    pub allow_counter_lower: bool,
}

/// Refuses artifacts without a good signature by a trusted key, for other models than they are signed for, and downgrades.
#[gate(name = "signature", evidence = ["artifact"])]
pub fn signature(change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
    if change.artifacts.is_empty() && change.kind == ChangeKind::Release {
        let message = "the release names no artifact, so there is no signature to judge; add the artifact";
        return Ok(Finding::critical("artifact-missing", message).about("/artifacts").into());
    }
    let mut findings = Vec::new();
    for artifact in &change.artifacts {
        let facts: Facts = evidence::json("artifact", &evidence::artifact_key(artifact))?;
        facts.about(artifact)?;
        let judged = [
            size(artifact, &facts),
            signer(artifact, &facts, settings),
            models(artifact, &facts, change)?,
            counter(artifact, &facts, settings),
        ];
        findings.extend(judged.into_iter().flatten().map(|finding| finding.about(&artifact.digest)));
    }
    Ok(findings.into_iter().collect())
}

fn size(artifact: &Artifact, facts: &Facts) -> Option<Finding> {
    let (name, stated, stored) = (&artifact.name, artifact.size_bytes, facts.size);
    (stated != stored).then(|| {
        let message =
            format!("`{name}` has {stored} bytes, but the manifest says {stated}; propose it again");
        Finding::critical("artifact-size-differs", message)
    })
}

fn signer(artifact: &Artifact, facts: &Facts, settings: &Settings) -> Option<Finding> {
    let name = &artifact.name;
    let key = facts.signature.key_id.as_deref();
    if let Some((code, wrong, remedy)) = facts.signature.outcome.objection() {
        let key = key.map(|key| format!(" (key `{key}`)")).unwrap_or_default();
        let detail = facts.signature.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        return Some(Finding::critical(code, format!("`{name}` {wrong}{key}{detail}; {remedy}")));
    }
    let trusted = settings.trusted_keys.is_empty()
        || key.is_some_and(|key| settings.trusted_keys.iter().any(|trusted| trusted == key));
    (!trusted).then(|| {
        let key = key.unwrap_or("unnamed");
        let message = format!(
            "`{name}` is signed with key `{key}`, which is not among the trusted keys of this gate; sign it with one \
             of them, or have the key added to `trusted_keys`"
        );
        Finding::critical("signature-key-not-trusted", message)
    })
}

/// Whoever signed it for some models said nothing of the others: what it would do there is anybody's guess.
fn models(artifact: &Artifact, facts: &Facts, change: &Change) -> Result<Option<Finding>, Fault> {
    if facts.models.is_empty() {
        return Ok(None);
    }
    let mut reached = facts::models(change)?;
    reached.retain(|model, _| !facts.models.contains(model));
    let targets: u64 = reached.values().fold(0, |sum, count| sum.saturating_add(*count));
    Ok((!reached.is_empty()).then(|| {
        let message = format!(
            "`{}` is signed for {}, but the change goes to {}, {targets} targets in all; leave these targets out, or \
             have it signed for them",
            artifact.name,
            listed(&facts.models),
            listed(reached.keys()),
        );
        Finding::critical("signature-other-model", message)
    }))
}

/// The first few, because a fleet may have more models than anybody reads.
fn listed<'a>(models: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = models.into_iter().map(|model| format!("`{model}`")).collect();
    match names.split_at_checked(5) {
        Some((first, more)) if !more.is_empty() => format!("{} and {} more", first.join(", "), more.len()),
        _ => names.join(", "),
    }
}

/// A counter that falls is a downgrade: an old release with known flaws, validly signed in its day.
fn counter(artifact: &Artifact, facts: &Facts, settings: &Settings) -> Option<Finding> {
    let name = &artifact.name;
    let highest = facts.current_release_counter_max?;
    let Some(counter) = facts.release_counter else {
        let message = format!(
            "`{name}` has no release counter, but {highest} is released; sign it with a counter above that"
        );
        return Some(Finding::critical("release-counter-missing", message));
    };
    if counter < highest && !settings.allow_counter_lower {
        let message = format!(
            "`{name}` has release counter {counter}, which is lower than {highest}, the highest released; sign it \
             with a higher one, or allow downgrades with `allow_counter_lower`"
        );
        Some(Finding::critical("release-counter-lower", message))
    } else if counter == highest && !settings.allow_counter_equal {
        let message = format!(
            "`{name}` has release counter {counter}, which is released already; sign it with a higher one"
        );
        Some(Finding::critical("release-counter-equal", message))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
