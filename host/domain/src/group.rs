//! Gate groups: several gates that judge as one, by a boolean expression.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Expression, GateMode, GateReport, Outcome, Truth};

/// A gate group, as a roster holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateGroup {
    /// A boolean expression over the ids of its members.
    pub expression: String,
    /// Whether it blocks.
    pub mode: GateMode,
}

/// A gate group bound to a change, as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupBinding {
    /// Its name.
    pub name: String,
    /// A boolean expression over the ids of its members.
    pub expression: String,
    /// Whether it blocks.
    pub mode: GateMode,
}

/// What one gate group came to, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Its name.
    pub name: String,
    /// What was evaluated.
    pub expression: String,
    /// Whether it blocks.
    pub mode: GateMode,
    /// What it came to.
    pub outcome: Outcome,
    /// Each member with its part in that.
    pub members: Vec<GroupMember>,
}

/// One member's part in what its group came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// The id of its binding.
    pub id: String,
    /// What it said; a failure when it did not answer.
    pub outcome: Outcome,
    /// Whether it did not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unanswered: bool,
    /// Whether the group came to its outcome because of this member.
    pub decides: bool,
}

impl GroupReport {
    /// True when this group stops the change.
    pub fn blocks(&self) -> bool {
        self.mode == GateMode::Enforce && self.outcome == Outcome::Fail
    }
}

/// What the groups of a change come to, given what their members said.
pub fn judge_groups(groups: &[GroupBinding], reports: &[GateReport]) -> Vec<GroupReport> {
    groups.iter().map(|group| judge(group, reports)).collect()
}

/// True is pass, or warn when a deciding member warns; false is fail. What stays open is hold when every member
/// answered, because it can change by itself. When a member did not answer, an open result is a failure, as it would
/// be of that gate alone; and so is an expression that cannot be read.
fn judge(group: &GroupBinding, reports: &[GateReport]) -> GroupReport {
    let report_of = |id: &str| reports.iter().find(|report| report.id.as_deref() == Some(id));
    let truth = |id: &str| match report_of(id) {
        None => Truth::Open,
        Some(report) if report.unanswered => Truth::Open,
        Some(report) => match report.verdict.outcome {
            Outcome::Pass | Outcome::Warn => Truth::True,
            Outcome::Hold => Truth::Open,
            Outcome::Fail => Truth::False,
        },
    };
    let expression = group.expression.parse::<Expression>().ok();
    let (result, because) =
        expression.as_ref().map_or((Truth::False, BTreeSet::new()), |expression| expression.evaluate(&truth));
    let members: Vec<GroupMember> = expression
        .iter()
        .flat_map(Expression::gates)
        .map(|id| {
            let report = report_of(id);
            GroupMember {
                id: id.to_owned(),
                outcome: report.map_or(Outcome::Fail, |report| report.verdict.outcome),
                unanswered: report.is_none_or(|report| report.unanswered),
                decides: because.contains(id),
            }
        })
        .collect();
    let decided_by =
        |test: fn(&GroupMember) -> bool| members.iter().any(|member| member.decides && test(member));
    let outcome = match result {
        Truth::True if decided_by(|member| member.outcome == Outcome::Warn) => Outcome::Warn,
        Truth::True => Outcome::Pass,
        Truth::Open if decided_by(|member| member.unanswered) => Outcome::Fail,
        Truth::Open => Outcome::Hold,
        Truth::False => Outcome::Fail,
    };
    GroupReport {
        name: group.name.clone(),
        expression: group.expression.clone(),
        mode: group.mode,
        outcome,
        members,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{DecisionId, PluginRef, Timestamp, Verdict};

    fn report(id: &str, outcome: Option<Outcome>) -> GateReport {
        GateReport {
            id: Some(id.to_owned()),
            plugin: PluginRef {
                name: id.to_owned(),
                version: "1".to_owned(),
                digest: interlock_ledger::Digest::of(id),
            },
            mode: GateMode::Enforce,
            group: Some("g".to_owned()),
            unanswered: outcome.is_none(),
            verdict: Verdict { outcome: outcome.unwrap_or(Outcome::Fail), findings: vec![] },
            decision: DecisionId::new(Uuid::from_u128(1)),
            at: Timestamp::from_millis(0),
        }
    }

    /// Members by their first letter: pass, warn, hold, fail, and `t` for one that trapped.
    fn judged(expression: &str) -> (Outcome, Vec<String>) {
        let outcome = |id: &str| match id {
            "p" => Some(Outcome::Pass),
            "w" => Some(Outcome::Warn),
            "h" => Some(Outcome::Hold),
            "f" => Some(Outcome::Fail),
            _ => None,
        };
        let reports: Vec<GateReport> = ["p", "w", "h", "f", "t"].map(|id| report(id, outcome(id))).into();
        let group =
            GroupBinding { name: "g".to_owned(), expression: expression.to_owned(), mode: GateMode::Enforce };
        let report = judge(&group, &reports);
        let decide = report.members.iter().filter(|member| member.decides).map(|member| member.id.clone());
        (report.outcome, decide.collect())
    }

    #[test]
    fn a_group_comes_to_what_its_members_lead_to_and_names_them() {
        let cases = [
            ("p && w", Outcome::Warn, "p w"),
            ("p || f", Outcome::Pass, "p"),
            ("p && f", Outcome::Fail, "f"),
            ("p && h", Outcome::Hold, "h"),
            ("f || h", Outcome::Hold, "h"),
            ("f && h", Outcome::Fail, "f"),
            ("!f", Outcome::Pass, "f"),
            ("!h", Outcome::Hold, "h"),
        ];
        for (expression, outcome, decide) in cases {
            assert_eq!(
                judged(expression),
                (outcome, decide.split(' ').map(str::to_owned).collect()),
                "{expression}"
            );
        }
    }

    #[test]
    fn a_member_that_did_not_answer_never_makes_a_pass() {
        assert_eq!(judged("!t").0, Outcome::Fail, "a trap is not turned into a pass");
        assert_eq!(judged("p && t").0, Outcome::Fail);
        assert_eq!(judged("h && t").0, Outcome::Fail);
        assert_eq!(judged("p || t").0, Outcome::Pass, "it does not hang on the one that trapped");
        assert_eq!(judged("p &&").0, Outcome::Fail, "what cannot be read denies");
        assert_eq!(judged("p && absent").0, Outcome::Fail, "what was not asked denies");
    }
}
