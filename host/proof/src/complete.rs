//! Approvals that complete a profile, tried one by one: the fewest that do, and what the whole bundle says of them.

use interlock_domain::{
    Action, ApprovalFacts, ChangeKind, Effect, Environment, Facts, Given, Level, PersonId, Profile, Question,
    Resource, Role, Stages, Timestamp,
};
use interlock_policy::{Bundle, Invariant, sample_question};
use serde::Serialize;

use crate::{
    demanded::{KINDS, fillers},
    parts,
    profiles::{hours, persons},
};

/// Approvals that complete a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Completed {
    /// What could be done.
    pub does: String,
    /// Who approved, and what else is so.
    pub when: Vec<String>,
    /// What the policies beside the profile say.
    pub because: String,
    /// What was missing before.
    pub before: Option<String>,
    /// Whether the policies let it go on.
    pub goes_on: bool,
}

impl Completed {
    pub(crate) fn write(&self, text: &mut String) {
        text.push_str(&format!("  {}\n", self.does));
        for (at, each) in self.when.iter().enumerate() {
            text.push_str(&format!("    {} {each}\n", if at == 0 { "while" } else { "and" }));
        }
        text.push_str(&format!("    {}\n", self.because));
        if let Some(before) = &self.before {
            text.push_str(&format!("    before: {before}\n"));
        }
    }
}

/// Ways to fill a profile that are tried: one role a place.
const WAYS_MAX: usize = 64;

/// Approvals that stand at an instant before one stage.
struct Tried {
    facts: ApprovalFacts,
    now: Timestamp,
    stage: u32,
}

impl Tried {
    fn completes(&self, profile: &Profile) -> bool {
        profile.tally(&self.facts, self.stage, self.now).complete()
    }

    fn question(&self, kind: ChangeKind, place: &Environment) -> Question {
        let action = if self.stage == 0 { Action::AdmitChange } else { Action::EnterStage };
        let mut question = sample_question(action);
        question.now = self.now;
        if let Resource::Change { change_kind, environment, .. } = &mut question.resource {
            *change_kind = kind;
            environment.clone_from(place);
        }
        if let Facts::Admission(facts) = &mut question.facts {
            facts.approvals = self.facts.clone();
            facts.stage = self.stage;
        }
        question
    }

    fn when(&self) -> Vec<String> {
        let given: Vec<String> = self
            .facts
            .given
            .iter()
            .map(|given| {
                let roles: Vec<String> = given.roles.iter().map(Role::to_string).collect();
                format!("{}{}", roles.join(" and "), if given.signed { " (signed)" } else { "" })
            })
            .collect();
        let many = u32::try_from(given.len()).unwrap_or(u32::MAX);
        let have = if many == 1 { "has" } else { "have" };
        let mut when = vec![format!("{} {have} approved: {}", persons(many), given.join(", "))];
        let oldest = self.facts.oldest.map_or(0, |oldest| self.now.millis_since(oldest));
        if let Some(old) = u64::try_from(oldest).ok().filter(|old| *old > HOUR_MS) {
            when.push(format!("the oldest approval is {} old", hours(old)));
        }
        if self.stage > 0 {
            when.push(format!("the rollout is at stage {}", self.stage + 1));
        }
        when
    }
}

const HOUR_MS: u64 = 3_600_000;

/// The fewest approvals that complete the profile now and did not complete the one before. Such that the policies let go on
/// are looked for first.
pub(crate) fn only_now(
    old: &Bundle,
    new: &Bundle,
    (before, now): (Option<&Profile>, Option<&Profile>),
    kind: ChangeKind,
    place: Option<&Environment>,
) -> Option<Completed> {
    let profile = now?;
    let place = named(place)?;
    let mut ages: Vec<u64> = before.and_then(|before| before.expires_approved_ms).into_iter().collect();
    ages.insert(0, 0);
    let found: Vec<Tried> = tried(profile, &ages)
        .into_iter()
        .filter(|tried| tried.completes(profile) && !before.is_some_and(|before| tried.completes(before)))
        .collect();
    let goes_on = |tried: &&Tried| {
        let question = tried.question(kind, &place);
        new.ask(&question).allowed && !old.ask(&question).allowed
    };
    let tried = found.iter().find(goes_on).or(found.first())?;
    let missing = match before {
        None => "no profile was for it".to_owned(),
        Some(before) => {
            let tally = before.tally(&tried.facts, tried.stage, tried.now);
            let open = before.levels.iter().zip(tally.levels).filter(|(_, tally)| !tally.complete);
            let open: Vec<String> = open.map(|(level, _)| format!("`{}`", level.name)).collect();
            format!("not complete without {}", open.join(" and "))
        }
    };
    Some(told(new, tried, kind, &place, Some(missing)))
}

