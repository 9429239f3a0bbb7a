//! Names that identity providers have for somebody, as they are sent.

use interlock_domain as domain;
use interlock_domain::{AccountId, PersonId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A name that an identity provider has for somebody.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Subject {
    /// The id of the link.
    #[schema(value_type = String, example = "sub_0193470d5c5a7f3e8a6b2f8d9c1e4a74")]
    id: domain::SubjectId,
    /// The account that it means.
    #[schema(value_type = String)]
    account: AccountId,
    /// The provider.
    issuer: String,
    /// The name.
    subject: String,
    /// Who linked it.
    #[schema(value_type = String)]
    linked_by: PersonId,
    /// When.
    #[schema(value_type = String)]
    linked_at: Timestamp,
}

/// All of an account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Subjects {
    /// By id; at most 16.
    items: Vec<Subject>,
}

impl From<domain::Subject> for Subject {
    fn from(from: domain::Subject) -> Self {
        let domain::Subject { id, tenant: _, account, issuer, subject, linked_by, linked_at } = from;
        Self { id, account, issuer, subject, linked_by, linked_at }
    }
}

impl From<Vec<domain::Subject>> for Subjects {
    fn from(all: Vec<domain::Subject>) -> Self {
        Self { items: all.into_iter().map(Subject::from).collect() }
    }
}
