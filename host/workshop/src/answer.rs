//! What a plugin answered, and how two answers differ.

use interlock_sandbox::types::{Directive, Finding, Query, Response, SettingsProblem, Stage, Verdict};
use interlock_sandbox::{PluginError, RecordedError};
use serde::Serialize;

use crate::compare::{said, snake, stage};

/// What a plugin answered to one question, or why it did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Of a gate or a health check.
    Verdict(Verdict),
    /// What a health check wants measured.
    Queries(Vec<Query>),
    /// What a strategy plans.
    Stages(Vec<Stage>),
    /// What a strategy would do next.
    Directive(Directive),
    /// There is no answer; the host denies.
    Error(RecordedError),
    /// It was not asked: the settings do not fit, and a server would refuse them.
    Refused(Vec<SettingsProblem>),
}

/// One thing in which two answers differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whether it came, went or altered.
    pub change: Altered,
    /// What it is: a `finding`, a `query`, a `stage`, a `directive`, an `error` or a `setting`.
    pub thing: &'static str,
    /// The finding's code, the query's id, the stage's name.
    pub name: String,
    /// What a finding is about; empty for everything else.
    pub subject: String,
    /// What was said of it before.
    pub before: Option<String>,
    /// What is said of it now.
    pub after: Option<String>,
}

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Altered {
    /// Only the new answer has it.
    Added,
    /// Only the recorded answer has it.
    Removed,
    /// Both have it, and say something else of it.
    Changed,
}

impl Altered {
    /// `added`
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl Answer {
    /// Of a call.
    pub(crate) fn of(outcome: &Result<Response, PluginError>) -> Option<Self> {
        match outcome {
            Ok(response) => Self::of_response(response.clone()),
            Err(error) => Some(Self::Error(error.into())),
        }
    }

    /// Of a response that decides something.
    pub(crate) fn of_response(response: Response) -> Option<Self> {
        Some(match response {
            Response::Verdict(verdict) => Self::Verdict(verdict),
            Response::Queries(queries) => Self::Queries(queries),
            Response::Stages(stages) => Self::Stages(stages),
            Response::Directive(directive) => Self::Directive(directive),
            Response::Description(_) | Response::Problems(_) => return None,
        })
    }

    /// The answer in a word or two, without what differs from change to change: `fail`, `wait`, `error trapped`.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Verdict(verdict) => snake(&verdict.outcome),
            Self::Queries(queries) => format!("{} queries", queries.len()),
            Self::Stages(stages) => format!("{} stages", stages.len()),
            Self::Directive(directive) => match directive {
                Directive::EnterStage(_) => "enter_stage".to_owned(),
                Directive::Wait(_) => "wait".to_owned(),
                Directive::Complete => "complete".to_owned(),
                Directive::Pause(_) => "pause".to_owned(),
                Directive::RollBack(_) => "roll_back".to_owned(),
            },
            Self::Error(error) => format!("error {}", error.code),
            Self::Refused(_) => "settings refused".to_owned(),
        }
    }

    /// All that it says of single things.
    fn pieces(&self) -> Vec<Piece> {
        let piece = |thing, name: &str, subject: &str, says: String| Piece {
            thing,
            name: name.to_owned(),
            subject: subject.to_owned(),
            says,
        };
        match self {
            Self::Verdict(verdict) => verdict
                .findings
                .iter()
                .map(|Finding { code, severity, message, subject }| {
                    piece("finding", code, subject, format!("{}: {message}", snake(severity)))
                })
                .collect(),
            Self::Queries(queries) => queries
                .iter()
                .map(|Query { id, metric, window_ms, aggregation }| {
                    let says = format!("`{metric}` over {window_ms} ms as {}", snake(aggregation));
                    piece("query", id, "", says)
                })
                .collect(),
            Self::Stages(stages) => {
                let says = |(index, said): (usize, &Stage)| {
                    piece("stage", &said.name, "", format!("{}. {}", index + 1, stage(said)))
                };
                stages.iter().enumerate().map(says).collect()
            }
            Self::Directive(directive) => vec![piece("directive", &self.word(), "", said(directive))],
            Self::Error(error) => vec![piece("error", &error.code, "", error.message.clone())],
            Self::Refused(problems) => problems
                .iter()
                .map(|problem| piece("setting", &problem.path, "", problem.message.clone()))
                .collect(),
        }
    }

    /// What is different in `after`: what went, what altered, what came, in the order of the answers.
    #[must_use]
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let mut added: Vec<Option<Piece>> = after.pieces().into_iter().map(Some).collect();
        let mut found = Vec::new();
        let mut take = |fits: &dyn Fn(&Piece) -> bool| {
            added.iter_mut().find(|piece| piece.as_ref().is_some_and(fits)).and_then(Option::take)
        };
        // What is the same goes first, so that of two findings of one code the one that altered is told.
        let mut before = self.pieces();
        before.retain(|piece| take(&|other| other == piece).is_none());
        for piece in before {
            let now = take(&|other| other.is_about(&piece));
            let change = if now.is_some() { Altered::Changed } else { Altered::Removed };
            let Piece { thing, name, subject, says } = piece;
            let after = now.map(|now| now.says);
            found.push(Difference { change, thing, name, subject, before: Some(says), after });
        }
        for Piece { thing, name, subject, says } in added.into_iter().flatten() {
            let change = Altered::Added;
            found.push(Difference { change, thing, name, subject, before: None, after: Some(says) });
        }
        found
    }
}

