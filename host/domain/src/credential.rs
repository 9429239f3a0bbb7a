//! API keys: what they are for, from where they may be used, and until when.

// Only the type: nothing here opens a connection.
use core::net::IpAddr;
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{AccountId, IdError, KeyId, Network, PublicKey, TenantId, Timestamp};

/// What an API key may be used for, whatever its account's roles are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Reading.
    Read,
    /// Proposing, approving, operating.
    Write,
    /// Keys and bundles.
    Admin,
}

impl FromStr for Scope {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "read" => Ok(Scope::Read),
            "write" => Ok(Scope::Write),
            "admin" => Ok(Scope::Admin),
            _ => Err(IdError {
                text: text.chars().take(80).collect(),
                expected: "a scope: read, write or admin",
            }),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Admin => "admin",
        })
    }
}

/// An API key as it is stored: the secret only as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id, which is also in the key's text.
    pub id: KeyId,
    /// Where it holds.
    pub tenant: TenantId,
    /// Who acts with it.
    pub account: AccountId,
    /// What it is for, in its owner's words.
    pub label: String,
    /// SHA-256 of the secret, hexadecimal. The secret has 190 bits, so a slow hash would add nothing.
    pub secret_sha256: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When somebody revoked it.
    pub revoked_at: Option<Timestamp>,
    /// Where it may be used from; anywhere when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// For a key that signs requests: its public half. It has no secret then, and its hash is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
}

impl Credential {
    /// Whether it works, as far as time says.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Whether it may be used from there. Nobody knows where an unknown address is, so it is in no network.
    pub fn admits(&self, from: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || from.is_some_and(|from| self.networks.iter().any(|network| network.contains(from)))
    }
}
