//! "Why not?" always has an answer: the deciding policies, the failing findings, and the smallest set of further
//! approvals that would let the change proceed.

use interlock_domain::{
    Account, AccountId, Action, Actor, Answer, Change, ChangeId, DecisionId, DecisionSubject, Determining,
    DeviceId, Finding, GateMode, GroupReport, Meaning, Outcome, PersonId, Role, State, Timestamp,
};
use interlock_policy::{Candidate, Missing, SearchLimit, missing_approvals};
use serde::Serialize;

use super::{
    admit::{Stage, admission},
    ask::{ask, may_read},
    back::WayBack,
    change::load,
    lead::silent_before,
    levels::{self, ProfileShown, named},
    standing::acting_with,
};
use crate::{App, FlowError};

/// Why a change is where it is, and what would move it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Explanation {
    /// The change.
    #[schema(value_type = String)]
    pub change: ChangeId,
    /// Where it is.
    #[schema(value_type = String)]
    pub state: State,
    /// One sentence.
    pub summary: String,
    /// What the policies say of its next step now; absent when there is none.
    pub next: Option<Next>,
    /// The findings of gates that did not pass.
    pub findings: Vec<GateFindings>,
    /// The gate groups that did not pass, each with the part that its members have in that.
    #[schema(value_type = Vec<Object>)]
    pub groups: Vec<GroupReport>,
    /// The newest verdicts of health checks that do not pass.
    pub health: Vec<HealthFindings>,
    /// The sites and groups for which targets wait, since as many as may be are on their way there.
    pub full: Vec<FullPlace>,
    /// What has come together of its approval profile; absent when none is for it, or nothing waits any more.
    pub approvals: Option<ProfileShown>,
    /// What is missing; absent when approvals are not what it waits for.
    pub missing: Option<MissingApprovals>,
}

/// The next step and what the policies say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Next {
    /// What would be asked.
    #[schema(value_type = String)]
    pub action: Action,
    /// Whether it would be allowed now.
    pub allowed: bool,
    /// Why or why not, each with the policy's id.
    pub reasons: Vec<String>,
    /// The policies that decide.
    #[schema(value_type = Vec<Object>)]
    pub determining: Vec<Determining>,
}

/// A gate that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct GateFindings {
    /// The gate.
    pub gate: String,
    /// The call in which it said so.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// Whether it counts, or is only recorded.
    #[schema(value_type = String)]
    pub mode: GateMode,
    /// The gate group that judges in its place; absent (`null`) when it judges by itself.
    pub group: Option<String>,
    /// What it came to.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// Why.
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
}

/// A health check that does not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HealthFindings {
    /// The check.
    pub check: String,
    /// The call in which it said so.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// Whether it counts, or is only recorded.
    #[schema(value_type = String)]
    pub mode: GateMode,
    /// When it judged.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// What it came to.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// Why.
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
}

/// The smallest set of further approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MissingApprovals {
    /// True when more approvals alone would let it proceed.
    pub would_proceed: bool,
    /// One entry an approval that is needed.
    pub needed: Vec<NeededApproval>,
    /// Why approvals alone do not help.
    pub obstacles: Vec<String>,
}

/// One approval that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NeededApproval {
    /// The roles that its giver has.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// Who could give it.
    pub persons: Vec<NamedPerson>,
}

/// A site or group with as many targets on their way as may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FullPlace {
    /// `site:north`, `group:pair-7`.
    #[schema(example = "group:pair-7")]
    pub name: String,
    /// Most targets of it that are on their way at once.
    pub targets: u32,
    /// Those that are, or that failed and may be down.
    #[schema(value_type = Vec<String>)]
    pub devices: Vec<DeviceId>,
}

/// A person by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NamedPerson {
    /// Their id.
    #[schema(value_type = String)]
    pub person: PersonId,
    /// What they are called.
    pub name: String,
}

/// Explains a change to somebody who may read it.
pub async fn explain(app: &App, who: &Actor, id: &ChangeId) -> Result<Explanation, FlowError> {
    let change = load(app, &who.tenant, id).await?;
    may_read(app, who, Action::ReadChange, change.resource()).await?;
    let findings = findings(&change);
    let health = unhealthy(&change);
    let waiting = app.store.progress(&who.tenant, id).await?.waiting;
    let full = full(app, &change).await?;
    let (next, missing) = match change.state {
        State::Approving => {
            let (answer, missing) = approvals(app, &change).await?;
            (Some(next(Action::AdmitChange, &answer)), Some(missing))
        }
        State::RollingOut => (entering(app, &change).await?, None),
        _ => (None, None),
    };
    let approvals = levels::show(app, &change, app.clock.now()).await?;
    let summary = summary(&change, next.as_ref(), missing.as_ref(), waiting, &full);
    let groups = change.groups.iter().filter(|group| group.outcome != Outcome::Pass).cloned().collect();
    Ok(Explanation {
        change: change.id,
        state: change.state,
        summary,
        next,
        findings,
        groups,
        health,
        full,
        approvals,
        missing,
    })
}

