//! Getting a component from where it is published, when those who must vouch for it do.

use std::{collections::BTreeMap, sync::Arc};

use interlock_domain::Digest;
use interlock_registry::{Reference, RegistryError};
use interlock_sandbox::Plugin;
use interlock_store::Kept;
use interlock_vault::envelope::{Envelope, PluginStatement, Signers, Vouched, verify};

use crate::{App, FlowError};

/// A component that was pulled, loaded and kept.
pub(crate) struct Acquired {
    /// What may be asked.
    pub(crate) plugin: Arc<Plugin>,
    /// Its size.
    pub(crate) size_bytes: u64,
    /// Who vouches for it: the names under which the keys are trusted, by key id.
    pub(crate) signers: BTreeMap<String, String>,
}

/// A component by its reference. `field` is where the reference stands in the request. What too few of the trusted signers
/// vouch for is neither compiled nor kept.
pub(crate) async fn acquire(app: &App, reference: &str, field: &str) -> Result<Acquired, FlowError> {
    let parsed: Reference =
        reference.parse().map_err(|error| FlowError::invalid(field, format!("{error}")))?;
    let pulled = match parsed {
        // What is cached was perhaps pulled for another tenant: a digest alone opens nothing.
        Reference::Plugin(digest) => app.registry.pull_from_folders(digest).await,
        _ => app.registry.pull(&parsed).await,
    };
    let pulled = pulled.map_err(|error| refused(field, reference, &error))?;
    let vouched = vouched(app, &pulled.envelopes, pulled.digest, field, reference, pulled.stale.as_deref());
    let vouched = match vouched {
        Ok(vouched) => vouched,
        Err(error) => {
            app.registry.forget(pulled.digest).await;
            return Err(error);
        }
    };
    let size_bytes = pulled.wasm.len() as u64;
    let plugin = app.sandbox.install_registered(pulled.digest, pulled.wasm.clone()).await?;
    if let Some(statement) = &vouched.statement {
        as_signed(&plugin, statement, field)?;
    }
    app.store.keep(Kept::Plugin, &pulled.digest, &pulled.wasm).await?;
    keep_envelopes(app, pulled.digest, &pulled.envelopes).await?;
    let shelf = app.sandbox.shelf();
    app.registry.make_room(|digest| *digest == pulled.digest || shelf.get(digest).is_some()).await;
    Ok(Acquired { plugin, size_bytes, signers: vouched.signers })
}

/// Keeps what was signed about a component, for whenever it is asked again who vouches for it.
pub(super) async fn keep_envelopes(
    app: &App,
    digest: Digest,
    envelopes: &[Envelope],
) -> Result<(), FlowError> {
    // One that cannot be written down again vouches for nothing.
    let texts: Vec<Vec<u8>> = envelopes.iter().filter_map(|envelope| envelope.to_json().ok()).collect();
    Ok(app.store.keep_envelopes(&digest, &texts).await?)
}

/// Who vouches now for a component that is kept: signers may have been revoked since it came, or more be asked for. What the
/// operator put into the server's own folder takes nobody else.
pub(super) async fn still_vouched(
    app: &App,
    digest: Digest,
    field: &str,
) -> Result<BTreeMap<String, String>, FlowError> {
    let texts = app.store.envelopes(&digest).await?;
    let envelopes: Vec<Envelope> = texts.iter().filter_map(|text| Envelope::from_json(text).ok()).collect();
    let here = app.installed.waiting.iter().any(|waiting| waiting.digest == digest)
        || app
            .sandbox
            .shelf()
            .slots()
            .iter()
            .any(|(slot, plugin)| !slot.contains('/') && plugin.digest() == digest);
    if here && envelopes.is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(vouched(app, &envelopes, digest, field, &digest.to_string(), None)?.signers)
}

/// Whose signatures of a component count today, however many are asked for; none when nobody's do.
pub(super) async fn signers(app: &App, digest: Digest) -> Result<BTreeMap<String, String>, FlowError> {
    let texts = app.store.envelopes(&digest).await?;
    let envelopes: Vec<Envelope> = texts.iter().filter_map(|text| Envelope::from_json(text).ok()).collect();
    Ok(verify(&envelopes, digest, &trusted(app, &digest.to_string())?).signers)
}

/// Who vouches for a component, when they are as many as the operator asks for.
pub(super) fn vouched(
    app: &App,
    envelopes: &[Envelope],
    digest: Digest,
    field: &str,
    called: &str,
    stale: Option<&str>,
) -> Result<Vouched, FlowError> {
    let trusted = trusted(app, called)?;
    let vouched = verify(envelopes, digest, &trusted);
    enough(app, &vouched, &trusted, field, called, stale)?;
    Ok(vouched)
}

/// The keys that count. Read anew each time: one that was revoked a moment ago does not.
fn trusted(app: &App, called: &str) -> Result<Signers, FlowError> {
    Signers::load_dir(&app.config.plugins.trusted_signers_dir).map_err(|error| FlowError::Plugin {
        plugin: called.to_owned(),
        detail: format!("no signer can be trusted: {error}"),
    })
}

fn enough(
    app: &App,
    vouched: &Vouched,
    trusted: &Signers,
    field: &str,
    reference: &str,
    stale: Option<&str>,
) -> Result<(), FlowError> {
    let (found, least) = (vouched.signers.len(), app.config.plugins.signers_min as usize);
    if found >= least {
        return Ok(());
    }
    let missing: Vec<&str> =
        trusted.keys().filter(|(id, _)| !vouched.signers.contains_key(*id)).map(|(_, name)| name).collect();
    let missing = match missing.as_slice() {
        [] => "nobody else is trusted; the operator puts public keys into `plugins.trusted_signers_dir`"
            .to_owned(),
        missing => missing.join(", "),
    };
    let mut detail = format!(
        "`{reference}` is signed by {found} of the trusted signers but `plugins.signers_min` is {least}; missing: {missing}; \
         sign it with `interlock plugin sign` and push it again"
    );
    for reason in vouched.refused.iter().take(5) {
        detail.push_str(&format!("; does not count: {reason}"));
    }
    if let Some(stale) = stale {
        detail.push_str(&format!("; newer signatures could not be fetched: {stale}"));
    }
    Err(FlowError::invalid(field, detail))
}

/// A component that calls itself otherwise than what was signed is not what was meant.
pub(super) fn as_signed(plugin: &Plugin, signed: &PluginStatement, field: &str) -> Result<(), FlowError> {
    let about = plugin.description();
    let kind = plugin.kind().to_string();
    if (&about.name, &about.version, &kind) == (&signed.name, &signed.version, &signed.kind) {
        return Ok(());
    }
    let detail = format!(
        "`{}` {} ({}) was signed but the component says that it is `{}` {} ({kind}): have it signed again",
        signed.name, signed.version, signed.kind, about.name, about.version
    );
    Err(FlowError::invalid(field, detail))
}

/// What the proposer can change is the proposer's; a registry that does not do its part is nobody's here.
fn refused(field: &str, reference: &str, error: &RegistryError) -> FlowError {
    use RegistryError as E;
    match error {
        E::Down { .. }
        | E::Slow { .. }
        | E::Truncated { .. }
        | E::Status { .. }
        | E::Lies { .. }
        | E::Malformed { .. }
        | E::File { .. } => {
            FlowError::Plugin { plugin: reference.chars().take(200).collect(), detail: error.to_string() }
        }
        _ => FlowError::invalid(field, error.to_string()),
    }
}
