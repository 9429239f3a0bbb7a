//! The gate `storage-fit`: every artifact fits into the storage of the smallest device.
use interlock_plugin_sdk::prelude::*;
use serde::Deserialize;

/// As many models as a message names.
const MODELS_SHOWN: usize = 3;
/// As many characters of a name as a message shows.
const NAME_CHARS: usize = 24;

/// What an operator sets for the gate.
#[settings(check = Settings::check)]
pub struct Settings {
    /// What the smallest device can store, in bytes.
    #[schemars(range(min = 1))]
    #[default(64 << 20)]
    pub storage_bytes: u64,
    /// What must stay free of it, in bytes.
    #[default(0)]
    pub reserve_bytes: u64,
    /// Warn above this share of the room, in basis points.
    #[schemars(range(min = 1, max = 10_000))]
    #[default(9_000)]
    pub warn_bp: u32,
    /// Names of artifacts that are not judged.
    #[default]
    pub exempt: Vec<String>,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let Self { storage_bytes, reserve_bytes, exempt, .. } = self;
        if reserve_bytes >= storage_bytes {
            let message =
                format!("{reserve_bytes} in reserve leave nothing of {storage_bytes}; reserve less");
            problems.push(SettingsProblem::at("/reserve_bytes", message));
        }
        for (index, _) in exempt.iter().enumerate().filter(|(_, name)| name.is_empty()) {
            let message = "an artifact has a name; write it or leave this out";
            problems.push(SettingsProblem::at(format!("/exempt/{index}"), message));
        }
        problems
    }
}

/// What the host knows of an artifact, as far as this gate reads it.
#[derive(Deserialize)]
struct Facts {
    name: String,
    version: String,
    digest: String,
    size: u64,
    models: Vec<String>,
}

/// Refuses artifacts that do not fit into the storage of the smallest device.
#[gate(name = "storage-fit", evidence = ["artifact"])]
pub fn storage_fit(change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
    if change.artifacts.is_empty() && change.kind == ChangeKind::Release {
        let message = "the release has no artifact, so there is nothing to judge; is that meant?";
        return Ok(Finding::warning("artifact-missing", message).about("/artifacts").into());
    }
    let mut findings = Vec::new();
    for artifact in &change.artifacts {
        if settings.exempt.contains(&artifact.name) {
            let message = format!("`{}` is not judged: the settings exempt it", shown(&artifact.name));
            findings.push(Finding::info("artifact-exempt", message).about(&artifact.digest));
            continue;
        }
        let facts: Facts = evidence::json("artifact", &evidence::artifact_key(artifact))?;
        if (&facts.name, &facts.version, &facts.digest)
            != (&artifact.name, &artifact.version, &artifact.digest)
        {
            let (asked, answered) = (shown(&artifact.name), shown(&facts.name));
            let message = format!("asked about artifact `{asked}`, but the answer is about `{answered}`");
            return Err(Fault::evidence(message));
        }
        findings.extend(judge(&facts, settings).map(|finding| finding.about(&artifact.digest)));
    }
    logging::debug(&format!("judged {} artifacts", change.artifacts.len()));
    Ok(findings.into_iter().collect())
}

fn judge(facts: &Facts, settings: &Settings) -> Option<Finding> {
    let (name, size) = (shown(&facts.name), facts.size);
    let room = settings.storage_bytes - settings.reserve_bytes;
    if size > room {
        let models = models(&facts.models);
        let message =
            format!("`{name}` needs {size} bytes, but {models} have room for {room}; make it smaller");
        return Some(Finding::critical("storage-exceeded", message));
    }
    // Both products may be larger than 64 bits.
    if u128::from(size) * 10_000 > u128::from(room) * u128::from(settings.warn_bp) {
        let used = u128::from(size) * 10_000 / u128::from(room);
        let message = format!("`{name}` takes {used} of 10000 parts of the room; plan for the next release");
        return Some(Finding::warning("storage-nearly-full", message));
    }
    None
}

/// `pump-x2`, `pump-x3`, `pump-x4` and 2 more; in the order of the evidence.
fn models(models: &[String]) -> String {
    if models.is_empty() {
        return "devices".to_owned();
    }
    let named: Vec<String> =
        models.iter().take(MODELS_SHOWN).map(|model| format!("`{}`", shown(model))).collect();
    match models.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// The first characters of a name: characters, not bytes.
fn shown(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
