//! What is asked of the solver about one kind of question, and how its answers are read.

use std::collections::BTreeSet;

use cedar_policy::{Policy, PolicySet};
use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env, ResetMode, err::Error as Refusal,
};
use interlock_domain::Environment;
use serde::Serialize;

use crate::{
    kind::{Asked, Kind},
    parts::{self, Misfit},
    plainer::plainest,
    situation::Situation,
    solver::{Run, Solver},
    words,
};

/// What came of a question to the solver.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It holds for every question of this kind.
    Proved,
    /// It does not, and here is one for which it does not.
    Refuted {
        /// The plainest one that was found.
        example: Box<Example>,
    },
    /// Neither is known. As bad as refuted.
    Unproved {
        /// Why, and what to do.
        why: String,
    },
}

/// One question for which something does not hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// What kind of question it is.
    pub kind: Kind,
    /// Who, as a subject: `somebody with the role operator`.
    pub who: String,
    /// What they would do, as an infinitive: `approve a change in production`.
    pub does: String,
    /// What else is so; what is usual is left out.
    pub when: Vec<String>,
    /// Why the answer is what it is.
    pub because: String,
    /// Why it was another one in the bundle before.
    pub before: Option<String>,
    /// The question in full, in Cedar's JSON.
    pub question: Situation,
}

/// What the policies of two bundles say about one kind of question.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Comparison {
    /// The same answer to every question.
    Equivalent,
    /// Something that was allowed is not, and nothing else differs.
    Tighter {
        /// What is no longer allowed.
        lost: Box<Example>,
    },
    /// Something is allowed that was not, and nothing else differs.
    Looser {
        /// What is now allowed.
        won: Box<Example>,
    },
    /// Both.
    Incomparable {
        /// What is no longer allowed.
        lost: Box<Example>,
        /// What is now allowed.
        won: Box<Example>,
    },
    /// It is not known. As bad as looser.
    Unproved {
        /// Why, and what to do.
        why: String,
    },
}

/// A kind of question, what is known to be listed as unguarded, and whom to ask.
pub(crate) struct Examiner<'a> {
    pub(crate) solver: &'a Solver,
    pub(crate) asked: &'a Asked,
    /// Names for an unguarded environment in examples.
    pub(crate) unguarded: &'a BTreeSet<Environment>,
}

/// Why the answer is what it is, and why it was another one before.
type Why = (String, Option<String>);

/// What one policy set allows and the other does not.
struct Gap<'a> {
    allowing: &'a PolicySet,
    denying: &'a PolicySet,
}

