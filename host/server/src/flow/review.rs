//! Gates: each bound gate plugin runs in a fresh sandbox over the manifest and its evidence. All run, all report.

use std::sync::Arc;

use futures::future::join_all;
use interlock_domain::{Change, Decision, GateBinding, GateReport, Timestamp, Verdict};
use interlock_sandbox::types::{self as wit, Request, Response};
use interlock_store::{Lease, Write};

use super::{
    convert,
    plugin::{Answered, Asking, Failed, call},
};
use crate::{App, FlowError};

/// Runs every gate of a change and records what they said.
pub(crate) async fn review(
    app: &Arc<App>,
    change: &Change,
    lease: &Lease,
    now: Timestamp,
) -> Result<Change, FlowError> {
    let (reports, decisions) = ask_gates(app, change, now).await;
    let transition = change.review(reports, now)?;
    let change = transition.change.clone();
    let mut writes: Vec<Write> =
        decisions.into_iter().map(|decision| Write::Decision(Box::new(decision))).collect();
    writes.push(Write::Change(Box::new(transition)));
    app.commit_as_host(change.tenant(), now, Some(lease), writes).await?;
    Ok(change)
}

/// What every gate of a change says now, and the calls in which they said it. Nothing is recorded yet.
pub(crate) async fn ask_gates(
    app: &Arc<App>,
    change: &Change,
    now: Timestamp,
) -> (Vec<GateReport>, Vec<Decision>) {
    let subject = convert::change(change);
    let runs = change.manifest.gates.iter().map(|gate| {
        let subject = subject.clone();
        async move { run(app, change, gate, subject, now).await }
    });
    let (mut reports, mut decisions) = (Vec::new(), Vec::new());
    for (report, decision) in join_all(runs).await {
        reports.push(report);
        decisions.push(decision);
    }
    (reports, decisions)
}

async fn run(
    app: &Arc<App>,
    change: &Change,
    gate: &GateBinding,
    subject: Arc<wit::Change>,
    now: Timestamp,
) -> (GateReport, Decision) {
    let request = Request::Evaluate {
        change: subject,
        settings: gate.settings.to_string(),
        now: convert::instant(now),
    };
    let wanted = |response| match response {
        Response::Verdict(verdict) => Some(convert::verdict(verdict)),
        _ => None,
    };
    let (verdict, unanswered, decision) =
        match call(Asking::about(app, change, now), &gate.plugin, request, wanted).await {
            Ok(Answered { answer, decision }) => (answer, false, decision),
            Err(Failed { error, decision }) => {
                let message =
                    format!("gate `{}` did not answer, so the change is denied: {error}", gate.called());
                (Verdict::unanswered(error.code(), message), true, decision)
            }
        };
    let report = GateReport {
        id: gate.id.clone(),
        plugin: gate.plugin.clone(),
        mode: gate.mode,
        group: gate.group.clone(),
        unanswered,
        verdict,
        decision: decision.id.clone(),
        at: now,
    };
    (report, decision)
}
