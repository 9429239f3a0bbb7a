//! The smallest set of further approvals that would make a change proceed, found by asking the policies themselves.
//!
//! There is no second copy of the approval rules here: the search adds imagined approvals to the facts and asks again.

use std::collections::BTreeMap;

use interlock_domain::{
    Action, Actor, AdmissionFacts, Answer, ApprovalFacts, Facts, Given, PersonId, Principal, Question,
    Resource, Role, Stages, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::Bundle;

/// Somebody who might approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub actor: Actor,
    /// When they gave the approval that the question already counts, if they did. They can then give it anew, which
    /// helps when it is too old.
    pub approved_at: Option<Timestamp>,
    /// The person whose roles these are, where the candidate would approve under a delegation.
    pub on_behalf_of: Option<PersonId>,
}

/// How far to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchLimit {
    /// Further approvals in one set.
    pub approvals_max: usize,
    /// Questions to the policies in all.
    pub questions_max: u32,
    /// Sets of the same size besides the first.
    pub alternatives_max: usize,
}

impl Default for SearchLimit {
    fn default() -> Self {
        Self { approvals_max: 4, questions_max: 5_000, alternatives_max: 5 }
    }
}

/// One approval that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// All roles that whoever gives it holds there.
    pub roles: Vec<Role>,
    /// The persons who could give it, sorted. A set that names the same profile twice needs two of them.
    pub persons: Vec<PersonId>,
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Missing {
    /// Nothing: the policies already allow it.
    AlreadyAllowed,
    /// These approvals.
    Approvals {
        /// One smallest set.
        needs: Vec<Need>,
        /// Other sets of the same size.
        alternatives: Vec<Vec<Need>>,
    },
    /// No set of approvals by these candidates is enough.
    NotByApprovals {
        /// What would still stand against it if everybody approved.
        reasons: Vec<String>,
    },
    /// The limit on questions was reached before the search was over.
    SearchExceeded {
        /// How many were asked.
        asked: u32,
    },
}

/// Finds the smallest set of further approvals with which `question` (`AdmitChange` or `EnterStage`) would be
/// allowed at its `now`.
///
/// Candidates are first asked about one by one, as principals of `ApproveChange` on the same change; then those who
/// may are grouped by the roles that they hold there, and sets are tried from one approval up to the limit. The same
/// input gives the same output.
pub fn missing_approvals(
    bundle: &Bundle,
    question: &Question,
    candidates: &[Candidate],
    limit: SearchLimit,
) -> Missing {
    let held = candidates.iter().filter_map(|each| Some((&each.actor.person, each.approved_at?))).collect();
    let stage = stage_of(bundle, question);
    let mut search = Search { bundle, question, held, stage, asked: 0, questions_max: limit.questions_max };
    search.run(candidates, limit).unwrap_or(Missing::SearchExceeded { asked: search.asked })
}

/// The one stage that further approvals have to name, where the profile asks for approvals of each.
fn stage_of(bundle: &Bundle, question: &Question) -> Option<u32> {
    let Facts::Admission(facts) = &question.facts else { return None };
    let Resource::Change { environment, change_kind, .. } = &question.resource else { return None };
    let profile = bundle.profile(*change_kind, environment)?;
    (facts.stage > 0 && profile.stages == Stages::Each).then_some(facts.stage)
}

/// The limit on questions was reached.
struct Exceeded;

struct Search<'a> {
    bundle: &'a Bundle,
    question: &'a Question,
    /// When each of the approvals that the question counts was given, as far as that is known.
    held: BTreeMap<&'a PersonId, Timestamp>,
    stage: Option<u32>,
    asked: u32,
    questions_max: u32,
}

/// In what two candidates can differ: their roles; whether a new approval would replace one; when that was given; for whom
/// they would act.
type Likeness<'a> = (Vec<Role>, bool, Option<Timestamp>, Option<&'a PersonId>);

/// Those who may approve and are alike.
struct Group<'a> {
    roles: Vec<Role>,
    persons: Vec<&'a PersonId>,
    on_behalf_of: Option<&'a PersonId>,
}

impl Group<'_> {
    fn imagine<'g>(&'g self, person: &'g PersonId) -> Imagined<'g> {
        Imagined { person, roles: &self.roles, on_behalf_of: self.on_behalf_of }
    }
}

/// One imagined approval.
struct Imagined<'a> {
    person: &'a PersonId,
    roles: &'a [Role],
    on_behalf_of: Option<&'a PersonId>,
}

impl<'a> Search<'a> {
    fn run(&mut self, candidates: &'a [Candidate], limit: SearchLimit) -> Result<Missing, Exceeded> {
        let answer = self.ask(self.question)?;
        if answer.allowed {
            return Ok(Missing::AlreadyAllowed);
        }
        let Facts::Admission(facts) = &self.question.facts else {
            return Ok(Missing::NotByApprovals { reasons: answer.reasons() });
        };
        let groups = self.groups(facts, candidates)?;
        for size in 1..=limit.approvals_max {
            let found = self.sets(facts, &groups, size, limit.alternatives_max + 1)?;
            let mut found = found.into_iter();
            if let Some(needs) = found.next() {
                return Ok(Missing::Approvals { needs, alternatives: found.collect() });
            }
        }
        let everybody: Vec<Imagined<'_>> = groups
            .iter()
            .flat_map(|group| group.persons.iter().map(|person| group.imagine(person)))
            .collect();
        let best = self.ask_with(facts, &everybody)?;
        // Everybody together may be allowed where no small set was: then the size is what stands against it.
        let reasons = if best.allowed {
            vec![format!("more than {} further approvals would be needed", limit.approvals_max)]
        } else {
            best.reasons()
        };
        Ok(Missing::NotByApprovals { reasons })
    }

