//! What was proved and what was not, for people and for programs.

use std::fmt;

use interlock_domain::{Action, Effect};
use interlock_ledger::Digest;
use interlock_policy::Bundle;
use serde::Serialize;

use crate::{
    Comparison, Completed, Examined, Example, Kind, ProfileChange, Solver, Verdict, complete, leaning,
    profiles,
};

/// What was proved of a bundle.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Which bundle.
    pub bundle: Side,
    /// The release of cvc5 that answered.
    pub solver: String,
    /// How many kinds of question there are: who, what and about what, by type.
    pub kinds: usize,
    /// How many policies were asked about.
    pub policies: usize,
    /// The policies that are not proved to never err, with the kind of question.
    pub erring: Vec<Erring>,
    /// The invariants of the bundle.
    pub invariants: Vec<Held>,
    /// How it differs from another bundle.
    pub against: Option<Against>,
}

/// One of two bundles.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: u64,
    /// Its digest.
    pub digest: Digest,
}

/// A policy that is not proved to never err.
#[derive(Debug, Clone, Serialize)]
pub struct Erring {
    /// Its `@id`.
    pub policy: String,
    /// For which kind of question.
    pub kind: Kind,
    /// Refuted or unproved.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// An invariant and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`: what it promises.
    pub reason: String,
    /// A `forbid` says what is never allowed, a `permit` what always is.
    pub effect: Effect,
    /// For how many kinds of question it was proved.
    pub proved: usize,
    /// Where it was not.
    pub failures: Vec<Failed>,
    /// Approvals that complete a profile although it is not so: policies beside the profile see to it, or nothing does.
    pub profile_alone: Option<Completed>,
}

/// One kind of question for which an invariant is not proved.
#[derive(Debug, Clone, Serialize)]
pub struct Failed {
    /// Which.
    pub kind: Kind,
    /// Refuted or unproved.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// How a bundle differs from the one before.
#[derive(Debug, Clone, Serialize)]
pub struct Against {
    /// The one before.
    pub old: Side,
    /// All kinds of question together.
    pub overall: Overall,
    /// The kinds of question to which an answer differs, or may.
    pub kinds: Vec<Differing>,
    /// Invariants of the one before that are not promised any more.
    pub dropped: Vec<String>,
    /// How the approval profiles differ.
    pub profiles: Vec<ProfileChange>,
    /// Why what the profiles alter cannot be told apart from what the policies alter, where it cannot.
    pub entangled: Option<String>,
}

/// One kind of question to which an answer differs, or may.
#[derive(Debug, Clone, Serialize)]
pub struct Differing {
    /// Which.
    pub kind: Kind,
    /// How.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// How two bundles compare over all kinds of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// The same answer to every question.
    Equivalent,
    /// It allows less, and nothing else.
    Tighter,
    /// It allows more, and denies nothing that was allowed.
    Looser,
    /// It allows more here and less there.
    Incomparable,
    /// Of some kind of question it is not known.
    Unproved,
}

impl Report {
    pub(crate) fn of(bundle: &Bundle, old: Option<&Bundle>, solver: &Solver, examined: &[Examined]) -> Self {
        let erring = examined.iter().flat_map(|each| {
            let failed = each.errs.iter().filter(|(_, verdict)| *verdict != Verdict::Proved);
            failed.map(|(policy, verdict)| Erring {
                policy: policy.clone(),
                kind: each.kind.clone(),
                verdict: verdict.clone(),
            })
        });
        let invariants = bundle.invariants().iter().enumerate().map(|(at, invariant)| {
            let verdicts = || {
                examined.iter().flat_map(move |each| {
                    let mine = each.invariants.iter().filter(move |(which, _)| *which == at);
                    mine.map(|(_, verdict)| (&each.kind, verdict))
                })
            };
            let failures = verdicts().filter(|(_, verdict)| **verdict != Verdict::Proved);
            Held {
                id: invariant.id.clone(),
                reason: invariant.reason.clone(),
                effect: invariant.effect,
                proved: verdicts().filter(|(_, verdict)| **verdict == Verdict::Proved).count(),
                failures: failures
                    .map(|(kind, verdict)| Failed { kind: kind.clone(), verdict: verdict.clone() })
                    .collect(),
                profile_alone: complete::beside(bundle, invariant),
            }
        });
        Self {
            bundle: Side::of(bundle),
            solver: solver.version().to_owned(),
            kinds: examined.len(),
            policies: bundle.policy_count(),
            erring: erring.collect(),
            invariants: invariants.collect(),
            against: old.map(|old| Against::of(old, bundle, examined)),
        }
    }

