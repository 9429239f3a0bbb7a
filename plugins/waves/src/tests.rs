use interlock_plugin_sdk::testing::{self, NOON};
use serde_json::{Value, json};

use super::*;

const HOUR: Millis = 3_600_000;

/// A release to 200 targets of these groups, each of the size 10.
fn release_to(groups: &[&str]) -> Change {
    let mut change = testing::change();
    change.population.groups =
        groups.iter().map(|name| Group { name: (*name).to_owned(), size: 10 }).collect();
    change
}

/// The plan in a form that a test reads like a sentence: name, groups and hours of hold of each stage.
fn planned(groups: &[&str], settings: Value) -> Vec<String> {
    let plan = testing::plan::<Waves>(&release_to(groups), settings).unwrap();
    let told = |stage: &Stage| {
        let reached = match &stage.exposure {
            Exposure::Groups(names) => names.join("+"),
            Exposure::All => "all".to_owned(),
            other => format!("{other:?}"),
        };
        format!("{} -> {reached}, {} h", stage.name, stage.hold / HOUR)
    };
    plan.iter().map(told).collect()
}

fn waves(groups: &[&[&str]]) -> Value {
    json!({ "waves": groups.iter().map(|groups| json!({ "groups": groups })).collect::<Vec<_>>() })
}

#[test]
fn one_stage_per_wave_in_the_operators_order() {
    let sites = ["site:east", "site:north", "site:south"];
    let settings = waves(&[&["site:south"], &["site:east"], &["site:north"]]);
    assert_eq!(
        planned(&sites, settings),
        [
            "wave 1: site:south -> site:south, 2 h",
            "wave 2: site:east -> site:south+site:east, 2 h",
            "wave 3: site:north and the rest -> all, 2 h",
        ]
    );
}

#[test]
fn a_wave_may_be_held_longer_than_the_others() {
    let settings = json!({
        "hold_secs": 3600,
        "waves": [{ "groups": ["group:labs"], "hold_secs": 86_400 }, { "groups": [], "hold_secs": 0 }],
    });
    assert_eq!(
        planned(&["group:labs"], settings),
        ["wave 1: group:labs -> group:labs, 24 h", "wave 2: the rest -> all, 0 h"]
    );
    assert_eq!(
        planned(&["site:a"], json!({ "hold_secs": 3600, "waves": [{ "groups": [] }] })),
        ["wave 1: the rest -> all, 1 h"]
    );
}

#[test]
fn a_prefix_takes_every_group_that_no_wave_names() {
    let groups = ["group:labs", "site:east", "site:north", "site:south"];
    let settings = waves(&[&["group:"], &["site:"], &["site:north"]]);
    assert_eq!(
        planned(&groups, settings),
        [
            "wave 1: group: -> group:labs, 2 h",
            "wave 2: site: -> group:labs+site:east+site:south, 2 h",
            "wave 3: site:north and the rest -> all, 2 h",
        ]
    );
}

#[test]
fn the_longer_of_two_prefixes_wins() {
    let settings = waves(&[&["site:"], &["site:clinic:"], &[]]);
    let names = ["site:clinic:a", "site:north"];
    assert_eq!(
        planned(&names, settings),
        [
            "wave 1: site: -> site:north, 2 h",
            "wave 2: site:clinic: -> site:north+site:clinic:a, 2 h",
            "wave 3: the rest -> all, 2 h",
        ]
    );
}

#[test]
fn a_name_without_a_colon_at_its_end_is_no_prefix() {
    let settings = waves(&[&["site:north"], &[]]);
    assert_eq!(planned(&["site:north-2"], settings), ["wave 2: the rest -> all, 2 h"]);
}

#[test]
fn a_group_that_no_wave_names_goes_into_the_last_one() {
    let settings = waves(&[&["site:north"], &["site:south"]]);
    assert_eq!(
        planned(&["group:labs", "site:north", "site:south"], settings),
        ["wave 1: site:north -> site:north, 2 h", "wave 2: site:south and the rest -> all, 2 h"]
    );
}

