//! How persons log in and sign.

mod oidc;

use interlock_domain::{LoginLimits, SessionLimits};
use interlock_vault::login::{PasswordCost, passkey::RelyingParty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::oidc::OidcProvider;
use super::ConfigError;

/// The longest that a session may be let idle: an hour.
const IDLE_MS_MAX: u64 = 3_600_000;
/// The longest session that may be configured: a day.
const SESSION_MS_MAX: u64 = 24 * 3_600_000;
/// The longest pause between two signatures, as 21 CFR 11.200 is read here: 15 minutes.
const SIGNING_IDLE_MS_MAX: u64 = 900_000;
/// The longest signing session: four hours.
const SIGNING_MS_MAX: u64 = 4 * 3_600_000;

/// A time server (NTP) with which the clock is compared before anything is signed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeServer {
    /// `HOST:PORT`, such as `ntp.mercy.example:123`. Not compared when empty.
    pub address: String,
    /// How far the clock may be off, in milliseconds: beyond it nothing is signed.
    pub offset_ms_max: u64,
    /// How long what was measured is good, in milliseconds; ten times as long while the time server does not answer.
    pub check_ms: u64,
    /// How long its answer may take, in milliseconds; at most ten seconds. Also how soon it is tried again.
    pub timeout_ms: u64,
}

impl Default for TimeServer {
    fn default() -> Self {
        Self { address: String::new(), offset_ms_max: 2_000, check_ms: 60_000, timeout_ms: 1_000 }
    }
}

/// How persons log in and sign.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// How long a session may be idle, in milliseconds; at most an hour.
    pub idle_ms: u64,
    /// How long a session lasts at most, in milliseconds; at most a day.
    pub session_ms: u64,
    /// How long after a signature the next one takes one component, in milliseconds; at most 15 minutes.
    pub signing_idle_ms: u64,
    /// How long after a signature with two components later ones take one, in milliseconds; at most four hours.
    pub signing_ms: u64,
    /// Failures in a row after which an account's login is locked.
    pub failures_max: u32,
    /// Failed signings in a row after which it is locked.
    pub signing_failures_max: u32,
    /// How long it stays locked, in milliseconds.
    pub lock_ms: u64,
    /// How long an invitation can be followed, in milliseconds.
    pub invitation_ms: u64,
    /// How long a challenge or a text to be signed waits for its answer, in milliseconds.
    pub challenge_ms: u64,
    /// Most challenges that wait at once, to log in, to follow an invitation and to sign each; beyond it callers get 503.
    pub challenges_max: u64,
    /// Memory of one password hash (Argon2id), in KiB. When it rises, hashes are made anew at the next login.
    pub password_memory_kib: u32,
    /// Passes of one password hash.
    pub password_passes: u32,
    /// Most passwords that are hashed at once of those who log in: each takes its memory. Eight times as many may wait; beyond it
    /// callers get 503.
    pub passwords_at_once: usize,
    /// Likewise of those who are logged in, to sign or to set another password: a flood of logins keeps nobody from signing.
    pub signatures_at_once: usize,
    /// What authenticator apps show beside a code.
    pub issuer: String,
    /// The domain that passkeys are for. Passkeys of another one never work again: choose it once.
    pub passkey_domain: String,
    /// The pages on which passkeys count.
    pub passkey_origins: Vec<String>,
    /// Lets cookies travel without TLS, for development: only when the server listens on a loopback address.
    pub plain_http: bool,
    /// The time server with which the clock is compared before anything is signed.
    pub time_server: TimeServer,
    /// The identity providers at which persons log in.
    pub oidc: Vec<OidcProvider>,
}

impl Login {
    pub(crate) fn limits(&self) -> LoginLimits {
        LoginLimits {
            failures_max: self.failures_max,
            signing_failures_max: self.signing_failures_max,
            lock_ms: self.lock_ms,
        }
    }

    pub(crate) fn sessions(&self) -> SessionLimits {
        SessionLimits {
            idle_ms: self.idle_ms,
            absolute_ms: self.session_ms,
            signing_idle_ms: self.signing_idle_ms,
            signing_ms: self.signing_ms,
        }
    }

    pub(crate) fn cost(&self) -> PasswordCost {
        PasswordCost { memory_kib: self.password_memory_kib, passes: self.password_passes, lanes: 1 }
    }

    pub(crate) fn relying_party(&self) -> RelyingParty {
        RelyingParty { id: self.passkey_domain.clone(), origins: self.passkey_origins.clone() }
    }

