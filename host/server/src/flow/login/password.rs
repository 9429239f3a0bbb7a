//! Another password, set by the person themself in a session of theirs.

use interlock_domain::{Actor, Login, Proof, Session};
use interlock_store::{StoreError, Write};
use serde::{Deserialize, Serialize};

use super::{LoggedIn, Second, TRIES, began, begin, count_failure, end_all, may_log_in, normalised, proofs};
use crate::{App, FlowError};

/// Another password.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The one of now.
    pub password: String,
    /// The code that the authenticator app shows.
    pub code: String,
    /// The one from now on, of 12 to 128 characters.
    pub new_password: String,
}

/// Sets another password. It takes both components, failures count as at a login, and every session ends: whoever asked gets a
/// new one.
pub(crate) async fn change(
    app: &App,
    who: &Actor,
    session: &Session,
    request: PasswordChange,
    peer: &str,
) -> Result<LoggedIn, FlowError> {
    let now = app.clock.now();
    let account = app.store.account(&who.tenant, &who.account).await?.filter(may_log_in);
    let account = account.ok_or(FlowError::LoginRefused)?;
    let bad = |error: interlock_domain::PasswordFault| FlowError::invalid("/new_password", error.to_string());
    let new = interlock_domain::password(&request.new_password, &account.name).map_err(bad)?;
    let old = normalised(&request.password);
    if new == old {
        return Err(FlowError::invalid("/new_password", "this is the password of now; choose another one"));
    }
    let login = app.store.login(&who.tenant, &who.account).await?;
    let Some(login) = login.filter(|login| login.password.is_some()) else {
        let detail = "you have no password here; an administrator invites you to set one";
        return Err(FlowError::invalid("/password", detail));
    };
    let fits = app.hashing.verify_signer(old, login.password.clone()).await?;
    let second = Second { code: Some(&request.code), recovery: None };
    let proofs = if fits { proofs(app, &login, &second, now) } else { Vec::new() };
    let hash = if proofs.len() == 2 { app.hashing.hash_of_signer(new).await? } else { String::new() };
    let mut current = login.clone();
    for _ in 0..TRIES {
        let proved = current.proved(&proofs, true, now).ok();
        let same = current.changed_at == login.changed_at;
        let Some(proved) = proved.filter(|_| same && proofs.contains(&Proof::Password)) else {
            count_failure(app, &current, now, Login::failed).await?;
            return Err(FlowError::LoginRefused);
        };
        let (token, fresh) = begin(app, &account, &session.proof, peer, now)?;
        let note = began(&fresh);
        let writes = vec![
            Write::Login { login: Box::new(proved.with_password(hash.clone(), now)), event: "login.changed" },
            end_all(&account),
            Write::Session(Box::new(fresh.clone())),
            note,
        ];
        match app.commit(who, now, writes).await {
            Err(FlowError::Store(StoreError::Conflict { .. })) => {
                let again = app.store.login(&who.tenant, &who.account).await?;
                current = again.ok_or(FlowError::LoginRefused)?;
            }
            done => {
                done?;
                return Ok(LoggedIn { token, session: fresh, account });
            }
        }
    }
    Err(StoreError::Busy.into())
}
