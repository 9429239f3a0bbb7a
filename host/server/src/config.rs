//! The server's configuration: `interlock.toml`, then `INTERLOCK__…` variables, then flags.

mod access;
mod advisories;
mod anchors;
mod approvals;
mod bindings;
mod bundles;
mod copies;
mod decisions;
mod devices;
mod engines;
mod events;
mod evidence;
mod git;
mod http;
mod identity;
mod ledger;
mod login;
mod plugins;
mod policies;
mod reference;
mod rollout;
mod server;
mod storage;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::access::Access;
pub use self::advisories::Advisories;
pub use self::anchors::{AnchorKind, LedgerAnchor};
pub use self::approvals::Approvals;
pub use self::bindings::{Gate, Group, Health};
pub use self::bundles::BundleLimits;
pub use self::copies::LedgerCopy;
pub use self::decisions::Decisions;
pub use self::devices::Devices;
pub use self::engines::Engines;
pub(crate) use self::events::Address;
pub use self::events::{Begin, Confirm, Events, Sink};
pub(crate) use self::evidence::{Bound, is_outside};
pub use self::evidence::{CalendarEntry, Connector, Evidence, HeaderValue, Prometheus, SourceLimits};
pub use self::git::Git;
pub use self::http::{ForwardedHeader, Http, Limits, Quota};
pub use self::identity::{Identity, JwtIssuer};
pub(crate) use self::identity::{SECRET_BYTES_MIN, is_safe};
pub use self::ledger::{Ledger, LedgerWitness, Provable};
pub use self::login::{Login, OidcProvider, TimeServer};
pub use self::plugins::{PluginRegistry, Plugins};
pub use self::policies::{Home, Policies};
pub use self::reference::reference;
pub use self::rollout::Rollout;
pub use self::server::{Bus, Server};
pub use self::storage::{Artifacts, Store};

/// A configuration that does not hold together.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or variable that cannot be read or does not fit.
    #[error("configuration: {0}")]
    Unreadable(#[from] config::ConfigError),
    /// A value that parses but makes no sense.
    #[error("configuration `{key}`: {detail}")]
    Senseless {
        /// Which key.
        key: &'static str,
        /// What is wrong and what would be right.
        detail: String,
    },
}

/// Everything that can be set. Every key has a default that works on one small machine.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP server.
    pub server: Server,
    /// Who may reach it, and how often.
    pub http: Http,
    /// How somebody proves who they are.
    pub identity: Identity,
    /// The database.
    pub store: Store,
    /// The line between replicas.
    pub bus: Bus,
    /// The ledger.
    pub ledger: Ledger,
    /// Artifacts.
    pub artifacts: Artifacts,
    /// Plugins.
    pub plugins: Plugins,
    /// What plugins may look up.
    pub evidence: Evidence,
    /// Advisories about packages.
    pub advisories: Advisories,
    /// Policies.
    pub policies: Policies,
    /// Requests for access that a tenant's application denied.
    pub access: Access,
    /// Gates that other engines ask.
    pub engines: Engines,
    /// Approvals.
    pub approvals: Approvals,
    /// How answers to other programs' questions are recorded.
    pub decisions: Decisions,
    /// Who follows what happens.
    pub events: Events,
    /// Systems outside that are told what happens.
    pub sinks: Vec<Sink>,
    /// Rollouts.
    pub rollout: Rollout,
    /// How persons log in and sign.
    pub login: Login,
    /// The device protocol.
    pub devices: Devices,
    /// The gates that are bound in every environment, until its first `plugin` change.
    pub gates: Vec<Gate>,
    /// The health checks that watch every rollout, in an environment without a `plugin` change.
    pub health: Vec<Health>,
    /// The gate groups, in an environment without a `plugin` change.
    pub groups: Vec<Group>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            http: Http::default(),
            identity: Identity::default(),
            store: Store::default(),
            bus: Bus::default(),
            ledger: Ledger::default(),
            artifacts: Artifacts::default(),
            plugins: Plugins::default(),
            evidence: Evidence::default(),
            advisories: Advisories::default(),
            policies: Policies::default(),
            access: Access::default(),
            engines: Engines::default(),
            approvals: Approvals::default(),
            decisions: Decisions::default(),
            events: Events::default(),
            sinks: Vec::new(),
            rollout: Rollout::default(),
            login: Login::default(),
            devices: Devices::default(),
            gates: vec![Gate::named("signature"), Gate::named("maintenance-window")],
            health: vec![Health::named("thresholds")],
            groups: Vec::new(),
        }
    }
}

