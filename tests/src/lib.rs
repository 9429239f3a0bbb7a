//! The real program as a child process, and persons at its API: what the end-to-end tests and the demo share.

mod hospital;
pub mod load;
mod person;
mod server;

pub use hospital::{FIRMWARE, Hospital, SITES, TENANT};
pub use person::{Person, Refused, text};
pub use server::{Server, Setup};