/// Who keeps the targets of a rollout waiting, where only so many may be on their way at once.
async fn full(app: &App, change: &Change) -> Result<Vec<FullPlace>, FlowError> {
    if change.manifest.at_once.is_empty() || !matches!(change.state, State::RollingOut | State::RollingBack) {
        return Ok(Vec::new());
    }
    let full = app.store.full_places(change, silent_before(change, app.clock.now())).await?;
    let place = |full: interlock_store::Full| FullPlace {
        name: full.name,
        targets: full.rule.targets,
        devices: full.devices,
    };
    Ok(full.into_iter().map(place).collect())
}

async fn approvals(app: &App, change: &Change) -> Result<(Answer, MissingApprovals), FlowError> {
    let now = app.clock.now();
    let question = admission(app, change, Action::AdmitChange, Stage::none(change), now).await?;
    let bundle = app.policies.bundle();
    let answer = bundle.ask(&question);
    let accounts = app.store.accounts(change.tenant()).await?;
    let candidates: Vec<Candidate> = accounts
        .iter()
        .filter(|account| account.active)
        .map(|account| Candidate {
            approved_at: approved_at(change, &account.person),
            on_behalf_of: None,
            actor: account.actor("candidate".to_owned()),
        })
        .chain(delegates(app, change, &accounts, now).await?)
        .collect();
    let name_of = |person: &PersonId| named(&accounts, person);
    let missing = match missing_approvals(&bundle, &question, &candidates, SearchLimit::default()) {
        Missing::AlreadyAllowed => {
            MissingApprovals { would_proceed: true, needed: Vec::new(), obstacles: Vec::new() }
        }
        Missing::Approvals { needs, .. } => MissingApprovals {
            would_proceed: true,
            needed: needs
                .into_iter()
                .map(|need| NeededApproval {
                    roles: need.roles,
                    persons: need.persons.iter().map(name_of).collect(),
                })
                .collect(),
            obstacles: Vec::new(),
        },
        Missing::NotByApprovals { reasons } => {
            MissingApprovals { would_proceed: false, needed: Vec::new(), obstacles: reasons }
        }
        Missing::SearchExceeded { asked } => MissingApprovals {
            would_proceed: false,
            needed: Vec::new(),
            obstacles: vec![format!("{asked} questions did not find a set of approvals that is enough")],
        },
    };
    Ok((answer, missing))
}

/// Those who could approve with roles that were lent to them.
async fn delegates(
    app: &App,
    change: &Change,
    accounts: &[Account],
    now: Timestamp,
) -> Result<Vec<Candidate>, FlowError> {
    let delegations = app.store.live_delegations(change.tenant(), 1_000).await?;
    let environment = &change.manifest.environment;
    let candidates =
        delegations.iter().filter(|delegation| delegation.is_in_force(now)).filter_map(|delegation| {
            let account = |id: &AccountId| {
                accounts.iter().find(|account: &&Account| account.id == *id && account.active)
            };
            let (lender, delegate) = (account(&delegation.from_account)?, account(&delegation.to_account)?);
            let roles = delegation.lent_there(lender, environment, now);
            (!roles.is_empty() && delegation.from_person != change.author).then(|| Candidate {
                actor: acting_with(&delegate.actor("candidate".to_owned()), &roles, environment),
                approved_at: approved_at(change, &delegate.person),
                on_behalf_of: Some(delegation.from_person.clone()),
            })
        });
    Ok(candidates.collect())
}

/// When this person gave the approval that counts now, if they did.
fn approved_at(change: &Change, person: &PersonId) -> Option<interlock_domain::Timestamp> {
    let given = change.approvals.iter().filter(|approval| {
        approval.person == *person
            && approval.digest == change.digest
            && approval.meaning != Meaning::Rejection
    });
    given.map(|approval| approval.at).max()
}

async fn entering(app: &App, change: &Change) -> Result<Option<Next>, FlowError> {
    let Some(rollout) = &change.rollout else { return Ok(None) };
    let Ok(stage) = change.stage(rollout.next_stage()) else { return Ok(None) };
    let stage = Stage {
        index: rollout.next_stage(),
        exposure_bp: stage.exposure.basis_points(&change.manifest.population),
        health: rollout.worst_health(),
        rollback_complete: WayBack::today(app, change, app.clock.now()).await?.complete,
    };
    let question = admission(app, change, Action::EnterStage, stage, app.clock.now()).await?;
    let decision = ask(app, Some(&change.id), question);
    Ok(match &decision.subject {
        DecisionSubject::Policy { answer, .. } => Some(next(Action::EnterStage, answer)),
        DecisionSubject::Access { .. } | DecisionSubject::Gate { .. } | DecisionSubject::Plugin { .. } => {
            None
        }
    })
}

fn next(action: Action, answer: &Answer) -> Next {
    Next {
        action,
        allowed: answer.allowed,
        reasons: answer.reasons(),
        determining: answer.determining.clone(),
    }
}

