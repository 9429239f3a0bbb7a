//! The thing that a path names.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use interlock_domain::{
    AccessRequestId, AccountId, ArtifactId, ChangeId, DecisionId, DelegationId, DeviceId, Digest,
    Environment, GateName, GroupName, IncidentId, KeyId, SessionId, SignatureId, SubjectId,
};

use crate::problem::Problem;

/// The thing that the last parameter of the path names. A text that cannot name one is answered like one that names
/// nothing.
pub(crate) struct At<T>(pub(crate) T);

/// What a thing is called in `there is no … `.
pub(crate) trait Noun: FromStr {
    /// For example `change`.
    const NOUN: &'static str;
}

macro_rules! nouns {
    ($($name:ident: $noun:literal),+) => { $(impl Noun for $name { const NOUN: &'static str = $noun; })+ };
}

nouns!(
    AccessRequestId: "access request", GateName: "gate", AccountId: "account", ArtifactId: "artifact", ChangeId: "change", DecisionId: "decision", DelegationId: "delegation", DeviceId: "device", GroupName: "group",
    Environment: "environment", IncidentId: "incident", KeyId: "key", SubjectId: "name", SessionId: "session", SignatureId: "signature", Digest: "plugin"
);

impl<T: Noun, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found(T::NOUN, ""))?;
        let text = params.iter().last().map(|(_, text)| text).unwrap_or_default();
        text.parse()
            .map(At)
            .map_err(|_| Problem::not_found(T::NOUN, &text.chars().take(80).collect::<String>()))
    }
}
