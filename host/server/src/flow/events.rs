//! What happens in a tenant, as it happens: the entries of its log, one after the other.
//!
//! **Invariant:** whoever goes on behind the last entry that they saw misses none and sees none twice.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use interlock_domain::{Action, Actor, Resource};
use interlock_ledger::StoredRow;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::ask::may_read;
use crate::{
    App, FlowError,
    following::{Place, Sizes},
};

/// Entries that are read together.
const READ: u32 = 256;

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// With what happens from now on.
    Now,
    /// Behind this entry.
    Behind(u64),
    /// With the first entry.
    Beginning,
}

/// Somebody who follows a log.
pub(crate) struct Stream {
    app: Arc<App>,
    log: String,
    next: u64,
    kinds: Vec<String>,
    ready: VecDeque<Told>,
    sizes: watch::Receiver<Sizes>,
    over: CancellationToken,
    until: Instant,
    _place: Place,
}

/// What a stream tells.
pub(crate) enum Told {
    /// An entry.
    Entry(Box<StoredRow>),
    /// Nothing up to this one is of the types that were asked for: whoever comes back goes on behind it.
    Passed(u64),
}

/// Follows the tenant's log. Only entries whose type begins with one of `kinds` are told, all of them when there are none.
pub(crate) async fn follow(
    app: &Arc<App>,
    who: &Actor,
    from: From,
    kinds: Vec<String>,
) -> Result<Stream, FlowError> {
    may_read(app, who, Action::ReadLedger, Resource::Ledger { tenant: who.tenant.clone() }).await?;
    let place = app.following.place(&who.account)?;
    let log = who.tenant.to_string();
    let mut sizes = app.following.sizes();
    // What is there by now is seen at once; only what comes later is waited for.
    sizes.mark_unchanged();
    let next = match from {
        From::Beginning => 0,
        From::Behind(index) => index.saturating_add(1),
        From::Now => app.store.head(&log).await?.map_or(0, |head| head.size),
    };
    Ok(Stream {
        app: Arc::clone(app),
        log,
        next,
        kinds,
        ready: VecDeque::new(),
        sizes,
        over: app.following.over(),
        until: Instant::now() + Duration::from_millis(app.config.events.stream_ms_max),
        _place: place,
    })
}

impl Stream {
    /// What is to be told next; nothing once the stream is over.
    pub(crate) async fn told(mut self) -> Option<(Told, Self)> {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Some((told, self));
            }
            if Instant::now() >= self.until || self.over.is_cancelled() {
                return None;
            }
            match self.app.store.rows(&self.log, self.next, READ).await {
                Ok(rows) if rows.is_empty() => self.wait().await?,
                Ok(rows) => self.take(rows),
                Err(error) => {
                    warn!(%error, log = self.log, "a stream ends: what it follows cannot be read");
                    return None;
                }
            }
        }
    }

    fn take(&mut self, rows: Vec<StoredRow>) {
        let Some(last) = rows.last().map(|row| row.idx) else { return };
        self.next = last.saturating_add(1);
        let wanted = rows.into_iter().filter(|row| self.wants(row)).map(|row| Told::Entry(Box::new(row)));
        let wanted: Vec<Told> = wanted.collect();
        self.ready.extend(wanted);
        if self.ready.is_empty() {
            self.ready.push_back(Told::Passed(last));
        }
    }

    fn wants(&self, row: &StoredRow) -> bool {
        let kind = row.projection.as_ref().map_or("", |projection| projection.kind.as_str());
        self.kinds.is_empty() || self.kinds.iter().any(|begins| kind.starts_with(begins.as_str()))
    }

    /// Until some log grew; nothing once the stream is over.
    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            changed = self.sizes.changed() => changed.ok(),
            () = self.over.cancelled() => None,
            () = tokio::time::sleep_until(self.until) => None,
        }
    }
}
