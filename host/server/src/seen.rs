//! When devices were last heard of, kept in memory until it is written down: a thousand polls a second are one write.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use interlock_domain::{Device, DeviceId, TenantId, Timestamp};
use interlock_store::Store;
use tracing::warn;

/// Devices that were heard of since the last flush. Holds at most one entry for each device that authenticated.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    heard: Mutex<HashMap<(TenantId, DeviceId), Timestamp>>,
}

impl Seen {
    /// The device was heard of.
    pub(crate) fn note(&self, device: &Device, at: Timestamp) {
        self.heard().insert((device.tenant.clone(), device.id.clone()), at);
    }

    /// Writes down what was noted. What cannot be written waits for the next time.
    pub(crate) async fn flush(&self, store: &Store) {
        let heard = std::mem::take(&mut *self.heard());
        if heard.is_empty() {
            return;
        }
        let rows: Vec<_> = heard.into_iter().map(|((tenant, device), at)| (tenant, device, at)).collect();
        if let Err(error) = store.touch_seen(&rows).await {
            warn!(%error, devices = rows.len(), "it could not be written down when devices were heard of");
            let mut heard = self.heard();
            for (tenant, device, at) in rows {
                let newest = heard.entry((tenant, device)).or_insert(at);
                *newest = at.max(*newest);
            }
        }
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<(TenantId, DeviceId), Timestamp>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