impl Config {
    /// Reads `file` when given, then variables such as `INTERLOCK__SERVER__LISTEN`. Flags come after that; then
    /// [`Config::checked`].
    pub fn read(file: Option<&Path>) -> Result<Config, ConfigError> {
        let mut sources = config::Config::builder();
        if let Some(file) = file {
            sources = sources.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        let variables = config::Environment::with_prefix("INTERLOCK").separator("__").try_parsing(true);
        Ok(sources.add_source(variables).build()?.try_deserialize()?)
    }

    /// Fills in what follows from the data folder, and refuses what makes no sense.
    pub fn checked(mut self) -> Result<Config, ConfigError> {
        let data = self.server.data_dir.clone();
        let within = |path: &mut PathBuf, name: &str| {
            if path.as_os_str().is_empty() {
                *path = data.join(name);
            }
        };
        within(&mut self.ledger.key_file, "ledger-key.pk8");
        within(&mut self.ledger.signer_dir, "signer");
        within(&mut self.artifacts.dir, "artifacts");
        within(&mut self.artifacts.trusted_keys_dir, "trusted-keys");
        within(&mut self.artifacts.wrapping_key_file, "wrapping-key");
        within(&mut self.plugins.cache_dir, "compiled-plugins");
        within(&mut self.plugins.trusted_signers_dir, "trusted-signers");
        within(&mut self.plugins.registry.cache_dir, "pulled-plugins");
        within(&mut self.decisions.dir, "decisions");
        if self.store.url.is_empty() {
            self.store.url = format!("sqlite:{}", data.join("interlock.db").display());
        }
        let positive = [
            ("server.request_timeout_ms", self.server.request_timeout_ms),
            ("store.pool_max", u64::from(self.store.pool_max)),
            ("store.batch_max", self.store.batch_max as u64),
            ("store.queue_max", self.store.queue_max as u64),
            ("identity.keys_live_max", self.identity.keys_live_max as u64),
            ("plugins.bindings_max", self.plugins.bindings_max as u64),
            ("approvals.delegation_ms_max", self.approvals.delegation_ms_max),
            ("approvals.break_glass_ms", self.approvals.break_glass_ms),
            ("approvals.incident_review_ms", self.approvals.incident_review_ms),
            ("rollout.tick_ms", self.rollout.tick_ms),
            ("rollout.judge_every_ms", self.rollout.judge_every_ms),
            ("rollout.silent_after_ms", self.rollout.silent_after_ms),
            ("rollout.expires_after_ms", self.rollout.expires_after_ms),
            ("rollout.targets_max", self.rollout.targets_max),
            ("artifacts.chunk_bytes", u64::from(self.artifacts.chunk_bytes)),
            ("evidence.timeout_ms", self.evidence.timeout_ms),
            ("evidence.bytes_max", self.evidence.bytes_max),
            ("advisories.packages_max", self.advisories.packages_max as u64),
            ("advisories.bytes_max", self.advisories.bytes_max),
            ("policies.limits.files_max", self.policies.limits.files_max as u64),
            ("policies.limits.file_bytes_max", self.policies.limits.file_bytes_max as u64),
            ("policies.limits.bundle_bytes_max", self.policies.limits.bundle_bytes_max as u64),
            ("policies.limits.path_bytes_max", self.policies.limits.path_bytes_max as u64),
            ("policies.limits.policies_max", self.policies.limits.policies_max as u64),
            ("policies.evaluations_max", self.policies.evaluations_max as u64),
            ("policies.results_max", self.policies.results_max as u64),
            ("policies.id_bytes_max", self.policies.id_bytes_max as u64),
            ("policies.properties_bytes_max", self.policies.properties_bytes_max as u64),
            ("policies.batch_bytes_max", self.policies.batch_bytes_max as u64),
            ("policies.parallel_max", self.policies.parallel_max as u64),
            ("access.offer_ms", self.access.offer_ms),
            ("access.pending_ms", self.access.pending_ms),
            ("access.approval_ms", self.access.approval_ms),
            ("access.approval_ms_max", self.access.approval_ms_max),
            ("access.pending_max", self.access.pending_max),
            ("access.pending_of_subject_max", self.access.pending_of_subject_max),
            ("engines.token_life_ms_max", self.engines.token_life_ms_max),
            ("engines.body_bytes_max", self.engines.body_bytes_max as u64),
            ("engines.timeout_ms", self.engines.timeout_ms),
            ("decisions.file_bytes_max", self.decisions.file_bytes_max),
            ("decisions.backlog_bytes_max", self.decisions.backlog_bytes_max),
            ("decisions.seal_after_ms", self.decisions.seal_after_ms),
            ("decisions.segments_looked_at_max", self.decisions.segments_looked_at_max as u64),
            ("plugins.registry.timeout_ms", self.plugins.registry.timeout_ms),
        ];
        self.ledger.check()?;
        for (key, value) in positive {
            if value == 0 {
                return Err(ConfigError::Senseless { key, detail: "must be at least 1".to_owned() });
            }
        }
        if self.approvals.break_glass_ms > Approvals::BREAK_GLASS_MS_MAX {
            return Err(ConfigError::Senseless {
                key: "approvals.break_glass_ms",
                detail: format!(
                    "the glass stays broken for an hour at most ({} ms)",
                    Approvals::BREAK_GLASS_MS_MAX
                ),
            });
        }
        if self.rollout.lease_ms < 3 * self.rollout.tick_ms {
            return Err(ConfigError::Senseless {
                key: "rollout.lease_ms",
                detail: format!("must be at least three ticks ({} ms)", 3 * self.rollout.tick_ms),
            });
        }
        if self.devices.poll_ms > 86_399_000 {
            return Err(ConfigError::Senseless {
                key: "devices.poll_ms",
                detail: "devices understand at most 23:59:59, which is 86399000".to_owned(),
            });
        }
        if let Some((_, detail)) = interlock_domain::AtOnce::fault(&self.rollout.at_once) {
            return Err(ConfigError::Senseless { key: "rollout.at_once", detail });
        }
        self.check_bindings()?;
        self.evidence.check()?;
        self.events.check()?;
        Sink::check(&self.sinks)?;
        self.policies.git.check(self.policies.home.is_some())?;
        self.http.check()?;
        self.login.check(self.server.listen.ip().is_loopback(), &self.server.public_url)?;
        self.identity.check()?;
        if !self.identity.signed_operations.is_empty() && self.server.public_url.is_empty() {
            return Err(ConfigError::Senseless {
                key: "identity.signed_operations",
                detail: "needs `server.public_url`, which every signed address begins with".to_owned(),
            });
        }
        let tokens = self.devices.gateway_token_sha256.values();
        if tokens.clone().any(|hash| hash.len() != 64 || hex::decode(hash).is_err()) {
            return Err(ConfigError::Senseless {
                key: "devices.gateway_token_sha256",
                detail: "each value is the SHA-256 of a token, 64 hexadecimal digits".to_owned(),
            });
        }
        Ok(self)
    }

    /// The configuration for people to read, with the passwords in URLs and the values of headers masked.
    pub fn shown(&self) -> String {
        let mut shown = self.clone();
        shown.store.url = masked(&shown.store.url);
        shown.bus.url = masked(&shown.bus.url);
        shown.evidence.prometheus.url = masked(&shown.evidence.prometheus.url);
        for connector in shown.evidence.http.values_mut() {
            connector.url = masked(&connector.url);
            for value in connector.headers.values_mut() {
                if let HeaderValue::Plain(text) = value {
                    *text = "***".to_owned();
                }
            }
        }
        toml::to_string_pretty(&shown).unwrap_or_else(|error| error.to_string())
    }
}

/// An address without its password.
pub(crate) fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    format!("{scheme}://{user}:***@{host}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("interlock.toml");
        std::fs::write(&file, "[server]\nlisten_on = \"x\"\n").unwrap();
        let error = Config::read(Some(&file)).unwrap_err().to_string();
        assert!(error.contains("listen_on"), "{error}");
    }

