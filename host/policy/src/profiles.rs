//! `approvals.toml`: the approval profiles of a bundle.
//!
//! ```toml
//! [[profile]]
//! name = "standard"
//! guarded = true
//! expires_pending = "PT72H"
//! expires_approved = "PT24H"
//!
//! [[profile.level]]
//! name = "clinical-safety"
//! roles = ["clinical_safety"]
//! ```

use std::{collections::BTreeSet, ops::Range};

use interlock_domain::{
    ChangeKind, Environment, Facts, Level, Order, Profile, Question, Resource, Role, Stages, iso_millis,
};
use serde::Deserialize;
use toml::Spanned;

use crate::{Bundle, Fault, files::APPROVALS, source::fault};

/// Profiles in one bundle.
const PROFILES_MAX: usize = 100;
/// Levels in one profile.
const LEVELS_MAX: usize = 16;
/// Persons that one level may ask for.
const COUNT_MAX: u32 = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    profile: Vec<Spanned<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    kinds: Option<Spanned<Vec<ChangeKind>>>,
    #[serde(default)]
    environments: Vec<Environment>,
    #[serde(default)]
    guarded: bool,
    #[serde(default)]
    mode: Order,
    #[serde(default)]
    stage: Stages,
    expires_pending: Option<Lasting>,
    expires_approved: Option<Lasting>,
    #[serde(default = "yes")]
    veto: bool,
    #[serde(default)]
    level: Vec<Spanned<WrittenLevel>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLevel {
    name: Spanned<String>,
    roles: Spanned<Vec<Role>>,
    #[serde(default = "one")]
    count: Spanned<u32>,
    #[serde(default)]
    signature: bool,
    escalate_after: Option<Lasting>,
    #[serde(default)]
    escalate_to: Vec<Role>,
}

/// A duration in milliseconds, written in ISO 8601.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Lasting(u64);

impl TryFrom<String> for Lasting {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        iso_millis(&text).map(Self)
    }
}

fn yes() -> bool {
    true
}

fn one() -> Spanned<u32> {
    Spanned::new(0..0, 1)
}

/// Reads the profiles, or says everything that is wrong with them.
pub(crate) fn parse(text: &str) -> Result<Vec<Profile>, Vec<Fault>> {
    let file: File = toml::from_str(text).map_err(|error| {
        vec![fault(APPROVALS, text, error.span().map_or(0, |span| span.start), error.message())]
    })?;
    let mut faults = Vec::new();
    let mut wrong = |at: Range<usize>, what: String| faults.push(fault(APPROVALS, text, at.start, what));
    if file.profile.is_empty() {
        wrong(0..0, "there is no `[[profile]]`; write one, or take the file away".to_owned());
    }
    if file.profile.len() > PROFILES_MAX {
        wrong(0..0, format!("there are more than {PROFILES_MAX} profiles"));
    }
    let mut names = BTreeSet::new();
    for profile in &file.profile {
        let at = profile.span();
        let profile = profile.get_ref();
        let name = profile.name.get_ref();
        named(&profile.name, &mut names, "profile", &mut wrong);
        if profile.guarded != profile.environments.is_empty() {
            let what = "say where it is for: either `guarded = true` or `environments = […]`";
            wrong(at.clone(), format!("profile `{name}`: {what}"));
        }
        if let Some(kinds) = profile.kinds.as_ref().filter(|kinds| kinds.get_ref().is_empty()) {
            wrong(
                kinds.span(),
                format!("profile `{name}`: `kinds` is empty; leave it out for every kind of change"),
            );
        }
        if profile.level.is_empty() {
            wrong(at.clone(), format!("profile `{name}` has no `[[profile.level]]`, and would need nobody"));
        }
        if profile.level.len() > LEVELS_MAX {
            wrong(at.clone(), format!("profile `{name}` has more than {LEVELS_MAX} levels"));
        }
        let mut levels = BTreeSet::new();
        for level in &profile.level {
            check(level, &mut levels, &mut wrong);
        }
    }
    if faults.is_empty() {
        Ok(file.profile.into_iter().map(|each| each.into_inner().into()).collect())
    } else {
        Err(faults)
    }
}