/// Approvals that complete a profile although the invariant says that nothing may go on with them. Looked at are
/// invariants that speak of approvals.
pub(crate) fn beside(bundle: &Bundle, invariant: &Invariant) -> Option<Completed> {
    let about_approvals =
        invariant.policy.to_json().is_ok_and(|json| json.to_string().contains("\"approvals\""));
    if invariant.effect != Effect::Forbid || !about_approvals {
        return None;
    }
    let never = parts::permitting(&invariant.policy).and_then(parts::alone).ok()?;
    let describes = |question: &Question| {
        invariant.speaks_of(question.action)
            && bundle.posed(question).is_ok_and(|(request, entities)| {
                let answer = cedar_policy::Authorizer::new().is_authorized(&request, &never, &entities);
                answer.decision() == cedar_policy::Decision::Allow
            })
    };
    let production: Option<Environment> = "production".parse().ok();
    let places = bundle.profiles()?.iter().flat_map(|profile| profile.environments.iter().cloned());
    for place in production.into_iter().chain(places) {
        for kind in KINDS {
            let Some(profile) = bundle.profile(kind, &place) else { continue };
            let oldest =
                profile.expires_approved_ms.map_or(365 * 24 * HOUR_MS, |after| after.saturating_sub(1));
            let found = tried(profile, &[0, oldest])
                .into_iter()
                .find(|tried| tried.completes(profile) && describes(&tried.question(kind, &place)));
            if let Some(tried) = found {
                return Some(told(bundle, &tried, kind, &place, None));
            }
        }
    }
    None
}

fn told(
    bundle: &Bundle,
    tried: &Tried,
    kind: ChangeKind,
    place: &Environment,
    before: Option<String>,
) -> Completed {
    let answer = bundle.ask(&tried.question(kind, place));
    let ids: Vec<String> = answer.determining.iter().map(|policy| format!("`{}`", policy.id)).collect();
    let what = format!("a {} change in {place}", kind.as_str());
    let done = if tried.stage == 0 { "be admitted" } else { "enter its next stage" };
    let now = if before.is_some() { " now" } else { "" };
    Completed {
        does: match answer.allowed {
            true => format!("{what} could{now} {done}"),
            false => format!("{what} could{now} have every approval that its profile asks for"),
        },
        when: tried.when(),
        because: match (answer.allowed, ids.is_empty()) {
            (true, _) => format!("permitted by {}, forbidden by nothing", ids.join(", ")),
            (false, false) => format!("the policies beside the profile still forbid it: {}", ids.join(", ")),
            (false, true) => "no policy permits it".to_owned(),
        },
        before,
        goes_on: answer.allowed,
    }
}

/// An environment that nobody names stands for all others.
fn named(place: Option<&Environment>) -> Option<Environment> {
    place.cloned().or_else(|| "elsewhere".parse().ok())
}

/// Approvals that fill every level of a profile, fewest surprises first: before the first stage and the second, as early as
/// may be and after each escalation, looked at when the first of them has one of these ages.
fn tried(profile: &Profile, ages: &[u64]) -> Vec<Tried> {
    let mut delays: Vec<u64> = profile.levels.iter().filter_map(|level| level.escalate_after_ms).collect();
    delays.insert(0, 0);
    let mut all = Vec::new();
    for stage in [0, 1] {
        for age in ages {
            for delay in &delays {
                all.extend(
                    ways(profile, *delay)
                        .into_iter()
                        .filter_map(|way| given(&way, profile, stage, *age, *delay)),
                );
            }
        }
    }
    all
}

/// A role for each place of each level.
fn ways(profile: &Profile, delay: u64) -> Vec<Vec<(&Level, Role)>> {
    let places = profile.levels.iter().flat_map(|level| (0..level.count).map(move |_| level));
    places.fold(vec![Vec::new()], |ways, level| {
        let wider = level.escalate_after_ms.is_some_and(|after| after <= delay);
        let roles: Vec<Role> = match wider {
            true => fillers(&level.roles, &level.escalate_to).collect(),
            false => level.roles.clone(),
        };
        let more = ways.iter().flat_map(|way| {
            roles.iter().map(move |role| way.iter().copied().chain([(level, *role)]).collect())
        });
        more.take(WAYS_MAX).collect()
    })
}

fn given(way: &[(&Level, Role)], profile: &Profile, stage: u32, age: u64, delay: u64) -> Option<Tried> {
    let later = |at: Timestamp, ms: u64| at.plus_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    let since = sample_question(Action::AdmitChange).now;
    let (mut at, mut facts, mut level_before) = (since, ApprovalFacts::none(), None);
    for (number, (level, role)) in way.iter().enumerate() {
        let next = level_before != Some(&level.name);
        at = later(at, if next { delay.max(1_000) } else { 1_000 });
        level_before = Some(&level.name);
        facts = facts.with_given(Given {
            person: person(number)?,
            roles: vec![*role],
            at,
            signed: level.signature,
            stage: (stage > 0 && profile.stages == Stages::Each).then_some(stage),
            on_behalf_of: None,
        });
    }
    facts.since = Some(since);
    let now = facts.oldest.map_or(at, |oldest| later(oldest, age)).max(later(at, 1));
    Some(Tried { facts, now, stage })
}

fn person(number: usize) -> Option<PersonId> {
    format!("per_{number:032}").parse().ok()
}
