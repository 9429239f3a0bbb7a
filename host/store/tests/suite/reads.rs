//! What is read back, and by whom it is not.

use interlock_domain::{
    Artifact, Assignment, AssignmentState, Credential, Decision, DecisionId, DecisionOutcome,
    DecisionSubject, DeviceHealth, DeviceState, Digest, Facts, Group, KeyId, Progress, Resource, Scope,
    Selector, State, Task, WaysBack,
};
use interlock_ledger::Entry;
use interlock_store::{ChangeFilter, DecisionFilter, DeviceFilter, Page, StoreError, Write};
use uuid::Uuid;

use crate::{fixture::*, on_both};

on_both! {
    a_poll_gives_the_device_and_its_newest_live_assignment,
    a_report_is_about_the_live_or_else_the_newest_reached_assignment,
    progress_counts_every_target_once,
    silence_is_found_only_on_the_way_forward,
    changes_are_paged_newest_first_and_filtered,
    live_changes_are_those_that_are_not_over,
    changes_are_found_by_the_artifact_that_they_bring_whatever_became_of_them,
    devices_are_paged_filtered_and_chosen,
    a_group_is_unique_and_stays_while_devices_are_in_it,
    an_artifact_is_found_by_id_and_name_in_its_tenant_only,
    the_same_artifact_once_more_is_only_sealed_anew,
    a_target_is_shown_its_content_under_the_name_of_its_change,
    a_key_leads_to_its_account_until_it_is_revoked_once,
    an_account_that_moved_on_meanwhile_is_not_written_over,
    the_live_keys_of_an_account_are_its_own_and_not_revoked,
    a_decision_is_stored_as_the_text_that_its_entry_names,
    the_answers_of_a_plugin_are_found_by_its_name_and_their_time,
    a_transition_without_events_still_checks_where_the_change_is,
}

async fn a_poll_gives_the_device_and_its_newest_live_assignment(world: World) {
    let device = "p1".parse().unwrap();
    assert_eq!(world.store.poll(&mercy(), &device).await.unwrap(), None);
    world.pumps(&["p1"]).await;
    assert_eq!(world.store.poll(&mercy(), &device).await.unwrap(), Some((pump("p1"), None)));
    let old = world.admitted(&["p1"]).await;
    let new = world.admitted(&["p1"]).await;
    for change in [&old, &new] {
        let assignment = world.assignment(change, "p1").await;
        world.commit(vec![forced(&assignment, AssignmentState::Confirming, at(2_000))]).await.unwrap();
    }
    let live = (world.assignment(&new, "p1").await, State::RollingOut);
    assert_eq!(world.store.poll(&mercy(), &device).await.unwrap(), Some((pump("p1"), Some(live.clone()))));
    assert_eq!(world.store.live_assignment(&mercy(), &device).await.unwrap(), Some(live));
    assert_eq!(world.store.poll(&"grace".parse().unwrap(), &device).await.unwrap(), None);
}

async fn a_report_is_about_the_live_or_else_the_newest_reached_assignment(world: World) {
    world.pumps(&["p1"]).await;
    let device = "p1".parse().unwrap();
    let [first, second, third] =
        [world.admitted(&["p1"]).await, world.admitted(&["p1"]).await, world.admitted(&["p1"]).await];
    let concerned = || async {
        world.store.concerned_assignment(&mercy(), &device).await.unwrap().map(|(found, _)| found.change)
    };
    assert_eq!(concerned().await, None);
    for change in [&first, &second] {
        world
            .commit(vec![forced(&world.assignment(change, "p1").await, AssignmentState::Verified, at(0))])
            .await
            .unwrap();
    }
    assert_eq!(concerned().await, Some(second.id));
    world
        .commit(vec![forced(&world.assignment(&first, "p1").await, AssignmentState::Confirming, at(0))])
        .await
        .unwrap();
    assert_eq!(concerned().await, Some(first.id));
    assert!(world.assignment(&third, "p1").await.state == AssignmentState::Pending);
    let p1 = pump("p1");
    let had = async |action| world.store.had_action(&p1, action).await.unwrap();
    assert_eq!(
        (had(1).await, had(2).await, had(3).await, had(6).await, had(8).await),
        (false, true, true, true, false)
    );
}

