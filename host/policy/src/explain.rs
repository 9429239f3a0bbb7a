//! Why an answer is what it is: every policy that was asked, part by part.

use cedar_policy::{Authorizer, Decision, Entities, Policy, PolicySet, Request};
use interlock_domain::{Answer, Determining, Effect, Question, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Access, Application, Bundle, application::Posed, bucket::Notes, clause};

/// An answer with the reasons down to each clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Who.
    pub principal: String,
    /// Does what.
    pub action: String,
    /// To what.
    pub resource: String,
    /// Whether it may be done.
    pub allowed: bool,
    /// The policies that decided, with their reasons.
    pub determining: Vec<Determining>,
    /// What went wrong; any of these denies.
    pub errors: Vec<String>,
    /// Every policy of the action: those that decide first, then by how close they came.
    pub policies: Vec<Looked>,
}

/// One policy, part by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`.
    pub reason: String,
    /// `permit` or `forbid`.
    pub effect: Effect,
    /// True when it only watches.
    pub monitored: bool,
    /// Whether it applies; an error when it could not be evaluated.
    pub applies: Truth,
    /// In the order in which Cedar looks at them.
    pub clauses: Vec<Clause>,
}

/// One part of a scope or one conjunct of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clause {
    /// Where it stands.
    pub of: Place,
    /// As an author would write it.
    pub text: String,
    /// What came of it.
    pub value: Truth,
}

/// Where a part of a policy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the scope.
    Scope,
    /// In a `when` clause.
    When,
    /// In an `unless` clause.
    Unless,
}

/// What came of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be evaluated.
    Error(String),
    /// What stands before it settled the matter.
    NotReached,
}

/// Asks a bundle, and looks at every policy of the action.
pub fn explain(bundle: &Bundle, question: &Question) -> Explanation {
    let answer = bundle.ask(question);
    let policies = bundle.policies_of(question.action);
    let posed = bundle.posed(question).ok();
    let posed = posed.map(|(request, entities)| Posed { request, entities, policies });
    let (action, resource) = (question.action.as_str(), question.resource.id());
    Asked { action, resource, posed }.explained(&bundle.notes, answer)
}

/// Asks an application, and looks at every policy of the action. `now` is the time of the question.
pub fn explain_access(application: &Application, access: &Access, now: Timestamp) -> Explanation {
    let answer = application.evaluate(access, now);
    let (action, posed) = (access.action.name.as_str(), application.posed(access, now));
    let resource = format!("{}:{}", access.resource.kind, access.resource.id);
    Asked { action, resource, posed }.explained(application.notes(), answer)
}

/// What was asked; nothing was posed where it does not fit the schema, and the answer's errors say why.
struct Asked<'a> {
    action: &'a str,
    resource: String,
    posed: Option<Posed<'a>>,
}

impl Asked<'_> {
    fn explained(self, notes: &Notes, answer: Answer) -> Explanation {
        let (principal, resource, policies) = match self.posed {
            None => (String::new(), self.resource, Vec::new()),
            Some(Posed { request, entities, policies }) => {
                let eye = Eye { request: &request, entities: &entities };
                let looked = policies.into_iter();
                let mut policies: Vec<Looked> =
                    looked.filter_map(|(policy, monitored)| eye.look(notes, policy, monitored)).collect();
                policies.sort_by_key(|policy| (policy.distance(answer.allowed), policy.id.clone()));
                let name =
                    |uid: Option<&cedar_policy::EntityUid>| uid.map(ToString::to_string).unwrap_or_default();
                (name(request.principal()), name(request.resource()), policies)
            }
        };
        Explanation {
            principal,
            action: self.action.to_owned(),
            resource,
            allowed: answer.allowed,
            determining: answer.determining,
            errors: answer.errors,
            policies,
        }
    }
}

struct Eye<'a> {
    request: &'a Request,
    entities: &'a Entities,
}

