//! The server: every edge behind one door, and the reconciler beside them.

mod headers;
mod observe;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, middleware::from_fn_with_state, serve::ListenerExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    App, StartError, anchors, api, authzen, bus, copies, device, flow::record, following, gates, heartbeat,
    hook, ops, problem, reconcile::Reconciler, sinks, tlog, watch, witnesses,
};

/// How long requests that are under way may take once the server is told to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Every route of the server. Whatever is asked, the answer has a trace id and the security headers, a panic is a
/// problem, and what is not there is one too.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(api::router(app.clone()))
        .merge(authzen::router(app.clone()))
        .merge(gates::router(app.clone()))
        .merge(ops::router(app.clone()))
        .merge(hook::router(app.clone()))
        .merge(device::router(app.clone()))
        .merge(tlog::router(app.clone()))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(app, observe::observe))
}

/// Serves until it is told to stop, then lets what is under way end and closes the store.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: CancellationToken) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(|error| listening(&app, error))?;
    let holder = format!("replica-{}", app.clock.uuid().simple());
    let holder_of_sinks = holder.clone();
    let anchoring = tokio::spawn(anchors::run(app.clone(), holder.clone(), stop.clone()));
    let copying = tokio::spawn(copies::run(app.clone(), holder.clone(), stop.clone()));
    let beating = tokio::spawn(heartbeat::run(app.clone(), holder.clone(), stop.clone()));
    let reconciler = tokio::spawn(Reconciler::new(app.clone(), holder).run(stop.clone()));
    let upkeep = tokio::spawn(ops::upkeep(stop.clone()));
    let bus = tokio::spawn(bus::run(app.clone(), stop.clone()));
    let shipping = tokio::spawn(record::run(app.clone(), stop.clone()));
    let witnessing = tokio::spawn(witnesses::run(app.clone(), stop.clone()));
    let following = tokio::spawn(following::run(app.clone(), stop.clone()));
    let telling = tokio::spawn(sinks::run(app.clone(), holder_of_sinks, stop.clone()));
    let watching = tokio::spawn(watch::run(app.clone(), stop.clone()));
    let seen = device::spawn_seen_flush(app.clone(), stop.clone());
    let listener = listener.tap_io(|stream| {
        // Answers are small and waited for: there is nothing to be gained by holding them back.
        if let Err(error) = stream.set_nodelay(true) {
            warn!(%error, "a connection stays slow");
        }
    });
    info!(%address, version = env!("CARGO_PKG_VERSION"), "interlock serves");
    // With where each connection comes from.
    let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    let mut broken = None;
    let served = tokio::select! {
        served = serving => served,
        // What the disk did not take may or may not be there, and only a new beginning tells: nothing is tried again.
        why = app.store.signer_broken() => {
            broken = Some(StartError::Signer(why));
            Ok(())
        }
        () = late => {
            warn!("some requests did not end in time; they are cut off");
            Ok(())
        }
    };
    stop.cancel();
    for task in [
        reconciler, upkeep, bus, seen, shipping, witnessing, following, telling, beating, copying, anchoring,
        watching,
    ] {
        if let Err(error) = task.await {
            warn!(%error, "a task did not end as it should");
        }
    }
    app.store.close().await;
    info!("interlock stopped");
    if let Some(broken) = broken {
        return Err(broken);
    }
    served.map_err(|error| listening(&app, error))
}

fn listening(app: &App, error: std::io::Error) -> StartError {
    StartError::Listen { address: app.config.server.listen, error }
}

/// Logs one JSON line per event to standard output; `RUST_LOG` says what (`info` when it is not set).
pub fn log_to_stdout() {
    log_to(std::io::stdout);
}

/// The same to standard error, for programs whose output is an answer.
pub fn log_to_stderr() {
    log_to(std::io::stderr);
}

fn log_to<W: std::io::Write>(writer: impl Fn() -> W + Send + Sync + 'static) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(writer);
    // A second call finds the first one's subscriber in place, which is as good.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}