    #[test]
    fn a_password_in_an_url_is_not_shown() {
        let mut config = Config::default();
        config.store.url = "postgres://interlock:hunter2@db/interlock".to_owned();
        config.bus.url = "redis://:hunter3@cache:6379".to_owned();
        config.evidence.prometheus.url = "http://reader:hunter4@metrics".to_owned();
        let url = "https://reader:hunter5@tickets/{key}".to_owned();
        let headers = BTreeMap::from([("X-Key".to_owned(), HeaderValue::Plain("hunter6".to_owned()))]);
        config.evidence.http.insert("ticket".to_owned(), Connector { url, headers, ..Connector::default() });
        assert!(!config.shown().contains("hunter"), "{}", config.shown());
        assert!(!format!("{:?}", config.evidence.http["ticket"].headers).contains("hunter"));
    }

    fn read(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("interlock.toml");
        std::fs::write(&file, text).unwrap();
        Config::read(Some(&file))?.checked()
    }

    #[test]
    fn a_secret_that_stands_where_its_place_belongs_is_not_repeated() {
        let written = "[evidence.http.ticket]\nurl = \"https://tickets/{key}\"\nheaders.Authorization = ";
        for wrong in ["\"Bearer hunter2\"", "{ plain = 1, secret = \"hunter2\" }", "[\"hunter2\"]"] {
            let error = read(&format!("{written}{wrong}\n")).unwrap_err().to_string();
            assert!(error.contains("{ file = PATH }") && !error.contains("hunter2"), "{error}");
        }
        let file = read(&format!("{written}{{ file = \"/run/token\" }}\n")).unwrap();
        assert!(matches!(file.evidence.http["ticket"].headers["Authorization"], HeaderValue::File(_)));
    }

