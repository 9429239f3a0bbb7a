//! Windows and freezes on the time line.
//!
//! Local times become instants as RFC 5545 says: a time that a clock change skips is read with the offset before the
//! change, so 02:30 becomes 03:30; a time that occurs twice is its first occurrence.

use interlock_plugin_sdk::SettingsProblem;
use jiff::civil::{Date, Time, Weekday};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};

use crate::settings::{Day, FreezeSettings, Settings, WindowSettings};

/// How far ahead an opening is looked for.
pub(crate) const DAYS_AHEAD_MAX: i32 = 400;

/// The settings, understood.
#[derive(Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
    windows: Vec<Window>,
    freezes: Vec<Freeze>,
}

#[derive(Debug)]
struct Window {
    days: Vec<Weekday>,
    from: Time,
    /// On the day after the opening when `overnight`.
    to: Time,
    overnight: bool,
}

/// Days without changes, as the span of time that they are.
#[derive(Debug)]
struct Freeze {
    start: Timestamp,
    end: Timestamp,
    reason: String,
}

/// Whether changes may pass.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Status<'a> {
    Open,
    /// No window is open.
    Outside,
    /// A freeze is on, for this reason.
    Frozen(&'a str),
}

impl Calendar {
    /// Reads the settings, or says everything that is wrong with them.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Vec::new();
        let zone = DateTimeParser::new().parse_time_zone(&settings.time_zone).unwrap_or_else(|_| {
            let message = format!(
                "`{}` is no time zone; use an IANA name like `Europe/Berlin` or an offset like `+02:00`",
                settings.time_zone
            );
            problems.push(SettingsProblem::at("/time_zone", message));
            TimeZone::UTC
        });
        let mut windows = Vec::new();
        for (index, window) in settings.windows.iter().enumerate() {
            windows.extend(Window::new(window, &format!("/windows/{index}"), &mut problems));
        }
        let mut freezes = Vec::new();
        for (index, freeze) in settings.freezes.iter().enumerate() {
            freezes.extend(Freeze::new(freeze, &zone, &format!("/freezes/{index}"), &mut problems));
        }
        if problems.is_empty() { Ok(Self { zone, windows, freezes }) } else { Err(problems) }
    }

    /// Whether changes may pass at `now`. A freeze is named before a closed window: it lasts longer.
    pub(crate) fn status(&self, now: Timestamp) -> Status<'_> {
        if let Some(freeze) = self.freeze_at(now) {
            Status::Frozen(&freeze.reason)
        } else if self.windows.is_empty()
            || self.openings(now, -1, 0).any(|(from, to)| from <= now && now < to)
        {
            Status::Open
        } else {
            Status::Outside
        }
    }

    /// The first instant from `now` on at which changes may pass, within [`DAYS_AHEAD_MAX`].
    pub(crate) fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        if self.windows.is_empty() {
            return Some(self.after_freezes(now));
        }
        // Not the first opening that works: a freeze may end in the middle of an earlier but longer window. But openings
        // come day by day, so those that are days later than a good one need no look.
        let mut earliest: Option<Timestamp> = None;
        for (from, to) in self.openings(now, -1, DAYS_AHEAD_MAX) {
            if earliest.is_some_and(|earliest| from.duration_since(earliest) > SignedDuration::from_hours(48))
            {
                break;
            }
            let instant = self.after_freezes(from.max(now));
            if instant < to {
                earliest = Some(earliest.map_or(instant, |earliest| earliest.min(instant)));
            }
        }
        earliest
    }

    /// `instant` in local time, for people.
    pub(crate) fn local(&self, instant: Timestamp) -> Zoned {
        instant.to_zoned(self.zone.clone())
    }

    /// What opens on the local days from `first` to `last`, counted from the day of `now`, as spans of time.
    fn openings(
        &self,
        now: Timestamp,
        first: i32,
        last: i32,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = self.local(now).date();
        let dates = (first..=last).filter_map(move |days| today.checked_add(Span::new().days(days)).ok());
        dates.flat_map(move |date| self.windows.iter().filter_map(move |window| window.on(date, &self.zone)))
    }

    fn freeze_at(&self, instant: Timestamp) -> Option<&Freeze> {
        self.freezes.iter().find(|freeze| freeze.start <= instant && instant < freeze.end)
    }

    /// `instant`, or the end of the freezes that it falls into.
    fn after_freezes(&self, mut instant: Timestamp) -> Timestamp {
        // Each round leaves one freeze behind for good, so this ends.
        while let Some(freeze) = self.freeze_at(instant) {
            instant = freeze.end;
        }
        instant
    }
}

