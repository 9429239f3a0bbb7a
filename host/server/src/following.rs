//! Following logs as they grow: streams of the API and systems outside wait here for the next entry.
//!
//! **Invariant:** one look at the heads of all logs serves everybody who waits, however many they are, and nobody's wait keeps
//! the server from stopping.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use interlock_domain::AccountId;
use interlock_store::{Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{App, FlowError, config::Events, rounds::rounds};

/// How many entries each log has.
pub(crate) type Sizes = Arc<BTreeMap<String, u64>>;

/// How far the logs are, and who follows them.
#[derive(Debug)]
pub(crate) struct Following {
    sizes: watch::Sender<Sizes>,
    over: CancellationToken,
    streams: Arc<Mutex<HashMap<AccountId, usize>>>,
    streams_max: usize,
    streams_per_account_max: usize,
}

/// A stream that is open; its place is free again once this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    account: AccountId,
    streams: Arc<Mutex<HashMap<AccountId, usize>>>,
}

impl Following {
    pub(crate) fn new(config: &Events) -> Self {
        Self {
            sizes: watch::Sender::default(),
            over: CancellationToken::new(),
            streams: Arc::default(),
            streams_max: config.streams_max,
            streams_per_account_max: config.streams_per_account_max,
        }
    }

    /// Tells whoever gets it that some log grew.
    pub(crate) fn sizes(&self) -> watch::Receiver<Sizes> {
        self.sizes.subscribe()
    }

    /// Done once the server stops.
    pub(crate) fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// A place for a stream.
    pub(crate) fn place(&self, account: &AccountId) -> Result<Place, FlowError> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = |most: usize, whose: &str, key: &str| {
            FlowError::Busy(format!(
                "{most} streams {whose} are open, and no more are at once (`events.{key}`); close one"
            ))
        };
        if streams.values().sum::<usize>() >= self.streams_max {
            return Err(busy(self.streams_max, "of this server", "streams_max"));
        }
        let own = streams.entry(account.clone()).or_default();
        if *own >= self.streams_per_account_max {
            return Err(busy(self.streams_per_account_max, "of this account", "streams_per_account_max"));
        }
        *own += 1;
        Ok(Place { account: account.clone(), streams: Arc::clone(&self.streams) })
    }

    /// Looks how far the logs are, and wakes everybody when one of them grew.
    pub(crate) async fn look(&self, store: &Store) -> Result<(), StoreError> {
        let found = store.sizes().await?;
        self.sizes.send_if_modified(|sizes| {
            let grown = **sizes != found;
            if grown {
                *sizes = Arc::new(found);
            }
            grown
        });
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = streams.get_mut(&self.account) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                streams.remove(&self.account);
            }
        }
    }
}

/// Looks again and again, while anybody follows, until it is told to stop.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let following = &app.following;
    let pause = Duration::from_millis(app.config.events.look_every_ms);
    let looking = || async {
        if following.sizes.receiver_count() > 0
            && let Err(error) = following.look(&app.store).await
        {
            warn!(%error, "how far the logs are cannot be read");
        }
    };
    rounds(&stop, pause, looking).await;
    following.over.cancel();
}
