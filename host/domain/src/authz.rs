//! Questions to the policies, and their answers.
//!
//! The domain says *what* is asked; `interlock-policy` translates it into a Cedar request.

use std::collections::BTreeSet;

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    Actor, ApprovalFacts, ChangeKind, Environment, Outcome, PersonId, SignatureOutcome, TenantId, Timestamp,
};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// A verb. Cedar sees it as `Interlock::Action::"<name>"`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Action { $($(#[$doc])* $name),+ }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Action] = &[$(Action::$name),+];

            /// The name in policies.
            pub fn as_str(self) -> &'static str {
                match self { $(Action::$name => stringify!($name)),+ }
            }
        }
    };
}

actions! {
    /// Propose a change in an environment.
    ProposeChange,
    /// Read a change, its gates, approvals and rollout.
    ReadChange,
    /// Say yes to a change's digest.
    ApproveChange,
    /// Say no to a change's digest.
    RejectChange,
    /// Withdraw a change before it is admitted.
    CancelChange,
    /// May this change proceed at all? Asked by the host on the author's behalf.
    AdmitChange,
    /// May this rollout enter its next stage? Asked by the host on the author's behalf.
    EnterStage,
    /// Stop a rollout where it is.
    PauseRollout,
    /// Let a paused rollout go on.
    ResumeRollout,
    /// Leave a stage before its hold time is over.
    PromoteRollout,
    /// Send every touched target back.
    RollBackRollout,
    /// Store an artifact.
    PushArtifact,
    /// Store a plugin's component, so that a change can activate it.
    PushPlugin,
    /// Take in advisories about packages.
    ImportAdvisories,
    /// Read an artifact's facts or content.
    ReadArtifact,
    /// Register a device.
    RegisterDevice,
    /// Change what is known of a device, and bring devices in from another environment.
    UpdateDevice,
    /// Take a device from this environment to another. Asked beside `UpdateDevice` there.
    MoveDevice,
    /// Take a device out of service for good.
    RetireDevice,
    /// Read devices and groups.
    ReadDevice,
    /// Make, alter or remove a group.
    ManageGroup,
    /// Read decisions.
    ReadDecision,
    /// Execute a recorded decision again.
    ReplayDecision,
    /// Read the ledger.
    ReadLedger,
    /// Have the server verify the ledger.
    VerifyLedger,
    /// Make an account or a key.
    CreateKey,
    /// Revoke a key.
    RevokeKey,
    /// List accounts and keys.
    ReadKey,
    /// Give an account other roles.
    GrantRoles,
    /// Say, as the second administrator, that an account is in the right hands.
    ConfirmAccount,
    /// End an account and its keys.
    DeactivateAccount,
    /// Let an account act again.
    ActivateAccount,
    /// Load the policies again from their folder.
    ReloadBundle,
    /// Read the active bundle.
    ReadBundle,
    /// Read plugins.
    ReadPlugin,
    /// Ask the policies of the tenant's application about somebody's access.
    EvaluateAccess,
    /// Answer to a request for access that the tenant's application denied.
    ApproveAccess,
    /// Read one evidence source. The principal is a plugin.
    ReadEvidence,
    /// Say yes to one stage of a change's rollout.
    ApproveStage,
    /// Have somebody else use one's own roles for a while.
    DelegateRoles,
    /// With a second person, let a change proceed without the approvals that are missing.
    BreakGlass,
    /// Say what came of looking at an incident.
    ReviewIncident,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Principal {
    /// A person (`Interlock::User`) or a program (`Interlock::ServiceAccount`), by the account's kind. The Cedar
    /// entity id is the person id for users and the account id for programs: a program's person is its owner.
    Actor(Actor),
    /// A plugin (`Interlock::Plugin`, id = its name).
    Plugin {
        /// Where it is bound.
        tenant: TenantId,
        /// Its name.
        name: String,
        /// Its digest.
        digest: Digest,
        /// The evidence sources that the roster of the place it works in grants it.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        granted: BTreeSet<String>,
    },
}

/// What it is about. The Cedar entity type is the variant's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Resource {
    /// The whole tenant: accounts, keys, bundles, artifacts, groups, plugins, decisions.
    Tenant {
        /// Which.
        tenant: TenantId,
    },
    /// One environment of a tenant: what is proposed there, and its devices.
    Environment {
        /// Of which tenant.
        tenant: TenantId,
        /// Which.
        environment: Environment,
        /// What kind of change would be proposed there; absent when the question is about no change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_kind: Option<ChangeKind>,
    },
    /// One change.
    Change {
        /// Its id.
        id: String,
        /// Of which tenant.
        tenant: TenantId,
        /// In which environment.
        environment: Environment,
        /// What it moves.
        change_kind: ChangeKind,
        /// Who proposed it.
        author: PersonId,
        /// Whether somebody with clinical safety or regulatory stopped it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        paused_by_safety: bool,
        /// Whether to roll it back would take a check away or make it count for less.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        back_weakens: bool,
    },
    /// The tenant's ledger.
    Ledger {
        /// Of which tenant.
        tenant: TenantId,
    },
    /// A place to look evidence up in.
    EvidenceSource {
        /// Of which tenant.
        tenant: TenantId,
        /// For example `artifact`.
        name: String,
    },
}

