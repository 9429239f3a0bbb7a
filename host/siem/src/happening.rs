//! What is told of one entry, whatever the format.

use interlock_ledger::Entry;

/// How much it matters, as syslog counts it (RFC 5424, 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody has to look: an emergency, a device that did not come back.
    Error,
    /// Something went another way than it should: a rollback, a failed device, a locked login.
    Warning,
    /// Something was refused.
    Notice,
    /// Everything else.
    Informational,
}

impl Severity {
    /// The number in syslog.
    pub fn syslog(self) -> u8 {
        match self {
            Severity::Error => 3,
            Severity::Warning => 4,
            Severity::Notice => 5,
            Severity::Informational => 6,
        }
    }

    /// From 0 to 10, as CEF counts.
    pub(crate) fn cef(self) -> u8 {
        match self {
            Severity::Error => 9,
            Severity::Warning => 6,
            Severity::Notice => 4,
            Severity::Informational => 1,
        }
    }

    /// `severity_id` and its caption in OCSF.
    pub(crate) fn ocsf(self) -> (u8, &'static str) {
        match self {
            Severity::Error => (4, "High"),
            Severity::Warning => (3, "Medium"),
            Severity::Notice => (2, "Low"),
            Severity::Informational => (1, "Informational"),
        }
    }
}

/// What happened, as an entry of a log says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// The log: a tenant, or `system`.
    pub log: String,
    /// The entry's place in it.
    pub idx: u64,
    /// The entry's leaf hash, hexadecimal.
    pub leaf_hash: String,
    /// Which one it is of those that the entry stands for together, from 0: answers to other programs' questions come into the
    /// ledger by the thousand.
    pub part: Option<u64>,
    /// The entry's own id, or the answer's.
    pub id: String,
    /// When: milliseconds since 1970.
    pub at_ms: i64,
    /// What, such as `change.approved`.
    pub kind: String,
    /// Who did it.
    pub account: String,
    /// How they proved who they are.
    pub auth: Option<String>,
    /// The human being behind it.
    pub person: Option<String>,
    /// Which kind of thing it was done to.
    pub object_kind: String,
    /// Which one.
    pub object: String,
    /// How it ended, such as `allow` or `deny`.
    pub outcome: Option<String>,
    /// The ids of the policies that decided.
    pub policies: Vec<String>,
    /// The trace in which it happened.
    pub trace: Option<String>,
}

impl Happening {
    /// What an entry says.
    pub fn of(entry: &Entry, leaf_hash: &[u8; 32]) -> Self {
        Self {
            log: entry.tenant.clone(),
            idx: entry.idx,
            leaf_hash: hex::encode(leaf_hash),
            part: None,
            id: entry.id.clone(),
            at_ms: entry.ts_ms,
            kind: entry.kind.clone(),
            account: entry.actor.account.clone(),
            auth: entry.actor.auth.clone(),
            person: entry.actor.person.clone(),
            object_kind: entry.object.kind.clone(),
            object: entry.object.id.clone(),
            outcome: entry.outcome.clone(),
            policies: entry.policy.as_ref().map(|policy| policy.determining.clone()).unwrap_or_default(),
            trace: entry.trace.clone(),
        }
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self.kind.as_str() {
            "change.glass_broken" | "assignment.rollback_failed" | "incident.opened" => Severity::Error,
            "rollout.rollback_begun" | "rollout.rolled_back" | "change.gates_failed" | "login.locked" => {
                Severity::Warning
            }
            "assignment.failed" | "assignment.silent" | "assignment.rolled_back" => Severity::Warning,
            _ if self.is_refusal() => Severity::Notice,
            _ => Severity::Informational,
        }
    }

    /// Whether it was a no.
    pub(crate) fn is_refusal(&self) -> bool {
        self.kind == "login.failed" || matches!(self.outcome.as_deref(), Some("deny" | "fail" | "refused"))
    }

    /// In a sentence.
    pub(crate) fn sentence(&self) -> String {
        let outcome = self.outcome.as_ref().map(|outcome| format!(": {outcome}")).unwrap_or_default();
        let said = format!("{} {} {} by {}{outcome}", self.kind, self.object_kind, self.object, self.account);
        one_line(&said)
    }

    /// Everything that is not in a place of its own, as names and values.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("log", self.log.clone()),
            ("idx", self.idx.to_string()),
            ("leaf_hash", self.leaf_hash.clone()),
        ];
        facts.extend(self.part.map(|part| ("part", part.to_string())));
        facts.push(("id", self.id.clone()));
        facts.push(("account", self.account.clone()));
        facts.extend(self.person.clone().map(|person| ("person", person)));
        facts.extend(self.auth.clone().map(|auth| ("auth", auth)));
        facts.push(("object_type", self.object_kind.clone()));
        facts.push(("object", self.object.clone()));
        facts.extend(self.outcome.clone().map(|outcome| ("outcome", outcome)));
        if !self.policies.is_empty() {
            facts.push(("policies", self.policies.join(" ")));
        }
        facts.extend(self.trace.clone().map(|trace| ("trace", trace)));
        facts
    }
}

/// Without what would end a line, or mean something to a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}
