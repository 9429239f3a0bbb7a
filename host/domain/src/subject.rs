//! Whom an identity provider means: its name for somebody, linked to an account by an administrator. Never by e-mail address:
//! who owns an address changes, and some providers let people claim one.

use serde::{Deserialize, Serialize};

use uuid::Uuid;

use crate::{AccountId, Digest, IdError, PersonId, SubjectId, TenantId, Timestamp};

/// Longest issuer and subject, in bytes.
const TEXT_MAX: usize = 255;

/// A name that an issuer has for somebody, and the account that it means here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its id, which follows from issuer and name.
    pub id: SubjectId,
    /// Where it holds.
    pub tenant: TenantId,
    /// Whose it is.
    pub account: AccountId,
    /// Who names: `iss`.
    pub issuer: String,
    /// The name: `sub`, or whichever claim is configured.
    pub subject: String,
    /// Who linked it.
    pub linked_by: PersonId,
    /// When.
    pub linked_at: Timestamp,
}

impl Subject {
    /// The id of an issuer's name for somebody in a tenant. Each part is counted with its length, so that none can pass for part
    /// of another.
    pub fn id_of(tenant: &TenantId, issuer: &str, subject: &str) -> SubjectId {
        let parts = [tenant.as_str(), issuer, subject].map(|part| format!("{}:{part}", part.len()));
        let digest = Digest::of(parts.concat());
        let mut first = [0; 16];
        first.copy_from_slice(&digest.as_bytes()[..16]);
        SubjectId::new(Uuid::from_bytes(first))
    }

    /// Whether a text can be an issuer or a name.
    pub fn check(text: &str) -> Result<(), IdError> {
        if text.is_empty() || text.len() > TEXT_MAX || text.chars().any(char::is_control) {
            return Err(IdError {
                text: text.chars().take(80).collect(),
                expected: "1 to 255 bytes without control characters",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_keeps_its_parts_apart() {
        let id = |tenant: &str, issuer, subject| Subject::id_of(&tenant.parse().unwrap(), issuer, subject);
        let one = id("mercy", "https://idp", "ana");
        assert_eq!(one, id("mercy", "https://idp", "ana"));
        for other in [
            id("mercy", "https://idpa", "na"),
            id("grace", "https://idp", "ana"),
            id("mercy", "https://idp", "Ana"),
        ] {
            assert_ne!(one, other);
        }
        assert!(Subject::check("auth0|5f7c8ec7c33c6c004bbafe82").is_ok());
        assert!(
            Subject::check("").is_err()
                && Subject::check("a\nb").is_err()
                && Subject::check(&"x".repeat(256)).is_err()
        );
    }
}
