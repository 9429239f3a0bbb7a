//! What can be written, all in one transaction, and what comes back.

use interlock_domain::{
    AccessRequest, Account, AccountId, Artifact, AssignmentTransition, Credential, Decision, Delegation,
    Device, GateEndpoint, Group, GroupName, Incident, Login, Session, Signature, Subject, SubjectId,
    TenantId, Timestamp, Transition,
};
use uuid::Uuid;

use crate::{AdvisoryImport, BundleFloor, Lease, PendingLimits, Segment, SessionsEnd};

/// The tenant under whose log stands what belongs to no tenant: the server's own life.
pub const SYSTEM: &str = "system";

/// Who did it, by ids. What people are called never reaches a leaf of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The human being; absent for programs, devices and the host itself.
    pub person: Option<String>,
    /// The account, the device, or the part of the host.
    pub account: String,
    /// How it proved itself.
    pub auth: Option<String>,
}

/// Something to be written whole or not at all, with who, when, and the ids of the entries that record it.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Whose log records it, and to whom all of it belongs.
    pub tenant: TenantId,
    /// Who does it.
    pub by: By,
    /// The trace in which it happens.
    pub trace: Option<String>,
    /// When.
    pub now: Timestamp,
    /// The lease under which it is done: when somebody else holds it by now, nothing is written.
    pub fence: Option<Lease>,
    /// What to write, in this order.
    pub writes: Vec<Write>,
    /// An id for each entry: at least as many as [`Write::entries`] adds up to.
    pub ids: Vec<Uuid>,
}

impl Commit {
    /// A commit outside any lease and trace. `uuid` draws the ids of the entries.
    pub fn new(
        tenant: TenantId,
        by: By,
        now: Timestamp,
        writes: Vec<Write>,
        mut uuid: impl FnMut() -> Uuid,
    ) -> Self {
        let entries: usize = writes.iter().map(Write::entries).sum();
        let ids = (0..entries).map(|_| uuid()).collect();
        Self { tenant, by, trace: None, now, fence: None, writes, ids }
    }

    /// This commit, only while the lease is held.
    #[must_use]
    pub fn fenced(mut self, lease: &Lease) -> Self {
        self.fence = Some(lease.clone());
        self
    }

    /// This commit, as part of a trace.
    #[must_use]
    pub fn traced(mut self, trace: impl Into<String>) -> Self {
        self.trace = Some(trace.into());
        self
    }
}

