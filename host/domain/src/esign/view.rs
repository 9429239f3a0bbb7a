//! The text that is shown to whoever signs: all that the digest stands for, one line each.
//!
//! **Invariant:** nothing of a change that approvers decide about is in the digest alone: what somebody signs they could read.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Extent, Signer};
use crate::{Change, Exposure, Manifest, Meaning, PluginPlan, PluginRef, PluginStep, PolicyPlan};

/// The exact sentence that stands above a signature.
pub fn sentence(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Authorship => "I am the author of this change as it is shown here.",
        Meaning::Review => "I have reviewed this change as it is shown here.",
        Meaning::Approval => "I approve this change as it is shown here.",
        Meaning::Responsibility => "I take responsibility for this change as it is shown here.",
        Meaning::Rejection => "I reject this change as it is shown here.",
    }
}

/// The text that is shown to whoever signs: what they see is what they sign.
pub fn view(change: &Change, signer: &Signer, meaning: Meaning, extent: &Extent, reason: &str) -> String {
    let manifest = &change.manifest;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // One line each: what somebody wrote cannot pass for another line.
        let value: String = value.chars().map(|c| if disorders(c) { ' ' } else { c }).collect();
        let _ = writeln!(text, "{name}: {value}");
    };
    line("Change", change.id.as_str());
    line("Digest", &change.digest.to_string());
    line("Kind", manifest.kind.as_str());
    line("Title", &manifest.title);
    line("Description", &manifest.description);
    line("Tenant", manifest.tenant.as_str());
    line("Environment", manifest.environment.as_str());
    line("Proposed by", &change.author_name);
    for artifact in &manifest.artifacts {
        line("Brings", &format!("{} {} ({})", artifact.name, artifact.version, artifact.digest));
    }
    for document in &manifest.documents {
        line("Document", &format!("{} ({})", document.kind, document.digest));
    }
    line("Meant for", &json(&manifest.selector));
    line("Targets", &format!("{} ({})", manifest.population.size, manifest.population.digest));
    line("Policies", &manifest.bundle.to_string());
    for gate in &change.gates {
        line("Gate", &format!("{}: {:?}", gate.plugin.name, gate.verdict.outcome));
    }
    line("Way back", if manifest.rollback_complete() { "for every target" } else { "not for every target" });
    for way in &manifest.rollback {
        let version = way.version.as_deref().unwrap_or("no version that is known");
        let to = way.artifact.map_or("nothing that is stored".to_owned(), |artifact| artifact.to_string());
        line("Way back", &format!("{} targets with {version} to {to}", way.targets));
    }
    plan(&mut line, manifest);
    if let Some(plan) = &manifest.plugins {
        steps(&mut line, plan);
    }
    if let Some(plan) = &manifest.policies {
        policies(&mut line, plan);
    }
    if let Some(stage) = extent.stage {
        line("For stage", &format!("{stage} alone, counted from 0"));
    }
    if let Some(delegation) = &extent.delegation {
        line("On behalf of", &format!("{} ({})", delegation.name, delegation.id));
    }
    line("Signer", &format!("{} ({}), {}", signer.name, signer.title, signer.organization));
    line("Reason", reason);
    line("Meaning", sentence(meaning));
    text
}

