//! What is on the wire.
//!
//! Where the API says what the domain says, handlers send the domain's own types, and the types here only describe
//! them for the OpenAPI document: [`described`] holds each to its domain type, field by field. Where the API says less
//! (no hashes of secrets) or more (when a device was heard), the types here are what is sent.

mod access;
mod advisory;
pub(crate) mod approval;
pub(crate) mod change;
pub(crate) mod decision;
pub(crate) mod explanation;
pub(crate) mod login;
mod proof;
mod registry;
pub(crate) mod rollout;
mod roster;
mod sent;
mod status;
mod subject;

#[cfg(test)]
mod described;

pub(crate) use access::{AccessApproval, AccessRequest, GateEndpoint, NewGate};
pub(crate) use advisory::{Advisories, AdvisoriesImported};
pub(crate) use proof::{Anchor, Consistency, LedgerKeys, Receipt};
pub(crate) use registry::{Account, Device, Key, ListedKey, NewKey, Registered, ShownDevice};
pub(crate) use roster::{ShownActive, ShownRoster};
pub(crate) use sent::{
    Application, Approval, Artifact, Bundle, BundleFiles, Entry, Plugin, Reason, Rejection, Reviewed,
    ShownArtifact, ShownChange,
};
pub(crate) use status::TenantStatus;
pub(crate) use subject::{Subject, Subjects};

/// Describes an enum of the domain: its names on the wire.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident),+ $(,)? })+) => { $(
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        #[cfg_attr(test, derive(serde::Deserialize))]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(not(test), expect(dead_code, reason = "describes a type of the domain"))]
        pub(crate) enum $name { $($variant),+ }
    )+ };
}

/// Describes a struct of the domain.
macro_rules! shape {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)+ })+) => { $(
        $(#[$meta])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        #[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
        pub(crate) struct $name { $($(#[$field_meta])* pub(crate) $field: $type,)+ }
    )+ };
}

pub(crate) use {names, shape};
