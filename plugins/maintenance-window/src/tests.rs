use interlock_plugin_sdk::testing;
use serde_json::{Value, json};

use super::*;

/// The verdict at an instant like `2026-03-02T12:00:00Z`: `open`, or the finding's code and message.
fn at(now: &str, settings: &Value) -> String {
    let now: Timestamp = now.parse().unwrap();
    let now = u64::try_from(now.as_millisecond()).unwrap();
    let verdict = testing::evaluate::<MaintenanceWindow>(&testing::change(), settings, now).unwrap();
    match verdict.findings.as_slice() {
        [] => "open".into(),
        [finding] => format!("{}: {}", finding.code, finding.message),
        more => panic!("one finding at most, not {more:?}"),
    }
}

/// The instants among `candidates` at which changes may pass.
fn open_at<'a>(candidates: &[&'a str], settings: &Value) -> Vec<&'a str> {
    candidates.iter().copied().filter(|now| at(now, settings) == "open").collect()
}

/// Every night from 22:00 to 04:00 in Berlin.
fn nights() -> Value {
    json!({"time_zone": "Europe/Berlin", "windows": [{"from": "22:00", "to": "04:00"}]})
}

#[test]
fn without_windows_it_is_always_open() {
    assert_eq!(at("2026-03-02T12:00:00Z", &json!({})), "open");
}

#[test]
fn a_closed_window_names_the_next_opening_in_local_time() {
    assert_eq!(
        at("2026-03-02T12:00:00Z", &nights()),
        "outside-window: no maintenance window is open at Mon 2026-03-02 13:00 +01:00 (Europe/Berlin); it waits until \
         Mon 2026-03-02 22:00 +01:00 (Europe/Berlin)"
    );
}

#[test]
fn a_change_is_held_until_a_window_opens_and_fails_when_none_ever_does() {
    let outcome = |now: &str, settings: &Value| {
        let now: Timestamp = now.parse().unwrap();
        let now = u64::try_from(now.as_millisecond()).unwrap();
        testing::evaluate::<MaintenanceWindow>(&testing::change(), settings, now).unwrap().outcome
    };
    assert_eq!(outcome("2026-03-02T12:00:00Z", &nights()), Outcome::Hold);
    assert_eq!(outcome("2026-03-02T22:00:00Z", &nights()), Outcome::Pass);
    let mut frozen = nights();
    frozen["freezes"] = json!([{"from": "2026-01-01", "to": "2099-12-31", "reason": "end of life"}]);
    assert_eq!(outcome("2026-03-02T12:00:00Z", &frozen), Outcome::Fail);
}

