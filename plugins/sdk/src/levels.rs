//! Two levels of a value that should be low: what several health checks set.

use crate::{SettingsProblem, Severity, settings};

/// From where on a value warns and fails. A value at the level counts.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub struct Levels {
    /// From here on the verdict warns.
    pub warning: u64,
    /// From here on the verdict fails.
    pub critical: u64,
}

impl Levels {
    /// The level that `value` reached, if any.
    pub fn reached(self, value: f64) -> Option<Severity> {
        if value >= self.critical as f64 {
            Some(Severity::Critical)
        } else if value >= self.warning as f64 {
            Some(Severity::Warning)
        } else {
            None
        }
    }

    /// What is wrong with these levels, which stand at `path` in the settings.
    pub fn problem(self, path: &str) -> Option<SettingsProblem> {
        let Self { warning, critical } = self;
        (warning > critical).then(|| {
            let message = format!("must not be above `critical`, which is {critical}");
            SettingsProblem::at(format!("{path}/warning"), message)
        })
    }
}
