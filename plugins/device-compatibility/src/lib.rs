//! The gate `device-compatibility`: every artifact runs on every device that the change goes to.

use interlock_plugin_sdk::prelude::*;

mod fleet;
mod rules;
mod settings;
mod version;

use fleet::{Devices, Population as Fleet};
use rules::{Fit, Rule};
pub use settings::{DeviceSettings, Document, OnUnknown, Settings};

/// Refuses releases for devices of a model, hardware revision or version that they do not run on.
#[gate(name = "device-compatibility", evidence = ["document", "fleet"])]
pub fn device_compatibility(change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
    if change.kind != ChangeKind::Release {
        return Ok(Verdict::pass());
    }
    if change.artifacts.is_empty() {
        let message = "the release names no artifact, so nobody can say what it runs on; add the artifact";
        return Ok(Finding::critical("artifact-missing", message).about("/artifacts").into());
    }
    let fleet: Fleet = evidence::json("fleet", "population")?;
    let mut findings: Vec<Finding> = fleet.gap(change).into_iter().collect();
    let configured = settings.rules()?;
    for artifact in &change.artifacts {
        let declared = declared(artifact, settings)?;
        if declared.is_none() && (configured.is_empty() || settings.document == Document::Required) {
            let message = format!(
                "nothing says what `{}` runs on; attach a document `compatibility`, or name the devices in `devices`",
                artifact.name
            );
            findings.push(Finding::critical("compatibility-missing", message).about(&artifact.digest));
            continue;
        }
        // Both count where both speak: a device must fit the artifact's word and the operator's.
        let words = [declared, (!configured.is_empty()).then(|| configured.clone())];
        let words: Vec<Vec<Rule>> = words.into_iter().flatten().collect();
        for devices in &fleet.devices {
            let misfits =
                words.iter().map(|rules| rules::fit(rules, devices)).filter(|fit| *fit != Fit::Fits);
            let worst = misfits.min_by_key(|fit| fit.is_unknown());
            findings.extend(worst.and_then(|fit| finding(artifact, devices, &fit, settings)));
        }
    }
    Ok(findings.into_iter().collect())
}

/// What the document of the artifact says.
fn declared(artifact: &Artifact, settings: &Settings) -> Result<Option<Vec<Rule>>, Fault> {
    if settings.document == Document::Ignored {
        return Ok(None);
    }
    let key = format!("{}/compatibility", artifact.digest);
    let Some(document) = evidence::find_json::<rules::Declared>("document", &key)? else { return Ok(None) };
    let read = document.devices.iter().map(Rule::read).collect::<Result<Vec<Rule>, _>>();
    read.map(Some).map_err(|why| Fault::evidence(format_args!("`document` answered for `{key}`: {why}")))
}

fn finding(artifact: &Artifact, devices: &Devices, fit: &Fit, settings: &Settings) -> Option<Finding> {
    let (code, wrong) = match fit {
        Fit::Fits => return None,
        Fit::OtherModel => ("device-model-incompatible", "it does not run on this model".to_owned()),
        Fit::OtherRevision => {
            ("device-revision-incompatible", "it does not run on this hardware revision".to_owned())
        }
        Fit::TooOld(minimum) => (
            "device-version-too-old",
            format!("it needs at least {minimum}; bring these devices there first"),
        ),
        Fit::TooNew(maximum) => ("device-version-too-new", format!("it goes onto at most {maximum}")),
        Fit::UnknownRevision => (
            "device-revision-unknown",
            "their hardware revision is not known; have them report it".to_owned(),
        ),
        Fit::UnknownVersion => (
            "device-version-unknown",
            "their version is not known or cannot be compared; have them report it".to_owned(),
        ),
    };
    let severity = match settings.on_unknown {
        OnUnknown::Warn if fit.is_unknown() => Severity::Warning,
        _ => Severity::Critical,
    };
    let message = format!("`{}` {} for {devices}: {wrong}", artifact.name, artifact.version);
    let remedy = if fit.is_unknown() { "" } else { "; or leave them out" };
    Some(Finding::new(severity, code, format!("{message}{remedy}")).about(&devices.model))
}

#[cfg(test)]
mod tests;
