use interlock_plugin_sdk::testing::{self, Evidence, NOON};
use serde_json::json;

use super::*;

fn settings() -> Value {
    json!({
        "prefixes": ["CHG", "OPS-"],
        "states": ["Implement"],
        "fields": {
            "id": "/number", "state": "/state", "approved": "/approval", "approvers": "/approved_by",
            "start": "/start", "end": "/end"
        }
    })
}

fn ticket() -> Value {
    json!({
        "number": "CHG0001", "state": "Implement", "approval": "approved", "approved_by": [{ "name": "bea" }],
        "start": "2026-03-02 11:00:00", "end": "2026-03-02 13:00:00",
        "short_description": "pump-firmware 2.1.0 in production."
    })
}

fn with(mut value: Value, altered: Value) -> Value {
    value.as_object_mut().unwrap().extend(altered.as_object().unwrap().clone());
    value
}

fn evaluate(title: &str, ticket: Value, altered: Value) -> Result<Verdict, Fault> {
    let change = Change { title: title.into(), ..testing::change() };
    let evidence = Evidence::new().json("http.ticket", "CHG0001", ticket);
    evidence.during(|| testing::evaluate::<super::ChangeTicket>(&change, with(settings(), altered), NOON))
}

fn codes(altered_ticket: Value, altered: Value) -> Vec<String> {
    let verdict = evaluate("CHG0001: pump", with(ticket(), altered_ticket), altered).unwrap();
    verdict.findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn an_approved_ticket_whose_time_is_now_passes() {
    assert_eq!(codes(json!({}), json!({})), [""; 0]);
    let strict = json!({
        "must_name": ["environment", "artifact"], "window_required": true, "distinct_approver": true
    });
    assert_eq!(codes(json!({}), strict), [""; 0]);
}

#[test]
fn ids_are_found_as_words_of_their_own() {
    let found = |title: &str, description: &str| {
        let manifest = json!({ "description": description }).to_string();
        let change = Change { title: title.into(), manifest, ..testing::change() };
        let settings: Settings = serde_json::from_value(settings()).unwrap();
        find::tickets(&change, &settings).unwrap()
    };
    assert_eq!(found("(CHG0001), OPS-7", "see CHG0001 and OPS-12."), ["CHG0001", "OPS-7", "OPS-12"]);
    assert_eq!(found("XCHG0001 CHG CHG-1 CHG12a DEVOPS-12 OPS- _OPS-1 éCHG1 CHG1é", ""), [""; 0]);
    assert_eq!(found("CHGCHG12", ""), [""; 0]);
}

#[test]
fn a_change_that_names_no_ticket_or_an_unknown_one_fails() {
    let code = |title: &str| evaluate(title, ticket(), json!({})).unwrap().findings[0].code.clone();
    assert_eq!(code("pump firmware"), "ticket-missing");
    assert_eq!(code("CHG0002"), "ticket-not-found");
}

#[test]
fn every_ticket_that_is_named_must_be_good() {
    let verdict = evaluate("CHG0001 OPS-1", ticket(), json!({})).unwrap();
    assert_eq!((verdict.outcome, verdict.findings.len()), (Outcome::Fail, 1));
}

#[test]
fn one_ticket_may_stand_for_all_changes() {
    let verdict = evaluate("pump", ticket(), json!({ "ticket": "CHG0001", "prefixes": [] })).unwrap();
    assert_eq!(verdict, Verdict::pass());
}

#[test]
fn state_and_approval_must_be_as_set() {
    assert_eq!(codes(json!({ "state": "Closed" }), json!({})), ["ticket-wrong-state"]);
    assert_eq!(codes(json!({ "state": null }), json!({})), ["ticket-wrong-state"]);
    assert_eq!(codes(json!({ "state": -1 }), json!({ "states": ["-1"] })), [""; 0]);
    assert_eq!(codes(json!({ "approval": "requested" }), json!({})), ["ticket-not-approved"]);
    assert_eq!(codes(json!({ "approval": false }), json!({})), ["ticket-not-approved"]);
    assert_eq!(codes(json!({ "approval": true }), json!({})), [""; 0]);
}

#[test]
fn the_author_may_not_have_approved_the_ticket_where_that_is_asked() {
    let distinct = json!({ "distinct_approver": true });
    for author in [json!("ana"), json!("Ana@example.com"), json!([{ "name": "bea" }, { "name": "ana" }])] {
        assert_eq!(codes(json!({ "approved_by": author }), distinct.clone()), ["ticket-approved-by-author"]);
        assert_eq!(codes(json!({ "approved_by": author }), json!({})), [""; 0]);
    }
    assert_eq!(codes(json!({ "approved_by": "" }), distinct.clone()), ["ticket-approver-unknown"]);
    assert_eq!(codes(json!({ "approved_by": "anabel" }), distinct), [""; 0]);
}

#[test]
fn a_ticket_about_something_else_fails_where_it_must_name_it() {
    let named = json!({ "must_name": ["environment", "artifact"] });
    for (text, code) in [
        ("pump-firmware 2.1.0 in staging", "ticket-other-environment"),
        ("pump-firmware 2.1.0 in pre-production", "ticket-other-environment"),
        ("pump-firmware 2.1.0.1 in production", "ticket-other-artifact"),
        ("pump-firmware 12.1.0 in production", "ticket-other-artifact"),
        ("pump-firmware 2.1.0-rc.1 in production", "ticket-other-artifact"),
        ("pump-firmware-x 2.1.0 in production", "ticket-other-artifact"),
    ] {
        assert_eq!(codes(json!({ "short_description": text }), named.clone()), [code], "{text}");
    }
}

#[test]
fn outside_its_window_the_change_waits() {
    let outcome = |altered| evaluate("CHG0001", with(ticket(), altered), json!({})).unwrap();
    let early = outcome(json!({ "start": "2026-03-02T12:00:01Z" }));
    assert_eq!((early.outcome, early.findings[0].code.as_str()), (Outcome::Hold, "ticket-window-not-open"));
    let late = outcome(json!({ "end": "2026-03-02T13:00:00.000+0100" }));
    assert_eq!((late.outcome, late.findings[0].code.as_str()), (Outcome::Hold, "ticket-window-over"));
    assert_eq!(outcome(json!({ "start": "2026-03-02T12:00:00Z" })).outcome, Outcome::Pass);
    let wrong_as_well = outcome(json!({ "end": "2026-03-01", "state": "Closed" }));
    assert_eq!((wrong_as_well.outcome, wrong_as_well.findings.len()), (Outcome::Fail, 2));
}

#[test]
fn a_window_that_is_missing_or_unreadable() {
    let none = json!({ "start": null, "end": "" });
    assert_eq!(codes(none.clone(), json!({})), [""; 0]);
    assert_eq!(codes(none, json!({ "window_required": true })), ["ticket-window-missing"]);
    assert_eq!(codes(json!({ "end": "tomorrow" }), json!({})), ["ticket-window-unreadable"]);
}

#[test]
fn an_answer_about_another_ticket_is_a_fault() {
    for number in [json!("CHG0002"), json!(null)] {
        let found = evaluate("CHG0001", with(ticket(), json!({ "number": number })), json!({}));
        assert!(matches!(found, Err(Fault::Evidence(_))), "{found:?}");
    }
}

#[test]
fn settings_are_refused_by_their_path() {
    for (altered, path) in [
        (json!({ "prefixes": [] }), "/prefixes"),
        (json!({ "prefixes": ["CHG0"] }), "/prefixes/0"),
        (json!({ "ticket": "CHG1" }), "/ticket"),
        (json!({ "states": [] }), "/states"),
        (json!({ "look_in": ["description"] }), "/look_in/0"),
        (json!({ "fields": { "state": "state" } }), "/fields/state"),
        (json!({ "fields": { "state": "/s" }, "distinct_approver": true }), "/fields/approvers"),
        (json!({ "fields": { "state": "/s" }, "window_required": true }), "/fields/start"),
        (json!({ "fields": { "state": "/s", "texts": [] }, "must_name": ["artifact"] }), "/fields/texts"),
        (json!({ "fields": { "state": "/s", "approved": "/a" }, "approved": [] }), "/approved"),
    ] {
        let problems = testing::check_settings::<super::ChangeTicket>(with(settings(), altered.clone()));
        assert_eq!(
            problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(),
            [path],
            "{altered}"
        );
    }
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<super::ChangeTicket>(example), []);
}
