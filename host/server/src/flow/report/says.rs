//! An incident report as people read it.

use interlock_domain::{Assignment, AssignmentState, DeviceId, RollbackCause};
use interlock_report::{Block, Document, Table};

use super::{Known, paper};

/// The report.
pub(super) fn document(known: &Known) -> Document {
    let Known { change, gathered, .. } = known;
    let manifest = &change.manifest;
    let mut document = Document {
        title: format!("Incident report: {}", manifest.title),
        foot: format!("{}, {} at {} entries", change.id, gathered.origin, gathered.size),
        ..Document::default()
    };
    let about = [
        ("Change", change.id.to_string()),
        ("Digest", change.digest.to_string()),
        ("State", change.state.to_string()),
        ("Kind", manifest.kind.as_str().to_owned()),
        ("Tenant", manifest.tenant.to_string()),
        ("Environment", manifest.environment.to_string()),
        ("Proposed by", change.author_name.clone()),
        ("Proposed", change.created_at.to_string()),
    ];
    document.about = about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for artifact in &manifest.artifacts {
        let brings = format!("{} {} ({})", artifact.name, artifact.version, artifact.digest);
        document.about.push(("Brings".to_owned(), brings));
    }
    document.push("What cannot be proved", paper::faults(gathered));
    document.push("What happened", happened(known).into_iter().map(Block::Text).collect());
    document.push("Emergencies", incidents(known));
    document.push("Devices", devices(known));
    document.push("What was brought back", brought_back(known));
    document.push("Who answered", approvals(known));
    let signatures = gathered.signatures.iter().map(|given| Block::Signature(paper::line(given)));
    document.push("Electronic signatures", signatures.collect());
    document.push("Evidence", evidence(known));
    document.push("From the ledger", vec![Block::Table(paper::timeline(gathered))]);
    let receipts = format!(
        "{} of {} entries above lead to this checkpoint. Their receipts are in the same report as JSON and in `interlock ledger export \
         --change {}`.",
        gathered.entries.iter().filter(|exported| exported.proof.is_ok()).count(),
        gathered.entries.len(),
        change.id
    );
    document.push("Proof", vec![Block::Text(receipts), Block::Text(gathered.checkpoint.clone())]);
    document
}

/// What happened, in sentences.
pub(super) fn happened(known: &Known) -> Vec<String> {
    let Known { change, progress, .. } = known;
    let mut said = vec![format!(
        "{} proposed “{}” for {} in {} on {}. By now it is {}.",
        change.author_name,
        change.manifest.title,
        counted(change.manifest.population.size, "device"),
        change.manifest.environment,
        change.created_at,
        change.state
    )];
    for incident in &known.incidents {
        let names: Vec<&str> = incident.broken_by.iter().map(|broke| broke.name.as_str()).collect();
        said.push(format!(
            "{} let it proceed without the approvals that were missing, on {}.",
            names.join(" and "),
            incident.opened_at
        ));
    }
    if let Some(rollout) = &change.rollout {
        said.push(format!(
            "It was admitted on {} and entered {}: {} installed and seen, {} failed, {} silent.",
            rollout.admitted_at,
            counted(rollout.stages.len() as u64, "stage"),
            progress.verified,
            progress.failed,
            progress.silent
        ));
    }
    match &change.rollback {
        Some(RollbackCause::Strategy { reason }) => {
            said.push(format!("The strategy called it back: {reason}"))
        }
        Some(RollbackCause::Person { name, reason, .. }) => {
            said.push(format!("{name} called it back: {reason}"))
        }
        None => {}
    }
    said.extend(change.note.clone());
    said
}

