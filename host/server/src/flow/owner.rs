//! Who answers for a program, and whether they still can.
//!
//! **Invariant:** what a program does somebody answers for. When the last account of that person ends, the program is suspended: it
//! is refused until one acts again, and not handed to somebody who did not say that they want it.

use std::{collections::HashSet, sync::Arc};

use interlock_domain::{Account, AccountKind, PersonId, TenantId};

use crate::{App, FlowError};

/// The persons of a tenant who have an active account, as of some seconds ago at most.
pub(crate) async fn active(app: &App, tenant: &TenantId) -> Result<Arc<HashSet<PersonId>>, FlowError> {
    let now = app.clock.now();
    if let Some(known) = app.owners.get(tenant, now) {
        return Ok(known);
    }
    let accounts = app.store.accounts(tenant).await?;
    let active = |account: &Account| account.active && account.kind == AccountKind::User;
    let persons = accounts.into_iter().filter(active).map(|account| account.person).collect();
    Ok(app.owners.put(tenant.clone(), persons, now))
}

/// Whether nobody answers for this account: it is a program whose owner has no active account.
pub(crate) async fn is_gone(app: &App, account: &Account) -> Result<bool, FlowError> {
    if account.kind != AccountKind::Service {
        return Ok(false);
    }
    if active(app, &account.tenant).await?.contains(&account.person) {
        return Ok(false);
    }
    // They may have come, or come back, on another replica a moment ago.
    app.owners.forget(&account.tenant);
    Ok(!active(app, &account.tenant).await?.contains(&account.person))
}