impl Window {
    fn new(settings: &WindowSettings, path: &str, problems: &mut Vec<SettingsProblem>) -> Option<Self> {
        let before = problems.len();
        if settings.days.is_empty() {
            let message = "name at least one day, or leave it out for every day";
            problems.push(SettingsProblem::at(format!("{path}/days"), message));
        }
        let mut minutes = |name: &str, text: &str, max: i16| {
            minutes(text).filter(|minutes| *minutes <= max).unwrap_or_else(|| {
                let message = format!("`{text}` is no time of day; write it like `22:00`");
                problems.push(SettingsProblem::at(format!("{path}/{name}"), message));
                0
            })
        };
        let from = minutes("from", &settings.from, MINUTES_A_DAY - 1);
        let to = minutes("to", &settings.to, MINUTES_A_DAY);
        let time = |minutes: i16| Time::midnight() + Span::new().minutes(minutes % MINUTES_A_DAY);
        (problems.len() == before).then(|| Self {
            days: settings.days.iter().copied().map(weekday).collect(),
            from: time(from),
            to: time(to),
            overnight: to <= from || to == MINUTES_A_DAY,
        })
    }

    /// The span of time for which this window is open when it opens on `date`.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(&date.weekday()) {
            return None;
        }
        let closing = if self.overnight { date.tomorrow().ok()? } else { date };
        let instant = |date: Date, time| Some(zone.to_zoned(date.to_datetime(time)).ok()?.timestamp());
        Some((instant(date, self.from)?, instant(closing, self.to)?))
    }
}

impl Freeze {
    fn new(
        settings: &FreezeSettings,
        zone: &TimeZone,
        path: &str,
        problems: &mut Vec<SettingsProblem>,
    ) -> Option<Self> {
        let mut date = |name: &str, text: &str| {
            let date = date(text);
            if date.is_none() {
                let message = format!("`{text}` is no date; write it like `2026-12-20`");
                problems.push(SettingsProblem::at(format!("{path}/{name}"), message));
            }
            date
        };
        let (first, last) = (date("from", &settings.from), date("to", &settings.to));
        let (first, last) = (first?, last?);
        if last < first {
            let message = format!("the freeze ends before it begins, which is on {first}");
            problems.push(SettingsProblem::at(format!("{path}/to"), message));
            return None;
        }
        let midnight = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp());
        Some(Self {
            start: midnight(first)?,
            end: midnight(last.tomorrow().ok()?)?,
            reason: settings.reason.clone(),
        })
    }
}

const MINUTES_A_DAY: i16 = 24 * 60;

/// `22:30` as minutes after midnight, up to `24:59`; the callers know their limits.
fn minutes(text: &str) -> Option<i16> {
    let (hour, minute) = text.split_once(':').filter(|_| text.len() == 5)?;
    let number = |text: &str, max: i16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i16>().ok().filter(|number| digits && *number <= max)
    };
    Some(number(hour, 24)? * 60 + number(minute, 59)?)
}

/// `2026-12-20` and nothing else that a date parser might take.
fn date(text: &str) -> Option<Date> {
    text.parse::<Date>().ok().filter(|date| date.to_string() == text)
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}
