//! What this replica knows of the policies in git between two looks: whether somebody asked for one, and how fresh the policies
//! are.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use interlock_domain::Timestamp;
use tokio::sync::{Mutex, Notify};

/// A wish to look at git. It holds until it is answered, so that none is lost between two looks.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    asked: AtomicBool,
    woken: Notify,
    /// Held by the one look that is under way.
    pub(crate) looking: Arc<Mutex<()>>,
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

/// Since when the policies may be older than what they come from. Read for every question.
#[derive(Debug)]
pub(crate) struct KnownAt(AtomicI64);

/// Stands for what is not known.
const UNKNOWN: i64 = i64::MIN;

impl Default for KnownAt {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl KnownAt {
    pub(crate) fn get(&self) -> Option<Timestamp> {
        let millis = self.0.load(Ordering::Acquire);
        (millis != UNKNOWN).then(|| Timestamp::from_millis(millis))
    }

    pub(crate) fn set(&self, at: Option<Timestamp>) {
        self.0.store(at.map_or(UNKNOWN, Timestamp::as_millis), Ordering::Release);
    }
}
