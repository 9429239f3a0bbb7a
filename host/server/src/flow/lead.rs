//! Leading a change on: look at where it is, work out the one next step, do it, record it.
//!
//! Level-triggered: nothing is remembered between two calls, so a crash at any line costs one repetition.

use std::sync::Arc;

use interlock_domain::{
    Change, ChangeKind, Decision, Directive, HealthVerdict, Outcome, Progress, Rollout, State,
    StrategyBinding, Timestamp, Transition, Verdict,
};
use interlock_sandbox::types::{Request, Response, Situation};
use interlock_store::{Lease, Write};

use super::{
    admit::{Stage, may_admit, may_enter},
    adopt,
    back::WayBack,
    bundle, convert, enroll,
    health::{self, Judged},
    levels,
    plugin::{Answered, Asking, Failed, call},
    provable::is_provable,
    review::{ask_gates, review},
};
use crate::{App, FlowError};

/// What came of looking at a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Led {
    /// A step was taken: look again at once.
    Stepped,
    /// Nothing to do for now.
    Idle,
}

/// Takes at most one step.
pub(crate) async fn lead(app: &Arc<App>, change: &Change, lease: &Lease) -> Result<Led, FlowError> {
    let now = app.clock.now();
    if let Some(transition) = change.expire(now) {
        return step(app, lease, now, vec![], transition).await;
    }
    match change.state {
        State::Gating => {
            review(app, change, lease, now).await?;
            Ok(Led::Stepped)
        }
        State::Approving => {
            if let Some(transition) = levels::escalate(app, change, None, now).await? {
                return step(app, lease, now, vec![], transition).await;
            }
            let asked = may_admit(app, change, now).await?;
            let mut decisions = match gates_again(app, change, &asked, now).await? {
                Again::News(decisions, transition) => {
                    return step(app, lease, now, decisions, *transition).await;
                }
                Again::Same(decisions) => decisions,
            };
            let answered = match change.manifest.kind {
                ChangeKind::Plugin => enroll::admit(app, change, &asked, now).await?,
                ChangeKind::Policy => adopt::admit(app, change, &asked, now).await?,
                ChangeKind::Release | ChangeKind::Config | ChangeKind::Tenant => change.admit(&asked, now)?,
            };
            match answered {
                Some(_) if !is_provable(app, change).await? => Ok(Led::Idle),
                Some(transition) => {
                    decisions.push(asked);
                    let in_force = transition.change.state == State::Completed;
                    if in_force {
                        count(change, &transition.change);
                    }
                    let led = step(app, lease, now, decisions, transition).await?;
                    if in_force {
                        bundle::follow_soon(app).await;
                        app.alter();
                        // The other replicas have a roster or policies to follow.
                        app.wake();
                    }
                    Ok(led)
                }
                None => Ok(Led::Idle),
            }
        }
        State::RollingOut => roll_out(app, change, lease, now).await,
        State::Paused => {
            silence(app, change, lease, now).await?;
            Ok(Led::Idle)
        }
        State::RollingBack => {
            let progress = app.store.progress(change.tenant(), &change.id).await?;
            let unheard = app.store.unheard(change.tenant(), &change.id, silent_before(change, now)).await?;
            if let Some(transition) = change.come_back(&progress, unheard, now) {
                return step(app, lease, now, vec![], transition).await;
            }
            let paced = !change.manifest.at_once.is_empty();
            if paced
                && app.store.recalled_free(change, silent_before(change, now)).await? > 0
                && let Some(transition) = change.restore_next()
            {
                return step(app, lease, now, vec![], transition).await;
            }
            Ok(Led::Idle)
        }
        State::RolledBack | State::Completed | State::Rejected | State::Cancelled | State::Expired => {
            Ok(Led::Idle)
        }
    }
}

