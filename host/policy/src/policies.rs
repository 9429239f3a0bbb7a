//! The bundle in force.

use std::sync::Arc;

use arc_swap::ArcSwap;
use interlock_domain::{Answer, Question};

use crate::Bundle;

/// Holds the bundle in force and swaps it as a whole. A question that is under way keeps the bundle that it began with.
#[derive(Debug)]
pub struct Policies {
    current: ArcSwap<Bundle>,
}

impl Policies {
    /// Puts a bundle in force.
    pub fn new(bundle: Bundle) -> Self {
        Self { current: ArcSwap::from_pointee(bundle) }
    }

    /// The bundle in force. Take it once for all questions that belong together.
    pub fn bundle(&self) -> Arc<Bundle> {
        self.current.load_full()
    }

    /// Asks the bundle in force.
    pub fn ask(&self, question: &Question) -> Answer {
        self.current.load().ask(question)
    }

    /// Puts another bundle in force and gives back the one before. Whether it may (its revision, its signature, its
    /// cases) is for the caller to decide; that it works is certain, or there would be no [`Bundle`].
    pub fn replace(&self, bundle: Bundle) -> Arc<Bundle> {
        self.current.swap(Arc::new(bundle))
    }
}