impl Resource {
    /// The tenant it belongs to.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Resource::Tenant { tenant }
            | Resource::Environment { tenant, .. }
            | Resource::Change { tenant, .. }
            | Resource::Ledger { tenant }
            | Resource::EvidenceSource { tenant, .. } => tenant,
        }
    }

    /// The environment it is in, if it is in one.
    pub fn environment(&self) -> Option<&Environment> {
        match self {
            Resource::Environment { environment, .. } | Resource::Change { environment, .. } => {
                Some(environment)
            }
            Resource::Tenant { .. } | Resource::Ledger { .. } | Resource::EvidenceSource { .. } => None,
        }
    }

    /// What Cedar calls its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Resource::Tenant { .. } => "Tenant",
            Resource::Environment { .. } => "Environment",
            Resource::Change { .. } => "Change",
            Resource::Ledger { .. } => "Ledger",
            Resource::EvidenceSource { .. } => "EvidenceSource",
        }
    }

    /// Its entity id.
    pub fn id(&self) -> String {
        match self {
            Resource::Tenant { tenant } | Resource::Ledger { tenant } => tenant.to_string(),
            Resource::Environment { tenant, environment, .. } => format!("{tenant}/{environment}"),
            Resource::Change { id, .. } => id.clone(),
            Resource::EvidenceSource { tenant, name } => format!("{tenant}/{name}"),
        }
    }
}

/// What the host counted and looked up for `AdmitChange` and `EnterStage`, because Cedar cannot count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionFacts {
    /// Approvals that hold now, over this digest.
    pub approvals: ApprovalFacts,
    /// Enforced gates that passed.
    pub gates_passed: u32,
    /// Enforced gates that passed with warnings.
    pub gates_warned: u32,
    /// Enforced gates that failed or could not answer.
    pub gates_failed: u32,
    /// Enforced gates that say: good, but not now.
    #[serde(default)]
    pub gates_holding: u32,
    /// Enforced gates without a verdict over this digest.
    pub gates_missing: u32,
    /// The worst signature outcome over all artifacts; `missing` when there are none.
    pub signature: SignatureOutcome,
    /// True when there is a stored artifact to go back to for every target.
    pub rollback_complete: bool,
    /// True when the change takes a check away or makes it count for less.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weakens: bool,
    /// Share of the population that would be exposed, in basis points; 0 for `AdmitChange`.
    pub exposure_bp: u32,
    /// Index of the stage that would be entered; 0 for `AdmitChange`.
    pub stage: u32,
    /// The worst current health verdict; `pass` before the first stage.
    pub health: Outcome,
}

/// What goes into the context besides `now`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Facts {
    /// Nothing more.
    None,
    /// For `AdmitChange` and `EnterStage`.
    Admission(Box<AdmissionFacts>),
}

/// How fresh the policies are that are asked, as far as the host knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// When they were last known to be the newest: when what they come from was last seen, or else when they came into force.
    pub known_at: Timestamp,
    /// The age from which on they permit nothing more; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_after_ms: Option<u64>,
}

impl Freshness {
    /// How long ago that was.
    pub fn age_ms(&self, now: Timestamp) -> u64 {
        u64::try_from(now.millis_since(self.known_at)).unwrap_or(0)
    }

    /// Whether that is longer than it may be; exactly at the age it is.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.deny_after_ms.is_some_and(|after_ms| self.age_ms(now) >= after_ms)
    }
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who asks.
    pub principal: Principal,
    /// To do what.
    pub action: Action,
    /// On what.
    pub resource: Resource,
    /// Under which circumstances.
    pub facts: Facts,
    /// When.
    pub now: Timestamp,
    /// How fresh the policies are that answer. On record, so that the answer can be made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
}

impl Question {
    /// Why the policies are too old to permit it, if they are. Whoever may stop a rollout may always: to stop is never less
    /// safe than to go on.
    pub fn staleness(&self) -> Option<String> {
        let freshness = self.freshness.filter(|freshness| freshness.is_over(self.now))?;
        let stops = match (self.action, &self.resource) {
            (Action::PauseRollout, _) => true,
            (Action::RollBackRollout, Resource::Change { back_weakens, .. }) => !back_weakens,
            _ => false,
        };
        (!stops).then(|| {
            format!(
                "the policies were last known to be the newest at {}, which is longer ago than {} ms, so that nothing is permitted \
                 but to stop a rollout; it ends by itself once the server sees them again where they come from: `/ready` and its \
                 log say what keeps it from that",
                freshness.known_at,
                freshness.deny_after_ms.unwrap_or_default()
            )
        })
    }
}

/// Whether a policy permits or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// `permit`
    Permit,
    /// `forbid`
    Forbid,
}

/// A policy that decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Determining {
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`.
    pub reason: String,
    /// What it does.
    pub effect: Effect,
}

/// What the policies said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it may be done. False whenever anything went wrong.
    pub allowed: bool,
    /// The policies that led to it, sorted by id.
    pub determining: Vec<Determining>,
    /// What went wrong: policies that erred, a request that does not fit the schema. Any of these denies.
    pub errors: Vec<String>,
    /// Policies in monitor mode that would have decided otherwise.
    pub monitored: Vec<Determining>,
    /// The bundle that was asked.
    pub bundle: Digest,
}

impl Answer {
    /// Why it is denied, in sentences: the reasons of the deciding policies, the errors, or that nothing permits.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> =
            self.determining.iter().map(|policy| format!("{} ({})", policy.reason, policy.id)).collect();
        reasons.extend(self.errors.iter().cloned());
        if reasons.is_empty() && !self.allowed {
            reasons.push("no policy permits it".to_owned());
        }
        reasons
    }
}

#[cfg(test)]
#[path = "authz_tests.rs"]
mod tests;