impl Examiner<'_> {
    /// That this policy never errs.
    pub(crate) async fn never_errs(&self, policy: &Policy) -> Verdict {
        let asked = self.asked;
        let guarded = match parts::given(policy, &asked.assumed) {
            Ok(guarded) => guarded,
            Err(error) => return unproved(error),
        };
        let compiled = match CompiledPolicy::compile(&guarded, &asked.env, &asked.schema) {
            Ok(compiled) => compiled,
            Err(refusal) => return unsupported(&[parts::id(policy)], &refusal),
        };
        let mut compiler = match self.compiler() {
            Ok(compiler) => compiler,
            Err(verdict) => return verdict,
        };
        match compiler.check_never_errors_with_counterexample_opt(&compiled).await {
            Ok(None) => Verdict::Proved,
            Ok(Some(env)) => self.erring(&env, guarded).unwrap_or_else(unproved),
            Err(refusal) => silent(&compiler, &refusal),
        }
    }

    fn erring(&self, env: &Env, policy: Policy) -> Result<Verdict, Misfit> {
        let id = parts::id(&policy);
        let alone = parts::alone(policy)?;
        let error = |situation: &Situation| situation.ask(self.asked, &alone)?.errors.into_values().next();
        let found = Situation::of(env)?;
        if error(&found).is_none() {
            return Ok(disagreed());
        }
        let plain = plainest(found, self.unguarded, &|situation| error(situation).is_some());
        let because = format!("`{id}` says: {}", error(&plain).unwrap_or_default());
        Ok(Verdict::Refuted { example: Box::new(self.example(plain, (because, None))) })
    }

    /// That the policies allow nothing that `never` (a permit, taken as a description) describes.
    pub(crate) async fn never_allowed(&self, never: &Policy) -> Verdict {
        let described = match self.described(never) {
            Ok(described) => described,
            Err(verdict) => return *verdict,
        };
        let (policies, compiled) = match (self.compile(&self.asked.set), self.compile(&described)) {
            (Ok(policies), Ok(compiled)) => (policies, compiled),
            (Err(verdict), _) | (_, Err(verdict)) => return verdict,
        };
        let mut compiler = match self.compiler() {
            Ok(compiler) => compiler,
            Err(verdict) => return verdict,
        };
        let found = compiler.check_disjoint_with_counterexample_opt(&policies, &compiled).await;
        let shows = |situation: &Situation| {
            let allowed = |set| situation.ask(self.asked, set).is_some_and(|answer| answer.allowed);
            allowed(&self.asked.set) && allowed(&described)
        };
        self.read(found, &compiler, &shows, |situation| (self.allowing(situation, &self.asked.set), None))
    }

    /// That the policies allow everything that `always` (a permit) describes.
    pub(crate) async fn always_allowed(&self, always: &Policy) -> Verdict {
        let described = match self.described(always) {
            Ok(described) => described,
            Err(verdict) => return *verdict,
        };
        let gap = Gap { allowing: &described, denying: &self.asked.set };
        self.no_gap(&gap, |situation| (self.denying(situation, &self.asked.set), None)).await
    }

    /// What differs between the policies of `old` and those of this.
    pub(crate) async fn compared(&self, old: &Asked) -> Comparison {
        if self.asked.enforced.len() == old.enforced.len()
            && self.asked.enforced.iter().zip(&old.enforced).all(|(new, old)| parts::same(new, old))
        {
            return Comparison::Equivalent;
        }
        // Both under what the host makes sure of now.
        let before = match parts::set_given(&old.enforced, &self.asked.assumed) {
            Ok(before) => before,
            Err(error) => return Comparison::Unproved { why: error.to_string() },
        };
        let won = Gap { allowing: &self.asked.set, denying: &before };
        let won = self
            .no_gap(&won, |situation| {
                (self.allowing(situation, &self.asked.set), Some(self.denying(situation, &before)))
            })
            .await;
        let lost = Gap { allowing: &before, denying: &self.asked.set };
        let lost = self
            .no_gap(&lost, |situation| {
                (self.denying(situation, &self.asked.set), Some(self.allowing(situation, &before)))
            })
            .await;
        match (lost, won) {
            (Verdict::Proved, Verdict::Proved) => Comparison::Equivalent,
            (Verdict::Refuted { example: lost }, Verdict::Proved) => Comparison::Tighter { lost },
            (Verdict::Proved, Verdict::Refuted { example: won }) => Comparison::Looser { won },
            (Verdict::Refuted { example: lost }, Verdict::Refuted { example: won }) => {
                Comparison::Incomparable { lost, won }
            }
            (Verdict::Unproved { why }, _) | (_, Verdict::Unproved { why }) => Comparison::Unproved { why },
        }
    }

    /// That what the one set allows the other allows too.
    async fn no_gap(&self, gap: &Gap<'_>, because: impl Fn(&Situation) -> Why) -> Verdict {
        let (allowing, denying) = match (self.compile(gap.allowing), self.compile(gap.denying)) {
            (Ok(allowing), Ok(denying)) => (allowing, denying),
            (Err(verdict), _) | (_, Err(verdict)) => return verdict,
        };
        let mut compiler = match self.compiler() {
            Ok(compiler) => compiler,
            Err(verdict) => return verdict,
        };
        let found = compiler.check_implies_with_counterexample_opt(&allowing, &denying).await;
        let shows = |situation: &Situation| {
            let allowed = |set| situation.ask(self.asked, set).map(|answer| answer.allowed);
            allowed(gap.allowing) == Some(true) && allowed(gap.denying) == Some(false)
        };
        self.read(found, &compiler, &shows, because)
    }

    fn read(
        &self,
        found: Result<Option<Env>, Refusal>,
        compiler: &CedarSymCompiler<Run<'_>>,
        shows: &dyn Fn(&Situation) -> bool,
        because: impl Fn(&Situation) -> Why,
    ) -> Verdict {
        let env = match found {
            Ok(None) => return Verdict::Proved,
            Ok(Some(env)) => env,
            Err(refusal) => return silent(compiler, &refusal),
        };
        match Situation::of(&env) {
            Err(error) => unproved(error),
            // Cedar itself has the last word.
            Ok(found) if !shows(&found) => disagreed(),
            Ok(found) => {
                let plain = plainest(found, self.unguarded, shows);
                let because = because(&plain);
                Verdict::Refuted { example: Box::new(self.example(plain, because)) }
            }
        }
    }

    fn example(&self, question: Situation, (because, before): Why) -> Example {
        let kind = self.asked.kind.clone();
        let words::Told { who, does, when } = words::tell(kind.action, &question);
        Example { kind, who, does, when, because, before, question }
    }

    /// A policy as a description: what it would permit, were it the only one and the approval profiles as they are.
    fn described(&self, policy: &Policy) -> Result<PolicySet, Box<Verdict>> {
        parts::permitting(policy)
            .and_then(|permitting| parts::given(&permitting, &self.asked.demanded))
            .and_then(|permitting| parts::given(&permitting, &self.asked.assumed))
            .and_then(parts::alone)
            .map_err(|error| Box::new(unproved(error)))
    }

    fn allowing(&self, situation: &Situation, set: &PolicySet) -> String {
        let because = situation.ask(self.asked, set).map(|answer| answer.because).unwrap_or_default();
        format!("permitted by {}, forbidden by nothing", named(&because))
    }

    fn denying(&self, situation: &Situation, set: &PolicySet) -> String {
        let answer = situation.ask(self.asked, set);
        let (because, errors) =
            answer.map_or_else(Default::default, |answer| (answer.because, answer.errors));
        match (because.is_empty(), errors.is_empty()) {
            (_, false) => {
                format!("denied for an error of {}", named(&errors.into_keys().collect::<Vec<_>>()))
            }
            (false, true) => format!("forbidden by {}", named(&because)),
            (true, true) => "permitted by nothing".to_owned(),
        }
    }

    fn compile(&self, set: &PolicySet) -> Result<CompiledPolicySet, Verdict> {
        let asked = self.asked;
        CompiledPolicySet::compile(set, &asked.env, &asked.schema).map_err(|refusal| {
            let alone =
                |policy: &&Policy| CompiledPolicy::compile(policy, &asked.env, &asked.schema).is_err();
            let guilty: Vec<String> = set.policies().filter(alone).map(parts::id).collect();
            unsupported(&guilty, &refusal)
        })
    }

    fn compiler(&self) -> Result<CedarSymCompiler<Run<'_>>, Verdict> {
        // Each script stands alone, so there is nothing to reset.
        CedarSymCompiler::new(self.solver.run())
            .map(|compiler| compiler.with_reset_mode(ResetMode::Comment))
            .map_err(|refusal| unsupported(&[], &refusal))
    }
}

