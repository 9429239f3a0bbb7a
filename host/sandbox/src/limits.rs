//! What a plugin may use. One struct, so that an operator sees every bound in one place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SandboxError;

/// Bounds on plugins. Those of a call hold for every call afresh; the guest starts each one with nothing used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes over all linear memories of a call together.
    pub memory_bytes_max: u64,
    /// Elements over all tables of a call together.
    pub table_elements_max: u64,
    /// Linear memories that one component may have.
    pub memories_max: u32,
    /// Tables that one component may have.
    pub tables_max: u32,
    /// Core module instances that one component may have: Python components have dozens.
    pub core_instances_max: u32,
    /// Fuel of a call: about one unit per wasm instruction. Reproducible, so it should run out before the deadline does.
    pub fuel_max: u64,
    /// How long the guest may compute in one call. Waiting for evidence does not count.
    pub deadline_ms: u64,
    /// How long a call may take as a whole, waiting for evidence included.
    pub call_timeout_ms: u64,
    /// How long a call waits for a free instance when `instances_max` are busy.
    pub queue_timeout_ms: u64,
    /// Log lines and evidence look-ups together.
    pub host_calls_max: u32,
    /// Bytes of log messages of a call.
    pub log_bytes_max: u64,
    /// Bytes that the guest may hand over at once, as a result or as arguments of an import: text, and list elements at
    /// their size in host memory.
    pub output_bytes_max: u64,
    /// Bytes of evidence of a call: contents, and the names of sources and keys that were asked for.
    pub evidence_bytes_max: u64,
    /// Bytes of a component before compilation.
    pub component_bytes_max: u64,
    /// Calls that may run at the same time.
    pub instances_max: u32,
    /// Components that may be compiled at the same time.
    pub compile_concurrency: u32,
    /// Threads that compile one component; they have a lower priority than calls.
    pub compile_threads: u32,
    /// How long one compilation may take before it is killed.
    pub compile_timeout_ms: u64,
    /// How long an installation waits for its turn to compile.
    pub compile_queue_timeout_ms: u64,
    /// Bytes of address space of the process that compiles, the program itself included.
    pub compile_memory_bytes_max: u64,
    /// Bytes of a component after compilation.
    pub compiled_bytes_max: u64,
    /// Compiled components that the cache directory keeps.
    pub cache_entries_max: u32,
    /// Plugins that stay ready although no slot of the shelf holds them.
    pub shelf_spares_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            table_elements_max: 100_000,
            memories_max: 4,
            tables_max: 8,
            core_instances_max: 64,
            fuel_max: 500_000_000,
            deadline_ms: 1_000,
            call_timeout_ms: 5_000,
            queue_timeout_ms: 10_000,
            host_calls_max: 1_000,
            log_bytes_max: 64 << 10,
            output_bytes_max: 256 << 10,
            evidence_bytes_max: 8 << 20,
            component_bytes_max: 20 << 20,
            instances_max: 64,
            compile_concurrency: 1,
            compile_threads: 2,
            compile_timeout_ms: 60_000,
            compile_queue_timeout_ms: 600_000,
            compile_memory_bytes_max: 2 << 30,
            compiled_bytes_max: 256 << 20,
            cache_entries_max: 512,
            shelf_spares_max: 8,
        }
    }
}

/// One wasm page.
const PAGE_BYTES: u64 = 64 << 10;
/// What the program itself takes, and a small component.
const COMPILE_MEMORY_BYTES_MIN: u64 = 256 << 20;
/// The largest integer that canonical JSON writes, so that the fuel used can always be recorded.
pub(crate) const INTEGER_MAX: u64 = interlock_ledger::canonical::INTEGER_MAX.unsigned_abs();

impl Limits {
    /// Refuses bounds under which nothing could run, or that this machine cannot keep.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn check(&self) -> Result<(), SandboxError> {
        let at_least_one = [
            ("memories_max", u64::from(self.memories_max)),
            ("tables_max", u64::from(self.tables_max)),
            ("core_instances_max", u64::from(self.core_instances_max)),
            ("fuel_max", self.fuel_max),
            ("deadline_ms", self.deadline_ms),
            ("call_timeout_ms", self.call_timeout_ms),
            ("output_bytes_max", self.output_bytes_max),
            ("component_bytes_max", self.component_bytes_max),
            ("instances_max", u64::from(self.instances_max)),
            ("compile_concurrency", u64::from(self.compile_concurrency)),
            ("compile_threads", u64::from(self.compile_threads)),
            ("compile_timeout_ms", self.compile_timeout_ms),
            ("compile_queue_timeout_ms", self.compile_queue_timeout_ms),
            ("compiled_bytes_max", self.compiled_bytes_max),
        ];
        for (field, value) in at_least_one {
            if value == 0 {
                return Err(SandboxError::Limit { field, reason: "must be at least 1".into() });
            }
        }
        // A 32-bit guest cannot address more than 4 GiB.
        if !(PAGE_BYTES..=4 << 30).contains(&self.memory_bytes_max) {
            let reason = format!("must lie between {PAGE_BYTES} and {}", 4_u64 << 30);
            return Err(SandboxError::Limit { field: "memory_bytes_max", reason });
        }
        // Below that the compiling process does not even start.
        if self.compile_memory_bytes_max < COMPILE_MEMORY_BYTES_MIN {
            let reason = format!("must be at least {COMPILE_MEMORY_BYTES_MIN}");
            return Err(SandboxError::Limit { field: "compile_memory_bytes_max", reason });
        }
        if self.fuel_max > INTEGER_MAX {
            let reason = format!("must be at most {INTEGER_MAX}, or it could not be recorded");
            return Err(SandboxError::Limit { field: "fuel_max", reason });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_check() {
        Limits::default().check().unwrap();
    }

    #[test]
    fn bounds_that_nothing_fits_into_are_named() {
        let none = Limits { instances_max: 0, ..Limits::default() };
        assert_eq!(none.check().unwrap_err().to_string(), "limit `instances_max` must be at least 1");
        let small = Limits { memory_bytes_max: PAGE_BYTES - 1, ..Limits::default() };
        assert!(
            small.check().unwrap_err().to_string().starts_with("limit `memory_bytes_max` must lie between")
        );
        let page = Limits { memory_bytes_max: PAGE_BYTES, ..Limits::default() };
        page.check().unwrap();
        let tight = |compile_memory_bytes_max| Limits { compile_memory_bytes_max, ..Limits::default() };
        tight(COMPILE_MEMORY_BYTES_MIN).check().unwrap();
        let error = tight(COMPILE_MEMORY_BYTES_MIN - 1).check().unwrap_err().to_string();
        assert_eq!(error, "limit `compile_memory_bytes_max` must be at least 268435456");
        let much = Limits { fuel_max: INTEGER_MAX + 1, ..Limits::default() };
        assert!(much.check().is_err());
    }

    #[test]
    fn a_misspelt_limit_is_refused() {
        assert!(serde_json::from_str::<Limits>(r#"{"fuel_max":1}"#).is_ok());
        assert!(serde_json::from_str::<Limits>(r#"{"fuel":1}"#).is_err());
    }
}
