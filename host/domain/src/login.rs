//! How a person proves who they are: password with a second factor, or a passkey; and what happens when they cannot.
//!
//! **Invariant:** each step makes a new [`Login`] of the next revision, and the store takes it only in place of the one that
//! it was derived from. So a code is used once and failures are counted once, on however many replicas.

mod password;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::password::{
    PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, PasswordFault, password, password_as_hashed,
};
use crate::{Account, AccountId, PersonId, TenantId, Timestamp};

/// What bounds guessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimits {
    /// Failures in a row that lock.
    pub failures_max: u32,
    /// Failed signings in a row that lock.
    pub signing_failures_max: u32,
    /// How long it stays locked, in milliseconds.
    pub lock_ms: u64,
}

/// The means by which one account's person logs in and signs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub tenant: TenantId,
    /// What they type, the account's name.
    pub name: String,
    /// The password's hash with its salt and cost.
    pub password: Option<String>,
    /// The secret of the one-time codes.
    pub totp: Option<Totp>,
    /// The passkeys.
    pub passkeys: Vec<Passkey>,
    /// SHA-256 of each recovery code that is left.
    pub recovery: Vec<String>,
    /// An invitation that waits to be followed.
    pub enrolment: Option<Enrolment>,
    /// Failures in a row.
    pub failures: u32,
    /// Failed signings in a row.
    pub signing_failures: u32,
    /// Until when no password and no code is tried.
    pub locked_until: Option<Timestamp>,
    /// Whether a passkey is not tried either: failed signings locked it, which nobody can do from outside.
    #[serde(default, skip_serializing_if = "is_false")]
    pub locked_whole: bool,
    /// When the means last changed.
    pub changed_at: Timestamp,
    /// How often it was written.
    pub revision: u64,
}

/// One-time codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totp {
    /// The secret, encrypted.
    pub sealed: String,
    /// The step of the last code that was used: only later ones count.
    pub last_step: u64,
}

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// Its id, base64url.
    pub id: String,
    /// The public key as COSE writes it, base64url.
    pub key: String,
    /// How often it has signed, for those that count.
    pub counter: u32,
    /// When it was added.
    pub added_at: Timestamp,
}

/// An invitation: whoever has its code sets password, codes and passkey themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// SHA-256 of the code.
    pub code_sha256: String,
    /// Who invited.
    pub by: PersonId,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// What somebody proved, each part checked already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The password.
    Password,
    /// A one-time code.
    Totp {
        /// Its step.
        step: u64,
    },
    /// A recovery code.
    Recovery {
        /// Its SHA-256.
        sha256: String,
    },
    /// A passkey, with the person verified by it.
    Passkey {
        /// Which.
        id: String,
        /// How often it says it has signed.
        counter: u32,
    },
}

/// Why what was proved does not let somebody in. Never told to whoever tries: the answer is the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefusal {
    /// Too many failures.
    #[error("it is locked")]
    Locked,
    /// A factor is missing.
    #[error("a factor is missing")]
    Incomplete,
    /// A code was used before.
    #[error("the one-time code was used before")]
    Replayed,
    /// A recovery code that is not there.
    #[error("there is no such recovery code")]
    NoSuchCode,
    /// No such passkey, or one whose counter went back, as a copy's does.
    #[error("there is no such passkey, or it is a copy")]
    NoSuchPasskey,
}

/// What a person set when they followed an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enrolled {
    /// The password's hash, with the secret of the codes and the step of the one that was shown to work.
    pub password: Option<(String, Totp)>,
    /// SHA-256 of the recovery codes that go with the codes.
    pub recovery: Vec<String>,
    /// A passkey.
    pub passkey: Option<Passkey>,
}

impl Login {
    /// Nothing yet.
    pub fn none(account: &Account, now: Timestamp) -> Self {
        Self {
            account: account.id.clone(),
            tenant: account.tenant.clone(),
            name: account.name.clone(),
            password: None,
            totp: None,
            passkeys: Vec::new(),
            recovery: Vec::new(),
            enrolment: None,
            failures: 0,
            signing_failures: 0,
            locked_until: None,
            locked_whole: false,
            changed_at: now,
            revision: 0,
        }
    }

    /// Whether somebody can log in with it.
    pub fn is_usable(&self) -> bool {
        !self.passkeys.is_empty() || (self.password.is_some() && self.totp.is_some())
    }

    /// Whether somebody can log in with it, or can be let in by an invitation.
    pub fn opens(&self) -> bool {
        self.is_usable() || self.enrolment.is_some()
    }

    /// Whether no password and no code is tried at `now`.
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// Invited anew: what there was counts no more.
    #[must_use]
    pub fn invited(&self, enrolment: Enrolment, now: Timestamp) -> Login {
        let none =
            Login { password: None, totp: None, passkeys: Vec::new(), recovery: Vec::new(), ..self.clone() };
        none.unlocked(now).with(|login| login.enrolment = Some(enrolment))
    }

