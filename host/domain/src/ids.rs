//! Ids: a kind prefix and a UUIDv7, opaque to users; and the names that people choose.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct IdError {
    /// What was given.
    pub text: String,
    /// What would have been right.
    pub expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The prefix of every id of this kind.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id from a UUID that the caller drew.
            pub fn new(uuid: Uuid) -> Self {
                Self(format!(concat!($prefix, "_{}"), uuid.simple()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let tail = text.strip_prefix(concat!($prefix, "_"));
                match tail {
                    Some(tail) if tail.len() == 32 && tail.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
                        Ok(Self(text.to_owned()))
                    }
                    _ => Err(IdError {
                        text: text.chars().take(80).collect(),
                        expected: concat!("an id of the form `", $prefix, "_<32 hexadecimal digits>`"),
                    }),
                }
            }
        }

        text_like!($name);
    };
}

macro_rules! text_like {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $accept:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let accept: fn(u8) -> bool = $accept;
                if text.is_empty() || text.len() > $max || !text.bytes().all(accept) {
                    return Err(IdError { text: text.chars().take(80).collect(), expected: $expected });
                }
                Ok(Self(text.to_owned()))
            }
        }

        text_like!($name);
    };
}

id!(/** A change. */ ChangeId, "chg");
id!(/** A decision. */ DecisionId, "dec");
id!(/** A stored artifact. */ ArtifactId, "art");
id!(/** A person: never reused, also after they have left. */ PersonId, "per");
id!(/** An account, through which a person or a program acts. */ AccountId, "acc");
id!(/** An API key. */ KeyId, "key");
id!(/** A name that an identity provider has for somebody. */ SubjectId, "sub");
id!(/** An electronic signature of a person. */ SignatureId, "sig");
id!(/** A request for access that an application denied. */ AccessRequestId, "acr");
id!(/** A gate that another engine asks. */ GateEndpointId, "gte");
id!(/** A session of somebody who logged in. */ SessionId, "ses");
id!(/** A delegation of roles from one person to another. */ DelegationId, "del");
id!(/** An incident. */ IncidentId, "inc");

name!(/** A tenant. */ TenantId, 63, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'),
    "a tenant name: 1 to 63 of a-z, 0-9 and -");
name!(/** An environment of a tenant, for example `production`. */ Environment, 63,
    |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'), "an environment name: 1 to 63 of a-z, 0-9 and -");
name!(/** A device as it names itself: the controller id of the device protocol. */ DeviceId, 128,
    |b| b.is_ascii_graphic() && !matches!(b, b'/' | b'?' | b'#' | b'%' | b'\\' | b'"'),
    "a device id: 1 to 128 printable ASCII characters without / ? # % \\ \"");
name!(/** A named group of devices. */ GroupName, 63, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'),
    "a group name: 1 to 63 of a-z, 0-9, -, _ and .");
name!(/** A gate that another engine asks, as people call it. */ GateName, 63,
    |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'), "a gate name: 1 to 63 of a-z, 0-9 and -");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_prefix_and_a_uuid() {
        let id = ChangeId::new(Uuid::from_u128(7));
        assert_eq!(id.as_str(), "chg_00000000000000000000000000000007");
        assert_eq!(id.as_str().parse::<ChangeId>().unwrap(), id);
    }

    #[test]
    fn an_id_of_another_kind_is_refused_with_both_named() {
        let error = DecisionId::new(Uuid::from_u128(7)).as_str().parse::<ChangeId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`dec_00000000000000000000000000000007` is not an id of the form `chg_<32 hexadecimal digits>`"
        );
    }

    #[test]
    fn a_device_id_may_not_break_out_of_a_path() {
        assert!("ward-3/pump".parse::<DeviceId>().is_err());
        assert!("a\nb".parse::<DeviceId>().is_err());
        assert!("pump-001".parse::<DeviceId>().is_ok());
    }
}
