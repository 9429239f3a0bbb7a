//! The gate `provenance`: every artifact was built by a builder that the operator trusts, and enough signers vouch for it.
//!
//! It verifies the signatures itself: whoever may attach a document could otherwise write one.

use std::collections::BTreeSet;

use interlock_plugin_sdk::prelude::*;

mod envelope;
mod key;
mod rules;
mod settings;
mod statement;

use envelope::Envelope;
use key::Key;
pub use settings::{KeySettings, Settings};
use statement::Statement;

/// Requires provenance of every artifact: in-toto statements in DSSE envelopes by trusted signers, from trusted builders.
#[gate(name = "provenance", evidence = ["document"])]
pub fn provenance(change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
    if change.artifacts.is_empty() && change.kind == ChangeKind::Release {
        let message = "the release names no artifact, so there is no provenance to judge; add the artifact";
        return Ok(Finding::critical("artifact-missing", message).about("/artifacts").into());
    }
    let keys = settings.keys().map_err(|problems| {
        Fault::Settings(
            problems.into_iter().map(|problem| format!("`{}`: {}", problem.path, problem.message)).collect(),
        )
    })?;
    let mut findings = Vec::new();
    for artifact in &change.artifacts {
        findings.extend(
            judge(artifact, settings, &keys)?.into_iter().map(|finding| finding.about(&artifact.digest)),
        );
    }
    Ok(findings.into_iter().collect())
}

/// What is wrong with the provenance of one artifact. One good envelope of several is enough, because a document may hold
/// the attestations of several builds of the same content; otherwise all that is wrong with each of them is told.
fn judge(artifact: &Artifact, settings: &Settings, keys: &[Key]) -> Result<Vec<Finding>, Fault> {
    let name = &artifact.name;
    let key = format!("{}/provenance", artifact.digest);
    let Some(document) = evidence::find("document", &key)? else {
        let message = format!("`{name}` has no provenance; attach the builder's attestation as `provenance`");
        return Ok(vec![Finding::critical("provenance-missing", message)]);
    };
    let envelopes = match envelope::all(&document.content) {
        Ok(envelopes) => envelopes,
        Err(why) => {
            let message = format!("the provenance of `{name}` cannot be read: {why}; attach DSSE envelopes");
            return Ok(vec![Finding::critical("provenance-malformed", message)]);
        }
    };
    let mut findings = Vec::new();
    for (index, envelope) in envelopes.iter().enumerate() {
        let objections = objections(artifact, settings, keys, envelope);
        if objections.is_empty() {
            return Ok(Vec::new());
        }
        findings.extend(objections.into_iter().map(|(code, why)| {
            let which =
                if envelopes.len() > 1 { format!(" (attestation {})", index + 1) } else { String::new() };
            Finding::critical(code, format!("provenance of `{name}`{which}: {why}"))
        }));
    }
    Ok(findings)
}

/// Codes and what is wrong. Nothing of the payload is looked at before enough signers vouch for it.
fn objections(
    artifact: &Artifact,
    settings: &Settings,
    keys: &[Key],
    envelope: &Envelope,
) -> Vec<(&'static str, String)> {
    if envelope.payload_type != envelope::PAYLOAD_TYPE {
        let why = format!("its payload is `{}` and not `{}`", envelope.payload_type, envelope::PAYLOAD_TYPE);
        return vec![("provenance-malformed", why)];
    }
    let signers = signers(envelope, keys);
    if signers.len() < settings.min_signers {
        let by = if signers.is_empty() {
            "nobody who is trusted".to_owned()
        } else {
            signers.iter().map(|signer| format!("`{signer}`")).collect::<Vec<_>>().join(", ")
        };
        let why = format!(
            "it is signed by {by}, but {} distinct signers of `keys` must; have it signed, or correct the keys",
            settings.min_signers
        );
        return vec![("provenance-signature", why)];
    }
    match Statement::read(&envelope.payload) {
        Ok(statement) => rules::objections(artifact, settings, &statement),
        Err(why) => vec![("provenance-malformed", format!("{why}; have the builder attest it again"))],
    }
}

/// The distinct signers whose keys verify a signature. What an envelope calls its keys is only a hint (DSSE), and hints
/// lie: each signature is tried with each key, and a signer counts once however often it signed and with how many keys.
fn signers<'a>(envelope: &Envelope, keys: &'a [Key]) -> BTreeSet<&'a str> {
    let message = envelope.pae();
    let good = keys
        .iter()
        .filter(|key| envelope.signatures.iter().any(|signature| key.verifies(&message, signature)));
    good.map(|key| key.signer.as_str()).collect()
}

#[cfg(test)]
mod tests;
