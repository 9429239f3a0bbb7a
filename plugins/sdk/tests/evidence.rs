//! Evidence in native tests, and what its absence turns into.

use interlock_plugin_sdk::prelude::*;
use interlock_plugin_sdk::testing::Evidence;

fn sizes(key: &str) -> Result<Vec<u64>, Fault> {
    evidence::json("sizes", key)
}

fn refused(refusal: Refusal) -> String {
    match Evidence::new().refusing("sizes", "pump", refusal).during(|| sizes("pump")) {
        Err(Fault::Evidence(message)) => message,
        other => panic!("must be a fault of the evidence, not {other:?}"),
    }
}

#[test]
fn a_document_reads_as_the_type_that_is_asked_for() {
    let evidence = Evidence::new().json("sizes", "pump", "[1, 2]");
    assert_eq!(evidence.during(|| sizes("pump")), Ok(vec![1, 2]));
}

#[test]
fn many_documents_come_in_the_order_of_their_keys() {
    let evidence = Evidence::new().json("sizes", "pump", "1").json("sizes", "lamp", "2");
    let keys = ["lamp", "none", "pump"].map(String::from);
    let found = evidence.during(|| evidence::fetch_many("sizes", &keys));
    let contents: Vec<_> = found.into_iter().map(|answer| answer.map(|document| document.content)).collect();
    assert_eq!(contents, [Ok(b"2".to_vec()), Err(Refusal::NotFound), Ok(b"1".to_vec())]);
}

#[test]
fn every_refusal_is_a_fault_that_says_why() {
    assert_eq!(
        refused(Refusal::NotFound),
        "`sizes` has nothing under `pump`; provide it and run the gate again"
    );
    assert_eq!(refused(Refusal::Denied("no grant".into())), "this plugin may not read `sizes`: no grant");
    assert_eq!(
        refused(Refusal::Unavailable("timed out".into())),
        "`sizes` did not answer for `pump`: timed out"
    );
}

#[test]
fn an_unreadable_document_is_a_fault() {
    let evidence = Evidence::new().json("sizes", "pump", "[1,");
    assert!(matches!(evidence.during(|| sizes("pump")), Err(Fault::Evidence(_))));
}

#[test]
fn evidence_is_gone_when_its_call_is_over() {
    Evidence::new().json("sizes", "pump", "[]").during(|| sizes("pump")).unwrap();
    assert!(sizes("pump").is_err());
}
