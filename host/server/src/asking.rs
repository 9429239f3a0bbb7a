//! Who may ask their tenant's application, as far as the policies said so lately.
//!
//! **Invariant:** a yes is only remembered where time does not matter to it, for the very actor that got it, roles, hold and
//! all, and for the bundle that gave it. A no is always asked for, and recorded.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use interlock_domain::{AccountId, Action, Actor, Digest, Timestamp};
use interlock_policy::Bundle;

/// Most accounts; beyond it all are asked for again.
const ACCOUNTS_MAX: usize = 10_000;

/// The accounts that may ask.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    may: Mutex<HashMap<AccountId, Yes>>,
}

#[derive(Debug)]
struct Yes {
    bundle: Digest,
    /// As they were when they were let in. How they proved who they are is not among what policies see.
    who: Actor,
    on_hold: bool,
}

impl Asking {
    /// Whether they may, by what was said before.
    pub(crate) fn knows(&self, who: &Actor, bundle: &Bundle, now: Timestamp) -> bool {
        let may = self.may.lock().unwrap_or_else(PoisonError::into_inner);
        may.get(&who.account).is_some_and(|yes| {
            yes.bundle == bundle.digest && yes.on_hold == on_hold(who, now) && is_same(&yes.who, who)
        })
    }

    /// The policies said yes.
    pub(crate) fn note(&self, who: &Actor, bundle: &Bundle, now: Timestamp) {
        if bundle.reads_context(Action::EvaluateAccess) {
            return;
        }
        let yes = Yes { bundle: bundle.digest, who: who.clone(), on_hold: on_hold(who, now) };
        let mut may = self.may.lock().unwrap_or_else(PoisonError::into_inner);
        if may.len() >= ACCOUNTS_MAX {
            may.clear();
        }
        may.insert(who.account.clone(), yes);
    }
}

fn on_hold(who: &Actor, now: Timestamp) -> bool {
    who.hold.as_ref().is_some_and(|hold| hold.lasts(now))
}

fn is_same(one: &Actor, other: &Actor) -> bool {
    one.tenant == other.tenant
        && one.person == other.person
        && one.kind == other.kind
        && one.roles == other.roles
}
