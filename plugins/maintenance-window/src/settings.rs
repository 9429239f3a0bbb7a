//! What an operator sets for the gate.

use interlock_plugin_sdk::prelude::*;

use crate::calendar::Calendar;

/// What an operator sets for the gate.
#[settings(check = Settings::check)]
pub struct Settings {
    /// The time zone of all times and dates: an IANA name like `Europe/Berlin`, or a fixed offset like `+02:00`.
    #[default("UTC".into())]
    pub time_zone: String,
    /// When changes may pass, every week. Without a window they may at any time.
    #[default]
    #[schemars(length(max = 100))]
    pub windows: Vec<WindowSettings>,
    /// Days on which nothing passes, whatever the windows say.
    #[default]
    #[schemars(length(max = 100))]
    pub freezes: Vec<FreezeSettings>,
}

/// A window of the week.
#[settings]
pub struct WindowSettings {
    /// The days on which it opens. Left out, every day.
    #[default(Day::ALL.into())]
    #[schemars(length(min = 1, max = 7))]
    pub days: Vec<Day>,
    /// When it opens, local time: `22:00`.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: String,
    /// When it closes, local time, at the latest `24:00`. A time that is not after `from` is on the next day.
    #[schemars(regex(pattern = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))]
    pub to: String,
}

/// Days on which nothing passes.
#[settings]
pub struct FreezeSettings {
    /// The first day: `2026-12-20`.
    #[schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub from: String,
    /// The last day.
    #[schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub to: String,
    /// Why, for whoever is held up by it.
    pub reason: String,
}

/// A day of the week.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    /// The whole week, from Monday.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        Calendar::new(self).err().unwrap_or_default()
    }
}