async fn progress_counts_every_target_once(world: World) {
    let names = ["p1", "p2", "p3", "p4"];
    world.pumps(&names).await;
    let change = world.admitted(&names).await;
    for (name, state) in
        names.iter().zip([AssignmentState::Silent, AssignmentState::Restoring, AssignmentState::Cancelling])
    {
        world.commit(vec![forced(&world.assignment(&change, name).await, state, at(50))]).await.unwrap();
    }
    let expected = Progress { silent: 1, rolling_back: 2, pending: 1, ..Progress::default() };
    assert_eq!(world.store.progress(&mercy(), &change.id).await.unwrap(), expected);
    let unheard = async |before| world.store.unheard(&mercy(), &change.id, at(before)).await.unwrap();
    assert_eq!((unheard(50).await, unheard(51).await), (0, 2));
}

async fn silence_is_found_only_on_the_way_forward(world: World) {
    let names = ["p1", "p2", "p3"];
    world.pumps(&names).await;
    let change = world.admitted(&names).await;
    let states = [AssignmentState::Installing, AssignmentState::Offered, AssignmentState::Restoring];
    for (name, (state, touched)) in names.iter().zip(states.into_iter().zip([20, 10, 5])) {
        world.commit(vec![forced(&world.assignment(&change, name).await, state, at(touched))]).await.unwrap();
    }
    let due = async |before, limit| {
        let due = world.store.silent_due(&mercy(), &change.id, at(before), false, limit).await.unwrap();
        due.into_iter().map(|assignment| assignment.device.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(due(21, 10).await, ["p2", "p1"]);
    assert_eq!(due(21, 1).await, ["p2"]);
    assert_eq!(due(10, 10).await, [""; 0]);
}

async fn changes_are_paged_newest_first_and_filtered(world: World) {
    world.pumps(&["p1"]).await;
    let [first, second, third] =
        [world.admitted(&["p1"]).await, world.admitted(&["p1"]).await, world.admitted(&["p1"]).await];
    world.commit(vec![step(second.halt("why".to_owned(), at(2_000)).unwrap())]).await.unwrap();
    let list = async |filter: ChangeFilter, after: Option<&str>, limit| {
        let page = Page { after: after.map(str::to_owned), limit };
        let changes = world.store.changes(&mercy(), &filter, &page).await.unwrap();
        changes.into_iter().map(|change| change.id).collect::<Vec<_>>()
    };
    let all = ChangeFilter::default();
    assert_eq!(list(all.clone(), None, 2).await, [third.id.clone(), second.id.clone()]);
    assert_eq!(list(all, Some(second.id.as_str()), 2).await, std::slice::from_ref(&first.id));
    let paused = ChangeFilter { state: Some(State::Paused), ..ChangeFilter::default() };
    assert_eq!(list(paused, None, 10).await, [second.id]);
    let staging = ChangeFilter { environment: Some("staging".parse().unwrap()), ..ChangeFilter::default() };
    assert_eq!(list(staging, None, 10).await, []);
}

async fn live_changes_are_those_that_are_not_over(world: World) {
    world.pumps(&["p1"]).await;
    let [running, over] = [world.admitted(&["p1"]).await, world.admitted(&["p1"]).await];
    let progress = Progress { verified: 1, ..Progress::default() };
    let completed = over.follow(&interlock_domain::Directive::Complete, &progress, at(3_000)).unwrap();
    world.commit(vec![step(completed.unwrap())]).await.unwrap();
    // What is on its way back stays on offer without anybody looking.
    let left = forced(&world.assignment(&over, "p1").await, AssignmentState::Restoring, at(3_000));
    world.commit(vec![left]).await.unwrap();
    assert_eq!(world.store.live_changes().await.unwrap(), [(mercy(), running.id)]);
}

async fn changes_are_found_by_the_artifact_that_they_bring_whatever_became_of_them(world: World) {
    world.pumps(&["p1"]).await;
    let [admitted, over] = [world.admitted(&["p1"]).await, world.admitted(&["p1"]).await];
    let proposed = world.proposal(&ids(&["p1"]));
    let halted = over.halt("why".to_owned(), at(2_000)).unwrap();
    let over = halted.change.clone();
    world.commit(vec![step(halted), step(proposed.clone())]).await.unwrap();
    let brings = async |tenant: &str, name: &str| {
        world.store.changes_with_artifact(&tenant.parse().unwrap(), name).await.unwrap()
    };
    assert_eq!(brings("mercy", "pump-firmware").await, [admitted, over, proposed.change]);
    assert_eq!(brings("mercy", "other").await, []);
    assert_eq!(brings("grace", "pump-firmware").await, []);
}

async fn devices_are_paged_filtered_and_chosen(world: World) {
    let mut second = pump("p2");
    second.site = "south".to_owned();
    second.groups = vec!["canaries".parse().unwrap()];
    second.health = DeviceHealth::Critical;
    let mut retired = pump("p3");
    retired.state = DeviceState::Retired;
    world
        .commit(vec![registered(pump("p1")), registered(second.clone()), registered(retired)])
        .await
        .unwrap();
    let list = async |filter: DeviceFilter, page: Page| {
        let devices = world.store.devices(&mercy(), &filter, &page).await.unwrap();
        devices.into_iter().map(|device| device.id.to_string()).collect::<Vec<_>>()
    };
    let all = DeviceFilter::default();
    assert_eq!(list(all.clone(), Page::first(2)).await, ["p1", "p2"]);
    assert_eq!(list(all.clone(), Page { after: Some("p2".to_owned()), limit: 2 }).await, ["p3"]);
    for filter in [
        DeviceFilter { group: Some("canaries".parse().unwrap()), ..all.clone() },
        DeviceFilter { site: Some("south".to_owned()), ..all.clone() },
        DeviceFilter {
            health: Some(DeviceHealth::Critical),
            model: Some("pump-x2".to_owned()),
            ..all.clone()
        },
    ] {
        assert_eq!(list(filter, Page::default()).await, ["p2"]);
    }
    let chosen = async |json: &str| {
        let selector: Selector = serde_json::from_str(json).unwrap();
        let chosen =
            world.store.devices_chosen(&mercy(), &"production".parse().unwrap(), &selector).await.unwrap();
        chosen.into_iter().map(|device| device.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(chosen(r#"{"all": true}"#).await, ["p1", "p2"]);
    assert_eq!(chosen(r#"{"sites": ["south"], "model": "pump-x2"}"#).await, ["p2"]);
    assert_eq!(chosen(r#"{"sites": ["south", "north"], "groups": ["canaries"]}"#).await, ["p2"]);
    assert_eq!(chosen("{}").await, [""; 0]);
    let counts: Vec<_> = world
        .store
        .device_counts()
        .await
        .unwrap()
        .into_iter()
        .map(|count| (count.state, count.health, count.count))
        .collect();
    assert_eq!(
        counts,
        [
            (DeviceState::Active, DeviceHealth::Critical, 1),
            (DeviceState::Active, DeviceHealth::Ok, 1),
            (DeviceState::Retired, DeviceHealth::Ok, 1),
        ]
    );
    // Leaving a group is leaving it for the filters too.
    let moved = interlock_domain::Device { groups: vec![], revision: 2, ..second };
    let update = |from_revision| Write::Device {
        device: Box::new(moved.clone()),
        event: "device.updated",
        from_revision,
    };
    world.commit(vec![update(1)]).await.unwrap();
    assert_eq!(
        list(DeviceFilter { group: Some("canaries".parse().unwrap()), ..all }, Page::default()).await,
        [""; 0]
    );
    assert!(matches!(world.commit(vec![update(1)]).await, Err(StoreError::Conflict { what: "device", .. })));
}

async fn a_group_is_unique_and_stays_while_devices_are_in_it(world: World) {
    let group = Group {
        tenant: mercy(),
        name: "canaries".parse().unwrap(),
        description: "first".to_owned(),
        created_at: at(0),
    };
    world.commit(vec![Write::Group(group.clone())]).await.unwrap();
    assert!(matches!(
        world.commit(vec![Write::Group(group.clone())]).await,
        Err(StoreError::AlreadyExists { .. })
    ));
    assert_eq!(world.store.groups(&mercy(), &Page::default()).await.unwrap(), std::slice::from_ref(&group));
    let mut member = pump("p1");
    member.groups = vec![group.name.clone()];
    world.commit(vec![registered(member.clone())]).await.unwrap();
    let removal = || vec![Write::GroupRemoved { tenant: mercy(), name: group.name.clone() }];
    assert!(matches!(world.commit(removal()).await, Err(StoreError::Conflict { what: "group", .. })));
    member.groups.clear();
    member.revision = 2;
    let left = Write::Device { device: Box::new(member), event: "device.updated", from_revision: 1 };
    world.commit(vec![left]).await.unwrap();
    world.commit(removal()).await.unwrap();
    assert_eq!(world.store.group(&mercy(), &group.name).await.unwrap(), None);
}

async fn an_artifact_is_found_by_id_and_name_in_its_tenant_only(world: World) {
    let artifact = world.push("2.0").await;
    world.push("3.0").await;
    let store = &world.store;
    let grace = "grace".parse().unwrap();
    assert_eq!(store.artifact(&mercy(), &artifact.id).await.unwrap(), Some(artifact.clone()));
    assert_eq!(store.artifact(&grace, &artifact.id).await.unwrap(), None);
    assert_eq!(
        store.artifact_by_version(&mercy(), "pump-firmware", "2.0").await.unwrap(),
        Some(artifact.clone())
    );
    let seal = store.sealed(&mercy(), &artifact.id).await.unwrap();
    assert_eq!(seal, Some(serde_json::json!({"wrapped": "2.0"})));
    assert_eq!(store.sealed(&grace, &artifact.id).await.unwrap(), None);
    assert_eq!(store.artifacts(&mercy(), &Page::default()).await.unwrap().len(), 2);
    let again = Write::Artifact { artifact: Box::new(world.artifact("2.0")), sealed: serde_json::json!({}) };
    assert_eq!(
        world.commit(vec![again]).await.unwrap_err().to_string(),
        "artifact `pump-firmware 2.0` is there already"
    );
}

async fn the_same_artifact_once_more_is_only_sealed_anew(world: World) {
    let artifact = world.push("2.0").await;
    let anew = |artifact: &Artifact| Write::Artifact {
        artifact: Box::new(artifact.clone()),
        sealed: serde_json::json!({"wrapped": "anew"}),
    };
    world.commit(vec![anew(&artifact)]).await.unwrap();
    let seal = world.store.sealed(&mercy(), &artifact.id).await.unwrap();
    assert_eq!(seal, Some(serde_json::json!({"wrapped": "anew"})));
    assert_eq!(
        world.store.artifacts(&mercy(), &Page::default()).await.unwrap(),
        std::slice::from_ref(&artifact)
    );
    assert_eq!(world.kinds("mercy").await, ["artifact.pushed", "artifact.pushed"]);
    // Under its id, but not what it was: that would alter an artifact.
    let altered = Artifact { file_name: "other.swu".to_owned(), ..artifact };
    let refused = world.commit(vec![anew(&altered)]).await;
    assert!(matches!(refused, Err(StoreError::AlreadyExists { what: "artifact", .. })), "{refused:?}");
}

async fn a_target_is_shown_its_content_under_the_name_of_its_change(world: World) {
    world.pumps(&["p1"]).await;
    let copy = |name: &str, version: &str, of: &str| Artifact {
        name: name.to_owned(),
        version: version.to_owned(),
        digest: Digest::of(of),
        ..world.artifact(version)
    };
    // Copies under other names and versions came first.
    let copies = [
        copy("lamp-firmware", "2.0", "2.0"),
        copy("pump-firmware", "9.9", "2.0"),
        copy("lamp-firmware", "1.0", "1.0"),
    ];
    for copy in copies {
        let sealed = serde_json::json!({});
        world.commit(vec![Write::Artifact { artifact: Box::new(copy), sealed }]).await.unwrap();
    }
    let [old, new] = [world.push("1.0").await, world.push("2.0").await];
    let change = world.admitted(&["p1"]).await;
    let mut assignment = world.assignment(&change, "p1").await;
    assignment.version_before = Some("1.0".to_owned());
    let found = async |assignment: &Assignment, digest: &Digest| {
        world.store.artifact_for(assignment, digest).await.unwrap()
    };
    assert_eq!(found(&assignment, &new.digest).await, Some(new.clone()));
    assert_eq!(found(&assignment, &old.digest).await, Some(old.clone()));
    assert_eq!(found(&assignment, &Digest::of("3.0")).await, None);
    // The bytes are right, whatever the version was called.
    assignment.version_before = None;
    assert_eq!(found(&assignment, &old.digest).await.unwrap().digest, old.digest);
    assignment.tenant = "grace".parse().unwrap();
    assert_eq!(found(&assignment, &new.digest).await, None);
}

async fn a_key_leads_to_its_account_until_it_is_revoked_once(world: World) {
    let ana = account("Ana", 7);
    let key = Credential {
        id: KeyId::new(Uuid::from_u128(9)),
        tenant: mercy(),
        account: ana.id.clone(),
        label: "laptop".to_owned(),
        secret_sha256: "secret".to_owned(),
        scopes: vec![Scope::Read],
        created_at: at(0),
        expires_at: at(9_000),
        revoked_at: None,
        networks: Vec::new(),
        public_key: None,
    };
    world
        .commit(vec![
            Write::Account { account: Box::new(ana.clone()), from: None },
            Write::Credential(Box::new(key.clone())),
        ])
        .await
        .unwrap();
    assert_eq!(world.store.credential(&key.id).await.unwrap(), Some((key.clone(), ana.clone())));
    let revoked = Credential { revoked_at: Some(at(5)), ..key.clone() };
    world.commit(vec![Write::Credential(Box::new(revoked.clone()))]).await.unwrap();
    assert_eq!(
        world.store.credentials(&mercy(), &Page::default()).await.unwrap(),
        std::slice::from_ref(&revoked)
    );
    let twice = world.commit(vec![Write::Credential(Box::new(revoked))]).await;
    assert!(matches!(twice, Err(StoreError::Conflict { what: "key", .. })));
    let idle = interlock_domain::Account { active: false, ..ana.clone() };
    let end = Write::Account { account: Box::new(idle.clone()), from: Some(Box::new(ana)) };
    world.commit(vec![end]).await.unwrap();
    assert_eq!(world.store.accounts(&mercy()).await.unwrap(), [idle]);
    assert_eq!(
        world.kinds("mercy").await,
        ["account.written", "key.created", "key.revoked", "account.written"]
    );
}

async fn an_account_that_moved_on_meanwhile_is_not_written_over(world: World) {
    let ana = account("Ana", 7);
    let write = |account: &interlock_domain::Account, from: Option<&interlock_domain::Account>| {
        vec![Write::Account { account: Box::new(account.clone()), from: from.cloned().map(Box::new) }]
    };
    world.commit(write(&ana, None)).await.unwrap();
    let again = world.commit(write(&ana, None)).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { what: "account", .. })), "{again:?}");
    let ended = interlock_domain::Account { active: false, ..ana.clone() };
    world.commit(write(&ended, Some(&ana))).await.unwrap();
    // Derived from the account as it was before it was ended.
    let renamed = interlock_domain::Account { name: "Ana S.".to_owned(), ..ana.clone() };
    let late = world.commit(write(&renamed, Some(&ana))).await;
    assert!(matches!(late, Err(StoreError::Conflict { what: "account", .. })), "{late:?}");
    let unknown = account("Ben", 8);
    let lost = world.commit(write(&unknown, Some(&unknown))).await;
    assert!(matches!(lost, Err(StoreError::Conflict { what: "account", .. })), "{lost:?}");
    assert_eq!(world.store.account(&mercy(), &ana.id).await.unwrap(), Some(ended.clone()));
    assert_eq!(world.store.accounts_page(&mercy(), &Page::first(1)).await.unwrap(), [ended]);
    let rest = Page { after: Some(ana.id.to_string()), limit: 1 };
    assert_eq!(world.store.accounts_page(&mercy(), &rest).await.unwrap(), []);
}

async fn the_live_keys_of_an_account_are_its_own_and_not_revoked(world: World) {
    let key = |number: u128, account: &interlock_domain::Account, revoked_at| Credential {
        id: KeyId::new(Uuid::from_u128(number)),
        tenant: mercy(),
        account: account.id.clone(),
        label: String::new(),
        secret_sha256: format!("secret {number}"),
        scopes: vec![Scope::Read],
        created_at: at(0),
        expires_at: at(9_000),
        revoked_at,
        networks: Vec::new(),
        public_key: None,
    };
    let (ana, ben) = (account("Ana", 7), account("Ben", 8));
    let mut writes: Vec<Write> = [&ana, &ben]
        .map(|account| Write::Account { account: Box::new(account.clone()), from: None })
        .to_vec();
    let keys = [key(1, &ana, None), key(2, &ben, None), key(3, &ana, None)];
    writes.extend(keys.iter().map(|key| Write::Credential(Box::new(key.clone()))));
    world.commit(writes).await.unwrap();
    world.commit(vec![Write::Credential(Box::new(key(3, &ana, Some(at(5)))))]).await.unwrap();
    assert_eq!(world.store.live_credentials(&mercy(), &ana.id).await.unwrap(), [keys[0].clone()]);
}

async fn a_decision_is_stored_as_the_text_that_its_entry_names(world: World) {
    world.pumps(&["p1"]).await;
    let change = world.admitted(&["p1"]).await;
    let mut decision = world.decision(interlock_domain::Action::AdmitChange, change.resource(), Facts::None);
    decision.change = Some(change.id.clone());
    let other = world.decision(
        interlock_domain::Action::ReadDevice,
        Resource::Tenant { tenant: mercy() },
        Facts::None,
    );
    world
        .commit([&other, &decision].map(|decision| Write::Decision(Box::new(decision.clone()))).to_vec())
        .await
        .unwrap();
    let text = world.store.decision_text(&mercy(), &decision.id).await.unwrap().unwrap();
    let rows = world.store.entries("mercy", &Page::first(1)).await.unwrap();
    let entry = Entry::parse(&rows[0].body).unwrap();
    assert_eq!((entry.object.digest, entry.outcome.as_deref()), (Some(Digest::of(&text)), Some("allow")));
    assert_eq!(entry.policy.unwrap().determining, ["p1"]);
    let list = async |filter: DecisionFilter| {
        world.store.decisions(&mercy(), &filter, &Page::default(), 20_000).await.unwrap().found
    };
    // Newest first: `other` was drawn after `decision`.
    assert_eq!(list(DecisionFilter::default()).await, [other, decision.clone()]);
    assert_eq!(
        list(DecisionFilter { change: Some(change.id), ..DecisionFilter::default() }).await,
        [decision]
    );
    assert_eq!(
        list(DecisionFilter { outcome: Some(DecisionOutcome::Deny), ..DecisionFilter::default() }).await,
        []
    );
}

async fn the_answers_of_a_plugin_are_found_by_its_name_and_their_time(world: World) {
    let place = Resource::Tenant { tenant: mercy() };
    let policy = world.decision(interlock_domain::Action::ReadDevice, place, Facts::None);
    let answered = |name: &str, at_ms: i64| Decision {
        id: DecisionId::new(world.uuid()),
        at: at(at_ms),
        outcome: DecisionOutcome::Answered,
        subject: DecisionSubject::Plugin {
            name: name.to_owned(),
            digest: Digest::of(name),
            function: "evaluate".to_owned(),
            transcript: Box::default(),
            reads: Vec::new(),
        },
        ..policy.clone()
    };
    let calls = [answered("size", 1), answered("signature", 2), answered("size", 3), answered("size", 4)];
    let [first, _, third, fourth] = &calls;
    let all = std::iter::once(&policy).chain(&calls);
    world.commit(all.map(|each| Write::Decision(Box::new(each.clone()))).collect()).await.unwrap();
    let list = async |filter: DecisionFilter, page: Page| {
        world.store.decisions(&mercy(), &filter, &page, 20_000).await.unwrap().found
    };
    let of = |plugin: &str| DecisionFilter { plugin: Some(plugin.to_owned()), ..DecisionFilter::default() };
    assert_eq!(list(of("size"), Page::default()).await, [fourth.clone(), third.clone(), first.clone()]);
    let second_page = Page { after: Some(fourth.id.to_string()), limit: 1 };
    assert_eq!(list(of("size"), second_page).await, std::slice::from_ref(third));
    let since = DecisionFilter { since: Some(at(3)), ..of("size") };
    assert_eq!(list(since, Page::default()).await, [fourth.clone(), third.clone()]);
    assert_eq!(list(of(""), Page::default()).await, [], "the policies are no plugin");
    assert_eq!(
        list(DecisionFilter { outcome: Some(DecisionOutcome::Failed), ..of("size") }, Page::default()).await,
        []
    );
    let knows = async |tenant: &str, plugin: &str| {
        world.store.has_answered(&tenant.parse().unwrap(), &Digest::of(plugin)).await.unwrap()
    };
    assert!(knows("mercy", "size").await);
    assert!(!knows("mercy", "other").await && !knows("grace", "size").await);
}

async fn a_transition_without_events_still_checks_where_the_change_is(world: World) {
    world.pumps(&["p1"]).await;
    let change = world.admitted(&["p1"]).await;
    world.commit(vec![step(change.halt("why".to_owned(), at(2_000)).unwrap())]).await.unwrap();
    let late = world.commit(vec![only(&change, Task::ExposeRanks { below: 1, back: WaysBack::new() })]).await;
    assert!(matches!(late, Err(StoreError::Conflict { what: "change", .. })));
    assert_eq!(world.assignment(&change, "p1").await.state, AssignmentState::Pending);
}