fn check(
    level: &Spanned<WrittenLevel>,
    names: &mut BTreeSet<String>,
    wrong: &mut impl FnMut(Range<usize>, String),
) {
    let at = level.span();
    let level = level.get_ref();
    let name = level.name.get_ref();
    named(&level.name, names, "level", wrong);
    if level.roles.get_ref().is_empty() {
        wrong(level.roles.span(), format!("level `{name}`: `roles` is empty, so that nobody could fill it"));
    }
    let count = *level.count.get_ref();
    if !(1..=COUNT_MAX).contains(&count) {
        wrong(level.count.span(), format!("level `{name}`: `count` is {count}; it must be 1 to {COUNT_MAX}"));
    }
    if level.escalate_after.is_some() == level.escalate_to.is_empty() {
        wrong(at.clone(), format!("level `{name}`: `escalate_after` and `escalate_to` go together"));
    }
    if level.escalate_to.iter().any(|role| level.roles.get_ref().contains(role)) {
        wrong(at, format!("level `{name}`: `escalate_to` names a role that `roles` has already"));
    }
}

fn named(
    name: &Spanned<String>,
    taken: &mut BTreeSet<String>,
    what: &str,
    wrong: &mut impl FnMut(Range<usize>, String),
) {
    let text = name.get_ref();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || text.len() > 63 || !text.bytes().all(plain) {
        wrong(name.span(), "`name` must be 1 to 63 of a-z, 0-9 and -".to_owned());
    } else if !taken.insert(text.clone()) {
        wrong(name.span(), format!("the {what} `{text}` is there twice; give each a name of its own"));
    }
}

impl From<Written> for Profile {
    fn from(written: Written) -> Self {
        use ChangeKind as K;
        let all = || vec![K::Release, K::Config, K::Policy, K::Plugin, K::Tenant];
        Self {
            name: written.name.into_inner(),
            kinds: written.kinds.map_or_else(all, Spanned::into_inner),
            environments: written.environments,
            guarded: written.guarded,
            order: written.mode,
            stages: written.stage,
            expires_pending_ms: written.expires_pending.map(|lasting| lasting.0),
            expires_approved_ms: written.expires_approved.map(|lasting| lasting.0),
            veto: written.veto,
            levels: written.level.into_iter().map(|level| level.into_inner().into()).collect(),
        }
    }
}

impl From<WrittenLevel> for Level {
    fn from(written: WrittenLevel) -> Self {
        Self {
            name: written.name.into_inner(),
            roles: written.roles.into_inner(),
            count: written.count.into_inner(),
            signature: written.signature,
            escalate_after_ms: written.escalate_after.map(|lasting| lasting.0),
            escalate_to: written.escalate_to,
        }
    }
}

impl Bundle {
    /// The approval profiles of its `approvals.toml`; `None` when it has no such file.
    pub fn profiles(&self) -> Option<&[Profile]> {
        self.profiles.as_deref()
    }

    /// The profile for a change of this kind there.
    pub fn profile(&self, kind: ChangeKind, environment: &Environment) -> Option<&Profile> {
        let guarded = !self.unguarded.contains(environment);
        Profile::of(self.profiles.as_deref()?, kind, environment, guarded)
    }

    /// The levels that are not complete for the change that the question (`AdmitChange` or `EnterStage`) is about, in order.
    /// `None` when no profile is for it.
    pub fn missing_levels(&self, question: &Question) -> Option<Vec<String>> {
        let Facts::Admission(facts) = &question.facts else { return None };
        let Resource::Change { environment, change_kind, .. } = &question.resource else { return None };
        let profile = self.profile(*change_kind, environment)?;
        let tally = profile.tally(&facts.approvals, facts.stage, question.now);
        let levels = profile.levels.iter().zip(tally.levels).filter(|(_, tally)| !tally.complete);
        Some(levels.map(|(level, _)| level.name.clone()).collect())
    }
}
