//! The one clock and the one source of ids. Everything else is given time and ids as arguments.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use interlock_domain::Timestamp;
use uuid::Uuid;

/// Tells the time and draws ids.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
    /// A fresh UUIDv7.
    fn uuid(&self) -> Uuid;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that draws ids")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// A clock that stands still until it is moved, with ids in order: for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: AtomicI64,
    drawn: AtomicU64,
}

impl ManualClock {
    /// A clock that shows this instant.
    pub fn at(now: Timestamp) -> Self {
        Self { now_ms: AtomicI64::new(now.as_millis()), drawn: AtomicU64::new(0) }
    }

    /// The same clock, whose ids begin after `drawn`: two that share a database must not draw the same.
    #[must_use]
    pub fn drawing_after(self, drawn: u64) -> Self {
        self.drawn.store(drawn, Ordering::SeqCst);
        self
    }

    /// Moves it forward.
    pub fn advance(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms.load(Ordering::SeqCst))
    }

    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.drawn.fetch_add(1, Ordering::SeqCst)) + 1)
    }
}
