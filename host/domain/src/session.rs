//! Sessions: a person who logged in, for as long as they stay.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, SessionId, TenantId, Timestamp};

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// The longest pause, in milliseconds.
    pub idle_ms: u64,
    /// The longest session, in milliseconds.
    pub absolute_ms: u64,
    /// The longest pause between two signatures for which one component is enough, in milliseconds.
    pub signing_idle_ms: u64,
    /// The longest signing session, in milliseconds.
    pub signing_ms: u64,
}

/// Somebody is logged in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Where.
    pub tenant: TenantId,
    /// Who, by account.
    pub account: AccountId,
    /// SHA-256 of the token.
    pub token_sha256: String,
    /// From which address they logged in.
    pub peer: String,
    /// What they proved: `password+totp`, `password+recovery`, `passkey`, `oidc:NAME` at an identity provider.
    pub proof: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, within a few seconds.
    pub seen_at: Timestamp,
    /// When it ends, however much it is used.
    pub ends_at: Timestamp,
    /// The signatures given in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
}

/// A signing session (21 CFR 11.200(a)): begun by a signature with two components, so that later ones take one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    /// When the first signature was given.
    pub begun_at: Timestamp,
    /// When the last one was.
    pub last_at: Timestamp,
    /// From which address.
    pub peer: String,
}

impl Session {
    /// Whether it lasts at `now`.
    pub fn lasts(&self, limits: SessionLimits, now: Timestamp) -> bool {
        now < self.ends_at && within(self.seen_at, limits.idle_ms, now)
    }

    /// Whether one component is enough for the next signature.
    pub fn signs_on(&self, peer: &str, limits: SessionLimits, now: Timestamp) -> bool {
        self.signing.as_ref().is_some_and(|signing| {
            signing.peer == peer
                && within(signing.begun_at, limits.signing_ms, now)
                && within(signing.last_at, limits.signing_idle_ms, now)
        })
    }

    /// After a signature: a complete one begins a signing session anew.
    #[must_use]
    pub fn signed(&self, peer: &str, complete: bool, now: Timestamp) -> Session {
        let signing = match &self.signing {
            Some(signing) if !complete => Signing { last_at: now, ..signing.clone() },
            _ => Signing { begun_at: now, last_at: now, peer: peer.to_owned() },
        };
        Session { signing: Some(signing), seen_at: now, ..self.clone() }
    }
}

/// Less than so long ago.
fn within(at: Timestamp, ms: u64, now: Timestamp) -> bool {
    now.millis_since(at) < i64::try_from(ms).unwrap_or(i64::MAX)
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LIMITS: SessionLimits =
        SessionLimits { idle_ms: 900, absolute_ms: 43_200, signing_idle_ms: 900, signing_ms: 14_400 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn session() -> Session {
        Session {
            id: SessionId::new(Uuid::from_u128(1)),
            tenant: "mercy".parse().unwrap(),
            account: AccountId::new(Uuid::from_u128(2)),
            token_sha256: "token".to_owned(),
            peer: "192.0.2.1".to_owned(),
            proof: "passkey".to_owned(),
            created_at: at(0),
            seen_at: at(0),
            ends_at: at(43_200),
            signing: None,
        }
    }

    #[test]
    fn a_session_ends_at_the_instant_of_either_limit() {
        assert!(session().lasts(LIMITS, at(899)) && !session().lasts(LIMITS, at(900)));
        let used = Session { seen_at: at(43_000), ..session() };
        assert!(used.lasts(LIMITS, at(43_199)) && !used.lasts(LIMITS, at(43_200)));
    }

    #[test]
    fn one_component_is_enough_for_a_while_after_two_and_from_the_same_place() {
        assert!(!session().signs_on("192.0.2.1", LIMITS, at(0)), "the login does not count");
        let signed = session().signed("192.0.2.1", true, at(0));
        assert!(signed.signs_on("192.0.2.1", LIMITS, at(899)));
        assert!(!signed.signs_on("192.0.2.1", LIMITS, at(900)));
        assert!(!signed.signs_on("192.0.2.2", LIMITS, at(1)));
        let mut on = signed;
        for ms in (800..14_400).step_by(800) {
            assert!(on.signs_on("192.0.2.1", LIMITS, at(ms)));
            on = on.signed("192.0.2.1", false, at(ms));
        }
        assert!(!on.signs_on("192.0.2.1", LIMITS, at(14_400)), "four hours are over");
    }
}