#[test]
fn a_wave_that_this_change_does_not_touch_is_no_stage() {
    let settings = waves(&[&["site:north"], &["site:west"], &["site:south"]]);
    assert_eq!(
        planned(&["site:north", "site:south"], settings),
        ["wave 1: site:north -> site:north, 2 h", "wave 3: site:south and the rest -> all, 2 h"]
    );
}

#[test]
fn the_name_of_a_large_wave_is_cut_short() {
    let settings = waves(&[&["site:a", "site:b", "site:c", "site:d", "site:e"], &[]]);
    assert_eq!(planned(&["site:e"], settings)[0], "wave 1: site:a, site:b, site:c and 2 more -> site:e, 2 h");
}

/// In the first of two waves since noon; its last target verified an hour ago, at one.
fn settled(finding: Option<Finding>) -> Situation {
    let settings = json!({ "waves": [{ "groups": ["north"] }, { "groups": [] }] });
    let at = NOON + 2 * HOUR;
    let verdict = finding.into_iter().collect();
    let mut situation = Situation {
        stage: Some(0),
        entered_at: Some(NOON),
        settled_at: Some(NOON + HOUR),
        now: at,
        health: vec![HealthVerdict { check: "thresholds".into(), at, verdict }],
        ..testing::situation::<Waves>(settings).unwrap()
    };
    situation.progress.verified = 120;
    situation
}

fn next(situation: &Situation) -> Directive {
    testing::advance::<Waves>(situation).unwrap()
}

#[test]
fn the_next_wave_waits_for_the_hold_of_the_one_before() {
    let mut situation = settled(None);
    assert_eq!(next(&situation), Directive::Wait(NOON + 3 * HOUR));
    situation.now = NOON + 3 * HOUR;
    assert_eq!(next(&situation), Directive::EnterStage(1));
    situation.stage = Some(1);
    assert_eq!(next(&situation), Directive::Complete);
}

#[test]
fn an_unhealthy_wave_rolls_back() {
    let situation = settled(Some(Finding::critical("error-rate-critical", "error rate is 7 %")));
    let reason = "health check `thresholds`: error rate is 7 %".to_owned();
    assert_eq!(next(&situation), Directive::RollBack(reason));

    let mut situation = settled(None);
    situation.progress.failed = 7;
    assert!(matches!(next(&situation), Directive::RollBack(_)));
}

#[test]
fn settings_are_refused_at_their_path() {
    let refused = |settings: Value| -> Vec<String> {
        testing::check_settings::<Waves>(settings).into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(refused(waves(&[&["site:a"], &[]])), Vec::<String>::new());
    assert_eq!(refused(json!({})), [""]);
    assert_eq!(refused(waves(&[])), ["/waves"]);
    assert_eq!(refused(waves(&[&["site:a"][..]; 51]))[0], "/waves");
    assert_eq!(refused(waves(&[&[], &["site:a"]])), ["/waves/0/groups"]);
    assert_eq!(refused(waves(&[&["site:a", ""]])), ["/waves/0/groups/1"]);
    assert_eq!(refused(waves(&[&["site:*"]])), ["/waves/0/groups/0"]);
    assert_eq!(refused(waves(&[&["site:a", "site:a"]])), ["/waves/0/groups/1"]);
    assert_eq!(refused(json!({ "waves": [{ "group": [] }] })), ["/waves/0/group"]);
    let mut settings = waves(&[&[]]);
    settings["max_failure_bp"] = json!(10_001);
    assert_eq!(refused(settings), ["/max_failure_bp"]);
}

#[test]
fn a_group_named_twice_is_refused_with_the_place_of_the_first() {
    let problems = testing::check_settings::<Waves>(waves(&[&["site:a", "site:b"], &["site:b"]]));
    let message = "`site:b` is named before, at `/waves/0/groups/1`; a group is in one wave";
    assert_eq!(problems, [SettingsProblem::at("/waves/1/groups/0", message)]);
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<Waves>(example), []);
}