/// How it gets there, what watches it, and what judges it.
pub(super) fn plan(line: &mut impl FnMut(&str, &str), manifest: &Manifest) {
    if let Some(strategy) = &manifest.strategy {
        line("Strategy", &format!("{} with {}", plugin(&strategy.plugin), json(&strategy.settings)));
        for (index, stage) in strategy.plan.iter().enumerate() {
            let (name, to, hold) = (&stage.name, exposure(&stage.exposure), stage.hold_ms);
            line(&format!("Stage {index}"), &format!("{name}: {to}, then good for {hold} ms"));
        }
        line("Silent", &format!("a target counts as failed after {} ms", manifest.silent_after_ms));
        line("Health", &format!("judged every {} ms", manifest.judge_every_ms));
    }
    for check in &manifest.health {
        let (called, of, settings) = (check.called(), plugin(&check.plugin), json(&check.settings));
        line("Health check", &format!("{called}: {of} with {settings}, mode {}", json(&check.mode)));
    }
    for gate in &manifest.gates {
        let (called, of, settings) = (gate.called(), plugin(&gate.plugin), json(&gate.settings));
        let group = gate.group.as_ref().map_or(String::new(), |group| format!(", in group {group}"));
        line("Gate asked", &format!("{called}: {of} with {settings}, mode {}{group}", json(&gate.mode)));
    }
    for group in &manifest.groups {
        line("Gate group", &format!("{}: {}, mode {}", group.name, group.expression, json(&group.mode)));
    }
    for rule in &manifest.at_once {
        line("At once", &format!("{} targets of {}", rule.targets, rule.of));
    }
}

/// What a `plugin` change does to the roster, with before and after.
pub(super) fn steps(line: &mut impl FnMut(&str, &str), plan: &PluginPlan) {
    for (index, step) in plan.steps.iter().enumerate() {
        let of = |one: &Option<PluginRef>| one.as_ref().map_or("nothing".to_owned(), plugin);
        let text = match step {
            PluginStep::Activate { name, from, to } => {
                format!("activate {name}: {} in place of {}", plugin(to), of(from))
            }
            PluginStep::Deactivate { name, from } => format!("deactivate {name}: {}", plugin(from)),
            PluginStep::Bind { id, from, to } => {
                format!("bind {id}: {} in place of {}", json(to), json(from))
            }
            PluginStep::Unbind { id, from } => format!("unbind {id}: {}", json(from)),
            PluginStep::Grant { plugin, from, to } => {
                format!("grant {plugin}: {} in place of {}", json(to), json(from))
            }
            PluginStep::Group { name, from, to } => {
                format!("group {name}: {} in place of {}", json(to), json(from))
            }
            PluginStep::Ungroup { name, from } => format!("ungroup {name}: {}", json(from)),
        };
        line(&format!("Step {index}"), &text);
    }
    for (digest, signers) in &plan.signers {
        line("Vouched for", &format!("{digest} by {}", json(signers)));
    }
}

/// What a `policy` change puts in force, and in place of what.
pub(super) fn policies(line: &mut impl FnMut(&str, &str), plan: &PolicyPlan) {
    for (name, bundle) in [("Policies before", &plan.from), ("Policies after", &plan.to)] {
        line(name, &format!("{} revision {} ({})", bundle.name, bundle.revision, bundle.digest));
    }
    for (name, ids) in [("Added", &plan.added), ("Removed", &plan.removed), ("Altered", &plan.altered)] {
        for id in ids {
            line(&format!("{name} policy"), id);
        }
    }
    for why in &plan.weakens {
        line("Weakens", why);
    }
    if let Some(source) = &plan.source {
        let signers = source.signers.join("; ");
        line("From git", &format!("{} of {}, signed by {signers}", source.commit, source.reference));
    }
}

fn plugin(of: &PluginRef) -> String {
    format!("{} {} ({})", of.name, of.version, of.digest)
}

fn exposure(of: &Exposure) -> String {
    match of {
        Exposure::Shadow => "nobody".to_owned(),
        Exposure::Percent { basis_points } => format!("{}.{:02} %", basis_points / 100, basis_points % 100),
        Exposure::Groups { names } => names.join(", "),
        Exposure::All => "everybody".to_owned(),
    }
}

/// A part as it stands in the manifest. What is in a manifest can be written, since its digest was taken of it.
fn json(part: &impl Serialize) -> String {
    serde_json::to_string(part).unwrap_or_default()
}

/// Whether a character breaks a line or turns the order of those around it, so that people would read something else than what
/// stands there.
pub(crate) fn disorders(c: char) -> bool {
    let turns =
        matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}
