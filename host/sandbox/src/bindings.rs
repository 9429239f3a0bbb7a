//! The only `bindgen!`: the three worlds of `wit/`, sharing one set of types and imports.
//!
//! Nothing generated leaves this crate. The records of the interface `types` are ours ([`crate::types`]); those of
//! `health` and `strategy` belong to exports, which `bindgen!` always generates, and are converted at the border.

#![expect(unreachable_pub, reason = "bindgen! writes `pub` everywhere")]

mod convert;

/// The interface `types`, as `with:` wants to find it: our records, and the stubs of an interface without functions.
pub mod records {
    use wasmtime::component::{HasData, Linker};

    pub use crate::types::*;
    pub(crate) use crate::types::{Digest, Instant, Json, Millis};

    pub trait Host {}
    impl<H> Host for H {}

    pub trait HostWithStore<T>: HasData {}
    impl<T, D: HasData> HostWithStore<T> for D {}

    pub fn add_to_linker<T, D: HasData>(
        _linker: &mut Linker<T>,
        _host: fn(&mut T) -> D::Data<'_>,
    ) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// Judges a change.
pub mod gate {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "compliance-gate",
        imports: { "interlock:plugin/logging.log": trappable, default: async | trappable },
        exports: { default: async },
        with: { "interlock:plugin/types": super::records },
    });
}

/// Judges a rollout.
pub mod health {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "health-check",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "interlock:plugin/types": super::records,
            "interlock:plugin/logging": super::gate::interlock::plugin::logging,
            "interlock:plugin/evidence": super::gate::interlock::plugin::evidence,
        },
    });
}

/// Leads a rollout.
pub mod strategy {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "rollout-strategy",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "interlock:plugin/types": super::records,
            "interlock:plugin/logging": super::gate::interlock::plugin::logging,
            "interlock:plugin/evidence": super::gate::interlock::plugin::evidence,
        },
    });
}

pub(crate) use gate::interlock::plugin::{evidence, logging};
