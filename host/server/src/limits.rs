//! How often somebody may ask: by address while nothing is proved, by account afterwards.
//!
//! Each replica counts for itself. **Invariant:** the memory is fixed, and being forgotten is no gain: see [`Table`].

mod table;

use std::net::{IpAddr, Ipv6Addr};

use axum::{
    http::{HeaderName, HeaderValue, Method},
    response::Response,
};
use interlock_domain::{Quota, Taken, Timestamp, Wait};

use self::table::Table;
use crate::{
    config,
    problem::{Kind, Problem},
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// Requests that prove nothing.
    Unauthenticated,
    /// Tries to log in that came to nothing.
    Logins,
    /// Reading.
    Reads,
    /// Making and altering.
    Writes,
    /// Proposing changes.
    Proposals,
    /// Approving, rejecting and signing.
    Approvals,
    /// Questions to the decision API.
    Questions,
    /// What a device sends.
    Devices,
}

impl Class {
    /// Of a request with a matched route below a tenant.
    pub(crate) fn of(method: &Method, route: &str) -> Self {
        let below = route.split_once("{tenant}").map_or(route, |(_, below)| below);
        match (method, below) {
            _ if below.starts_with("/access/") || below.starts_with("/gates/{gate}/") => Class::Questions,
            (&Method::GET | &Method::HEAD, _) => Class::Reads,
            (_, "/changes") => Class::Proposals,
            _ if ["/approve", "/reject", "/sign", "/signatures"].iter().any(|verb| below.ends_with(verb)) => {
                Class::Approvals
            }
            _ => Class::Writes,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Class::Unauthenticated => "unauthenticated",
            Class::Logins => "logins",
            Class::Reads => "reads",
            Class::Writes => "writes",
            Class::Proposals => "proposals",
            Class::Approvals => "approvals",
            Class::Questions => "questions",
            Class::Devices => "devices",
        }
    }
}

/// Who used how much of what.
#[derive(Debug)]
pub(crate) struct Limits {
    rules: config::Limits,
    /// Whatever is counted by address. Apart from the accounts, so that no flood makes the server forget those.
    addresses: Table,
    accounts: Table,
}

/// Too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOften {
    class: Class,
    quota: Quota,
    wait: Wait,
}

/// How much somebody has left, for the headers of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    class: Class,
    quota: Quota,
    taken: Taken,
}

impl Limits {
    pub(crate) fn new(rules: &config::Limits) -> Self {
        let table = || Table::new(rules.remembered);
        Self { rules: rules.clone(), addresses: table(), accounts: table() }
    }

    /// One more of an account.
    pub(crate) fn account(
        &self,
        class: Class,
        account: &str,
        now: Timestamp,
    ) -> Result<Option<Left>, TooOften> {
        self.take(&self.accounts, class, account, now)
    }

    /// One more of an address.
    pub(crate) fn address(
        &self,
        class: Class,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<Left>, TooOften> {
        self.take(&self.addresses, class, block(from), now)
    }

    /// Gives back what an address took for this: it led to something.
    pub(crate) fn give_back(&self, class: Class, from: Option<IpAddr>, taken: u32) {
        let quota = self.quota(class);
        for _ in 0..taken {
            self.addresses.give_back((class, block(from)), quota);
        }
    }

    /// One more of a device, as it names itself: from elsewhere nobody uses up what is its own.
    pub(crate) fn device(
        &self,
        tenant: &str,
        device: &str,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<Left>, TooOften> {
        self.take(&self.addresses, Class::Devices, (block(from), tenant, device), now)
    }

    /// Whether an address has used up what it may without proving anything.
    pub(crate) fn is_spent(&self, from: Option<IpAddr>, now: Timestamp) -> Result<(), TooOften> {
        let (class, quota) = (Class::Unauthenticated, self.quota(Class::Unauthenticated));
        match self.addresses.look((class, block(from)), quota, now) {
            Ok(_) => Ok(()),
            Err(wait) => Err(TooOften { class, quota, wait }),
        }
    }

    fn take(
        &self,
        table: &Table,
        class: Class,
        who: impl std::hash::Hash,
        now: Timestamp,
    ) -> Result<Option<Left>, TooOften> {
        let quota = self.quota(class);
        if !quota.is_limit() {
            return Ok(None);
        }
        match table.take((class, who), quota, now) {
            Ok(taken) => Ok(Some(Left { class, quota, taken })),
            Err(wait) => {
                metrics::counter!("rate_limited_total", "class" => class.name()).increment(1);
                Err(TooOften { class, quota, wait })
            }
        }
    }

    fn quota(&self, class: Class) -> Quota {
        if !self.rules.enabled {
            return Quota::NONE;
        }
        let rule = match class {
            Class::Unauthenticated => self.rules.unauthenticated,
            Class::Logins => self.rules.logins,
            Class::Reads => self.rules.reads,
            Class::Writes => self.rules.writes,
            Class::Proposals => self.rules.proposals,
            Class::Approvals => self.rules.approvals,
            Class::Questions => self.rules.questions,
            Class::Devices => self.rules.devices,
        };
        rule.rule()
    }
}

/// What is one network to whoever gives out addresses: an IPv6 client has a whole /64 to itself.
fn block(from: Option<IpAddr>) -> Option<IpAddr> {
    from.map(|address| match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    })
}

impl TooOften {
    /// In how many seconds to ask again.
    pub(crate) fn retry_in_secs(&self) -> u32 {
        seconds(self.wait.retry_in_ms)
    }

