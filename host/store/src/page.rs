//! Pages and filters of what is listed.

use interlock_domain::{
    AssignmentState, ChangeId, DecisionOutcome, DeviceHealth, DeviceState, Environment, GroupName, State,
    Timestamp,
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
}
