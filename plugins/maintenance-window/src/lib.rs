//! The gate `maintenance-window`: changes go on only while a window is open and no freeze is on.
//!
//! Outside it says "hold": the change can be proposed and approved at any time, and the host asks again before it is
//! admitted and before each stage.
//!
//! The time zone database is part of the plugin, so the same plugin gives the same answer also in ten years, whatever
//! the zones have become by then.

use interlock_plugin_sdk::prelude::*;
use jiff::{Timestamp, Zoned};

mod calendar;
mod settings;

use calendar::{Calendar, DAYS_AHEAD_MAX, Status};
pub use settings::{Day, FreezeSettings, Settings, WindowSettings};

/// Holds changes outside the maintenance windows and during freezes.
#[gate(name = "maintenance-window")]
pub fn maintenance_window(_: &Change, settings: &Settings, now: Instant) -> Result<Verdict, Fault> {
    let calendar = Calendar::new(settings)
        .map_err(|problems| Fault::internal(format_args!("{} settings do not fit", problems.len())))?;
    let now = i64::try_from(now).ok().and_then(|now| Timestamp::from_millisecond(now).ok());
    let now = now.ok_or_else(|| Fault::internal("the time is outside the calendar"))?;

    let (code, closed) = match calendar.status(now) {
        Status::Open => return Ok(Verdict::pass()),
        Status::Outside => ("outside-window", "no maintenance window is open".to_owned()),
        Status::Frozen(reason) => ("change-freeze", format!("a change freeze is on ({reason})")),
    };
    let at = shown(&calendar.local(now));
    Ok(match calendar.next_opening(now) {
        Some(next) => {
            let next = shown(&calendar.local(next));
            Verdict::hold(Finding::warning(code, format!("{closed} at {at}; it waits until {next}")))
        }
        // Waiting would never end: that is a mistake in the settings, and the author should hear it at once.
        None => {
            let remedy =
                format!("none opens within {DAYS_AHEAD_MAX} days, so correct the windows or the freezes");
            Finding::critical(code, format!("{closed} at {at}; {remedy}")).into()
        }
    })
}

/// `Mon 2026-03-02 22:00 +01:00 (Europe/Berlin)`: the offset tells apart what the clock shows twice.
fn shown(local: &Zoned) -> String {
    let time = local.strftime("%a %Y-%m-%d %H:%M %:z");
    match local.time_zone().iana_name() {
        Some(name) => format!("{time} ({name})"),
        None => time.to_string(),
    }
}

#[cfg(test)]
mod tests;
