//! Answers that came through the journal: packed, found, audited.

use interlock_domain::{
    AccountId, Answer, Decision, DecisionId, DecisionOutcome, DecisionSubject, Determining, Digest, Effect,
};
use interlock_ledger::{Report, Verdict};
use interlock_store::{DecisionFilter, Page, Segment, StoreError, Write};
use serde_json::json;
use uuid::Uuid;

use crate::{
    fixture::{World, at, mercy},
    on_both,
};

on_both! {
    packed_decisions_are_found_by_id_and_in_order_with_the_others,
    decisions_are_found_by_all_that_is_asked_for_at_once,
    a_file_that_is_shipped_twice_is_there_once,
    another_file_of_the_same_name_is_not_taken_for_what_is_there,
    pages_of_packed_decisions_leave_nothing_out,
    a_page_that_looked_at_enough_says_how_far_it_reached_and_the_next_goes_on_there,
    an_audit_finds_packed_decisions_that_were_altered,
    an_audit_finds_packed_decisions_that_are_gone_or_put_there,
    decisions_from_before_there_were_tags_are_tagged_when_the_store_is_opened,
}

fn asked(number: u128, subject: &str, allowed: bool) -> Decision {
    let determining =
        vec![Determining { id: format!("p-{subject}"), reason: "so".to_owned(), effect: Effect::Permit }];
    Decision {
        id: DecisionId::new(Uuid::from_u128(number)),
        tenant: mercy(),
        change: None,
        at: at(i64::try_from(number).unwrap()),
        outcome: if allowed { DecisionOutcome::Allow } else { DecisionOutcome::Deny },
        subject: DecisionSubject::Access {
            application: "records".to_owned(),
            account: AccountId::new(Uuid::from_u128(1)),
            request: Box::new(json!({
                "subject": { "type": "user", "id": subject },
                "action": { "name": "read" },
                "resource": { "type": "record", "id": "r1" },
            })),
            answer: Box::new(Answer {
                allowed,
                determining,
                errors: Vec::new(),
                monitored: Vec::new(),
                bundle: Digest::of("records"),
            }),
            found: None,
        },
        elapsed_us: 7,
    }
}

fn packed(id: &str, decisions: &[Decision]) -> Write {
    let texts = decisions.iter().map(|decision| serde_json::to_string(decision).unwrap()).collect();
    Write::Segment(Box::new(Segment::pack(id.to_owned(), mercy(), texts).unwrap()))
}

async fn list(world: &World, filter: DecisionFilter) -> Vec<Decision> {
    world.store.decisions(&mercy(), &filter, &Page::default(), 20_000).await.unwrap().found
}

async fn audited(world: &World) -> Report {
    world.store.audit("mercy", None, |_| {}).await.unwrap().report
}

async fn findings(world: &World) -> String {
    audited(world).await.findings.into_iter().map(|finding| finding.what + "\n").collect()
}

fn of(principal: &str) -> DecisionFilter {
    DecisionFilter { principal: Some(principal.to_owned()), ..DecisionFilter::default() }
}

async fn packed_decisions_are_found_by_id_and_in_order_with_the_others(world: World) {
    let all: Vec<Decision> = (1..=6).map(|number| asked(number, "ana", true)).collect();
    // Two replicas' files overlap, and one decision has a row.
    let row = Write::Decision(Box::new(all[2].clone()));
    let (one, two) = ([all[0].clone(), all[4].clone()], [all[5].clone(), all[1].clone(), all[3].clone()]);
    world.commit(vec![packed("seg_a", &one), row, packed("seg_b", &two)]).await.unwrap();
    let newest_first: Vec<Decision> = all.iter().rev().cloned().collect();
    assert_eq!(list(&world, DecisionFilter::default()).await, newest_first);
    for decision in &all {
        let found = world.store.decision(&mercy(), &decision.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(decision));
    }
    let absent = DecisionId::new(Uuid::from_u128(99));
    assert_eq!(world.store.decision(&mercy(), &absent).await.unwrap(), None);
    assert_eq!(world.store.decision(&"grace".parse().unwrap(), &all[0].id).await.unwrap(), None);
}

async fn decisions_are_found_by_all_that_is_asked_for_at_once(world: World) {
    let (ana, otto, denied) = (asked(1, "ana", true), asked(2, "otto", true), asked(3, "ana", false));
    let row = asked(4, "ana", true);
    let written = Write::Decision(Box::new(row.clone()));
    world.commit(vec![packed("seg_a", &[ana.clone(), otto.clone(), denied.clone()]), written]).await.unwrap();
    assert_eq!(list(&world, of("user:ana")).await, [row.clone(), denied.clone(), ana.clone()]);
    assert_eq!(list(&world, of("user:nobody")).await, []);
    let denials = DecisionFilter { outcome: Some(DecisionOutcome::Deny), ..of("user:ana") };
    assert_eq!(list(&world, denials).await, std::slice::from_ref(&denied));
    let everything = DecisionFilter {
        resource: Some("record:r1".to_owned()),
        action: Some("read".to_owned()),
        policy: Some("p-ana".to_owned()),
        bundle: Some(Digest::of("records").to_string()),
        ..of("user:ana")
    };
    assert_eq!(list(&world, everything.clone()).await, [row, denied, ana]);
    assert_eq!(list(&world, DecisionFilter { policy: Some("p-otto".to_owned()), ..everything }).await, []);
    let late = DecisionFilter { since: Some(at(3)), ..DecisionFilter::default() };
    assert_eq!(list(&world, late).await.len(), 2);
}