impl Eye<'_> {
    fn look(&self, notes: &Notes, policy: &Policy, monitored: bool) -> Option<Looked> {
        let id = policy.id().to_string();
        let note = notes.get(&id)?;
        let json = clause::json_of(policy);
        let mut clauses = Vec::new();
        let mut applies = Truth::True;
        for name in ["principal", "action", "resource"] {
            let part = &json[name];
            if part["op"] == "All" {
                continue;
            }
            let value = match applies {
                Truth::True => self.truth(clause::with(&json!({ name: part }), &[])),
                _ => Truth::NotReached,
            };
            if value != Truth::NotReached {
                applies = value.clone();
            }
            clauses.push(Clause { of: Place::Scope, text: clause::scope_text(name, part), value });
        }
        for (kind, body) in clause::conditions(&json) {
            let of = if kind == "unless" { Place::Unless } else { Place::When };
            let values = self.conjuncts(of, body, applies == Truth::True, &mut clauses);
            if applies == Truth::True {
                applies = match (of, values) {
                    (Place::Unless, Truth::True) => Truth::False,
                    (Place::Unless, Truth::False) => Truth::True,
                    (_, value) => value,
                };
            }
        }
        Some(Looked { id, reason: note.reason.clone(), effect: note.effect, monitored, applies, clauses })
    }

    /// Each conjunct of a condition; gives back what all of them together come to.
    fn conjuncts(&self, of: Place, body: &Value, reached: bool, clauses: &mut Vec<Clause>) -> Truth {
        let mut so_far = if reached { Truth::True } else { Truth::NotReached };
        for part in clause::conjuncts(body) {
            let value = match so_far {
                Truth::True => self.truth(clause::alone(part)),
                _ => Truth::NotReached,
            };
            if value != Truth::NotReached {
                so_far = value.clone();
            }
            clauses.push(Clause { of, text: clause::text(part), value });
        }
        so_far
    }

    fn truth(&self, policy: Option<Policy>) -> Truth {
        let mut set = PolicySet::new();
        if policy.is_none_or(|policy| set.add(policy).is_err()) {
            return Truth::Error("it cannot be taken apart".to_owned());
        }
        let response = Authorizer::new().is_authorized(self.request, &set, self.entities);
        match (response.diagnostics().errors().next(), response.decision()) {
            (Some(error), _) => Truth::Error(error.to_string()),
            (None, Decision::Allow) => Truth::True,
            (None, Decision::Deny) => Truth::False,
        }
    }
}

impl Looked {
    /// How many parts stand between this policy and the other answer: 0 for those that decide.
    fn distance(&self, allowed: bool) -> (usize, usize) {
        let against = if allowed { Effect::Permit } else { Effect::Forbid };
        match &self.applies {
            Truth::True | Truth::Error(_) => (usize::from(self.effect != against), 0),
            _ => (2 + usize::from(self.effect == Effect::Forbid), self.open()),
        }
    }

    /// How many parts do not hold or were not reached.
    fn open(&self) -> usize {
        self.clauses
            .iter()
            .filter(|clause| match clause.of {
                Place::Unless => clause.value == Truth::NotReached,
                Place::Scope | Place::When => clause.value != Truth::True,
            })
            .count()
    }

    /// The part at which it stopped.
    pub fn stopped_at(&self) -> Option<&Clause> {
        if self.applies == Truth::True {
            return None;
        }
        self.clauses.iter().rev().find(|clause| clause.value != Truth::NotReached)
    }
}

impl Explanation {
    /// Denied because nothing permits: the permits that came closest, at most so many.
    pub fn closest(&self, at_most: usize) -> Vec<&Looked> {
        if self.allowed || !self.determining.is_empty() || !self.errors.is_empty() {
            return Vec::new();
        }
        let permits =
            self.policies.iter().filter(|policy| policy.effect == Effect::Permit && !policy.monitored);
        permits.take(at_most).collect()
    }

    /// For a person.
    pub fn tree(&self) -> String {
        let mut lines = vec![format!(
            "{}: {} {} {}",
            if self.allowed { "ALLOW" } else { "DENY" },
            self.principal,
            self.action,
            self.resource
        )];
        for policy in &self.determining {
            lines.push(format!("  because {}: {}", policy.id, policy.reason));
        }
        for error in &self.errors {
            lines.push(format!("  because {error}"));
        }
        let closest = self.closest(3);
        if self.determining.is_empty() && self.errors.is_empty() {
            lines.push("  because no policy permits it; closest came".to_owned());
        }
        for policy in closest {
            let stopped = policy.stopped_at().map(|clause| format!("{} {}", clause.of.as_str(), clause.text));
            lines.push(format!("    {} stopped at `{}`", policy.id, stopped.unwrap_or_default()));
        }
        for policy in &self.policies {
            let word = match policy.effect {
                Effect::Permit => "permit",
                Effect::Forbid => "forbid",
            };
            let watched = if policy.monitored { " (watching)" } else { "" };
            lines.push(format!("{} {word} {}{watched}", policy.applies.sign(), policy.id));
            for clause in &policy.clauses {
                let why = match &clause.value {
                    Truth::Error(error) => format!("  <- {error}"),
                    _ => String::new(),
                };
                lines.push(format!(
                    "    {} {} {}{why}",
                    clause.value.sign(),
                    clause.of.as_str(),
                    clause.text
                ));
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

impl Place {
    /// As it is written in a policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Scope => "scope",
            Place::When => "when",
            Place::Unless => "unless",
        }
    }
}

impl Truth {
    fn sign(&self) -> &'static str {
        match self {
            Truth::True => "true ",
            Truth::False => "false",
            Truth::Error(_) => "ERROR",
            Truth::NotReached => "-    ",
        }
    }
}
