//! Plugins where they are published: OCI registries and folders.
//!
//! Three nouns: a [`Reference`] says where a component is, a [`Registry`] pushes and pulls, and what was [`Pulled`] carries
//! the envelopes of those who vouch for it. Whose word counts is the caller's question: see [`interlock_vault::envelope`].
//!
//! Two digests are told apart everywhere. The **plugin digest** is SHA-256 of the component's bytes; signatures, changes and
//! decisions name it. The **manifest digest** is what a registry calls an artifact; `HOST/REPOSITORY@sha256:…` names it.
//!
//! **Invariant:** nothing leaves this crate whose bytes were not hashed after they came, from a registry, a folder or the
//! cache alike. **Invariant:** nothing is read beyond a limit, whatever the other side announces.
//!
//! The few requests of the OCI distribution specification that are needed are made here with `reqwest`: `oci-client` reads
//! manifests, tokens and errors of any size into memory.

mod cache;
mod credentials;
mod error;
mod folder;
mod http;
mod manifest;
mod reference;
mod registry;
mod remote;
#[cfg(feature = "testing")]
pub mod testing;

pub use credentials::{Credentials, CredentialsError};
pub use error::RegistryError;
pub use folder::sidecar;
pub use reference::{Pin, Reference, ReferenceError};
pub use registry::{Options, Publication, Pulled, Pushed, Registry};
