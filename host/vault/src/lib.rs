//! What is inside an artifact, and who vouches for it.
//!
//! Three nouns for artifacts: a [`Vault`] keeps content encrypted at an address that begins with its plain SHA-256; a
//! [`signature::TrustStore`] says whose signatures count and [`signature::verify`] says what came of one; a [`SigningKey`] makes them.
//! Plugins are vouched for in an [`envelope`] instead. What a person proves themselves with is in [`login`], and
//! what they sign in [`esig`].
//!
//! **Invariant:** plain content is never written anywhere, and no content becomes visible before its size and
//! digest are what was announced. **Invariant:** nothing outside this crate sees a cipher, a key or an object
//! store's own types, but for the [`ObjectStore`] handed to [`Vault::new`].

mod content;
pub mod envelope;
pub mod esig;
mod kek;
pub mod login;
mod pem;
pub mod signature;
mod signing;

pub use content::{
    CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Content, Expected, Sealed, Stored, Vault,
    VaultError,
};
pub use kek::{Kek, KekError};
pub use object_store::ObjectStore;
pub use signing::{SigningError, SigningKey};