/// One thing that an answer says something of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    thing: &'static str,
    name: String,
    subject: String,
    says: String,
}

impl Piece {
    fn is_about(&self, other: &Self) -> bool {
        (self.thing, &self.name, &self.subject) == (other.thing, &other.name, &other.subject)
    }
}

#[cfg(test)]
mod tests {
    use interlock_sandbox::types::{Exposure, Outcome, Severity};
    use proptest::prelude::*;

    use super::*;

    fn finding(code: &str, subject: &str, message: &str) -> Finding {
        let (code, subject, message) = (code.into(), subject.into(), message.into());
        Finding { code, severity: Severity::Critical, message, subject }
    }

    fn verdict(outcome: Outcome, findings: Vec<Finding>) -> Answer {
        Answer::Verdict(Verdict { outcome, findings })
    }

    /// `+finding code (subject): text`
    fn told(before: &Answer, after: &Answer) -> String {
        let line = |difference: Difference| {
            let Difference { change, thing, name, subject, before, after } = difference;
            let sign = match change {
                Altered::Added => "+",
                Altered::Removed => "-",
                Altered::Changed => "~",
            };
            let says: Vec<String> = before.into_iter().chain(after).collect();
            format!("{sign}{thing} {name} ({subject}): {}", says.join(" -> "))
        };
        before.differences(after).into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn findings_are_matched_by_code_and_subject() {
        let before = verdict(
            Outcome::Fail,
            vec![
                finding("too-large", "a", "9 bytes"),
                finding("too-large", "b", "7 bytes"),
                finding("old", "", "gone"),
            ],
        );
        let after = verdict(
            Outcome::Fail,
            vec![
                finding("new", "", "come"),
                finding("too-large", "b", "7 bytes"),
                finding("too-large", "a", "8 bytes"),
            ],
        );
        insta::assert_snapshot!(told(&before, &after), @r"
        ~finding too-large (a): critical: 9 bytes -> critical: 8 bytes
        -finding old (): critical: gone
        +finding new (): critical: come
        ");
        assert_eq!(told(&before, &before), "");
    }

    #[test]
    fn one_of_two_findings_of_a_kind_that_is_gone_is_told() {
        let twice = verdict(Outcome::Warn, vec![finding("x", "", "one"), finding("x", "", "two")]);
        let once = verdict(Outcome::Warn, vec![finding("x", "", "two")]);
        assert_eq!(told(&twice, &once), "-finding x (): critical: one");
        assert_eq!(told(&once, &twice), "+finding x (): critical: one");
    }

    #[test]
    fn an_answer_of_another_sort_is_another_answer() {
        let wait = Answer::Directive(Directive::Wait(60_000));
        let later = Answer::Directive(Directive::Wait(61_000));
        assert_eq!(wait.word(), later.word());
        assert!(told(&wait, &later).starts_with("~directive wait"), "{}", told(&wait, &later));
        let error =
            Answer::Error(RecordedError { code: "trapped".to_owned(), message: "it trapped".to_owned() });
        assert_eq!(
            told(&wait, &error),
            "-directive wait (): `wait` until 1970-01-01T00:01:00Z\n+error trapped (): it trapped"
        );
        let stage = |hold_ms| {
            let name = "all".to_owned();
            Answer::Stages(vec![Stage { name, exposure: Exposure::All, hold_ms }])
        };
        assert!(told(&stage(1), &stage(2)).starts_with("~stage all"), "{}", told(&stage(1), &stage(2)));
    }

    fn any_answer() -> impl Strategy<Value = Answer> {
        let finding =
            ("[ab]", "[xy]?", "[mn]").prop_map(|(code, subject, text)| finding(&code, &subject, &text));
        proptest::collection::vec(finding, 0..6).prop_map(|findings| verdict(Outcome::Fail, findings))
    }

    proptest! {
        #[test]
        fn nothing_is_told_exactly_of_answers_that_say_the_same(before in any_answer(), after in any_answer()) {
            let sorted = |answer: &Answer| {
                let mut pieces: Vec<String> = answer.pieces().iter().map(|piece| format!("{piece:?}")).collect();
                pieces.sort();
                pieces
            };
            let differences = before.differences(&after);
            prop_assert_eq!(differences.is_empty(), sorted(&before) == sorted(&after));
            let count = |change| differences.iter().filter(|difference| difference.change == change).count();
            // What came less what went is what there is more of.
            prop_assert_eq!(
                sorted(&after).len() + count(Altered::Removed),
                sorted(&before).len() + count(Altered::Added)
            );
        }
    }
}
