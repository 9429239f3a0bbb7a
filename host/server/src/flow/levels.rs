//! What has come together of a change's approval profile, for people: level by level.

use interlock_domain::{
    Account, AccountKind, Action, Change, ChangeKind, Delegation, Environment, Level, LevelTally, Order,
    PersonId, Profile, Role, Stages, State, Timestamp,
};
use interlock_policy::Bundle;
use serde::Serialize;

use super::{
    ask::question,
    explain::NamedPerson,
    standing::{self, acting_with},
};
use crate::{App, FlowError};

/// Most persons that are named for one level.
const NAMED_MAX: usize = 20;
/// Delegations that are looked at.
const DELEGATIONS_MAX: u32 = 1_000;

/// What has come together of the approval profile of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ProfileShown {
    /// What the profile is called.
    #[schema(example = "guarded")]
    pub profile: String,
    /// `ordered` when a level waits for those before it, else `parallel`.
    #[schema(value_type = String, example = "parallel")]
    pub mode: Order,
    /// The stage that these levels are for; absent when they are for the whole change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<u32>,
    /// Whether every level is complete.
    pub complete: bool,
    /// When the change expires unless it is admitted; absent once it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Timestamp>,
    /// Until when it may proceed without what is missing, since two persons broke the glass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub broken_glass_until: Option<Timestamp>,
    /// Its levels, in order.
    pub levels: Vec<LevelShown>,
}

/// What has come together of one level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LevelShown {
    /// What it is called.
    #[schema(example = "clinical-safety")]
    pub name: String,
    /// Whoever counts for it holds one of these; those that it was escalated to are among them.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// How many distinct persons it takes.
    pub count: u32,
    /// Whether only signed approvals count.
    pub signature: bool,
    /// Whether it is complete.
    pub complete: bool,
    /// Whether it is its turn.
    pub open: bool,
    /// Who counts for it.
    pub counted: Vec<NamedPerson>,
    /// Who could still fill it, the first twenty; nobody once it is complete.
    pub could: Vec<NamedPerson>,
    /// When the first approval that counts for it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Timestamp>,
    /// When more roles may fill it, if it is not complete by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub escalates_at: Option<Timestamp>,
    /// Since when more roles may fill it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub escalated_since: Option<Timestamp>,
}

/// How long a change may wait until it is admitted: what its profile says, else what is configured.
pub(crate) fn expires_after_ms(app: &App, kind: ChangeKind, environment: &Environment) -> u64 {
    let bundle = app.policies.bundle();
    let profile = bundle.profile(kind, environment);
    profile.and_then(|profile| profile.expires_pending_ms).unwrap_or(app.config.rollout.expires_after_ms)
}

/// Shows the levels of a change that waits for approvals, or of its next stage. `None` where no profile is for it, or
/// nothing waits any more.
pub(crate) async fn show(
    app: &App,
    change: &Change,
    now: Timestamp,
) -> Result<Option<ProfileShown>, FlowError> {
    let bundle = app.policies.bundle();
    let Some(profile) = standing::profile(&bundle, change) else { return Ok(None) };
    let waits = matches!(change.state, State::Gating | State::Approving);
    let next = change.rollout.as_ref().map_or(0, interlock_domain::Rollout::next_stage);
    let rolls = matches!(change.state, State::RollingOut | State::Paused) && change.stage(next).is_ok();
    if !waits && !rolls {
        return Ok(None);
    }
    let facts = standing::facts(app, change, rolls.then_some(next), now).await?;
    let tally = profile.tally(&facts, next, now);
    let accounts = app.store.accounts(change.tenant()).await?;
    let delegations = app.store.live_delegations(change.tenant(), DELEGATIONS_MAX).await?;
    let stage = (next > 0 && profile.stages == Stages::Each).then_some(next);
    let asking =
        Asking { bundle: &bundle, change, accounts: &accounts, delegations: &delegations, stage, now };
    let counted: Vec<&PersonId> = tally.levels.iter().flat_map(|level| &level.persons).collect();
    let levels =
        profile.levels.iter().zip(&tally.levels).map(|(level, tally)| asking.level(level, tally, &counted));
    Ok(Some(ProfileShown {
        profile: profile.name.clone(),
        mode: profile.order,
        stage,
        complete: tally.complete(),
        expires_at: waits.then_some(change.expires_at),
        broken_glass_until: facts.glass_until,
        levels: levels.collect(),
    }))
}