fn incidents(known: &Known) -> Vec<Block> {
    let mut blocks = Vec::new();
    for incident in &known.incidents {
        let mut fields = vec![
            ("Incident".to_owned(), incident.id.to_string()),
            ("Until".to_owned(), incident.glass_until.to_string()),
            ("Review due".to_owned(), incident.review_due.to_string()),
        ];
        for broke in &incident.broken_by {
            fields.push(("By".to_owned(), format!("{} at {}: {}", broke.name, broke.at, broke.reason)));
        }
        let review = match &incident.review {
            Some(review) => format!("{} at {}: {}", review.name, review.at, review.findings),
            None => "nobody yet".to_owned(),
        };
        fields.push(("Reviewed by".to_owned(), review));
        blocks.push(Block::Fields(fields));
    }
    blocks
}

fn devices(known: &Known) -> Vec<Block> {
    let mut table = Table::new(&["Device", "State", "Version before", "Version", "Since", "What it said"]);
    for assignment in &known.touched {
        table.rows.push(vec![
            assignment.device.to_string(),
            assignment.state.as_str().replace('_', " "),
            assignment.version_before.clone().unwrap_or_default(),
            assignment.version.clone(),
            assignment.touched_at.to_string(),
            assignment.detail.clone(),
        ]);
    }
    if table.rows.is_empty() {
        return vec![Block::Text("It reached no device.".to_owned())];
    }
    let mut blocks = vec![Block::Table(table)];
    if known.left_out > 0 {
        blocks
            .push(Block::Text(format!("And {} more: `interlock change devices` lists all.", known.left_out)));
    }
    blocks
}

fn brought_back(known: &Known) -> Vec<Block> {
    let Some(cause) = &known.change.rollback else {
        return vec![Block::Text("Nothing was called back.".to_owned())];
    };
    let listed = |state| {
        let ids = in_state(&known.touched, state).into_iter().map(DeviceId::as_str);
        let ids: Vec<&str> = ids.collect();
        if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
    };
    vec![Block::Fields(vec![
        ("Because".to_owned(), cause.reason().to_owned()),
        ("On its old version".to_owned(), listed(AssignmentState::RolledBack)),
        ("Needs a person".to_owned(), listed(AssignmentState::RollbackFailed)),
        ("On their way back".to_owned(), known.progress.rolling_back.to_string()),
    ])]
}

fn approvals(known: &Known) -> Vec<Block> {
    let mut table = Table::new(&["Who", "Roles", "Meaning", "Reason", "Date and time", "Digest"]);
    for approval in &known.change.approvals {
        let roles: Vec<&str> = approval.roles.iter().map(|role| role.as_str()).collect();
        table.rows.push(vec![
            approval.name.clone(),
            roles.join(", "),
            format!("{:?}", approval.meaning).to_lowercase(),
            approval.reason.clone(),
            approval.at.to_string(),
            approval.digest.to_string(),
        ]);
    }
    if table.rows.is_empty() {
        return vec![Block::Text("Nobody approved it.".to_owned())];
    }
    vec![Block::Table(table)]
}

fn evidence(known: &Known) -> Vec<Block> {
    let mut table = Table::new(&["Judged by", "Outcome", "Findings", "Date and time", "Decision"]);
    let health = known.change.rollout.iter().flat_map(|rollout| &rollout.health);
    let gates = known.change.gates.iter().map(|gate| {
        (gate.plugin.name.clone(), gate.verdict.outcome, &gate.verdict.findings, gate.at, &gate.decision)
    });
    let checks =
        health.map(|check| (check.check.clone(), check.outcome, &check.findings, check.at, &check.decision));
    for (name, outcome, findings, at, decision) in gates.chain(checks) {
        let findings: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        let outcome = outcome.as_str().to_owned();
        table.rows.push(vec![name, outcome, findings.join("; "), at.to_string(), decision.to_string()]);
    }
    if table.rows.is_empty() { Vec::new() } else { vec![Block::Table(table)] }
}

/// The devices in a state.
pub(super) fn in_state(touched: &[Assignment], state: AssignmentState) -> Vec<&DeviceId> {
    touched
        .iter()
        .filter(|assignment| assignment.state == state)
        .map(|assignment| &assignment.device)
        .collect()
}

fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