    /// Whether something is known to be otherwise than it should: a policy errs, or an invariant does not hold.
    pub fn refuted(&self) -> bool {
        let refuted = |verdict: &Verdict| matches!(verdict, Verdict::Refuted { .. });
        self.erring.iter().any(|each| refuted(&each.verdict))
            || self.invariants.iter().flat_map(|held| &held.failures).any(|each| refuted(&each.verdict))
    }

    /// Whether all that was to be proved was proved.
    pub fn holds(&self) -> bool {
        self.erring.is_empty()
            && self.invariants.iter().all(|held| held.failures.is_empty())
            && self.against.as_ref().is_none_or(|against| against.overall != Overall::Unproved)
    }

    /// For a person.
    pub fn lines(&self) -> String {
        let mut text = format!(
            "{}: {} policies, {} kinds of question, asked of cvc5 {}\n",
            self.bundle, self.policies, self.kinds, self.solver
        );
        if self.erring.is_empty() {
            text.push_str("proved    no policy ever errs\n");
        }
        for Erring { policy, kind, verdict } in &self.erring {
            match verdict {
                Verdict::Proved => {}
                Verdict::Refuted { example } => {
                    text.push_str(&format!("REFUTED   `{policy}` errs\n"));
                    tell(&mut text, Telling { before: "asked whether ", could: "may" }, &[example]);
                }
                Verdict::Unproved { why } => {
                    text.push_str(&format!("UNPROVED  `{policy}` never errs, for {kind}: {why}\n"));
                }
            }
        }
        self.invariants.iter().for_each(|held| held.write(&mut text));
        if self.invariants.is_empty() {
            text.push_str("no invariants: write what must always hold into `invariants/`\n");
        }
        if let Some(against) = &self.against {
            against.write(&mut text);
        }
        text
    }
}

impl Held {
    fn write(&self, text: &mut String) {
        let Self { id, reason, failures, .. } = self;
        let examples: Vec<&Example> = failures
            .iter()
            .filter_map(|each| match &each.verdict {
                Verdict::Refuted { example } => Some(&**example),
                _ => None,
            })
            .collect();
        let verdict = match (failures.is_empty(), examples.is_empty()) {
            // About other actions than those that were to be looked at.
            (true, _) if self.proved == 0 => "not asked",
            (true, _) => "proved   ",
            (false, false) => "REFUTED  ",
            (false, true) => "UNPROVED ",
        };
        text.push_str(&format!("{verdict} {id}: {reason}\n"));
        let could = match self.effect {
            Effect::Forbid => "could",
            Effect::Permit => "could not",
        };
        tell(text, Telling { before: "", could }, &examples);
        if let Some(completed) = &self.profile_alone {
            text.push_str("  the approval profile alone does not see to it:\n");
            completed.write(text);
        }
        for Failed { kind, verdict } in failures {
            if let Verdict::Unproved { why } = verdict {
                text.push_str(&format!("  not known for {kind}: {why}\n"));
            }
        }
    }
}

/// What stands around who does what.
#[derive(Clone, Copy)]
struct Telling {
    before: &'static str,
    could: &'static str,
}

/// Counterexamples: each once, and what is alike in one line.
fn tell(text: &mut String, telling: Telling, examples: &[&Example]) {
    const ALIKE_MAX: usize = 6;
    let circumstances =
        |example: &Example| (example.when.clone(), example.because.clone(), example.before.clone());
    let mut told: Vec<&Example> = Vec::new();
    for example in examples {
        if told.iter().any(|other| circumstances(other) == circumstances(example)) {
            continue;
        }
        told.push(example);
        let sentence = |example: &Example| {
            format!("{}{} {} {}", telling.before, example.who, telling.could, example.does)
        };
        let first = sentence(example);
        text.push_str(&format!("  {first}\n"));
        for (at, each) in example.when.iter().enumerate() {
            text.push_str(&format!("    {} {each}\n", if at == 0 { "while" } else { "and" }));
        }
        text.push_str(&format!("    {}\n", example.because));
        if let Some(before) = &example.before {
            text.push_str(&format!("    before: {before}\n"));
        }
        let mut alike: Vec<String> = examples
            .iter()
            .filter(|other| circumstances(other) == circumstances(example))
            .map(|other| sentence(other))
            .collect();
        alike.dedup();
        alike.retain(|other| *other != first);
        for other in alike.iter().take(ALIKE_MAX) {
            text.push_str(&format!("  likewise {other}\n"));
        }
        if alike.len() > ALIKE_MAX {
            text.push_str(&format!("  and {} more; --output json has them all\n", alike.len() - ALIKE_MAX));
        }
    }
}

impl Side {
    fn of(bundle: &Bundle) -> Self {
        Self { name: bundle.name.clone(), revision: bundle.revision, digest: bundle.digest }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} revision {}", self.name, self.revision)
    }
}

