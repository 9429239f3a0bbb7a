//! Everything that flows need, put together once.

use std::{path::Path, sync::Arc, time::Duration};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use interlock_domain::{AccountKind, Actor, Device, DeviceId, Freshness, TenantId, Timestamp};
use interlock_ledger::{KeyError, SigningKey};
use interlock_policy::Policies;
use interlock_registry::{Credentials, Registry};
use interlock_sandbox::{Compiler, Sandbox};
use interlock_store::{
    By, Commit, Committed, Journal, JournalOptions, Lease, LedgerKeys, Options, Store, Write,
};
use interlock_vault::{Kek, Vault};
use tokio::sync::{Mutex, Notify, Semaphore, SemaphorePermit};

use crate::{
    Clock, Config, FlowError, StartError,
    anchors::Anchors,
    applications::Applications,
    asking::Asking,
    bus::{Bus, Note},
    config::Plugins,
    copies::Copies,
    flow::{application, bundle, fresh, poll::Proof, roster},
    following::Following,
    hashing::Hashing,
    installed::{Installed, install_all},
    issuers::{Issuers, oidc::Providers},
    keys::{KeyCache, OwnerCache, SubjectCache},
    limits::Limits,
    outside::Sources,
    rosters::Rosters,
    seen::Seen,
    sinks::Sinks,
    synced::{KnownAt, Sync},
    true_time::TrueTime,
    trust::TrustedKeys,
    watch::Watch,
    witnesses::Witnesses,
};

/// A server without its HTTP edge.
pub struct App {
    /// What was configured.
    pub config: Config,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// Rows, ledger, leases.
    pub store: Store,
    /// The active bundle.
    pub policies: Policies,
    /// The tenants' own policies.
    pub(crate) applications: Applications,
    /// How many questions to them are answered at once.
    evaluations: Semaphore,
    /// What plugins may look up outside.
    pub(crate) evidence: Sources,
    /// Held while the bundle or an application is being loaded again.
    pub(crate) reloading: Mutex<()>,
    /// The plugins, and where they run.
    pub sandbox: Sandbox,
    /// Opens what is kept encrypted in rows.
    pub(crate) secrets: Kek,
    /// Where passwords are hashed.
    pub(crate) hashing: Hashing,
    /// What the server signs electronic signatures with.
    pub(crate) signer: SigningKey,
    /// How right the clock is.
    pub(crate) true_time: TrueTime,
    /// Artifact content.
    pub vault: Vault,
    /// The keys whose signatures on artifacts count.
    pub trusted_keys: TrustedKeys,
    /// Where plugins are pulled from.
    pub registry: Registry,
    /// The line to the other replicas.
    pub(crate) bus: Bus,
    /// Where answers to other programs' questions are before they are in the database.
    pub(crate) journal: Option<Journal>,
    /// Held while they are brought there.
    pub(crate) shipping: Mutex<()>,
    /// Who may ask their tenant's application, as far as it was asked lately.
    pub(crate) asking: Asking,
    /// What authenticated lately.
    pub(crate) keys: KeyCache,
    /// Whom tokens were found to mean lately.
    pub(crate) subjects: SubjectCache,
    /// Who has an active account, as of lately.
    pub(crate) owners: OwnerCache,
    /// Whose tokens count.
    pub(crate) issuers: Issuers,
    /// Where persons log in beside here.
    pub(crate) providers: Providers,
    /// Who used how much of what.
    pub(crate) limits: Limits,
    /// Which devices were heard of lately.
    pub(crate) seen: Seen,
    /// Who cosigns the ledger's checkpoints.
    pub(crate) witnesses: Witnesses,
    /// How far the logs are, and who follows them.
    pub(crate) following: Following,
    /// How it is with the systems outside that are told what happens.
    pub(crate) sinks: Sinks,
    /// Where the ledger is copied to.
    pub(crate) copies: Copies,
    /// Who comes to know of the ledger's checkpoints.
    pub(crate) anchors: Anchors,
    /// What was verified of the ledger, and what was found to be altered.
    pub(crate) watch: Watch,
    /// Whether the policies in git should be looked at.
    pub(crate) sync: Sync,
    /// How fresh the policies are.
    pub(crate) known_at: KnownAt,
    /// Wakes the reconciler.
    woken: Notify,
    /// Wakes whoever follows the rosters.
    altered: Notify,
    /// What is not in use of the plugin folder: shown by `/ready`.
    pub installed: Installed,
    /// What the shelf has of the rosters.
    pub(crate) rosters: Rosters,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

impl App {
    /// Opens store, vault, policies and plugins. A plugin that is refused takes down only its own gates.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Arc<App>, StartError> {
        create_dir(&config.server.data_dir)?;
        create_dir(&config.artifacts.dir)?;
        create_dir(&config.artifacts.trusted_keys_dir)?;
        create_dir(&config.plugins.trusted_signers_dir)?;
        let (bundle, files) = bundle::load(&config.policies)?;
        let (applications, applications_found) = Applications::open(&config.policies)?;
        let evidence = Sources::open(&config)?;
        let (keys, signer) = ledger_keys(&config.ledger.key_file, &config.ledger.origin)?;
        let store = Store::open(store_options(&config), keys).await?;
        let secrets = Kek::load_or_create(&config.artifacts.wrapping_key_file)?;
        let login = &config.login;
        let hashing = Hashing::new(login.cost(), login.passwords_at_once, login.signatures_at_once);
        let journal = journal(&config, &clock, &signer)?;
        let kek = Kek::load_or_create(&config.artifacts.wrapping_key_file)?;
        let vault = Vault::on_disk(&config.artifacts.dir, kek, config.artifacts.chunk_bytes)?;
        let trusted_keys = TrustedKeys::open(config.artifacts.trusted_keys_dir.clone())?;
        let registry = registry(&config.plugins)?;
        let replica = format!("replica-{}", clock.uuid().simple());
        let bus = Bus::open(&config.bus.url, &config.ledger.origin, replica)?;
        let plugins = &config.plugins;
        let compiler =
            if plugins.compile_in_process { Compiler::InProcess } else { Compiler::own_program()? };
        let sandbox = Sandbox::with_compiler(plugins.limits.clone(), Some(&plugins.cache_dir), compiler)?;
        let installed = install_all(&sandbox, &store, clock.as_ref(), &config.plugins.dir).await?;
        let issuers = Issuers::open(&config.identity.jwt)?;
        let providers = Providers::open(&config)?;
        let limits = Limits::new(&config.http.limits);
        let true_time = TrueTime::new(&config.login.time_server);
        let witnesses = Witnesses::open(&config.ledger)?;
        let following = Following::new(&config.events);
        let sinks = Sinks::open(&config.sinks)?;
        let copies = Copies::open(&config.ledger)?;
        let anchors = Anchors::open(&config.ledger)?;
        let evaluations = Semaphore::new(config.policies.parallel_max.min(Semaphore::MAX_PERMITS));
        let app = Arc::new(App {
            evaluations,
            config,
            clock,
            store,
            policies: Policies::new(bundle),
            applications,
            evidence,
            reloading: Mutex::default(),
            sandbox,
            secrets,
            hashing,
            signer,
            true_time,
            vault,
            trusted_keys,
            registry,
            bus,
            journal,
            shipping: Mutex::default(),
            asking: Asking::default(),
            keys: KeyCache::default(),
            subjects: SubjectCache::default(),
            owners: OwnerCache::default(),
            issuers,
            providers,
            limits,
            witnesses,
            following,
            sinks,
            copies,
            anchors,
            watch: Watch::default(),
            seen: Seen::default(),
            sync: Sync::default(),
            known_at: KnownAt::default(),
            woken: Notify::new(),
            altered: Notify::new(),
            installed,
            rosters: Rosters::default(),
        });
        bundle::begin(&app, &files).await?;
        fresh::learn(&app).await?;
        application::begin(&app, applications_found).await?;
        roster::follow(&app).await?;
        Ok(app)
    }

