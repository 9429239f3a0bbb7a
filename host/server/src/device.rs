//! The device edge: hawkBit DDI v1, as SWUpdate and rauc-hawkbit-updater really speak it.
//!
//! | path below `/{tenant}/controller/v1/{device}` | |
//! |---|---|
//! | (itself) | what there is to do: one link or none |
//! | `/configData`, `/installedBase` | the device says what it is |
//! | `/deploymentBase/{action}`, `…/feedback` | install this |
//! | `/cancelAction/{action}`, `…/feedback` | stop this |
//! | `/installedBase/{action}` | what was installed last |
//! | `/confirmationBase…` | consent of the device: never asked for here |
//! | `/softwaremodules/{module}/artifacts…` | files |
//! | `/telemetry` | measurements; an extension of the protocol |
//!
//! What the clients need and no specification says:
//! - every success is exactly 200: rauc-hawkbit-updater takes 201 and 204 for failures;
//! - action ids are decimal strings: rauc-hawkbit-updater refuses numbers, SWUpdate reads both;
//! - `configData` stands alone: SWUpdate installs nothing in a cycle in which it is asked to report;
//! - `update` is never `skip`: SWUpdate would answer "success" without installing. Work that is withheld has no link;
//! - feedback that cannot be read is refused and logged. **Invariant:** it never counts as success.

mod artifact;
mod auth;
mod body;
mod cancel;
mod config_data;
mod confirmation;
mod deployment;
mod error;
mod feedback;
mod home;
mod poll;
mod range;
mod telemetry;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{any, get, post, put},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::App;

/// How often it is written down when devices were last heard of.
const SEEN_FLUSH: Duration = Duration::from_secs(1);

/// The routes of the device protocol.
pub fn router(app: Arc<App>) -> Router {
    // Full paths instead of `nest`: a nested router with parameters in its prefix cannot have a fallback of its own.
    let at = |path: &str| format!("/{{tenant}}/controller/v1/{{device}}{path}");
    Router::new()
        .route(&at(""), get(poll::poll))
        .route(&at("/configData"), put(config_data::put))
        .route(&at("/deploymentBase/{action}"), get(deployment::show))
        .route(&at("/deploymentBase/{action}/feedback"), post(deployment::feedback))
        .route(&at("/cancelAction/{action}"), get(cancel::show))
        .route(&at("/cancelAction/{action}/feedback"), post(cancel::feedback))
        .route(&at("/installedBase"), put(config_data::put_installed))
        .route(&at("/installedBase/{action}"), get(deployment::installed))
        .route(&at("/confirmationBase"), get(confirmation::show))
        .route(&at("/confirmationBase/activateAutoConfirm"), post(confirmation::activate))
        .route(&at("/confirmationBase/deactivateAutoConfirm"), post(confirmation::deactivate))
        .route(&at("/softwaremodules/{module}/artifacts"), get(artifact::list))
        .route(&at("/softwaremodules/{module}/artifacts/{file}"), get(artifact::download))
        .route(&at("/telemetry"), post(telemetry::post))
        .route(&at("/{*rest}"), any(error::no_such_path))
        .method_not_allowed_fallback(error::no_such_method)
        .layer(from_fn_with_state(app.clone(), auth::in_time))
        .with_state(app)
}

/// Writes down every second when devices were last heard of, until it is told to stop: a poll writes nothing itself.
pub fn spawn_seen_flush(app: Arc<App>, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        while stop.run_until_cancelled(tokio::time::sleep(SEEN_FLUSH)).await.is_some() {
            app.seen.flush(&app.store).await;
        }
        app.seen.flush(&app.store).await;
    })
}