    #[test]
    fn what_a_source_says_of_itself_bounds_it_and_else_what_is_said_of_all() {
        let config = read(
            "[evidence]\ntimeout_ms = 900\ncache_ms = 7\n[evidence.sources.fleet]\nbytes_max = 5\ncache_ms = 6\n\
             [evidence.prometheus]\ncache_ms = 0\n[evidence.http.ticket]\nurl = \"https://tickets/{key}\"\ntimeout_ms = 80\n",
        )
        .unwrap();
        let said = |source: &str| {
            let evidence::Bounds { timeout_ms, bytes_max, cache_ms } = config.evidence.bounds(source);
            (timeout_ms.most, timeout_ms.key, bytes_max.most, bytes_max.key, cache_ms)
        };
        let all = |name: &str| format!("evidence.{name}");
        let (time, bytes) = (all("timeout_ms"), all("bytes_max"));
        let most = 4 << 20;
        assert_eq!(said("fleet"), (900, time.clone(), 5, all("sources.fleet.bytes_max"), 6));
        assert_eq!(said("device"), (900, time.clone(), most, bytes.clone(), 0));
        assert_eq!(said("prometheus"), (900, time.clone(), most, bytes.clone(), 0));
        assert_eq!(said("http.ticket"), (80, all("http.ticket.timeout_ms"), most, bytes.clone(), 7));
        assert_eq!(said("http.other"), (900, time, most, bytes, 7));
    }

    #[test]
    fn limits_of_no_source_and_limits_that_let_nothing_through_are_refused_by_name() {
        for (text, said) in [
            ("[evidence.sources.flet]\ncache_ms = 1", "no source `flet`"),
            ("[evidence.sources.prometheus]\ncache_ms = 1", "[evidence.prometheus]"),
            ("[evidence.sources.\"http.ticket\"]\ncache_ms = 1", "[evidence.http.ticket]"),
            ("[evidence.sources.artifact]\ncache_ms = 1", "never kept"),
            (
                "[evidence.sources.fleet]\ntimeout_ms = 0",
                "`evidence.sources.fleet.timeout_ms` must be at least 1",
            ),
            ("[evidence.prometheus]\nbytes_max = 0", "`evidence.prometheus.bytes_max` must be at least 1"),
            ("[evidence]\nbytes_max = 0", "`evidence.bytes_max`"),
            ("[evidence.sources.fleet]\ncache = 1", "cache"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_server_that_could_answer_or_reach_nobody_is_refused() {
        let mut config = Config::default();
        config.server.request_timeout_ms = 0;
        assert!(config.checked().unwrap_err().to_string().contains("server.request_timeout_ms"));
        let mut config = Config::default();
        config.rollout.targets_max = 0;
        assert!(config.checked().unwrap_err().to_string().contains("rollout.targets_max"));
    }

    #[test]
    fn a_lease_shorter_than_three_ticks_is_refused() {
        let mut config = Config::default();
        config.rollout.lease_ms = 100;
        assert!(config.checked().unwrap_err().to_string().contains("rollout.lease_ms"));
    }
}
