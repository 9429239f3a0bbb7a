//! Asking the host for evidence: the only way for a plugin to see more than its arguments.
//!
//! The host checks that this plugin may read the source, fetches, records the answer, and can replay it.

use serde::de::DeserializeOwned;

pub use crate::bindings::interlock::plugin::evidence::{Document, Refusal};
use crate::{Artifact, Fault};

/// What `source` holds under `key`, as the host found it. The source must be declared in the macro.
pub fn fetch(source: &str, key: &str) -> Result<Document, Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::interlock::plugin::evidence::fetch(source, key);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::fetch(source, key);
}

/// What `source` holds under each of `keys`, in their order: quicker than one after the other, because the host may ask for
/// several at a time. Each key counts as a look-up. Since 1.1 of the contract: an older host refuses a plugin that
/// calls this.
pub fn fetch_many(source: &str, keys: &[String]) -> Vec<Result<Document, Refusal>> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::interlock::plugin::evidence::fetch_many(source, keys);
    #[cfg(not(target_arch = "wasm32"))]
    return keys.iter().map(|key| crate::testing::fetch(source, key)).collect();
}

/// The JSON document that `source` holds under `key`. Anything but a document that reads as `T` is a fault,
/// which the host treats as a deny.
pub fn json<T: DeserializeOwned>(source: &str, key: &str) -> Result<T, Fault> {
    let document = fetch(source, key).map_err(|refusal| fault(source, key, refusal))?;
    read(source, key, &document)
}

/// What `source` holds under `key`, or `None` when there is nothing: for a gate that has something better to say of that
/// than a fault. Any other refusal is a fault.
pub fn find(source: &str, key: &str) -> Result<Option<Document>, Fault> {
    match fetch(source, key) {
        Ok(document) => Ok(Some(document)),
        Err(Refusal::NotFound) => Ok(None),
        Err(refusal) => Err(fault(source, key, refusal)),
    }
}

/// As [`find`], read as JSON.
pub fn find_json<T: DeserializeOwned>(source: &str, key: &str) -> Result<Option<T>, Fault> {
    find(source, key)?.map(|document| read(source, key, &document)).transpose()
}

fn read<T: DeserializeOwned>(source: &str, key: &str, document: &Document) -> Result<T, Fault> {
    serde_json::from_slice(&document.content).map_err(|e| {
        Fault::Evidence(format!("`{source}` answered for `{key}` with something unreadable: {e}"))
    })
}

fn fault(source: &str, key: &str, refusal: Refusal) -> Fault {
    Fault::Evidence(match refusal {
        Refusal::NotFound => {
            format!("`{source}` has nothing under `{key}`; provide it and run the gate again")
        }
        Refusal::Denied(why) => format!("this plugin may not read `{source}`: {why}"),
        Refusal::Unavailable(why) => format!("`{source}` did not answer for `{key}`: {why}"),
    })
}

/// The key of an artifact in the source `artifact`: `NAME@VERSION@DIGEST`. The digest alone would not do, because the same
/// content may be stored under several names, each with a signature of its own or none.
pub fn artifact_key(artifact: &Artifact) -> String {
    let Artifact { name, version, digest, .. } = artifact;
    format!("{name}@{version}@{digest}")
}
