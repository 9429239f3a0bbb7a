//! The gate `sbom-vulnerabilities`: nothing in an artifact has a known vulnerability that nobody answers for.

use std::collections::{BTreeMap, BTreeSet};

use interlock_plugin_sdk::prelude::*;
use interlock_plugin_sdk::{MILLIS_OF_HOUR, read_instant};

mod judge;
mod osv;
mod purl;
mod sbom;
mod score;
mod settings;
mod version;

use osv::{Answer, Record};
use sbom::Sbom;
pub use settings::{Settings, UnknownScore, Waiver};

/// How many packages the advisory database is asked for at once.
const BATCH: usize = 256;
/// How many findings are spelt out for one artifact: the host bounds what a plugin may say.
const FINDINGS_MAX: usize = 200;
/// How many names are spelt out in one sentence.
const NAMED_MAX: usize = 5;

/// Refuses artifacts whose bill of materials names packages with known vulnerabilities.
#[gate(name = "sbom-vulnerabilities", evidence = ["document", "advisory"])]
pub fn sbom_vulnerabilities(change: &Change, settings: &Settings, now: Instant) -> Result<Verdict, Fault> {
    if change.artifacts.is_empty() && change.kind == ChangeKind::Release {
        let message = "the release names no artifact, so nobody can say what is in it; add the artifact";
        return Ok(Finding::critical("artifact-missing", message).about("/artifacts").into());
    }
    let mut findings = Vec::new();
    for artifact in &change.artifacts {
        findings.extend(judge_artifact(artifact, settings, now)?);
    }
    Ok(findings.into_iter().collect())
}

fn judge_artifact(artifact: &Artifact, settings: &Settings, now: Instant) -> Result<Vec<Finding>, Fault> {
    let name = &artifact.name;
    let about =
        |severity, code: &str, message: String| Finding::new(severity, code, message).about(&artifact.digest);
    let Some(document) = evidence::find("document", &format!("{}/sbom", artifact.digest))? else {
        let message =
            format!("`{name}` has no bill of materials; attach one as `sbom`, CycloneDX or SPDX as JSON");
        return Ok(vec![about(Severity::Critical, "sbom-missing", message)]);
    };
    let sbom = match Sbom::read(&document.content) {
        Ok(sbom) => sbom,
        Err(why) => {
            let message = format!("the bill of materials of `{name}` cannot be read: {why}");
            return Ok(vec![about(Severity::Critical, "sbom-malformed", message)]);
        }
    };
    if sbom.components.is_empty() && sbom.unnamed.is_empty() {
        let message =
            format!("the bill of materials of `{name}` is empty; have the build list what is inside");
        return Ok(vec![about(Severity::Critical, "sbom-empty", message)]);
    }
    let mut notes = Vec::new();
    if !sbom.unnamed.is_empty() {
        let (count, names) = (sbom.unnamed.len(), listed(&sbom.unnamed));
        let message = format!(
            "{count} components of `{name}` have no package URL, so nobody looked for their vulnerabilities: {names}"
        );
        notes.push(about(Severity::Warning, "component-without-purl", message));
    }
    let (records, stale) = advisories(&sbom, settings, now)?;
    notes.extend(stale.map(|message| about(Severity::Critical, "advisories-stale", message)));

    let (mut findings, mut unjudged) = (Vec::new(), Vec::new());
    for component in &sbom.components {
        let records = records.get(&component.purl.package).map_or(&[][..], Vec::as_slice);
        let (vulnerabilities, unknown) = judge::vulnerabilities(component, records, settings);
        findings.extend(vulnerabilities.iter().flat_map(|found| found.findings(component, settings, now)));
        if unknown > 0 {
            unjudged.push(format!("{} {}", component.purl.package, component.version));
        }
    }
    if !unjudged.is_empty() {
        let (count, names) = (unjudged.len(), listed(&unjudged));
        let message = format!(
            "{count} components of `{name}` have advisories with ranges that cannot be judged, because their versions cannot be \
             ordered; only listed versions were looked for: {names}"
        );
        notes.push(about(Severity::Warning, "version-scheme-unknown", message));
    }
    // The gravest first: what is left out must not be what decides.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    if findings.len() > FINDINGS_MAX {
        let left_out = findings.split_off(FINDINGS_MAX);
        let severity = left_out.first().map_or(Severity::Info, |finding| finding.severity);
        let message = format!("{} more findings on `{name}` are not shown", left_out.len());
        notes.push(about(severity, "more-findings", message));
    }
    Ok(notes.into_iter().chain(findings).collect())
}

/// Advisories by package.
type Advisories = BTreeMap<String, Vec<Record>>;

/// The advisories of every package, and what is wrong with their age.
fn advisories(sbom: &Sbom, settings: &Settings, now: Instant) -> Result<(Advisories, Option<String>), Fault> {
    let packages: BTreeSet<&str> =
        sbom.components.iter().map(|component| component.purl.package.as_str()).collect();
    let packages: Vec<&str> = packages.into_iter().collect();
    let (mut records, mut stale) = (Advisories::new(), None);
    for batch in packages.chunks(BATCH) {
        let answer: Answer = evidence::json("advisory", &batch.join("\n"))?;
        let as_of = read_instant(&answer.as_of).ok_or_else(|| {
            Fault::evidence(format_args!("`advisory` says as of `{}`, which is no time", answer.as_of))
        })?;
        let age_hours = now.saturating_sub(as_of) / MILLIS_OF_HOUR;
        if now.saturating_sub(as_of) > u64::from(settings.as_of_max_age_hours) * MILLIS_OF_HOUR {
            stale = Some(format!(
                "the advisories are of {}, {age_hours} hours ago, and may be {} hours old; import newer ones",
                answer.as_of, settings.as_of_max_age_hours
            ));
        }
        records.extend(answer.advisories);
    }
    Ok((records, stale))
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
