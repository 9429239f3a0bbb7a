//! Who may reach the server over HTTP, and how often.

use std::collections::BTreeMap;

use interlock_domain::{Network, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Who may reach the server over HTTP, and how often.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// The networks of the proxies in front of the server (`10.0.0.0/8`, `2001:db8::/32` or one address). Only what they say
    /// of where a request comes from is believed; else a request comes from whoever is connected.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Network>,
    /// The header in which they say it: `x-forwarded-for`, or `forwarded` (RFC 7239). Only this one is read, so have them set
    /// it, or a client could write it itself.
    pub forwarded_header: ForwardedHeader,
    /// Where the keys, tokens and sessions of a tenant may be used from: its networks, by tenant. A tenant that is not named
    /// here may be used from anywhere. Devices are not meant: they prove themselves to their own endpoint.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub allow: BTreeMap<TenantId, Vec<Network>>,
    /// How often.
    pub limits: Limits,
}

/// Which header says where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded`.
    Forwarded,
}

/// How often. Each replica counts for itself, so that behind three of them somebody may get three times as much. What is
/// refused is answered 429 with `Retry-After`, and counts for nothing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Whether there are any.
    pub enabled: bool,
    /// Requests that prove nothing, of one address (of one /64 where it is IPv6).
    pub unauthenticated: Quota,
    /// Tries to log in or to follow an invitation that come to nothing, of one address.
    pub logins: Quota,
    /// Reading, of one account.
    pub reads: Quota,
    /// Making and altering, of one account.
    pub writes: Quota,
    /// Proposing changes, of one account.
    pub proposals: Quota,
    /// Approving, rejecting and signing, of one account.
    pub approvals: Quota,
    /// Questions to the decision API, of one account.
    pub questions: Quota,
    /// Requests of one device from one address, whatever it proves.
    pub devices: Quota,
    /// How many are remembered at once, of addresses and of accounts each. When they are too many, whoever is new begins with
    /// what was used by one that was forgotten: nobody gets more by making the server forget them.
    pub remembered: usize,
}

/// So many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// How many a minute; 0 is no limit.
    pub per_minute: u32,
    /// How many of them at once.
    pub burst: u32,
}

impl Quota {
    const fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_minute, burst }
    }

    pub(crate) fn rule(self) -> interlock_domain::Quota {
        interlock_domain::Quota { per_minute: self.per_minute, burst: self.burst }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            unauthenticated: Quota::new(600, 20),
            logins: Quota::new(10, 5),
            reads: Quota::new(1_000, 1_000),
            writes: Quota::new(100, 100),
            proposals: Quota::new(10, 10),
            approvals: Quota::new(60, 60),
            questions: Quota::new(0, 0),
            devices: Quota::new(0, 0),
            remembered: 65_536,
        }
    }
}

impl Http {
    /// What makes no sense.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let senseless = |key, detail: String| Err(ConfigError::Senseless { key, detail });
        if let Some((tenant, _)) = self.allow.iter().find(|(_, networks)| networks.is_empty()) {
            let detail = format!(
                "`{tenant}` has no networks, so nobody could use it; leave it out to admit everybody"
            );
            return senseless("http.allow", detail);
        }
        let limits = &self.limits;
        let quotas = [
            ("http.limits.unauthenticated", limits.unauthenticated),
            ("http.limits.logins", limits.logins),
            ("http.limits.reads", limits.reads),
            ("http.limits.writes", limits.writes),
            ("http.limits.proposals", limits.proposals),
            ("http.limits.approvals", limits.approvals),
            ("http.limits.questions", limits.questions),
            ("http.limits.devices", limits.devices),
        ];
        if let Some((key, _)) = quotas.iter().find(|(_, quota)| quota.per_minute > 0 && quota.burst == 0) {
            return senseless(key, "`burst` must be at least 1, or nobody could do anything".to_owned());
        }
        if limits.remembered == 0 {
            return senseless("http.limits.remembered", "must be at least 1".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_admit_nobody_is_refused_by_name() {
        let check = |alter: fn(&mut Http)| {
            let mut http = Http::default();
            alter(&mut http);
            http.check().unwrap_err().to_string()
        };
        assert!(check(|http| http.limits.reads.burst = 0).contains("http.limits.reads"));
        assert!(check(|http| http.limits.remembered = 0).contains("http.limits.remembered"));
        let empty = check(|http| _ = http.allow.insert("mercy".parse().unwrap(), Vec::new()));
        assert!(empty.contains("`mercy`"), "{empty}");
        assert!(Http::default().check().is_ok());
    }
}
