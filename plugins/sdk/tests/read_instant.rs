//! Times as other systems write them.

use interlock_plugin_sdk::{read_instant, testing::NOON};

#[test]
fn one_moment_is_read_in_all_the_ways_that_it_is_written() {
    for text in [
        "2026-03-02T12:00:00Z",
        "2026-03-02t12:00:00.000z",
        "2026-03-02T13:00:00+01:00",
        "2026-03-02T07:30:00.000-0430",
        "2026-03-02T13:00+01",
        "2026-03-02 12:00:00",
        "2026-03-02 12:00",
    ] {
        assert_eq!(read_instant(text), Some(NOON), "{text}");
    }
    assert_eq!(read_instant("1970-01-01"), Some(0));
    assert_eq!(read_instant("2024-02-29T23:59:60.9999Z"), Some(1_709_251_199_999));
    assert_eq!(read_instant("2000-03-01"), Some(951_868_800_000));
    assert_eq!(read_instant("2100-03-01"), Some(4_107_542_400_000));
}

#[test]
fn what_is_no_time_is_not_read() {
    for text in [
        "",
        "T",
        "2026",
        "2026-3-2",
        "2026-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "1969-12-31",
        "2026-01-01T24:00:00Z",
        "2026-01-01T12:60:00Z",
        "2026-01-01T12:00:61Z",
        "2026-01-01T12",
        "2026-01-01T12:00:00.Z",
        "2026-01-01T12:00:00+1",
        "2026-01-01T12:00:00+24:00",
        "2026-01-01T12:00:00Zulu",
        "2026-01-01-01",
        "é026-01-01",
        "2026-01-01T12:00:00+é1",
        "+026-01-01",
    ] {
        assert_eq!(read_instant(text), None, "{text}");
    }
}
