//! Counts memory and tables, over all of a call's instances together.

use wasmtime::{Error, ResourceLimiter};

use crate::{Limits, PluginError};

/// What one call holds, and the first thing that it was refused.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_bytes_max: u64,
    table_elements_max: u64,
    memories_max: usize,
    tables_max: usize,
    core_instances_max: usize,
    memory_bytes: u64,
    table_elements: u64,
    refused: Option<PluginError>,
}

impl Meter {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes_max: limits.memory_bytes_max,
            table_elements_max: limits.table_elements_max,
            memories_max: limits.memories_max as usize,
            tables_max: limits.tables_max as usize,
            core_instances_max: limits.core_instances_max as usize,
            memory_bytes: 0,
            table_elements: 0,
            refused: None,
        }
    }

    /// Wasm memories never shrink, so what they hold is also their peak.
    pub(crate) const fn memory_bytes_peak(&self) -> u64 {
        self.memory_bytes
    }

    /// Why the guest may have given up: a guest without memory traps with an `unreachable` that says nothing.
    pub(crate) fn take_refused(&mut self) -> Option<PluginError> {
        self.refused.take()
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, Error> {
        let wanted_bytes = grown(self.memory_bytes, current, desired);
        // Beyond its own maximum the growth fails anyway, and that is not our refusal.
        if maximum.is_some_and(|maximum| desired > maximum) && wanted_bytes <= self.memory_bytes_max {
            return Ok(false);
        }
        if wanted_bytes > self.memory_bytes_max {
            let memory_bytes_max = self.memory_bytes_max;
            self.refused = Some(PluginError::MemoryExceeded { memory_bytes_max, wanted_bytes });
            return Ok(false);
        }
        self.memory_bytes = wanted_bytes;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, Error> {
        let wanted = grown(self.table_elements, current, desired);
        if maximum.is_some_and(|maximum| desired > maximum) && wanted <= self.table_elements_max {
            return Ok(false);
        }
        if wanted > self.table_elements_max {
            let table_elements_max = self.table_elements_max;
            self.refused = Some(PluginError::TableExceeded { table_elements_max, wanted });
            return Ok(false);
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.core_instances_max
    }

    fn tables(&self) -> usize {
        self.tables_max
    }

    fn memories(&self) -> usize {
        self.memories_max
    }
}

fn grown(total: u64, current: usize, desired: usize) -> u64 {
    let more = desired.saturating_sub(current);
    total.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> Meter {
        Meter::new(&Limits { memory_bytes_max: 100, table_elements_max: 10, ..Limits::default() })
    }

    #[test]
    fn the_limit_is_over_all_memories_together() {
        let mut meter = meter();
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(0, 40, None).unwrap());
        assert!(!meter.memory_growing(40, 41, None).unwrap());
        assert_eq!(meter.memory_bytes_peak(), 100);
        let refused = PluginError::MemoryExceeded { memory_bytes_max: 100, wanted_bytes: 101 };
        assert_eq!(meter.take_refused(), Some(refused));
    }

    #[test]
    fn a_memory_that_reaches_its_own_maximum_was_not_refused_by_us() {
        let mut meter = meter();
        assert!(!meter.memory_growing(0, 60, Some(50)).unwrap());
        assert_eq!(meter.memory_bytes_peak(), 0);
        assert_eq!(meter.take_refused(), None);
    }

    #[test]
    fn tables_are_counted_the_same_way() {
        let mut meter = meter();
        assert!(meter.table_growing(0, 10, None).unwrap());
        assert!(!meter.table_growing(0, 1, None).unwrap());
        let refused = PluginError::TableExceeded { table_elements_max: 10, wanted: 11 };
        assert_eq!(meter.take_refused(), Some(refused));
    }

    #[test]
    fn absurd_sizes_do_not_wrap_around() {
        let mut meter = meter();
        assert!(meter.memory_growing(0, 1, None).unwrap());
        assert!(!meter.memory_growing(1, usize::MAX, None).unwrap());
    }
}