/// Everything that says who could approve.
struct Asking<'a> {
    bundle: &'a Bundle,
    change: &'a Change,
    accounts: &'a [Account],
    delegations: &'a [Delegation],
    stage: Option<u32>,
    now: Timestamp,
}

impl Asking<'_> {
    fn level(&self, level: &Level, tally: &LevelTally, counted: &[&PersonId]) -> LevelShown {
        let escalated = tally.escalates_at.filter(|from| *from <= self.now && !tally.complete);
        let mut roles = level.roles.clone();
        roles.extend(escalated.iter().flat_map(|_| level.escalate_to.iter().copied()));
        let could = if tally.complete { Vec::new() } else { self.could(&roles, counted) };
        LevelShown {
            name: level.name.clone(),
            roles,
            count: level.count,
            signature: level.signature,
            complete: tally.complete,
            open: tally.open_since.is_some() && !tally.complete,
            counted: tally.persons.iter().map(|person| named(self.accounts, person)).collect(),
            could,
            expires_at: tally.expires_at,
            escalates_at: tally.escalates_at.filter(|from| *from > self.now && !tally.complete),
            escalated_since: escalated,
        }
    }

    /// Who may approve with one of these roles, of their own or lent to them, and does not count yet.
    fn could(&self, roles: &[Role], counted: &[&PersonId]) -> Vec<NamedPerson> {
        let environment = &self.change.manifest.environment;
        let may = |account: &Account, lent: Option<&[Role]>| {
            let actor = account.actor("candidate".to_owned());
            let actor = lent.map_or(actor.clone(), |lent| acting_with(&actor, lent, environment));
            let action = if self.stage.is_some() { Action::ApproveStage } else { Action::ApproveChange };
            actor.roles_in(Some(environment)).iter().any(|role| roles.contains(role))
                && self.bundle.ask(&question(&actor, action, self.change.resource(), self.now)).allowed
        };
        let people = self.accounts.iter().filter(|account| {
            account.active
                && account.kind == AccountKind::User
                && !counted.contains(&&account.person)
                && !self.change.is_of(&account.person)
        });
        let mut could: Vec<NamedPerson> = people
            .filter(|account| {
                let lent = self.delegations.iter().filter(|delegation| {
                    delegation.to_person == account.person
                        && delegation.is_in_force(self.now)
                        && !self.change.is_of(&delegation.from_person)
                        // The two count as one.
                        && !counted.contains(&&delegation.from_person)
                });
                let mut lent = lent.filter_map(|delegation| {
                    let lender = self.accounts.iter().find(|lender| lender.id == delegation.from_account)?;
                    Some(delegation.lent_there(lender, environment, self.now))
                });
                may(account, None) || lent.any(|lent| may(account, Some(&lent)))
            })
            .map(|account| NamedPerson { person: account.person.clone(), name: account.name.clone() })
            .collect();
        could.sort_by(|one, other| one.name.cmp(&other.name));
        could.dedup_by(|one, other| one.person == other.person);
        could.truncate(NAMED_MAX);
        could
    }
}

/// A person by the name of one of their accounts.
pub(crate) fn named(accounts: &[Account], person: &PersonId) -> NamedPerson {
    let account =
        accounts.iter().find(|account| account.person == *person && account.kind == AccountKind::User);
    NamedPerson {
        person: person.clone(),
        name: account.map_or_else(String::new, |account| account.name.clone()),
    }
}

/// The transition that notes levels which waited too long.
pub(crate) async fn escalate(
    app: &App,
    change: &Change,
    stage: Option<u32>,
    now: Timestamp,
) -> Result<Option<interlock_domain::Transition>, FlowError> {
    let bundle = app.policies.bundle();
    let escalates = |profile: &&Profile| profile.levels.iter().any(|level| level.escalate_after_ms.is_some());
    let Some(profile) = standing::profile(&bundle, change).filter(escalates) else { return Ok(None) };
    let facts = standing::facts(app, change, stage, now).await?;
    Ok(change.escalate(profile, &facts, stage.unwrap_or(0), now))
}
