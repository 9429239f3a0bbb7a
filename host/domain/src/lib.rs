//! The words of Interlock as types, and their rules as pure functions.
//!
//! Everything here takes values and returns values. **Invariant:** there is no I/O, no clock, no randomness and
//! no framework in this crate; time and ids come in as arguments, so that a test, the simulator and the
//! reconciler after a crash all see the same behaviour.
//!
//! A rule has the shape `(state, command or facts, now) -> Transition` or a [`Refusal`]. A [`Transition`] carries
//! the events that reach the ledger, and [`Change::apply`] is the only code that alters a change, so the state
//! is by construction what its events say.

mod access_request;
mod actor;
mod address;
mod approval;
mod artifact;
mod assignment;
mod authz;
mod called;
mod change;
mod cohort;
mod content;
mod counter;
mod credential;
mod decision;
mod delegation;
mod device;
mod esign;
mod event;
mod expression;
mod gate;
mod gate_endpoint;
mod group;
mod id_token;
mod ids;
mod incident;
mod iso_duration;
mod ledger_review;
mod login;
mod manifest;
mod network;
mod pace;
mod plan;
mod policy_plan;
mod profile;
mod quota;
mod refusal;
mod rollout;
mod roster;
mod session;
mod signing_key;
mod subject;
mod time;
mod token;

pub use access_request::{AccessAnswer, AccessClaim, AccessRequest, AccessState, AccessVerdict, Unapproved};
pub use actor::{Account, AccountKind, Actor, Role, RoleGrant, SIGNING_HOLD_MS, SigningHold};
pub use address::{from_address, in_address};
pub use approval::{Approval, ApprovalFacts, Given, Meaning, UsedDelegation};
pub use artifact::{
    Artifact, ArtifactFacts, ArtifactKey, ArtifactKind, ArtifactStatement, SignatureFacts, SignatureOutcome,
    SignedStatement,
};
pub use assignment::{
    Assignment, AssignmentEvent, AssignmentState, AssignmentTransition, DeviceReport, Execution, Feedback,
    Finished, Offer,
};
pub use authz::{
    Action, AdmissionFacts, Answer, Determining, Effect, Facts, Freshness, Principal, Question, Resource,
};
pub use called::{called, called_as_before};
pub use change::{
    Borrowed, Change, Command, Draft, Escalation, Hold, SoFar, Standing, State, Transition, Yes,
};
pub use cohort::{Cohort, percent_of, rank};
pub use content::{object_content, object_digests};
pub use counter::{Released, release_counter_floor};
pub use credential::{Credential, Scope};
pub use decision::{Decision, DecisionOutcome, DecisionSubject, EvidenceRead, Outline, Permit, Tag};
pub use delegation::{Delegation, DelegationDraft};
pub use device::{Device, DeviceHealth, DeviceState, Group, Selector};
pub use esign::{
    Authority, Covered, Extent, Intent, PasskeyProof, Signature, SignatureBinding, SignatureRecord,
    SignedClock, SignedRecord, Signer, SigningProof, sentence, view,
};
pub use event::{Event, RollbackCause, Task, WaysBack};
pub use expression::{Expression, ExpressionError, Truth};
pub use gate::{
    Finding, GateBinding, GateCounts, GateMode, GateReport, Outcome, PluginRef, Severity, Verdict, worst,
};
pub use gate_endpoint::{Engine, GateAsk, GateEndpoint, GateFacts, GateQuestion, GateVerdict};
pub use group::{GateGroup, GroupBinding, GroupMember, GroupReport, judge_groups};
pub use id_token::{IdTokenAsked, IdTokenRefusal, IdTokenRule};
pub use ids::*;
pub use incident::{GlassBreak, Incident, IncidentReview, broken};
pub use interlock_ledger::{Digest, canonical};
pub use iso_duration::{iso_millis, iso_text};
pub use ledger_review::{
    LedgerReview, REVIEW_SENTENCE, ReviewIntent, ReviewRecord, ReviewStanding, ReviewedPart,
};
pub use login::{
    Enrolled, Enrolment, Login, LoginLimits, LoginRefusal, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, Passkey,
    PasswordFault, Proof, Totp, password, password_as_hashed,
};
pub use manifest::{
    ArtifactRef, ChangeKind, DocumentRef, HealthBinding, Manifest, Population, RollbackTarget,
    StrategyBinding,
};
pub use network::{Network, NetworkError};
pub use pace::{AtOnce, Places};
pub use plan::{PluginPlan, PluginStep};
pub use policy_plan::{BundleRef, PolicyPlan, PolicySource};
pub use profile::{Level, LevelTally, NotNow, Order, Profile, Stages, Tally};
pub use quota::{Quota, Taken, Used, Wait};
pub use refusal::Refusal;
pub use rollout::{
    Directive, Exposure, HealthVerdict, Progress, Rollout, Stage, StageRecord, next_directive_allowed,
};
pub use roster::{Active, Binding, BindingRole, Roster, RosterRecord, Weakened};
pub use session::{Session, SessionLimits, Signing};
pub use signing_key::{PublicKey, SigningAlgorithm};
pub use subject::Subject;
pub use time::{Timestamp, TimestampError};
pub use token::{TokenRefusal, TokenRule, TokenSays};
