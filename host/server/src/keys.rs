//! A small cache of what authenticated lately, so that a busy client does not cost two look-ups a request.
//!
//! Entries live for five seconds: a revocation on another replica takes effect within that time, one on this
//! replica at once.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use interlock_domain::{
    Account, AccountId, Actor, Credential, KeyId, PersonId, Scope, SubjectId, TenantId, Timestamp,
};

/// How long an entry lives.
const LIFE_MS: i64 = 5_000;
/// Most entries; beyond it the cache starts anew, so that guessing keys cannot fill the memory.
const ENTRIES_MAX: usize = 10_000;

/// How often it is written down that a key is used: at most so often.
const USED_EVERY_MS: i64 = 60_000;

type Known = Arc<KnownKey>;

/// A key, and what whoever shows it comes to.
#[derive(Debug)]
pub(crate) struct KnownKey {
    pub(crate) credential: Credential,
    pub(crate) account: Account,
    /// Who acts with it.
    pub(crate) actor: Arc<Actor>,
    /// What for.
    pub(crate) scopes: Arc<[Scope]>,
}

/// Keys and their accounts.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    entries: Mutex<HashMap<KeyId, (Timestamp, Known)>>,
    /// Keys that worked, and when that was last written down.
    used: Mutex<HashMap<KeyId, Timestamp>>,
    /// SHA-256 of the tokens of sessions that worked.
    sessions: Mutex<HashSet<String>>,
}

impl KeyCache {
    pub(crate) fn get(&self, id: &KeyId, now: Timestamp) -> Option<Known> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, known) = entries.get(id)?;
        is_fresh(*at, LIFE_MS, now).then(|| known.clone())
    }

    pub(crate) fn put(&self, credential: Credential, account: Account, now: Timestamp) -> Known {
        let id = credential.id.clone();
        let actor = Arc::new(account.actor(format!("key:{id}")));
        let scopes = credential.scopes.as_slice().into();
        let known = Arc::new(KnownKey { credential, account, actor, scopes });
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(id, (now, known.clone()));
        known
    }

    /// A key worked. True when it is time to write that down.
    pub(crate) fn used(&self, id: &KeyId, now: Timestamp) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(id).is_some_and(|at| is_fresh(*at, USED_EVERY_MS, now)) {
            return false;
        }
        if used.len() >= ENTRIES_MAX {
            used.clear();
        }
        used.insert(id.clone(), now);
        true
    }

    /// Whether the key worked lately.
    pub(crate) fn worked(&self, id: &KeyId) -> bool {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// A session worked.
    pub(crate) fn session_used(&self, token_sha256: &str) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.contains(token_sha256) {
            return;
        }
        if sessions.len() >= ENTRIES_MAX {
            sessions.clear();
        }
        sessions.insert(token_sha256.to_owned());
    }

    /// Whether the session of a token with this SHA-256 worked lately.
    pub(crate) fn session_worked(&self, token_sha256: &str) -> bool {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).contains(token_sha256)
    }

    pub(crate) fn forget(&self, id: &KeyId) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// Whom the tokens of identity providers were found to mean lately. Entries live as long as those of keys do, and for the same
/// reason.
#[derive(Debug, Default)]
pub(crate) struct SubjectCache {
    entries: Mutex<HashMap<SubjectId, (Timestamp, Arc<Account>)>>,
}

impl SubjectCache {
    pub(crate) fn get(&self, id: &SubjectId, now: Timestamp) -> Option<Arc<Account>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, account) = entries.get(id)?;
        is_fresh(*at, LIFE_MS, now).then(|| account.clone())
    }

    pub(crate) fn put(&self, id: SubjectId, account: Account, now: Timestamp) -> Arc<Account> {
        let account = Arc::new(account);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(id, (now, account.clone()));
        account
    }

    /// Forgets all that mean this account.
    pub(crate) fn forget(&self, account: &AccountId) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, (_, known)| known.id != *account);
    }
}

/// Who has an active account.
type Persons = Arc<HashSet<PersonId>>;

/// The persons of each tenant who have an active account. Entries live as long as those of keys do, and for the same reason.
#[derive(Debug, Default)]
pub(crate) struct OwnerCache {
    entries: Mutex<HashMap<TenantId, (Timestamp, Persons)>>,
}

impl OwnerCache {
    pub(crate) fn get(&self, tenant: &TenantId, now: Timestamp) -> Option<Persons> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, persons) = entries.get(tenant)?;
        is_fresh(*at, LIFE_MS, now).then(|| persons.clone())
    }

    pub(crate) fn put(&self, tenant: TenantId, persons: HashSet<PersonId>, now: Timestamp) -> Persons {
        let persons = Arc::new(persons);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(tenant, (now, persons.clone()));
        persons
    }

    /// Somebody came or went there.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }
}

/// Less than so long ago. Not in the future either: when the clock is set back, nothing lives on until it has caught up.
fn is_fresh(at: Timestamp, life_ms: i64, now: Timestamp) -> bool {
    (0..life_ms).contains(&now.millis_since(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cached_lives_five_seconds_also_when_the_clock_is_set_back() {
        let at = Timestamp::from_millis(3_600_000);
        assert!(is_fresh(at, LIFE_MS, at) && is_fresh(at, LIFE_MS, at.plus_millis(LIFE_MS - 1)));
        assert!(!is_fresh(at, LIFE_MS, at.plus_millis(LIFE_MS)));
        assert!(!is_fresh(at, LIFE_MS, at.plus_millis(-1)), "a revoked key would work for an hour");
    }
}