fn findings(change: &Change) -> Vec<GateFindings> {
    change
        .gates
        .iter()
        .filter(|report| report.verdict.outcome != Outcome::Pass)
        .map(|report| GateFindings {
            gate: report.called().to_owned(),
            decision: report.decision.clone(),
            mode: report.mode,
            group: report.group.clone(),
            outcome: report.verdict.outcome,
            findings: report.verdict.findings.clone(),
        })
        .collect()
}

fn unhealthy(change: &Change) -> Vec<HealthFindings> {
    let verdicts = change.rollout.iter().flat_map(|rollout| &rollout.health);
    verdicts
        .filter(|verdict| verdict.outcome != Outcome::Pass)
        .map(|verdict| HealthFindings {
            check: verdict.check.clone(),
            decision: verdict.decision.clone(),
            mode: verdict.mode,
            at: verdict.at,
            outcome: verdict.outcome,
            findings: verdict.findings.clone(),
        })
        .collect()
}

/// Those that the strategy is told of.
fn counting(mut health: Vec<HealthFindings>) -> Vec<HealthFindings> {
    health.retain(|verdict| verdict.mode == GateMode::Enforce);
    health
}

/// Which places are taken, and by whom; the first few of them.
fn kept(full: &[FullPlace]) -> String {
    const SHOWN: usize = 3;
    let each = full.iter().take(SHOWN).map(|place| {
        let devices: Vec<&str> = place.devices.iter().take(SHOWN).map(DeviceId::as_str).collect();
        let more = if place.devices.len() > SHOWN { " and others" } else { "" };
        format!(
            "at most {} of `{}` at once, and {}{more} not done yet",
            place.targets,
            place.name,
            devices.join(", ")
        )
    });
    let more = if full.len() > SHOWN { format!("; and {} more", full.len() - SHOWN) } else { String::new() };
    each.collect::<Vec<_>>().join("; ") + &more
}

/// What a gate or a health check said, in its own words.
fn said<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    findings.into_iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
}

fn summary(
    change: &Change,
    next: Option<&Next>,
    missing: Option<&MissingApprovals>,
    waiting: u64,
    full: &[FullPlace],
) -> String {
    let note = change.note.as_deref().unwrap_or("no reason on record");
    match change.state {
        State::Gating => "its gates are being run".to_owned(),
        State::Approving | State::RollingOut if change.is_kept_by_a_gate() => {
            let kept = change.keeping_gates().flat_map(|report| &report.verdict.findings);
            format!("a gate keeps it, and is asked again by itself: {}", said(kept))
        }
        State::Approving => match missing {
            Some(missing) if !missing.needed.is_empty() => {
                let each: Vec<String> = missing
                    .needed
                    .iter()
                    .map(|need| {
                        let names: Vec<&str> =
                            need.persons.iter().map(|person| person.name.as_str()).collect();
                        format!("one of {}", names.join(", "))
                    })
                    .collect();
                format!("it waits for {} more approval(s): {}", missing.needed.len(), each.join("; and "))
            }
            Some(missing) if !missing.would_proceed => {
                format!("approvals alone would not let it proceed: {}", missing.obstacles.join("; "))
            }
            _ => "the policies let it proceed; it is about to be admitted".to_owned(),
        },
        State::RollingOut => match next {
            Some(next) if !next.allowed => {
                format!("its next stage would be denied now: {}", next.reasons.join("; "))
            }
            _ if waiting > 0 && !full.is_empty() => {
                format!("it rolls out; {waiting} of its targets wait for others: {}", kept(full))
            }
            _ if waiting > 0 => {
                format!("it rolls out; {waiting} of its targets wait until another change is done with them")
            }
            _ => match counting(unhealthy(change)).as_slice() {
                [] => "it rolls out; the strategy decides when the next stage begins".to_owned(),
                unhealthy => format!(
                    "it rolls out, but health does not pass, and the strategy may wait for that: {}",
                    said(unhealthy.iter().flat_map(|verdict| &verdict.findings))
                ),
            },
        },
        State::Paused => format!("it stands still: {note}; resume it or roll it back"),
        State::RollingBack | State::RolledBack => {
            let cause = change.rollback.as_ref().map_or("no reason on record", |cause| cause.reason());
            if !full.is_empty() {
                return format!(
                    "it is being rolled back: {cause}; some targets wait for others: {}",
                    kept(full)
                );
            }
            let verb =
                if change.state == State::RolledBack { "was rolled back" } else { "is being rolled back" };
            format!("it {verb}: {cause}")
        }
        State::Completed if change.manifest.plugins.is_some() => {
            "it completed: its plugins are in use".to_owned()
        }
        State::Completed if change.manifest.policies.is_some() => {
            "it completed: its policies came into force".to_owned()
        }
        State::Completed => "it completed".to_owned(),
        State::Rejected => format!("it was rejected: {note}"),
        State::Cancelled => format!("it was withdrawn: {note}"),
        State::Expired => "nobody admitted it in time; propose it again".to_owned(),
    }
}