#[test]
fn a_window_is_open_from_its_first_to_before_its_last_instant() {
    let office = json!({"windows": [{"from": "09:00", "to": "17:00"}]});
    let candidates = [
        "2026-03-02T08:59:59.999Z",
        "2026-03-02T09:00:00Z",
        "2026-03-02T16:59:59.999Z",
        "2026-03-02T17:00:00Z",
    ];
    assert_eq!(open_at(&candidates, &office), candidates[1..3]);
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens() {
    let mondays = json!({"windows": [{"days": ["mon"], "from": "22:00", "to": "04:00"}]});
    // The 2nd of March 2026 is a Monday.
    let candidates =
        ["2026-03-02T03:00:00Z", "2026-03-02T23:00:00Z", "2026-03-03T03:59:00Z", "2026-03-03T23:00:00Z"];
    assert_eq!(open_at(&candidates, &mondays), candidates[1..3]);
}

#[test]
fn a_window_that_ends_when_it_starts_or_at_24_lasts_to_the_next_day() {
    let whole = json!({"windows": [{"days": ["mon"], "from": "06:00", "to": "06:00"}]});
    let candidates =
        ["2026-03-02T05:59:00Z", "2026-03-02T06:00:00Z", "2026-03-03T05:59:00Z", "2026-03-03T06:00:00Z"];
    assert_eq!(open_at(&candidates, &whole), candidates[1..3]);
    let evening = json!({"windows": [{"days": ["mon"], "from": "18:00", "to": "24:00"}]});
    let candidates =
        ["2026-03-02T17:59:00Z", "2026-03-02T18:00:00Z", "2026-03-02T23:59:00Z", "2026-03-03T00:00:00Z"];
    assert_eq!(open_at(&candidates, &evening), candidates[1..3]);
}

#[test]
fn a_fixed_offset_is_a_time_zone() {
    let settings = json!({"time_zone": "+05:30", "windows": [{"from": "00:00", "to": "01:00"}]});
    assert_eq!(
        open_at(&["2026-03-01T18:29:00Z", "2026-03-01T18:30:00Z"], &settings),
        ["2026-03-01T18:30:00Z"]
    );
}

#[test]
fn an_opening_that_a_clock_change_skips_comes_an_hour_later_by_the_clock() {
    // On the 29th of March 2026 clocks in Berlin go from 02:00 +01:00 to 03:00 +02:00, at 01:00Z.
    let settings = json!({"time_zone": "Europe/Berlin", "windows": [{"from": "02:30", "to": "04:00"}]});
    let candidates =
        ["2026-03-29T01:29:00Z", "2026-03-29T01:30:00Z", "2026-03-29T01:59:00Z", "2026-03-29T02:00:00Z"];
    assert_eq!(open_at(&candidates, &settings), candidates[1..3]);
    assert!(
        at("2026-03-29T01:00:00Z", &settings)
            .ends_with("it waits until Sun 2026-03-29 03:30 +02:00 (Europe/Berlin)")
    );
}

#[test]
fn a_window_over_the_spring_clock_change_closes_by_the_clock() {
    let candidates = ["2026-03-28T21:00:00Z", "2026-03-29T01:59:59Z", "2026-03-29T02:00:00Z"];
    assert_eq!(open_at(&candidates, &nights()), candidates[..2]);
}

#[test]
fn times_that_occur_twice_count_the_first_time() {
    // On the 25th of October 2026 clocks in Berlin go from 03:00 +02:00 back to 02:00 +01:00, at 01:00Z.
    let opening = json!({"time_zone": "Europe/Berlin", "windows": [{"from": "02:30", "to": "04:00"}]});
    let candidates =
        ["2026-10-25T00:29:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:59:00Z"];
    assert_eq!(open_at(&candidates, &opening), candidates[1..]);
    let closing = json!({"time_zone": "Europe/Berlin", "windows": [{"from": "22:00", "to": "02:30"}]});
    let candidates =
        ["2026-10-24T20:00:00Z", "2026-10-25T00:29:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:29:00Z"];
    assert_eq!(open_at(&candidates, &closing), candidates[..2]);
}

#[test]
fn a_freeze_closes_an_open_window_and_says_why() {
    let mut settings = nights();
    settings["freezes"] = json!([{"from": "2026-12-20", "to": "2026-12-26", "reason": "holiday staffing"}]);
    assert_eq!(
        at("2026-12-20T22:00:00Z", &settings),
        "change-freeze: a change freeze is on (holiday staffing) at Sun 2026-12-20 23:00 +01:00 (Europe/Berlin); it \
         waits until Sun 2026-12-27 00:00 +01:00 (Europe/Berlin)"
    );
    // Local days count: at 22:59Z it is still the 19th in Berlin, at 23:00Z on the 26th it is the 27th.
    let candidates =
        ["2026-12-19T22:59:00Z", "2026-12-19T23:00:00Z", "2026-12-26T22:59:00Z", "2026-12-26T23:00:00Z"];
    assert_eq!(open_at(&candidates, &settings), ["2026-12-19T22:59:00Z", "2026-12-26T23:00:00Z"]);
}

#[test]
fn freezes_that_meet_are_waited_for_together_even_without_windows() {
    let settings = json!({"freezes": [
        {"from": "2026-12-24", "to": "2026-12-26", "reason": "holidays"},
        {"from": "2026-12-27", "to": "2027-01-01", "reason": "year end"},
    ]});
    assert!(
        at("2026-12-25T00:00:00Z", &settings).ends_with("it waits until Sat 2027-01-02 00:00 +00:00 (UTC)")
    );
}

#[test]
fn a_calendar_without_an_opening_says_so() {
    let mut settings = nights();
    settings["freezes"] = json!([{"from": "2026-01-01", "to": "2099-12-31", "reason": "end of life"}]);
    assert!(at("2026-12-25T00:00:00Z", &settings).contains("none opens within 400 days"));
}

#[test]
fn every_announced_opening_is_open_and_nothing_is_open_before_it() {
    let settings: Settings = serde_json::from_value(json!({
        "time_zone": "America/New_York",
        "windows": [
            {"days": ["sat", "sun"], "from": "01:30", "to": "02:30"},
            {"days": ["tue"], "from": "23:00", "to": "23:00"},
        ],
        "freezes": [{"from": "2026-03-10", "to": "2026-03-10", "reason": "audit"}],
    }))
    .unwrap();
    let calendar = Calendar::new(&settings).unwrap();
    let quarter_hour = jiff::SignedDuration::from_mins(15);
    // March and November of 2026, when clocks change in New York.
    for start in ["2026-03-01T00:00:00Z", "2026-10-25T00:00:00Z"] {
        let mut now: Timestamp = start.parse().unwrap();
        for _ in 0..21 * 24 * 4 {
            let next = calendar.next_opening(now).unwrap();
            assert_eq!(calendar.status(next), Status::Open, "{now} announces {next}");
            assert_eq!(calendar.status(now) == Status::Open, next == now, "{now} announces {next}");
            let before = next - jiff::SignedDuration::from_millis(1);
            assert!(next == now || calendar.status(before) != Status::Open, "{now} announces {next}");
            now += quarter_hour;
        }
    }
}

#[test]
fn settings_are_refused_at_their_path() {
    let refused = |settings: Value| {
        let problems = testing::check_settings::<MaintenanceWindow>(settings);
        problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    let window = |window: Value| json!({"windows": [{"from": "00:00", "to": "01:00"}, window]});
    let freeze = |from: &str, to: &str| json!({"freezes": [{"from": from, "to": to, "reason": "x"}]});
    assert_eq!(refused(json!({"time_zone": "Europe/Bern"})), ["/time_zone"]);
    assert_eq!(refused(window(json!({"from": "24:00", "to": "01:00"}))), ["/windows/1/from"]);
    assert_eq!(refused(window(json!({"from": "9:00", "to": "24:01"}))), ["/windows/1/from", "/windows/1/to"]);
    assert_eq!(
        refused(window(json!({"from": "+9:00", "to": "12:60"}))),
        ["/windows/1/from", "/windows/1/to"]
    );
    assert_eq!(refused(window(json!({"days": [], "from": "09:00", "to": "10:00"}))), ["/windows/1/days"]);
    assert_eq!(
        refused(window(json!({"days": ["monday"], "from": "09:00", "to": "10:00"}))),
        ["/windows/1/days/0"]
    );
    assert_eq!(refused(freeze("2026-02-29", "2026-03-01")), ["/freezes/0/from"]);
    assert_eq!(refused(freeze("2026-03-02", "20260303")), ["/freezes/0/to"]);
    assert_eq!(refused(freeze("2026-03-02", "2026-03-01")), ["/freezes/0/to"]);
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<MaintenanceWindow>(example), []);
}
