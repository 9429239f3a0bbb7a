//! A fleet of emulated devices. Each speaks hawkBit DDI over HTTP as SWUpdate does, and some of them misbehave on
//! request.
//!
//! **Invariant:** this crate knows nothing of Interlock but the protocol, so that what it finds a device would
//! find. **Invariant:** who misbehaves, and what devices measure, depends on the seed alone; only timing does not.

mod client;
mod device;
mod dice;
mod fleet;
mod options;
mod snapshot;

pub use fleet::{Fleet, FleetError, run};
pub use options::{Behaviour, DeviceSpec, Effect, FleetOptions};
pub use reqwest::Url;
pub use snapshot::Snapshot;
