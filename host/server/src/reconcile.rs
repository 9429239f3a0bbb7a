//! The reconciler: reads where every live change is, and takes the next step. Safe to repeat after a crash at any
//! line, because a step is one transaction and nothing is remembered between two.
//!
//! A lease decides which replica acts on a change, and every write carries its fencing token, so that a replica
//! that was paused for a minute cannot write what is no longer true.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::stream::{self, StreamExt};
use interlock_domain::{ChangeId, TenantId, Timestamp};
use interlock_store::{Lease, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info_span, warn};

use crate::{
    App, FlowError,
    flow::{Led, application, bundle, lead, roster, sync},
};

/// How many changes are looked at side by side.
const SIDE_BY_SIDE: usize = 8;
/// Most steps of one change in one round, so that one busy change cannot keep the others waiting.
const STEPS_MAX: usize = 16;
/// Shortest time between two rounds: a thousand devices that report at once wake the reconciler once.
const REST: Duration = Duration::from_millis(20);

/// The leases that this replica holds, and since when.
type Leases = Mutex<HashMap<ChangeId, (Lease, Timestamp)>>;

/// Has the shelf follow the rosters. What a change asks for before that is loaded then and there.
async fn follow(app: Arc<App>, tick: Duration) {
    loop {
        roster::follow_soon(&app).await;
        tokio::select! {
            () = app.altered() => {}
            () = tokio::time::sleep(tick) => {}
        }
    }
}

/// Has what is in git proposed. A server of it that hangs must not keep a rollout from going back.
async fn look_at_git(app: Arc<App>, holder: String, tick: Duration) {
    loop {
        if let Err(error) = sync::round(&app, &holder).await {
            warn!(%error, "what was seen of the policies in git could not be written down");
        }
        tokio::select! {
            () = app.sync.woken() => {}
            () = tokio::time::sleep(tick) => {}
        }
    }
}

/// Leads live changes on.
#[derive(Debug)]
pub struct Reconciler {
    app: Arc<App>,
    holder: String,
    leases: Leases,
}

impl Reconciler {
    /// A reconciler that acts under this name. Two replicas must not share one.
    pub fn new(app: Arc<App>, holder: String) -> Self {
        Self { app, holder, leases: Mutex::default() }
    }

    /// Runs until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let tick = Duration::from_millis(self.app.config.rollout.tick_ms);
        // A component that takes a minute to compile must not keep a rollout from going back.
        let _following =
            tokio_util::task::AbortOnDropHandle::new(tokio::spawn(follow(self.app.clone(), tick)));
        let _looking = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(look_at_git(
            self.app.clone(),
            self.holder.clone(),
            tick,
        )));
        let mut pruned = Timestamp::from_millis(0);
        while !stop.is_cancelled() {
            if let Err(error) = self.round().await {
                warn!(%error, "the reconciler could not read the live changes; it tries again");
            }
            let now = self.app.clock.now();
            if now.millis_since(pruned) > 60_000 {
                pruned = now;
                self.prune(now).await;
            }
            tokio::time::sleep(REST).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.app.woken() => {}
                () = tokio::time::sleep(tick) => {}
            }
        }
    }

    /// Looks at every live change once.
    pub async fn round(&self) -> Result<(), FlowError> {
        bundle::follow_soon(&self.app).await;
        application::follow_soon(&self.app).await;
        let live = self.app.store.live_changes().await?;
        let ids: HashSet<&ChangeId> = live.iter().map(|(_, id)| id).collect();
        self.held().retain(|id, _| ids.contains(id));
        stream::iter(&live)
            .for_each_concurrent(SIDE_BY_SIDE, |(tenant, id)| async move {
                let span = info_span!("reconcile", change = %id, tenant = %tenant);
                self.lead_on(tenant, id).instrument(span).await;
            })
            .await;
        Ok(())
    }

    /// Takes steps of one change until there is nothing to do.
    async fn lead_on(&self, tenant: &TenantId, id: &ChangeId) {
        for _ in 0..STEPS_MAX {
            // It holds the state of every kind of step.
            match Box::pin(self.step(tenant, id)).await {
                Ok(Led::Stepped) => {}
                Ok(Led::Idle) => return,
                // Somebody else was faster: a person, a device, another replica. Look again with fresh eyes.
                Err(FlowError::Store(StoreError::Conflict { .. } | StoreError::Fenced { .. })) => {
                    self.held().remove(id);
                    debug!("overtaken; looking again");
                }
                Err(error) => {
                    warn!(%error, "a step failed; it is tried again at the next tick");
                    return;
                }
            }
        }
        self.app.wake();
    }

    async fn step(&self, tenant: &TenantId, id: &ChangeId) -> Result<Led, FlowError> {
        let Some(lease) = self.lease(id).await? else { return Ok(Led::Idle) };
        // Read after the lease is held: what was read before may be somebody else's past.
        match self.app.store.change(tenant, id).await? {
            Some(change) => lead(&self.app, &change, &lease).await,
            None => Ok(Led::Idle),
        }
    }

    /// The lease on a change, renewed when a third of its time is over; `None` while another replica holds it.
    async fn lease(&self, id: &ChangeId) -> Result<Option<Lease>, FlowError> {
        let now = self.app.clock.now();
        let lease_ms = self.app.config.rollout.lease_ms;
        let third = i64::try_from(lease_ms / 3).unwrap_or(i64::MAX);
        if let Some((lease, since)) = self.held().get(id)
            && now.millis_since(*since) < third
        {
            return Ok(Some(lease.clone()));
        }
        let lease = self.app.store.acquire(&format!("change/{id}"), &self.holder, lease_ms, now).await?;
        match &lease {
            Some(lease) => self.held().insert(id.clone(), (lease.clone(), now)),
            None => self.held().remove(id),
        };
        Ok(lease)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<ChangeId, (Lease, Timestamp)>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn prune(&self, now: Timestamp) {
        let app = &self.app;
        let before = |keep_ms: u64| now.plus_millis(-i64::try_from(keep_ms).unwrap_or(i64::MAX));
        if let Err(error) = app.store.prune_samples(before(app.config.devices.telemetry_keep_ms)).await {
            warn!(%error, "old telemetry could not be pruned");
        }
        if let Err(error) = app.store.idempotency_prune(before(app.config.server.idempotency_keep_ms)).await {
            warn!(%error, "old idempotency keys could not be pruned");
        }
        // The clocks of the replicas may be apart too: on another one a signature may still be good.
        if let Err(error) = app.store.prune_nonces(before(app.config.identity.signature_skew_ms)).await {
            warn!(%error, "old numbers of signed requests could not be pruned");
        }
    }
}