fn named(ids: &[String]) -> String {
    words::listed(&ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>())
}

fn unproved(error: Misfit) -> Verdict {
    Verdict::Unproved { why: error.to_string() }
}

fn disagreed() -> Verdict {
    Verdict::Unproved {
        why: "the solver's example is none when Cedar is asked: a policy that errs, or a defect of the solver; have all \
              policies proved to never err, and try another release of cvc5"
            .to_owned(),
    }
}

fn unsupported(policies: &[String], refusal: &Refusal) -> Verdict {
    let whose = match policies {
        [] => "these policies".to_owned(),
        ids => named(ids),
    };
    let mut why = format!("{whose} cannot be put to the solver: {refusal}");
    if let Refusal::PolicyNotWellTyped { errs } = refusal {
        errs.iter().for_each(|error| why.push_str(&format!("; {error}")));
    }
    Verdict::Unproved { why }
}

fn silent(compiler: &CedarSymCompiler<Run<'_>>, refusal: &Refusal) -> Verdict {
    let why = match &compiler.solver().silence {
        Some(silence) => silence.to_string(),
        None => format!("the solver's answer cannot be used: {refusal}"),
    };
    Verdict::Unproved { why }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Bounds, kind::kinds};

    #[tokio::test]
    async fn a_policy_that_cannot_be_put_to_the_solver_is_named_with_the_reason() {
        let bundle = interlock_policy::default_bundle().unwrap();
        let asked = kinds(&bundle, &BTreeSet::new()).unwrap().swap_remove(0);
        let bounds = Bounds { timeout: Duration::from_secs(60), memory_bytes_max: 2 << 30 };
        let solver = Solver::find(None, bounds).await.expect("the tests need Debian's `cvc5`");
        let examiner = Examiner { solver: &solver, asked: &asked, unguarded: &bundle.unguarded };
        for (policy, expected) in [
            (
                "permit (principal, action, resource) when { principal.shoe == 43 };",
                "`odd` cannot be put to the solver",
            ),
            (
                "permit (principal, action, resource) when { [].isEmpty() };",
                "`odd` cannot be put to the solver",
            ),
        ] {
            let policy = Policy::parse(Some(cedar_policy::PolicyId::new("odd")), policy).unwrap();
            let verdict = examiner.never_errs(&policy).await;
            let Verdict::Unproved { why } = &verdict else { panic!("{verdict:?}") };
            assert!(why.contains(expected) && why.len() > expected.len() + 10, "{why}");
            let verdict = examiner.never_allowed(&policy).await;
            assert!(matches!(verdict, Verdict::Unproved { .. }), "{verdict:?}");
        }
    }
}