/// One thing to write.
#[derive(Debug, Clone)]
pub enum Write {
    /// A change takes a step; its assignments follow. One entry an event and one a task.
    Change(Box<Transition>),
    /// A target takes a step.
    Assignment(AssignmentTransition),
    /// A device is registered (`from_revision` 0) or altered.
    Device {
        /// As it is now; its revision is the new one.
        device: Box<Device>,
        /// The entry's type: `device.registered`, `device.reported`, …
        event: &'static str,
        /// The revision that it was derived from.
        from_revision: u64,
    },
    /// A group is made.
    Group(Group),
    /// A group without devices is removed.
    GroupRemoved {
        /// Whose.
        tenant: TenantId,
        /// Which.
        name: GroupName,
    },
    /// An artifact was pushed.
    Artifact {
        /// What it is.
        artifact: Box<Artifact>,
        /// Where its content is and how it is sealed; opaque here, see [`crate::Store::sealed`].
        sealed: serde_json::Value,
    },
    /// An account is made, or altered.
    Account {
        /// As it is now.
        account: Box<Account>,
        /// What it was derived from; absent when it is new.
        from: Option<Box<Account>>,
    },
    /// A key is made, or revoked when it carries a time for that.
    Credential(Box<Credential>),
    /// A name that an identity provider has for somebody is linked to an account.
    Subject(Box<Subject>),
    /// It is not any more.
    SubjectGone {
        /// Whose.
        tenant: TenantId,
        /// Which.
        id: SubjectId,
    },
    /// Of an account, no more keys work once this is written. No entry: it only refuses.
    LiveKeys {
        /// Whose account.
        tenant: TenantId,
        /// Which.
        account: AccountId,
        /// So many at most.
        most: usize,
        /// When: keys that have expired do not count.
        now: Timestamp,
    },
    /// A request for access is made, or answered.
    AccessRequest {
        /// As it is now; its revision is the new one.
        request: Box<AccessRequest>,
        /// How many may wait when it is new.
        limits: PendingLimits,
    },
    /// A gate is made, or revoked when it carries a time for that.
    GateEndpoint(Box<GateEndpoint>),
    /// By what a person logs in, in place of the revision before.
    Login {
        /// As it is now.
        login: Box<Login>,
        /// The entry's type: `login.invited`, `login.enrolled`, `login.passed`, `login.failed`, …
        event: &'static str,
    },
    /// A session begins, or somebody signed in it. No entry: that of the login or the signature says so.
    Session(Box<Session>),
    /// Sessions end. No entry: what ends them has one.
    SessionsEnd(SessionsEnd),
    /// A challenge was answered: nobody will answer it again. No entry.
    CeremonyUsed(String),
    /// A person signed. Its entry holds digests and ids.
    Signature(Box<Signature>),
    /// Roles are lent, or taken back when it carries a time for that.
    Delegation(Box<Delegation>),
    /// The glass was broken, or somebody reviewed that.
    Incident(Box<Incident>),
    /// Policies or a plugin answered.
    Decision(Box<Decision>),
    /// Answers that were in the journal, packed together. One entry is over all of them.
    Segment(Box<Segment>),
    /// A part of an import of advisories. Its entry says what became of it.
    Advisories(Box<AdvisoryImport>),
    /// Anything else worth an entry.
    Note(Note),
    /// A policy bundle is put in force: no other of its revision or below will ever be. No entry; a note beside it says
    /// the same.
    BundleFloor(BundleFloor),
    /// The same of a tenant's application.
    ApplicationFloor {
        /// Whose.
        tenant: TenantId,
        /// What is put in force.
        to: BundleFloor,
    },
    /// This commit does what a request with an idempotency key asked for. No entry.
    Done {
        /// The key.
        key: String,
        /// Who asked.
        principal: String,
        /// What it made or altered, for a person who repeats the request and whose answer was lost in a crash.
        made: String,
    },
}

/// An entry without a row of its own: `bundle.loaded`, `server.started`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The entry's type.
    pub kind: &'static str,
    /// What kind of thing it is about.
    pub object_kind: &'static str,
    /// Which one.
    pub object_id: String,
    /// What there is to say; no floats.
    pub payload: serde_json::Value,
}

impl Write {
    /// How many ledger entries this makes.
    pub fn entries(&self) -> usize {
        match self {
            Write::Change(transition) => transition.events.len() + transition.tasks.len(),
            Write::Done { .. }
            | Write::LiveKeys { .. }
            | Write::BundleFloor(_)
            | Write::ApplicationFloor { .. }
            | Write::Session(_)
            | Write::SessionsEnd(_)
            | Write::CeremonyUsed(_) => 0,
            Write::Assignment(_)
            | Write::Device { .. }
            | Write::Group(_)
            | Write::GroupRemoved { .. }
            | Write::Artifact { .. }
            | Write::Account { .. }
            | Write::Credential(_)
            | Write::AccessRequest { .. }
            | Write::GateEndpoint(_)
            | Write::Login { .. }
            | Write::Signature(_)
            | Write::Delegation(_)
            | Write::Incident(_)
            | Write::Subject(_)
            | Write::SubjectGone { .. }
            | Write::Decision(_)
            | Write::Segment(_)
            | Write::Advisories(_)
            | Write::Note(_) => 1,
        }
    }
}

/// What was written, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Whose log it is in.
    pub log: String,
    /// The places of its entries. They are signed a moment later: see [`crate::Store::signed`].
    pub entries: Vec<u64>,
}
