//! Whether somebody asked that the policies in git are looked at now.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A wish to look at git. It holds until it is answered, so that none is lost between two looks.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    asked: AtomicBool,
    woken: Notify,
}

impl Sync {
    /// Somebody asks.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.woken.notify_one();
    }

    /// Whether somebody did.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// It is looked at now.
    pub(crate) fn answered(&self) {
        self.asked.store(false, Ordering::Release);
    }

    /// Waits until somebody asks.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }
}