    /// Those who may approve, grouped and sorted.
    fn groups(
        &mut self,
        facts: &AdmissionFacts,
        candidates: &'a [Candidate],
    ) -> Result<Vec<Group<'a>>, Exceeded> {
        let environment = self.question.resource.environment();
        let mut groups: BTreeMap<Likeness<'a>, Vec<&'a PersonId>> = BTreeMap::new();
        for candidate in candidates {
            let may_approve = Question {
                principal: Principal::Actor(candidate.actor.clone()),
                action: if self.stage.is_some() { Action::ApproveStage } else { Action::ApproveChange },
                resource: self.question.resource.clone(),
                facts: Facts::None,
                now: self.question.now,
                freshness: self.question.freshness,
            };
            if self.ask(&may_approve)?.allowed {
                let person = &candidate.actor.person;
                let renews = facts.approvals.persons.contains(person);
                let roles = candidate.actor.roles_in(environment);
                groups
                    .entry((
                        roles,
                        renews,
                        candidate.approved_at.filter(|_| renews),
                        candidate.on_behalf_of.as_ref(),
                    ))
                    .or_default()
                    .push(person);
            }
        }
        Ok(groups
            .into_iter()
            .map(|((roles, .., on_behalf_of), mut persons)| {
                persons.sort_unstable();
                persons.dedup();
                Group { roles, persons, on_behalf_of }
            })
            .collect())
    }

    /// The first `enough` multisets of `size` groups that would do, in order. Of a group, the first persons stand for
    /// any: policies are told of roles and counts, and of persons only so that the author does not count, whom
    /// `ApproveChange` has already kept out.
    fn sets(
        &mut self,
        facts: &AdmissionFacts,
        groups: &[Group<'_>],
        size: usize,
        enough: usize,
    ) -> Result<Vec<Vec<Need>>, Exceeded> {
        let mut found = Vec::new();
        let mut chosen = (!groups.is_empty()).then(|| vec![0; size]);
        while let Some(set) = chosen {
            if let Some(approvals) = approvals(groups, &set)
                && self.ask_with(facts, &approvals)?.allowed
            {
                found.push(set.iter().map(|&at| need(&groups[at])).collect());
                if found.len() >= enough {
                    break;
                }
            }
            chosen = next_multiset(set, groups.len());
        }
        Ok(found)
    }

    fn ask_with(&mut self, facts: &AdmissionFacts, approvals: &[Imagined<'_>]) -> Result<Answer, Exceeded> {
        let imagined =
            AdmissionFacts { approvals: self.imagine(&facts.approvals, approvals), ..facts.clone() };
        self.ask(&Question { facts: Facts::Admission(Box::new(imagined)), ..self.question.clone() })
    }

    fn ask(&mut self, question: &Question) -> Result<Answer, Exceeded> {
        if self.asked >= self.questions_max {
            return Err(Exceeded);
        }
        self.asked += 1;
        Ok(self.bundle.ask(question))
    }

    /// The facts as they would be after these approvals.
    fn imagine(&self, facts: &ApprovalFacts, approvals: &[Imagined<'_>]) -> ApprovalFacts {
        let now = self.question.now;
        let mut more = facts.clone();
        for imagined in approvals {
            more = more.with_given(Given {
                person: imagined.person.clone(),
                roles: imagined.roles.to_vec(),
                at: now,
                // Whoever is asked for a signature gives one.
                signed: true,
                stage: self.stage,
                on_behalf_of: imagined.on_behalf_of.cloned(),
            });
        }
        if more.given.len() >= more.distinct as usize {
            return more;
        }
        // Facts from before approvals stood in them.
        // A person's newest approval is the one that counts, so one that is given anew takes the age of the old one
        // away. If the age of one that stays is not known, the oldest is kept: rather a hint too few than a wrong one.
        let renewed = |person: &PersonId| approvals.iter().any(|again| again.person == person);
        let staying: Option<Vec<Timestamp>> = facts
            .persons
            .iter()
            .filter(|person| !renewed(person))
            .map(|person| self.held.get(person).copied())
            .collect();
        if let (Some(staying), false) = (staying, approvals.is_empty()) {
            more.oldest = staying.into_iter().chain([now]).min();
        }
        more
    }
}

fn need(group: &Group<'_>) -> Need {
    Need {
        roles: group.roles.clone(),
        persons: group.persons.iter().map(|person| (*person).clone()).collect(),
    }
}

/// A person for each choice; `None` when a group is chosen more often than it has persons.
fn approvals<'g>(groups: &'g [Group<'_>], chosen: &[usize]) -> Option<Vec<Imagined<'g>>> {
    let nth = |at: usize| chosen[..at].iter().filter(|earlier| **earlier == chosen[at]).count();
    (0..chosen.len())
        .map(|at| {
            let group = &groups[chosen[at]];
            Some(group.imagine(group.persons.get(nth(at))?))
        })
        .collect()
}

/// The multiset after this one, of the same size over `0..kinds`, as a sequence that never falls.
fn next_multiset(mut set: Vec<usize>, kinds: usize) -> Option<Vec<usize>> {
    let at = set.iter().rposition(|&kind| kind + 1 < kinds)?;
    let next = set[at] + 1;
    set[at..].fill(next);
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_multiset_comes_once_and_in_order() {
        let all: Vec<_> =
            std::iter::successors(Some(vec![0, 0]), |set| next_multiset(set.clone(), 3)).collect();
        assert_eq!(all, [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]);
    }
}