async fn roll_out(app: &Arc<App>, change: &Change, lease: &Lease, now: Timestamp) -> Result<Led, FlowError> {
    let Some(rollout) = &change.rollout else { return Ok(Led::Idle) };
    if silence(app, change, lease, now).await? > 0 {
        return Ok(Led::Stepped);
    }
    let progress = app.store.progress(change.tenant(), &change.id).await?;
    if progress.waiting > 0
        && app.store.waiting_free(change, silent_before(change, now)).await? > 0
        && let Some(transition) = change.offer_waiting(WayBack::today(app, change, now).await?.versions)
    {
        return step(app, lease, now, vec![], transition).await;
    }
    if let Some(transition) = change.settle(&progress, now) {
        return step(app, lease, now, vec![], transition).await;
    }
    if judgement_due(change, rollout).is_some_and(|due| due <= now) {
        return judge(app, change, lease, now).await;
    }
    let Some(strategy) = &change.manifest.strategy else { return Ok(Led::Idle) };
    let (directive, decision) = match advance(app, change, strategy, rollout, &progress, now).await {
        Ok(advanced) => advanced,
        Err(Failed { error, decision }) => {
            let name = &strategy.plugin.name;
            let reason = format!("strategy `{name}` did not answer: {error}");
            return step(app, lease, now, vec![decision], change.halt(reason, now)?).await;
        }
    };
    match &directive {
        Directive::Wait { .. } => Ok(Led::Idle),
        Directive::EnterStage { index } => {
            let back = WayBack::today(app, change, now).await?;
            let stage = match change.stage(*index) {
                Ok(stage) => Stage {
                    index: *index,
                    exposure_bp: stage.exposure.basis_points(&change.manifest.population),
                    health: rollout.worst_health(),
                    rollback_complete: back.complete,
                },
                Err(refusal) => {
                    return step(app, lease, now, vec![decision], change.halt(refusal.to_string(), now)?)
                        .await;
                }
            };
            let asked = may_enter(app, change, stage, now).await?;
            if asked.permit().is_none()
                && let Some(transition) = levels::escalate(app, change, Some(*index), now).await?
            {
                return step(app, lease, now, vec![], transition).await;
            }
            let mut decisions = match gates_again(app, change, &asked, now).await? {
                Again::News(decisions, transition) => {
                    return step(app, lease, now, decisions, *transition).await;
                }
                Again::Same(decisions) => decisions,
            };
            match change.enter_stage(*index, &progress, &asked, back.versions, now) {
                Ok(Some(_)) if !is_provable(app, change).await? => Ok(Led::Idle),
                Ok(Some(transition)) => {
                    decisions.extend([decision, asked]);
                    step(app, lease, now, decisions, transition).await
                }
                Ok(None) => Ok(Led::Idle),
                Err(refusal) => {
                    step(app, lease, now, vec![decision], change.halt(refusal.to_string(), now)?).await
                }
            }
        }
        Directive::Complete | Directive::Pause { .. } | Directive::RollBack { .. } => {
            match change.follow(&directive, &progress, now) {
                Ok(Some(transition)) => {
                    count(change, &transition.change);
                    step(app, lease, now, vec![decision], transition).await
                }
                Ok(None) => Ok(Led::Idle),
                Err(refusal) => {
                    step(app, lease, now, vec![decision], change.halt(refusal.to_string(), now)?).await
                }
            }
        }
    }
}

/// What came of asking the gates again.
enum Again {
    /// They say something else than before: that is recorded first, and the policies are asked anew.
    News(Vec<Decision>, Box<Transition>),
    /// They stand by what they said.
    Same(Vec<Decision>),
}

/// Asks the gates again before a change goes on: windows close, keys are revoked, freezes begin. Only where their answer
/// matters: when everything else lets it go on, or when it is a gate that keeps it.
async fn gates_again(
    app: &Arc<App>,
    change: &Change,
    asked: &Decision,
    now: Timestamp,
) -> Result<Again, FlowError> {
    if asked.permit().is_none() && !change.is_kept_by_a_gate() {
        return Ok(Again::Same(Vec::new()));
    }
    let (reports, decisions) = ask_gates(app, change, now).await;
    Ok(match change.rejudge(reports, now)? {
        Some(transition) => Again::News(decisions, Box::new(transition)),
        None if asked.permit().is_some() => Again::Same(decisions),
        // The same answer again is no news.
        None => Again::Same(Vec::new()),
    })
}