    /// Has the reconcilers look again at once, here and elsewhere.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
        self.bus.tell(Note::Wake);
    }

    /// Another replica says that there may be something to do.
    pub(crate) fn woken_from_afar(&self) {
        self.woken.notify_one();
        self.altered.notify_one();
    }

    /// A roster is another one now.
    pub(crate) fn alter(&self) {
        self.altered.notify_one();
    }

    /// Waits until a roster may be another one.
    pub(crate) async fn altered(&self) {
        self.altered.notified().await;
    }

    /// Waits until somebody calls [`App::wake`].
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// How fresh the policies are, as far as this replica knows.
    pub(crate) fn freshness(&self) -> Option<Freshness> {
        let git = &self.config.policies.git;
        let known_at = self.known_at.get()?;
        let denies = git.is_on() && git.deny_after_max_age;
        Some(Freshness { known_at, deny_after_ms: denies.then_some(git.max_age_ms) })
    }

    /// Commits what a person or program did.
    pub(crate) async fn commit(
        &self,
        who: &Actor,
        now: Timestamp,
        mut writes: Vec<Write>,
    ) -> Result<Committed, FlowError> {
        // What the host adds of itself does not do what was asked for.
        writes.extend(crate::once::mark(&writes));
        let person = (who.kind == AccountKind::User).then(|| who.person.to_string());
        let by = By { person, account: who.account.to_string(), auth: Some(who.auth.clone()) };
        self.write(&who.tenant, by, now, None, writes).await
    }

    /// Commits what the host did of itself, under a lease when it needs one.
    pub(crate) async fn commit_as_host(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        lease: Option<&Lease>,
        writes: Vec<Write>,
    ) -> Result<Committed, FlowError> {
        let by = By { person: None, account: "host".to_owned(), auth: None };
        self.write(tenant, by, now, lease.cloned(), writes).await
    }

    /// Commits what a device did.
    pub(crate) async fn commit_as_device(
        &self,
        device: &Device,
        proof: Proof,
        now: Timestamp,
        writes: Vec<Write>,
    ) -> Result<(), FlowError> {
        let auth = Some(proof.as_str().to_owned());
        let by = By { person: None, account: format!("device:{}", device.id), auth };
        self.write(&device.tenant, by, now, None, writes).await.map(|_| ())
    }

    async fn write(
        &self,
        tenant: &TenantId,
        by: By,
        now: Timestamp,
        fence: Option<Lease>,
        writes: Vec<Write>,
    ) -> Result<Committed, FlowError> {
        let mut commit = Commit::new(tenant.clone(), by, now, writes, || self.clock.uuid());
        commit.trace = crate::trace::current();
        commit.fence = fence;
        let alters = commit.writes.iter().any(|write| matches!(write, Write::Account { .. }));
        let done = self.store.commit(commit).await?;
        if alters {
            self.owners.forget(tenant);
        }
        Ok(done)
    }

    /// A place among the questions to applications that are answered now, for as long as it is held.
    pub(crate) fn evaluation(&self) -> Result<SemaphorePermit<'_>, FlowError> {
        self.evaluations.try_acquire().map_err(|_| {
            let most = self.config.policies.parallel_max;
            FlowError::Busy(format!(
                "{most} questions are being answered, and no more are at once (`policies.parallel_max`); ask again in a moment"
            ))
        })
    }

    /// What is cached of a device is out of date.
    pub(crate) fn devices_changed(&self, _tenant: &TenantId, _device: &DeviceId) {}

    /// 24 random bytes as text: an API key's secret or a device's token.
    pub(crate) fn secret(&self) -> Result<String, FlowError> {
        let mut bytes = [0u8; 24];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| FlowError::invalid("", "the machine gave no random bytes; try again"))?;
        Ok(crate::flow::token_text(&bytes))
    }
}