    /// Without any means: somebody left.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Login {
        let none =
            Login { password: None, totp: None, passkeys: Vec::new(), recovery: Vec::new(), ..self.clone() };
        none.unlocked(now).with(|login| login.enrolment = None)
    }

    /// Whether a code of this digest follows the invitation at `now`.
    pub fn is_invited_by(&self, code_sha256: &str, now: Timestamp) -> bool {
        self.enrolment.as_ref().is_some_and(|open| open.code_sha256 == code_sha256 && now < open.expires_at)
    }

    /// The invitation was followed. `None` when nothing was set with which somebody can log in.
    pub fn enrolled(&self, set: Enrolled, now: Timestamp) -> Option<Login> {
        let mut login = self.unlocked(now).with(|login| login.enrolment = None);
        if let Some((password, totp)) = set.password {
            login.password = Some(password);
            login.totp = Some(totp);
            login.recovery = set.recovery;
        }
        login.passkeys.extend(set.passkey);
        login.is_usable().then_some(login)
    }

    /// Somebody proved something: what is left afterwards, or why it does not count. `complete` asks for two components;
    /// a passkey that verified the person is two.
    ///
    /// Whoever knows somebody's name can lock them by guessing. Nobody guesses a passkey, so such a lock does not shut it out; and it
    /// stays, or each use of the passkey would give whoever guesses another few tries.
    pub fn proved(&self, proofs: &[Proof], complete: bool, now: Timestamp) -> Result<Login, LoginRefusal> {
        let locked = self.is_locked(now);
        let only_passkeys = proofs.iter().all(|proof| matches!(proof, Proof::Passkey { .. }));
        if locked && (self.locked_whole || proofs.is_empty() || !only_passkeys) {
            return Err(LoginRefusal::Locked);
        }
        let mut login = self.with(|login| {
            if !locked {
                (login.failures, login.locked_until, login.locked_whole) = (0, None, false);
            }
        });
        let (mut first, mut second) = (false, false);
        for proof in proofs {
            match proof {
                Proof::Password => first = true,
                Proof::Totp { step } => {
                    let totp = login.totp.as_mut().ok_or(LoginRefusal::Incomplete)?;
                    if *step <= totp.last_step {
                        return Err(LoginRefusal::Replayed);
                    }
                    totp.last_step = *step;
                    second = true;
                }
                Proof::Recovery { sha256 } => {
                    let at = login.recovery.iter().position(|code| code == sha256);
                    login.recovery.remove(at.ok_or(LoginRefusal::NoSuchCode)?);
                    second = true;
                }
                Proof::Passkey { id, counter } => {
                    let passkey = login.passkeys.iter_mut().find(|passkey| passkey.id == *id);
                    let passkey = passkey.ok_or(LoginRefusal::NoSuchPasskey)?;
                    // Synced passkeys do not count; what counts must rise.
                    if (*counter, passkey.counter) != (0, 0) && *counter <= passkey.counter {
                        return Err(LoginRefusal::NoSuchPasskey);
                    }
                    passkey.counter = *counter;
                    (first, second) = (true, true);
                }
            }
        }
        if first && (second || !complete) { Ok(login) } else { Err(LoginRefusal::Incomplete) }
    }

    /// With another password, set in the step that proved the one before.
    #[must_use]
    pub fn with_password(&self, hash: String, now: Timestamp) -> Login {
        Login { password: Some(hash), changed_at: now, ..self.clone() }
    }

    /// Somebody failed to log in. Locked from the last failure on that is let pass.
    #[must_use]
    pub fn failed(&self, limits: LoginLimits, now: Timestamp) -> Login {
        let failures = if self.is_locked(now) { self.failures } else { self.failures + 1 };
        self.counted(failures, self.signing_failures, limits, now)
    }

    /// Somebody failed to sign.
    #[must_use]
    pub fn failed_to_sign(&self, limits: LoginLimits, now: Timestamp) -> Login {
        self.counted(self.failures, self.signing_failures + 1, limits, now)
    }

    /// Somebody signed.
    #[must_use]
    pub fn signed(&self) -> Login {
        Login { signing_failures: 0, ..self.clone() }
    }

    fn counted(&self, failures: u32, signing_failures: u32, limits: LoginLimits, now: Timestamp) -> Login {
        let whole = signing_failures >= limits.signing_failures_max;
        let locks = failures >= limits.failures_max || whole;
        self.with(|login| {
            (login.failures, login.signing_failures) =
                if locks { (0, 0) } else { (failures, signing_failures) };
            if locks {
                let lock_ms = i64::try_from(limits.lock_ms).unwrap_or(i64::MAX);
                login.locked_until = Some(now.plus_millis(lock_ms));
                login.locked_whole = whole;
            }
        })
    }

    fn unlocked(&self, now: Timestamp) -> Login {
        Login {
            failures: 0,
            signing_failures: 0,
            locked_until: None,
            locked_whole: false,
            changed_at: now,
            ..self.clone()
        }
    }

    fn with(&self, alter: impl FnOnce(&mut Login)) -> Login {
        let mut login = Login { revision: self.revision + 1, ..self.clone() };
        alter(&mut login);
        login
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("account", &self.account)
            .field("passkeys", &self.passkeys.len())
            .field("failures", &self.failures)
            .field("locked_until", &self.locked_until)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