/// Asks the strategy what to do next. A strategy that does not answer stops the rollout: the error says why.
async fn advance(
    app: &Arc<App>,
    change: &Change,
    binding: &StrategyBinding,
    rollout: &Rollout,
    progress: &Progress,
    now: Timestamp,
) -> Result<(Directive, Decision), Failed> {
    let situation = Situation {
        change: convert::change(change),
        settings: binding.settings.to_string(),
        now: convert::instant(now),
        plan: convert::plan(&binding.plan),
        stage: rollout.stage(),
        entered_at: rollout.entered_at().map(convert::instant),
        settled_at: rollout.settled_at.map(convert::instant),
        progress: convert::progress(progress),
        // What a check in monitor mode says is no reason to go back.
        health: rollout.counting_health().map(convert::health).collect(),
        promoted: rollout.promoted,
    };
    let request = Request::Advance { situation: Box::new(situation) };
    let wanted = |response| match response {
        Response::Directive(directive) => Some(convert::directive(directive)),
        _ => None,
    };
    let Answered { answer, decision } =
        call(Asking::about(app, change, now), &binding.plugin, request, wanted).await?;
    Ok((answer, decision))
}

/// When health is to be judged next; `None` before the first stage or without health checks. A stage that settled
/// after the last verdict is judged at once, so that no stage is left on old verdicts.
fn judgement_due(change: &Change, rollout: &Rollout) -> Option<Timestamp> {
    let entered = rollout.entered_at()?;
    if change.manifest.health.is_empty() {
        return None;
    }
    let Some(judged) = rollout.judged_at() else { return Some(entered) };
    if judged < entered || rollout.settled_at.is_some_and(|settled| judged < settled) {
        return Some(judged);
    }
    Some(judged.plus_millis(i64::try_from(change.manifest.judge_every_ms).unwrap_or(i64::MAX)))
}

/// Runs every health check. One that does not answer counts as a failure with its own reason.
async fn judge(app: &Arc<App>, change: &Change, lease: &Lease, now: Timestamp) -> Result<Led, FlowError> {
    let mut verdicts = Vec::new();
    let mut decisions = Vec::new();
    for binding in &change.manifest.health {
        let (check, mode) = (binding.called().to_owned(), binding.mode);
        let Judged { verdict, decision, calls } = health::judge(app, change, binding, now).await?;
        decisions.extend(calls);
        let Verdict { outcome, findings } = verdict;
        metrics::gauge!("rollout_health", "check" => check.clone(), "change" => change.id.to_string()).set(
            match outcome {
                Outcome::Pass => 0.0,
                Outcome::Warn | Outcome::Hold => 1.0,
                Outcome::Fail => 2.0,
            },
        );
        verdicts.push(HealthVerdict { check, mode, at: now, outcome, findings, decision });
    }
    step(app, lease, now, decisions, change.judge(verdicts, now)?).await
}

/// Marks targets of which nothing was heard for too long. Returns how many.
async fn silence(app: &App, change: &Change, lease: &Lease, now: Timestamp) -> Result<usize, FlowError> {
    let before = silent_before(change, now);
    let withheld = change.state == State::Paused;
    let due = app.store.silent_due(change.tenant(), &change.id, before, withheld, 1_000).await?;
    let writes: Vec<Write> = due
        .iter()
        .filter_map(|assignment| assignment.silence(withheld, now))
        .map(Write::Assignment)
        .collect();
    let silent = writes.len();
    if silent > 0 {
        app.commit_as_host(change.tenant(), now, Some(lease), writes).await?;
    }
    Ok(silent)
}

pub(super) fn silent_before(change: &Change, now: Timestamp) -> Timestamp {
    now.plus_millis(-i64::try_from(change.manifest.silent_after_ms).unwrap_or(i64::MAX))
}

fn count(before: &Change, after: &Change) {
    let tenant = before.tenant().to_string();
    match after.state {
        State::Completed => metrics::counter!("deployments_completed_total", "tenant" => tenant).increment(1),
        State::RollingBack => metrics::counter!("rollbacks_initiated_total", "tenant" => tenant).increment(1),
        _ => {}
    }
}

async fn step(
    app: &App,
    lease: &Lease,
    now: Timestamp,
    decisions: Vec<Decision>,
    transition: Transition,
) -> Result<Led, FlowError> {
    let tenant = transition.change.tenant().clone();
    let mut writes: Vec<Write> =
        decisions.into_iter().map(|decision| Write::Decision(Box::new(decision))).collect();
    writes.push(Write::Change(Box::new(transition)));
    app.commit_as_host(&tenant, now, Some(lease), writes).await?;
    Ok(Led::Stepped)
}
