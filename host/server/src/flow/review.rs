//! Gates: each bound gate plugin runs in a fresh sandbox over the manifest and its evidence. All run, all report.

use std::sync::Arc;

use futures::future::join_all;
use interlock_domain::{Change, Decision, DecisionId, GateBinding, GateReport, Timestamp, Verdict};
use interlock_sandbox::types::{self as wit, Request, Response};
use interlock_store::{Lease, Write};

use super::{convert, plugin::call};
use crate::{App, FlowError};

/// Runs every gate of a change and records what they said.
pub(crate) async fn review(
    app: &Arc<App>,
    change: &Change,
    lease: &Lease,
    now: Timestamp,
) -> Result<Change, FlowError> {
    let subject = convert::change(change);
    let runs = change.manifest.gates.iter().map(|gate| {
        let subject = subject.clone();
        async move { run(app, change, gate, subject, now).await }
    });
    let mut reports = Vec::new();
    let mut writes = Vec::new();
    for (report, decision) in join_all(runs).await {
        reports.push(report);
        writes.extend(decision.map(|decision| Write::Decision(Box::new(decision))));
    }
    let transition = change.review(reports, now)?;
    let change = transition.change.clone();
    writes.push(Write::Change(Box::new(transition)));
    app.commit_as_host(change.tenant(), now, Some(lease), writes).await?;
    Ok(change)
}

async fn run(
    app: &Arc<App>,
    change: &Change,
    gate: &GateBinding,
    subject: Arc<wit::Change>,
    now: Timestamp,
) -> (GateReport, Option<Decision>) {
    let report = |verdict: Verdict, decision: DecisionId| GateReport {
        plugin: gate.plugin.clone(),
        mode: gate.mode,
        verdict,
        decision,
        at: now,
    };
    let Some(plugin) = app.sandbox.shelf().get(&gate.plugin.digest) else {
        let message = format!(
            "plugin `{}` ({}) is not installed here any more; install it or propose the change again",
            gate.plugin.name, gate.plugin.digest
        );
        return (
            report(Verdict::unanswered("gate-missing", message), DecisionId::new(app.clock.uuid())),
            None,
        );
    };
    let request = Request::Evaluate {
        change: subject,
        settings: gate.settings.to_string(),
        now: convert::instant(now),
    };
    let called = call(app, change.tenant(), Some(&change.id), &plugin, request, now).await;
    let verdict = match called.answer {
        Ok(Response::Verdict(verdict)) => convert::verdict(verdict),
        Ok(_) => {
            Verdict::unanswered("gate-bad-answer", format!("gate `{}` gave no verdict", gate.plugin.name))
        }
        Err(error) => Verdict::unanswered(
            error.code(),
            format!("gate `{}` did not answer, so the change is denied: {error}", gate.plugin.name),
        ),
    };
    (report(verdict, called.decision.id.clone()), Some(called.decision))
}
