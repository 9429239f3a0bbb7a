//! Which recorded decisions a bundle would answer differently.

use std::collections::BTreeMap;

use interlock_domain::{Answer, Decision, DecisionSubject, Question};
use interlock_policy::Bundle;
use serde::Serialize;
use thiserror::Error;

/// A recorded answer of the policies.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its id.
    pub id: String,
    /// What was asked.
    pub question: Question,
    /// What was said.
    pub answer: Answer,
}

/// Why decisions cannot be read.
#[derive(Debug, Error)]
#[error(
    "`{file}`, decision {number}: {reason}; each is what `interlock decision show ID --output json` prints, one a line or in one list"
)]
pub struct RecordError {
    /// Which file.
    pub file: String,
    /// Which decision, counted from 1.
    pub number: usize,
    /// What is wrong.
    pub reason: String,
}

/// What would change.
#[derive(Debug, Clone, Serialize)]
pub struct Impact {
    /// Answers of the policies that were asked again.
    pub asked: usize,
    /// Those that stay.
    pub same: usize,
    /// Those that change, by the policy that causes it.
    pub by_policy: BTreeMap<String, Vec<Turned>>,
}

/// An answer that would change.
#[derive(Debug, Clone, Serialize)]
pub struct Turned {
    /// The recorded decision.
    pub decision: String,
    /// When it was made.
    pub at: String,
    /// Who asked.
    pub principal: String,
    /// To do what.
    pub action: String,
    /// To what.
    pub resource: String,
    /// Whether it would be allowed now; it was the opposite.
    pub allowed: bool,
    /// Why, in sentences.
    pub because: Vec<String>,
}

/// Reads decisions: one a line, or a list. Answers of plugins are passed over.
pub fn recorded(file: &str, text: &str) -> Result<Vec<Recorded>, RecordError> {
    let error = |number: usize, reason: String| RecordError { file: file.to_owned(), number, reason };
    // One a line, unless the whole is a list or one decision over many lines.
    let listed: Vec<serde_json::Value> = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Array(all)) => all,
        Ok(one) => vec![one],
        Err(_) => {
            let lines = text.lines().filter(|line| !line.trim().is_empty()).enumerate();
            lines
                .map(|(at, line)| {
                    serde_json::from_str(line).map_err(|reason| error(at + 1, reason.to_string()))
                })
                .collect::<Result<_, _>>()?
        }
    };
    let mut found = Vec::new();
    for (at, value) in listed.into_iter().enumerate() {
        let decision: Decision =
            serde_json::from_value(value).map_err(|reason| error(at + 1, reason.to_string()))?;
        if let DecisionSubject::Policy { question, answer } = decision.subject {
            found.push(Recorded { id: decision.id.to_string(), question: *question, answer: *answer });
        }
    }
    Ok(found)
}

/// Asks every recorded question again.
pub fn impact(bundle: &Bundle, decisions: &[Recorded]) -> Impact {
    let mut by_policy: BTreeMap<String, Vec<Turned>> = BTreeMap::new();
    let mut same = 0;
    for Recorded { id, question, answer: then } in decisions {
        let now = bundle.ask(question);
        if now.allowed == then.allowed {
            same += 1;
            continue;
        }
        let who = match &question.principal {
            interlock_domain::Principal::Actor(actor) => actor.name.clone(),
            interlock_domain::Principal::Plugin { name, .. } => format!("plugin {name}"),
        };
        by_policy.entry(cause(then, &now)).or_default().push(Turned {
            decision: id.clone(),
            at: question.now.to_string(),
            principal: who,
            action: question.action.as_str().to_owned(),
            resource: question.resource.id(),
            allowed: now.allowed,
            because: now.reasons(),
        });
    }
    Impact { asked: decisions.len(), same, by_policy }
}

/// The policies that turned it: who forbids it now; or, where nobody does, whose permit is gone; or whose forbid is gone;
/// or who permits it newly.
fn cause(then: &Answer, now: &Answer) -> String {
    let ids = |answer: &Answer| {
        answer.determining.iter().map(|policy| policy.id.clone()).collect::<Vec<_>>().join(", ")
    };
    match (now.allowed, now.errors.is_empty()) {
        (_, false) => "an error".to_owned(),
        (false, _) if now.determining.is_empty() => format!("{} (no longer permits)", ids(then)),
        (false, _) => ids(now),
        (true, _) if !then.determining.is_empty() => format!("{} (no longer forbids)", ids(then)),
        (true, _) => ids(now),
    }
}

impl Impact {
    /// How many answers would change.
    pub fn changed(&self) -> usize {
        self.asked - self.same
    }

    /// For a person.
    pub fn lines(&self) -> String {
        let mut text =
            format!("{} asked again, {} the same, {} changed\n", self.asked, self.same, self.changed());
        for (policy, turned) in &self.by_policy {
            text.push_str(&format!("{policy}: {}\n", turned.len()));
            for each in turned {
                let turn = if each.allowed { "deny -> ALLOW" } else { "allow -> DENY" };
                text.push_str(&format!(
                    "  {turn}  {} {} {} {} ({})\n",
                    each.at, each.principal, each.action, each.resource, each.decision
                ));
            }
        }
        text
    }
}
