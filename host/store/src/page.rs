//! Pages and filters of what is listed.

use interlock_domain::{
    AssignmentState, ChangeId, Decision, DecisionOutcome, DeviceHealth, DeviceState, Environment, GroupName,
    State, Tag, Timestamp,
};

/// A part of a list, by keyset: what comes after the last id that the caller saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The last id of the page before; the first page when absent.
    pub after: Option<String>,
    /// Most rows.
    pub limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: None, limit: 100 }
    }
}

impl Page {
    /// The first page of so many rows.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// Where a list in ascending order goes on.
    pub(crate) fn above(&self) -> &str {
        self.after.as_deref().unwrap_or("")
    }

    /// Where a list in descending order goes on. Every id is below `~`, the last printable character of ASCII.
    pub(crate) fn below(&self) -> &str {
        self.after.as_deref().unwrap_or("~")
    }

    pub(crate) fn limit(&self) -> i64 {
        i64::from(self.limit)
    }
}

/// A part of the decisions of a tenant, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionPart {
    /// Those that fit.
    pub found: Vec<Decision>,
    /// Before all was looked at, as much was as one question may: what fits further back comes after this id.
    pub reached: Option<String>,
}

/// Which changes to list; all that is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// In this state.
    pub state: Option<State>,
    /// In this environment.
    pub environment: Option<Environment>,
}

/// Which assignments to list; all that is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssignmentFilter {
    /// In this state.
    pub state: Option<AssignmentState>,
}

/// Which devices to list; all that is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// In this environment.
    pub environment: Option<Environment>,
    /// In this group.
    pub group: Option<GroupName>,
    /// At this site.
    pub site: Option<String>,
    /// Of this model.
    pub model: Option<String>,
    /// In this state.
    pub state: Option<DeviceState>,
    /// In this health.
    pub health: Option<DeviceHealth>,
}

/// Which decisions to list; all that is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecisionFilter {
    /// About this change.
    pub change: Option<ChangeId>,
    /// With this outcome.
    pub outcome: Option<DecisionOutcome>,
    /// Answers of the plugin of this name.
    pub plugin: Option<String>,
    /// Made at this instant or later.
    pub since: Option<Timestamp>,
    /// About this account, person or plugin; of an application's questions, about this subject, as `type:id`.
    pub principal: Option<String>,
    /// About the resource with this id; of an application's questions, as `type:id`.
    pub resource: Option<String>,
    /// Whether this may be done.
    pub action: Option<String>,
    /// Decided by the policy with this id.
    pub policy: Option<String>,
    /// Answers of the bundle or application with this digest.
    pub bundle: Option<String>,
}

impl DecisionFilter {
    /// What a decision has to be found by.
    pub(crate) fn tags(&self) -> Vec<Tag> {
        let tag = |name: &Option<String>, of: fn(String) -> Tag| name.clone().map(of);
        [
            tag(&self.principal, Tag::Principal),
            tag(&self.resource, Tag::Resource),
            tag(&self.policy, Tag::Policy),
            tag(&self.action, Tag::Action),
            tag(&self.bundle, Tag::Bundle),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether a decision that is in a segment fits; `tags` are this filter's.
    pub(crate) fn fits(&self, decision: &Decision, tags: &[Tag]) -> bool {
        self.outcome.is_none_or(|outcome| decision.outcome == outcome)
            && self.since.is_none_or(|since| decision.at >= since)
            && (tags.is_empty() || {
                let found_by = decision.tags();
                tags.iter().all(|tag| found_by.contains(tag))
            })
    }
}