    pub(super) fn check(&self, loopback: bool, public_url: &str) -> Result<(), ConfigError> {
        let senseless = |key, detail: String| Err(ConfigError::Senseless { key, detail });
        for (key, value, most) in [
            ("login.idle_ms", self.idle_ms, IDLE_MS_MAX),
            ("login.session_ms", self.session_ms, SESSION_MS_MAX),
            ("login.signing_idle_ms", self.signing_idle_ms, SIGNING_IDLE_MS_MAX),
            ("login.signing_ms", self.signing_ms, SIGNING_MS_MAX),
            ("login.failures_max", u64::from(self.failures_max), 100),
            ("login.signing_failures_max", u64::from(self.signing_failures_max), 3),
            ("login.lock_ms", self.lock_ms, SESSION_MS_MAX),
            ("login.invitation_ms", self.invitation_ms, 7 * SESSION_MS_MAX),
            ("login.challenge_ms", self.challenge_ms, SIGNING_IDLE_MS_MAX),
            ("login.challenges_max", self.challenges_max, 10_000_000),
            ("login.time_server.offset_ms_max", self.time_server.offset_ms_max, 3_600_000),
            ("login.time_server.check_ms", self.time_server.check_ms, 3_600_000),
            ("login.time_server.timeout_ms", self.time_server.timeout_ms, 10_000),
            ("login.passwords_at_once", self.passwords_at_once as u64, 1_024),
            ("login.signatures_at_once", self.signatures_at_once as u64, 1_024),
        ] {
            if value == 0 || value > most {
                return senseless(key, format!("must be 1 to {most}"));
            }
        }
        if let Err(error) = self.cost().check() {
            return senseless("login.password_memory_kib", error.to_string());
        }
        if self.plain_http && !loopback {
            let detail = "cookies travel without TLS only to a loopback address; set `server.listen` to one";
            return senseless("login.plain_http", detail.to_owned());
        }
        for (at, provider) in self.oidc.iter().enumerate() {
            provider.check(public_url)?;
            if self.oidc[..at].iter().any(|other| other.name == provider.name) {
                return Err(provider.senseless("it stands there twice; give each its own `name`"));
            }
        }
        let of_domain = |origin: &String| {
            let host = origin.split_once("://").map(|(_, host)| host.split(':').next().unwrap_or_default());
            host.is_some_and(|host| {
                host == self.passkey_domain || host.ends_with(&format!(".{}", self.passkey_domain))
            })
        };
        match self.passkey_origins.iter().find(|origin| !of_domain(origin)) {
            Some(origin) => senseless(
                "login.passkey_origins",
                format!("`{origin}` is no page of `{}`, so that no browser lets it ask", self.passkey_domain),
            ),
            None => Ok(()),
        }
    }
}

impl Default for Login {
    fn default() -> Self {
        Self {
            idle_ms: 900_000,
            session_ms: 12 * 3_600_000,
            signing_idle_ms: SIGNING_IDLE_MS_MAX,
            signing_ms: SIGNING_MS_MAX,
            failures_max: 5,
            signing_failures_max: 3,
            lock_ms: 900_000,
            invitation_ms: 24 * 3_600_000,
            challenge_ms: 300_000,
            challenges_max: 10_000,
            password_memory_kib: 19_456,
            password_passes: 2,
            passwords_at_once: 2,
            signatures_at_once: 1,
            issuer: "Interlock".to_owned(),
            passkey_domain: "localhost".to_owned(),
            passkey_origins: vec!["http://localhost:8080".to_owned()],
            plain_http: false,
            time_server: TimeServer::default(),
            oidc: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(alter: impl FnOnce(&mut Login)) -> String {
        let mut login = Login::default();
        alter(&mut login);
        login.check(true, "").unwrap_err().to_string()
    }

    #[test]
    fn what_is_configured_stays_within_what_part_11_and_a_machine_can_bear() {
        assert!(Login::default().check(true, "").is_ok());
        assert!(refused(|login| login.signing_idle_ms = 900_001).contains("login.signing_idle_ms"));
        assert!(refused(|login| login.signing_ms = 4 * 3_600_000 + 1).contains("login.signing_ms"));
        assert!(refused(|login| login.signing_failures_max = 4).contains("login.signing_failures_max"));
        assert!(refused(|login| login.idle_ms = 3_600_001).contains("login.idle_ms"));
        assert!(refused(|login| login.session_ms = 0).contains("login.session_ms"));
        assert!(refused(|login| login.failures_max = 0).contains("login.failures_max"));
        assert!(refused(|login| login.password_memory_kib = 7).contains("login.password_memory_kib"));
    }

    #[test]
    fn passkeys_count_only_on_pages_of_their_domain() {
        let of = |origin: &str| {
            let mut login = Login { passkey_domain: "mercy.example".to_owned(), ..Login::default() };
            login.passkey_origins = vec![origin.to_owned()];
            login.check(true, "").is_ok()
        };
        assert!(of("https://mercy.example") && of("https://gate.mercy.example:8443"));
        assert!(
            !of("https://evilmercy.example")
                && !of("https://mercy.example.evil.test")
                && !of("mercy.example")
        );
    }
}