/// The ledger's key, made when there is none. Emitter and log share it until each has a keeper of its own.
fn ledger_keys(path: &Path, origin: &str) -> Result<(LedgerKeys, SigningKey), StartError> {
    let unusable = |error| StartError::Folder { path: path.to_owned(), error };
    let pkcs8 = match std::fs::read(path) {
        Ok(pkcs8) => pkcs8,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let pkcs8 = SigningKey::generate("interlock")?.to_pkcs8()?;
            write_secret(path, &pkcs8).map_err(unusable)?;
            pkcs8
        }
        Err(error) => return Err(unusable(error)),
    };
    let signer = SigningKey::from_pkcs8(origin, &pkcs8)?;
    Ok((ledger_keys_of(pkcs8)?, signer))
}

/// The keys that a key file holds.
pub(crate) fn ledger_keys_of(pkcs8: Vec<u8>) -> Result<LedgerKeys, KeyError> {
    Ok(LedgerKeys::new(SigningKey::from_pkcs8("interlock", &pkcs8)?, pkcs8))
}

fn journal(
    config: &Config,
    clock: &Arc<dyn Clock>,
    ledger: &SigningKey,
) -> Result<Option<Journal>, StartError> {
    let decisions = &config.decisions;
    if !decisions.journal {
        return Ok(None);
    }
    let options = JournalOptions {
        dir: decisions.dir.clone(),
        ledger: ledger.verifying_key().to_string(),
        file_bytes_max: decisions.file_bytes_max,
        backlog_bytes_max: decisions.backlog_bytes_max,
    };
    let clock = Arc::clone(clock);
    Ok(Some(Journal::open(options, move || clock.uuid())?))
}

/// Only what is listed is ever asked.
fn registry(plugins: &Plugins) -> Result<Registry, StartError> {
    let config = &plugins.registry;
    let credentials = if config.credentials_file.as_os_str().is_empty() {
        Credentials::default()
    } else {
        Credentials::from_file(&config.credentials_file)?
    };
    Ok(Registry::new(interlock_registry::Options {
        hosts: Some(config.hosts.clone()),
        plain_http: config.plain_http.clone(),
        credentials,
        timeout: Duration::from_millis(config.timeout_ms),
        size_bytes_max: plugins.limits.component_bytes_max,
        folders: Some(config.folders.clone()),
        cache_dir: Some(config.cache_dir.clone()),
        cache_bytes_max: config.cache_bytes_max,
    })?)
}

/// How the store is opened.
pub(crate) fn store_options(config: &Config) -> Options {
    Options {
        url: config.store.url.clone(),
        pool_max: config.store.pool_max,
        acquire_timeout_ms: config.store.acquire_timeout_ms,
        max_lifetime_ms: config.store.max_lifetime_ms,
        batch_max: config.store.batch_max,
        batch_wait_ms: config.store.batch_wait_ms,
        queue_max: config.store.queue_max,
        signer_dir: Some(config.ledger.signer_dir.clone()),
        sign_every_ms: config.ledger.sign_every_ms,
        unsigned_max: config.ledger.unsigned_max,
        unsigned_ms_max: config.ledger.unsigned_ms_max,
        origin_prefix: config.ledger.origin.clone(),
    }
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_secret(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let unfinished = path.with_extension("new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

fn create_dir(path: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(path).map_err(|error| StartError::Folder { path: path.to_owned(), error })
}
