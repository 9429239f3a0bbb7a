//! What a person proves themselves with: passwords, one-time codes, passkeys. What is right is decided in the domain; here is
//! whether a proof fits what is kept.

pub mod passkey;
mod password;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod totp;

pub use password::{PasswordCost, PasswordError};
pub use totp::{Code, STEP_MS, code_at, new_secret, step_at, uri};