async fn a_file_that_is_shipped_twice_is_there_once(world: World) {
    world.commit(vec![packed("seg_a", &[asked(1, "ana", true)])]).await.unwrap();
    let again = world.commit(vec![packed("seg_a", &[asked(1, "ana", true)])]).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { what: "segment", .. })), "{again:?}");
    assert_eq!(list(&world, DecisionFilter::default()).await.len(), 1);
    assert_eq!(world.store.head("mercy").await.unwrap().unwrap().size, 1);
}

async fn pages_of_packed_decisions_leave_nothing_out(world: World) {
    // Files that overlap in every way, of odd and even numbers.
    for (file, first) in [("seg_a", 1), ("seg_b", 2), ("seg_c", 11), ("seg_d", 12)] {
        let decisions: Vec<Decision> =
            (0..5).map(|step| asked(first + 2 * step, "ana", step % 2 == 0)).collect();
        world.commit(vec![packed(file, &decisions)]).await.unwrap();
    }
    for limit in [1, 3, 7] {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = Page { after: after.clone(), limit };
            let found = world.store.decisions(&mercy(), &of("user:ana"), &page, 20_000).await.unwrap().found;
            let Some(last) = found.last() else { break };
            after = Some(last.id.to_string());
            seen.extend(found.into_iter().map(|decision| decision.at.as_millis()));
        }
        let every: Vec<i64> = (1..=20).rev().collect();
        assert_eq!(seen, every, "in pages of {limit}");
    }
}

async fn an_audit_finds_packed_decisions_that_were_altered(world: World) {
    world.commit(vec![packed("seg_a", &[asked(1, "ana", false)])]).await.unwrap();
    assert_eq!(audited(&world).await.verdict(), Verdict::Sound);
    for (sql, says) in [
        ("UPDATE decision_segments SET first_id = 'dec_0'", "the columns of decisions `seg_a`"),
        ("UPDATE decision_segments SET packed = filter", "cannot be read"),
    ] {
        world.tamper(sql).await.unwrap();
        let found = findings(&world).await;
        assert!(found.contains(says), "{sql}: {found}");
    }
}

async fn an_audit_finds_packed_decisions_that_are_gone_or_put_there(world: World) {
    world.commit(vec![packed("seg_a", &[asked(1, "ana", false)])]).await.unwrap();
    world
        .tamper("INSERT INTO decision_segments SELECT tenant, 'seg_b', first_id, last_id, newest_ms, decisions, digest, filter, packed FROM decision_segments")
        .await
        .unwrap();
    world.tamper("DELETE FROM decision_segments WHERE id = 'seg_a'").await.unwrap();
    let found = findings(&world).await;
    assert!(found.contains("decisions `seg_a` are gone"), "{found}");
    assert!(found.contains("decisions `seg_b` have no entry"), "{found}");
}

async fn decisions_from_before_there_were_tags_are_tagged_when_the_store_is_opened(mut world: World) {
    world.commit(vec![Write::Decision(Box::new(asked(1, "ana", true)))]).await.unwrap();
    world.tamper("DELETE FROM decision_tags").await.unwrap();
    world.tamper("UPDATE decisions SET tagged = 0").await.unwrap();
    assert_eq!(list(&world, of("user:ana")).await, []);
    world.reopened(|_| {}).await;
    assert_eq!(list(&world, of("user:ana")).await.len(), 1);
    assert_eq!(audited(&world).await.verdict(), Verdict::Sound);
}

async fn another_file_of_the_same_name_is_not_taken_for_what_is_there(world: World) {
    world.commit(vec![packed("seg_a", &[asked(1, "ana", true)])]).await.unwrap();
    let other = world.commit(vec![packed("seg_a", &[asked(2, "ana", true)])]).await;
    assert!(matches!(other, Err(StoreError::Conflict { what: "segment", .. })), "{other:?}");
    assert_eq!(list(&world, DecisionFilter::default()).await.len(), 1);
    assert_eq!(world.store.head("mercy").await.unwrap().unwrap().size, 1);
}

async fn a_page_that_looked_at_enough_says_how_far_it_reached_and_the_next_goes_on_there(world: World) {
    // Ana asked once, long ago; files overlap, and one of the others' decisions has a row.
    for (file, first) in [("seg_a", 1), ("seg_b", 2), ("seg_c", 11), ("seg_d", 12), ("seg_e", 21)] {
        let who = |number| if number == 3 { "ana" } else { "otto" };
        let decisions: Vec<Decision> =
            (0..5).map(|step| first + 2 * step).map(|number| asked(number, who(number), true)).collect();
        world.commit(vec![packed(file, &decisions)]).await.unwrap();
    }
    world.commit(vec![Write::Decision(Box::new(asked(30, "ana", true)))]).await.unwrap();
    for segments_max in [1, 2, 3, 100] {
        for filter in [of("user:ana"), DecisionFilter::default()] {
            let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
            loop {
                let page = Page { after: after.clone(), limit: 4 };
                let part = world.store.decisions(&mercy(), &filter, &page, segments_max).await.unwrap();
                let last = part.found.last().map(|last| last.id.to_string());
                seen.extend(part.found.iter().map(|decision| decision.at.as_millis()));
                pages += 1;
                assert!(pages < 60, "it goes on");
                after = part.reached.or_else(|| last.filter(|_| part.found.len() == 4));
                if after.is_none() {
                    break;
                }
            }
            let all: Vec<i64> = [30].into_iter().chain((1..=20).chain([21, 23, 25, 27, 29]).rev()).collect();
            let expected = if filter.principal.is_some() { vec![30, 3] } else { all };
            assert_eq!(seen, expected, "{segments_max} segments a page");
        }
    }
}
