//! A component that somebody named: a file, or a plugin of the server by its name or digest.

use std::{fs, path::Path, sync::Arc};

use interlock_ledger::Digest;
use interlock_sandbox::{InstallError, Plugin};
use serde_json::Value;

use super::look_at;
use crate::{
    client::{Client, Connection, Failure},
    output,
};

/// Reads or downloads the component that `named` means: a file, a digest, or a name.
pub(super) async fn component(connection: &Connection, named: &str) -> Result<Vec<u8>, Failure> {
    if is_file(named) {
        let file = Path::new(named);
        return fs::read(file).map_err(|error| Failure::file(file, &error));
    }
    let client = connection.client()?;
    let digest = match named.parse::<Digest>() {
        Ok(digest) => digest,
        Err(_) => digest_of(&listed(&client, named).await?)?,
    };
    download(&client, &digest).await
}

/// Whether a text names a file rather than something of the server's.
pub(super) fn is_file(named: &str) -> bool {
    Path::new(named).is_file() || named.contains('/') || named.ends_with(".wasm")
}

/// The component with this digest, as the server keeps it.
pub(super) async fn download(client: &Client, digest: &Digest) -> Result<Vec<u8>, Failure> {
    let component = client.bytes(&format!("/plugins/{digest}")).await?;
    let found = Digest::of(&component);
    if found == *digest {
        return Ok(component);
    }
    Err(Failure::Local(format!(
        "the server gave another component for `{digest}`: `{found}`; is something between you and it?"
    )))
}

/// The plugin of this name as the server lists it.
pub(super) async fn listed(client: &Client, name: &str) -> Result<Value, Failure> {
    let items = client.list("/plugins", 1000).await?;
    let names: Vec<String> = items.iter().map(|item| output::at(item, "/name")).collect();
    items.into_iter().find(|item| output::at(item, "/name") == name).ok_or_else(|| {
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Failure::Refused(format!(
            "the server has no plugin `{name}` for all, and there is no such file; it has: {names}; of one that only an \
             environment uses, give the digest that `interlock plugin roster` shows"
        ))
    })
}

/// The digest of a plugin as the server lists it.
pub(super) fn digest_of(listed: &Value) -> Result<Digest, Failure> {
    let digest = output::at(listed, "/digest");
    digest.parse().map_err(|_| Failure::Local(format!("the server lists a plugin with digest `{digest}`")))
}

/// A plugin that can be asked. `named` is what it was called.
pub(super) async fn ready(wasm: Vec<u8>, named: &str) -> Result<Arc<Plugin>, Failure> {
    look_at(wasm).await?.examination.plugin.map_err(|error| refused(named, &error))
}

/// Why what was named is no plugin, and what says more.
pub(super) fn refused(named: &str, error: &InstallError) -> Failure {
    let more =
        if is_file(named) { format!("; `interlock plugin check {named}` says more") } else { String::new() };
    Failure::Refused(format!("`{named}` is no plugin: {error}{more}"))
}
