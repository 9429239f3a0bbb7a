//! Which application a tenant has: read from its folder, put in force above what was, and followed by every replica.
//!
//! **Invariant:** no tenant goes back to a lower revision, at no reload and at no start, on no replica, and one revision is one
//! application. What was ever in force is kept by digest, so that it stays when what comes after it is refused, and its
//! answers can be given again.

use std::sync::Arc;

use interlock_domain::{Action, Actor, Digest, TenantId};
use interlock_policy::{Application, Limits};
use interlock_store::{BundleFloor, Kept, Note, StoreError, Write};
use tracing::{info, warn};

use super::{
    ask::{may_read, permit},
    bundle::{BundleRefusal, check, packed, unpacked_files},
    change::tenant,
};
use crate::{
    App, FlowError,
    applications::{Files, InFolders},
};

/// The application in force.
pub(crate) async fn show(app: &App, who: &Actor) -> Result<Arc<Application>, FlowError> {
    may_read(app, who, Action::ReadBundle, tenant(who)).await?;
    app.applications
        .of(&who.tenant)
        .ok_or_else(|| FlowError::NotFound { what: "application of tenant", id: who.tenant.to_string() })
}

/// Loads the tenant's application again from its folder. Whatever goes wrong, the last good one stays.
pub(crate) async fn reload(app: &App, who: &Actor) -> Result<Arc<Application>, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::ReloadBundle, tenant(who), None, now).await?;
    // What another replica put in force meanwhile counts.
    follow(app).await?;
    let _turn = app.reloading.lock().await;
    let read = app.applications.read(&who.tenant).map_err(BundleRefusal::from);
    let checked = match read {
        Ok((application, files)) => {
            let floor = floor(app, &who.tenant).await?;
            check("application", (application.revision, application.digest), floor)
                .map(|()| (application, files, floor))
        }
        Err(refusal) => Err(refusal),
    };
    let (application, files, floor) = match checked {
        Ok(checked) => checked,
        Err(refusal) => {
            app.applications.refuse(&who.tenant, &refusal.to_string());
            return Err(refusal.into());
        }
    };
    app.store.keep(Kept::Application, &application.digest, &packed(&files)).await?;
    let before = floor.map(|floor| floor.digest);
    let writes = vec![
        Write::Decision(Box::new(decision)),
        raised(&who.tenant, &application),
        note(&application, before),
    ];
    app.commit(who, now, writes).await?;
    let application = Arc::new(application);
    let since = app.store.application_since(&who.tenant, &application.digest).await?;
    app.applications.replace(&who.tenant, &application, since);
    app.wake();
    Ok(application)
}

/// Puts in force what the folders hold, each on record the first time. What is refused leaves in force what was.
pub(crate) async fn begin(app: &App, found: InFolders) -> Result<(), FlowError> {
    if !app.applications.enabled() {
        return Ok(());
    }
    for (tenant, floor) in app.store.application_floors().await? {
        // Whoever takes the folder away wants no answers.
        if !found.contains_key(&tenant) {
            app.applications.pass_over(&tenant, floor.digest);
        }
    }
    for (tenant, found) in found {
        let refused = match found {
            Ok((application, files)) => match put_on_record(app, &tenant, application, &files).await {
                Err(FlowError::Bundle(refusal)) => Some(refusal.to_string()),
                done => {
                    done?;
                    None
                }
            },
            Err(reason) => Some(reason),
        };
        if let Some(reason) = refused {
            app.applications.refuse(&tenant, &reason);
        }
    }
    follow(app).await
}

async fn put_on_record(
    app: &App,
    tenant: &TenantId,
    application: Application,
    files: &Files,
) -> Result<(), FlowError> {
    let is = (application.revision, application.digest);
    let before = floor(app, tenant).await?;
    check("application", is, before)?;
    app.store.keep(Kept::Application, &application.digest, &packed(files)).await?;
    if before.is_none_or(|before| before.digest != application.digest) {
        let before = before.map(|before| before.digest);
        let writes = vec![raised(tenant, &application), note(&application, before)];
        match app.commit_as_host(tenant, app.clock.now(), None, writes).await {
            // Another replica was faster; what it loaded counts.
            Err(FlowError::Store(conflict @ StoreError::Conflict { .. })) => {
                check("application", is, floor(app, tenant).await?)?;
                return Err(conflict.into());
            }
            done => _ = done?,
        }
    }
    let since = app.store.application_since(tenant, &application.digest).await?;
    app.applications.replace(tenant, &Arc::new(application), since);
    Ok(())
}

/// Puts in force here what was put in force on another replica, and what was before one that is refused.
pub(crate) async fn follow(app: &App) -> Result<(), FlowError> {
    if !app.applications.enabled() {
        return Ok(());
    }
    for (tenant, floor_then) in app.store.application_floors().await? {
        if app.applications.follows(&tenant, floor_then.digest) {
            continue;
        }
        let _turn = app.reloading.lock().await;
        // Not as it was before the turn came.
        let Some(floor) = floor(app, &tenant).await? else { continue };
        if app.applications.follows(&tenant, floor.digest) {
            continue;
        }
        let found = match kept(app, &floor.digest).await {
            Err(FlowError::NotFound { .. }) => {
                Err(format!("application `{}` is not kept any more", floor.digest))
            }
            found => found?,
        };
        match found {
            Ok(application) => {
                info!(%tenant, application = %application.digest, revision = application.revision, "application followed");
                let since = app.store.application_since(&tenant, &application.digest).await?;
                app.applications.hold(&tenant, &Arc::new(application), since);
            }
            Err(reason) => {
                app.applications.refuse(&tenant, &reason);
                app.applications.pass_over(&tenant, floor.digest);
            }
        }
    }
    Ok(())
}

/// As [`follow`], where the next tick tries again.
pub(crate) async fn follow_soon(app: &App) {
    if let Err(error) = follow(app).await {
        warn!(%error, "the applications in force could not be followed; it is tried again at the next tick");
    }
}

async fn floor(app: &App, tenant: &TenantId) -> Result<Option<BundleFloor>, FlowError> {
    let floors = app.store.application_floors().await?;
    Ok(floors.into_iter().find_map(|(of, floor)| (of == *tenant).then_some(floor)))
}

fn raised(tenant: &TenantId, application: &Application) -> Write {
    let to = BundleFloor { revision: application.revision, digest: application.digest };
    Write::ApplicationFloor { tenant: tenant.clone(), to }
}

fn note(application: &Application, before: Option<Digest>) -> Write {
    Write::Note(Note {
        kind: "application.loaded",
        object_kind: "application",
        object_id: application.digest.to_string(),
        payload: serde_json::json!({
            "application": application.digest, "name": application.name, "revision": application.revision,
            "before": before,
        }),
    })
}

/// An application that was in force once. The inner error says why there is none any more that could be asked.
pub(super) async fn kept(app: &App, digest: &Digest) -> Result<Result<Application, String>, FlowError> {
    let Some(packed) = app.store.kept(Kept::Application, digest).await? else {
        return Err(FlowError::NotFound { what: "application", id: digest.to_string() });
    };
    let application = unpacked_files(&packed).and_then(|files| {
        Application::from_files_within(&files, &Limits::NONE, None)
            .map_err(|error| format!("this program does not read the kept application: {error}"))
    });
    Ok(application.and_then(|application| match application.digest {
        found if found == *digest => Ok(application),
        found => Err(format!("the kept application `{digest}` was altered: it is `{found}` now")),
    }))
}