impl Against {
    fn of(old: &Bundle, new: &Bundle, examined: &[Examined]) -> Self {
        let compared = || examined.iter().filter_map(|each| Some((&each.kind, each.comparison.as_ref()?)));
        let profiles = profiles::compared(old, new);
        let entangled = if profiles.is_empty() { None } else { entangled(old, new) };
        let overall = compared()
            .map(|(_, comparison)| Overall::from(comparison))
            .chain(profiles.iter().map(|change| change.overall))
            .chain(entangled.iter().map(|_| Overall::Unproved))
            .fold(Overall::Equivalent, Overall::and);
        let kept = |id: &str| {
            let now = new.invariants().iter();
            let was = old.invariants().iter().find(|invariant| invariant.id == id);
            was.is_none_or(|was| now.into_iter().any(|now| crate::parts::same(&was.policy, &now.policy)))
        };
        Self {
            old: Side::of(old),
            overall,
            kinds: compared()
                .filter(|(_, comparison)| **comparison != Comparison::Equivalent)
                .map(|(kind, comparison)| Differing { kind: kind.clone(), comparison: comparison.clone() })
                .collect(),
            dropped: old
                .invariants()
                .iter()
                .map(|invariant| invariant.id.clone())
                .filter(|id| !kept(id))
                .collect(),
            profiles,
            entangled,
        }
    }

    fn write(&self, text: &mut String) {
        let (verdict, meaning) = self.overall.words();
        text.push_str(&format!("{verdict} {}: {meaning}\n", self.old));
        for id in &self.dropped {
            text.push_str(&format!("! the invariant {id} is gone, or says something else\n"));
        }
        self.profiles.iter().for_each(|change| change.write(text));
        if let Some(why) = &self.entangled {
            text.push_str(&format!("  not known for the approval profiles: {why}\n"));
        }
        let mut won: Vec<&Example> = Vec::new();
        let mut lost: Vec<&Example> = Vec::new();
        for Differing { kind, comparison } in &self.kinds {
            match comparison {
                Comparison::Equivalent => {}
                Comparison::Tighter { lost: example } => lost.push(example),
                Comparison::Looser { won: example } => won.push(example),
                Comparison::Incomparable { lost: less, won: more } => {
                    lost.push(less);
                    won.push(more);
                }
                Comparison::Unproved { why } => text.push_str(&format!("  not known for {kind}: {why}\n")),
            }
        }
        tell(text, Telling { before: "", could: "could now" }, &won);
        tell(text, Telling { before: "", could: "could no longer" }, &lost);
    }
}

impl From<&Comparison> for Overall {
    fn from(comparison: &Comparison) -> Self {
        match comparison {
            Comparison::Equivalent => Self::Equivalent,
            Comparison::Tighter { .. } => Self::Tighter,
            Comparison::Looser { .. } => Self::Looser,
            Comparison::Incomparable { .. } => Self::Incomparable,
            Comparison::Unproved { .. } => Self::Unproved,
        }
    }
}

/// Why the profiles cannot be compared apart from the policies of these bundles.
fn entangled(old: &Bundle, new: &Bundle) -> Option<String> {
    let policies = [old, new].into_iter().flat_map(|bundle| {
        [Action::AdmitChange, Action::EnterStage].into_iter().flat_map(|action| bundle.policies_of(action))
    });
    let mut enforced = policies.filter(|(_, watches)| !watches).map(|(policy, _)| policy);
    let told = enforced.find_map(|policy| Some((policy, leaning::against_the_grain(policy)?)));
    if let Some((policy, why)) = told {
        return Some(format!("`{}` stands in the way: {why}", crate::parts::id(policy)));
    }
    let without = old.profiles().is_none() != new.profiles().is_none();
    without.then(|| "one of the two bundles has no `approvals.toml`, and is told of no levels".to_owned())
}

impl Overall {
    pub(crate) fn of(looser: bool, tighter: bool) -> Self {
        match (looser, tighter) {
            (false, false) => Self::Equivalent,
            (false, true) => Self::Tighter,
            (true, false) => Self::Looser,
            (true, true) => Self::Incomparable,
        }
    }

    /// Both together.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unproved, _) | (_, Self::Unproved) => Self::Unproved,
            (Self::Equivalent, some) | (some, Self::Equivalent) => some,
            (one, other) if one == other => one,
            _ => Self::Incomparable,
        }
    }

    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Equivalent => ("equivalent to", "every question has the same answer"),
            Self::Tighter => (
                "tighter than",
                "something is denied that was allowed, and nothing is allowed that was denied",
            ),
            Self::Looser => (
                "LOOSER than",
                "something is allowed that was denied, and nothing is denied that was allowed",
            ),
            Self::Incomparable => (
                "INCOMPARABLE to",
                "something is allowed that was denied, and something denied that was allowed",
            ),
            Self::Unproved => {
                ("UNPROVED against", "to some questions it is not known whether the answer differs")
            }
        }
    }
}
