//! What is true of a bundle for *every* question that the host can ask, by an SMT solver: that its policies
//! [never err](Report::erring), that its [invariants](Held) hold, and how it [compares](Against) to another bundle.
//!
//! Cedar's symbolic compiler turns the policies of one kind of question into a formula; cvc5, a program of its own, says
//! whether anything satisfies it. What the solver finds is asked again of Cedar itself, made as plain as it gets, and told
//! in words.
//!
//! **Invariants.** A proof is `unsat` and nothing else: `unknown`, a timeout, a crash, a construct that cannot be put to
//! the solver are failures, each with its reason. Nothing here decides anything in force, and the server does not depend
//! on this crate.

mod assumed;
mod complete;
mod demanded;
mod examine;
mod kind;
mod leaning;
mod parts;
mod plainer;
mod profiles;
mod report;
mod situation;
mod solver;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use interlock_domain::{Action, Effect, Environment};
use interlock_policy::{Bundle, Invariant};
use tokio::{sync::Semaphore, task::JoinSet};

pub use assumed::ASSUMED;
pub use complete::Completed;
pub use examine::{Comparison, Example, Verdict};
pub use kind::Kind;
pub use profiles::ProfileChange;
pub use report::{Against, Erring, Held, Overall, Report, Side};
pub use situation::{Situation, Thing, Uid};
pub use solver::{Bounds, NoSolver, Silence, Solver, processors};

use crate::{
    examine::Examiner,
    kind::{Asked, kinds},
};

/// What is to be proved, and how much may be done at once.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// These actions alone; all of them when there are none.
    pub actions: BTreeSet<Action>,
    /// How many questions are before a solver at once; at least one.
    pub at_once: usize,
}

/// Why nothing was proved.
#[derive(Debug, thiserror::Error)]
#[error("cannot put the policies into questions: {0}; this is a defect, please report it with the bundle")]
pub struct Defect(String);

/// What came of one kind of question.
struct Examined {
    kind: Kind,
    errs: Vec<(String, Verdict)>,
    invariants: Vec<(usize, Verdict)>,
    comparison: Option<Comparison>,
}

/// One kind of question, before and now.
struct Pair {
    now: Asked,
    before: Option<Asked>,
}

/// Proves what can be proved of a bundle, and of how it differs from `old`. `told` hears how many kinds of question are
/// done, and of how many. Dropping the future ends every solver.
pub async fn prove(
    bundle: &Bundle,
    old: Option<&Bundle>,
    solver: &Solver,
    plan: &Plan,
    told: impl Fn(usize, usize),
) -> Result<Report, Defect> {
    let pairs = pairs(bundle, old, &plan.actions).map_err(|error| Defect(error.to_string()))?;
    let places = Arc::new(Semaphore::new(plan.at_once.max(1)));
    let invariants: Arc<[Invariant]> = bundle.invariants().into();
    let unguarded = Arc::new(bundle.unguarded.clone());
    let mut running = JoinSet::new();
    let all = pairs.len();
    for pair in pairs {
        let (places, invariants) = (Arc::clone(&places), Arc::clone(&invariants));
        let (unguarded, solver) = (Arc::clone(&unguarded), solver.clone());
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            examine(&pair, &invariants, &unguarded, &solver).await
        });
    }
    let mut examined = Vec::new();
    while let Some(done) = running.join_next().await {
        examined.push(done.map_err(|error| Defect(error.to_string()))?);
        told(examined.len(), all);
    }
    examined.sort_by(|one, other| one.kind.cmp(&other.kind));
    Ok(Report::of(bundle, old, solver, &examined))
}

/// Every kind of question that either bundle knows. The host asks the same of both, so what one does not know it denies.
fn pairs(
    bundle: &Bundle,
    old: Option<&Bundle>,
    actions: &BTreeSet<Action>,
) -> Result<Vec<Pair>, parts::Misfit> {
    let mut before: BTreeMap<Kind, Asked> = match old {
        Some(old) => kinds(old, actions)?.into_iter().map(|asked| (asked.kind.clone(), asked)).collect(),
        None => BTreeMap::new(),
    };
    let mut pairs: Vec<Pair> = kinds(bundle, actions)?
        .into_iter()
        .map(|now| {
            let known = before.remove(&now.kind);
            Pair { before: old.map(|_| known.unwrap_or_else(|| now.unanswered())), now }
        })
        .collect();
    let gone = before.into_values().map(|asked| Pair { now: asked.unanswered(), before: Some(asked) });
    pairs.extend(gone);
    Ok(pairs)
}

async fn examine(
    pair: &Pair,
    invariants: &[Invariant],
    unguarded: &BTreeSet<Environment>,
    solver: &Solver,
) -> Examined {
    let asked = &pair.now;
    let examiner = Examiner { solver, asked, unguarded };
    let mut errs = Vec::new();
    for policy in asked.enforced.iter().chain(&asked.monitored) {
        errs.push((parts::id(policy), examiner.never_errs(policy).await));
    }
    // A policy that errs denies, which the solver does not know; so what depends on it is not known either.
    let erring: Vec<&str> = errs
        .iter()
        .filter(|(id, verdict)| {
            *verdict != Verdict::Proved && asked.enforced.iter().any(|policy| parts::id(policy) == *id)
        })
        .map(|(id, _)| id.as_str())
        .collect();
    let unsettled = |erring: &str| {
        format!(
            "`{erring}` is not proved to never err here, and a policy that errs denies; settle that first"
        )
    };
    let mut held = Vec::new();
    for (at, invariant) in invariants.iter().enumerate() {
        if !invariant.speaks_of(asked.kind.action) {
            continue;
        }
        let verdict = match (parts::resolved(&invariant.policy, unguarded), invariant.effect, erring.first())
        {
            (Err(error), _, _) => Verdict::Unproved { why: error.to_string() },
            (Ok(_), Effect::Permit, Some(erring)) => Verdict::Unproved { why: unsettled(erring) },
            (Ok(policy), effect, _) => match (examiner.never_errs(&policy).await, effect) {
                (Verdict::Proved, Effect::Forbid) => examiner.never_allowed(&policy).await,
                (Verdict::Proved, Effect::Permit) => examiner.always_allowed(&policy).await,
                (Verdict::Refuted { example }, _) => Verdict::Unproved {
                    why: format!("the invariant itself errs, so that it says nothing: {}", example.because),
                },
                (unproved, _) => unproved,
            },
        };
        held.push((at, verdict));
    }
    let comparison = match &pair.before {
        None => None,
        Some(before) => {
            let mut unsettled = erring.first().map(|erring| unsettled(erring));
            for policy in &before.enforced {
                let now = asked.enforced.iter().any(|now| parts::same(now, policy));
                if !now && examiner.never_errs(policy).await != Verdict::Proved {
                    let id = parts::id(policy);
                    unsettled.get_or_insert(format!(
                        "`{id}` of the old bundle is not proved to never err here, so that its answers are not known"
                    ));
                }
            }
            Some(match unsettled {
                Some(why) => Comparison::Unproved { why },
                None => examiner.compared(before).await,
            })
        }
    };
    Examined { kind: asked.kind.clone(), errs, invariants: held, comparison }
}