    /// As an answer.
    pub(crate) fn answered(self) -> Response {
        use axum::response::IntoResponse as _;
        let mut response = Problem::from(self).into_response();
        mark(&mut response, self.class, self.quota, 0, self.wait.full_in_ms);
        response
    }
}

impl From<TooOften> for Problem {
    fn from(often: TooOften) -> Self {
        let (class, secs) = (often.class.name(), often.retry_in_secs());
        let Quota { per_minute, burst } = often.quota;
        let detail = format!(
            "too many {class}: {per_minute} a minute and {burst} at once are admitted; repeat it in {secs} s, or have the \
             operator raise `http.limits.{class}`"
        );
        Problem::new(Kind::RateLimited, detail).with("limit", class).retry_after(secs)
    }
}

impl Left {
    /// Says so in the answer.
    pub(crate) fn tell(self, response: &mut Response) {
        mark(response, self.class, self.quota, self.taken.left, self.taken.full_in_ms);
    }
}

/// The headers of draft-ietf-httpapi-ratelimit-headers: the quota of a window, and what is left of it.
fn mark(response: &mut Response, class: Class, quota: Quota, left: u32, full_in_ms: u64) {
    let (name, window) =
        (class.name(), seconds(u64::from(quota.burst) * 60_000 / u64::from(quota.per_minute.max(1))));
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(format!("\"{name}\";q={};w={window}", quota.burst)) {
        headers.insert(RATE_LIMIT_POLICY, policy);
    }
    if let Ok(limit) = HeaderValue::try_from(format!("\"{name}\";r={left};t={}", seconds(full_in_ms))) {
        headers.insert(RATE_LIMIT, limit);
    }
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1_000).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_of_the_class_that_its_verb_says() {
        for (method, route, class) in [
            (Method::GET, "/v1/tenants/{tenant}/changes", Class::Reads),
            (Method::HEAD, "/v1/tenants/{tenant}/changes/{id}/approve", Class::Reads),
            (Method::POST, "/v1/tenants/{tenant}/changes", Class::Proposals),
            (Method::POST, "/v1/tenants/{tenant}/changes/{id}/approve", Class::Approvals),
            (Method::POST, "/v1/tenants/{tenant}/changes/{id}/reject", Class::Approvals),
            (Method::POST, "/v1/tenants/{tenant}/changes/{id}/cancel", Class::Writes),
            (Method::PUT, "/v1/tenants/{tenant}/artifacts/{name}/{version}", Class::Writes),
            (Method::DELETE, "/v1/tenants/{tenant}/keys/{id}", Class::Writes),
            (Method::POST, "/v1/tenants/{tenant}/access/v1/evaluation", Class::Questions),
        ] {
            assert_eq!(Class::of(&method, route), class, "{method} {route}");
        }
    }

    #[test]
    fn an_ipv6_client_is_its_network_and_a_mapped_address_is_the_ipv4_one() {
        let block = |text: &str| block(Some(text.parse().unwrap())).unwrap().to_string();
        assert_eq!(block("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(block("::ffff:192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn what_is_off_admits_everything_and_tells_nothing() {
        let mut rules = config::Limits { enabled: false, ..config::Limits::default() };
        let limits = Limits::new(&rules);
        let now = Timestamp::from_millis(0);
        for _ in 0..10_000 {
            assert_eq!(limits.account(Class::Proposals, "acc", now), Ok(None));
        }
        rules.enabled = true;
        let limits = Limits::new(&rules);
        let admitted = (0..100).filter(|_| limits.account(Class::Proposals, "acc", now).is_ok()).count();
        assert_eq!(admitted, 10);
        assert!(limits.account(Class::Proposals, "other", now).is_ok());
        assert!(limits.account(Class::Writes, "acc", now).is_ok(), "classes are counted apart");
    }
}
