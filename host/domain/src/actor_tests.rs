//! Accounts and who may confirm them.

use uuid::Uuid;

use super::*;

fn noon() -> Timestamp {
    Timestamp::from_millis(1_795_176_000_000)
}

fn person(number: u128) -> PersonId {
    PersonId::new(Uuid::from_u128(number))
}

fn held(role: Role, environment: Option<&str>) -> RoleGrant {
    RoleGrant { role, environment: environment.map(|name| name.parse().unwrap()) }
}

fn account(number: u128, roles: &[Role]) -> Account {
    Account {
        id: AccountId::new(Uuid::from_u128(number)),
        tenant: "mercy".parse().unwrap(),
        kind: AccountKind::User,
        person: person(number),
        name: format!("Person {number}"),
        roles: roles.iter().map(|&role| held(role, None)).collect(),
        active: true,
        created_at: noon(),
        hold: None,
    }
}

fn admin(number: u128) -> Actor {
    account(number, &[Role::Administrator]).actor("key:test".to_owned())
}

/// An administrator confirms an account as it is.
fn confirm_as(account: &Account, by: u128) -> Result<Account, Refusal> {
    account.confirm(&admin(by), &account.handed_out_digest())
}

#[test]
fn what_takes_two_is_held_until_a_second_person_confirms_and_nothing_else_is() {
    for role in Role::ALL {
        let made = account(9, &[role]).handed_out(&person(1), noon());
        let takes_two = matches!(role, Role::ClinicalSafety | Role::Regulatory | Role::Administrator);
        assert_eq!(made.hold.is_some(), takes_two, "{role}");
        if let Some(hold) = &made.hold {
            assert!(hold.lasts(noon().plus_millis(365 * SIGNING_HOLD_MS)), "time alone ends nothing");
            let confirmed = confirm_as(&made, 2).unwrap();
            assert!(!confirmed.hold.unwrap().lasts(noon()));
        }
    }
}

#[test]
fn neither_who_handed_it_out_nor_whose_it_is_confirms() {
    let made = account(9, &[Role::Regulatory]).handed_out(&person(1), noon());
    for number in [1, 9] {
        let refused = confirm_as(&made, number).unwrap_err();
        assert!(refused.to_string().contains("ask another administrator"), "{refused}");
    }
}

#[test]
fn whoever_handed_out_what_nobody_confirmed_does_not_confirm_what_another_one_does_to_it() {
    let ben = account(9, &[Role::ClinicalSafety]).reset(&person(1), noon());
    let further = vec![held(Role::ClinicalSafety, None), held(Role::Regulatory, Some("staging"))];
    let granted = ben.with_roles(further, &person(2), noon());
    for number in [1, 2, 9] {
        assert!(confirm_as(&granted, number).is_err(), "{number}");
    }
    let again = granted.reset(&person(1), noon());
    assert!(confirm_as(&again, 2).is_err() && confirm_as(&again, 1).is_err());
    let confirmed = confirm_as(&again, 3).unwrap();
    // What was confirmed is behind them.
    let later = confirmed.reset(&person(2), noon());
    assert!(confirm_as(&later, 1).is_ok() && confirm_as(&later, 2).is_err());
    // Nothing that was handed out before works any more.
    let begun_anew = granted.activated(&person(1), noon()).reset(&person(1), noon());
    assert!(confirm_as(&begun_anew, 2).is_ok() && confirm_as(&begun_anew, 1).is_err());
}

#[test]
fn an_account_is_raised_by_its_first_role_that_takes_two() {
    let (viewer, safety) = (account(9, &[Role::Viewer]), account(9, &[Role::ClinicalSafety]));
    assert!(safety.is_raised_from(&viewer) && !viewer.is_raised_from(&safety));
    assert!(!safety.is_raised_from(&safety) && !account(9, &[Role::Operator]).is_raised_from(&viewer));
    let more = account(9, &[Role::ClinicalSafety, Role::Regulatory]);
    assert!(!more.is_raised_from(&safety), "all that it has was handed out by two");
}

#[test]
fn a_reset_holds_for_a_day_whoever_confirms() {
    let reset = confirm_as(&account(9, &[Role::ClinicalSafety]).reset(&person(1), noon()), 2).unwrap();
    let hold = reset.hold.unwrap();
    assert!(hold.lasts(noon().plus_millis(SIGNING_HOLD_MS - 1)));
    assert!(!hold.lasts(noon().plus_millis(SIGNING_HOLD_MS)));
}

#[test]
fn only_a_further_role_that_takes_two_holds_an_account() {
    let mut ben = account(9, &[Role::ClinicalSafety]);
    ben.roles.push(held(Role::Regulatory, Some("staging")));
    let with = |roles: Vec<RoleGrant>| ben.with_roles(roles, &person(1), noon()).hold.is_some();
    assert!(!with(vec![held(Role::Viewer, None)]), "fewer");
    assert!(!with(vec![held(Role::ClinicalSafety, Some("production"))]), "the same in fewer places");
    assert!(with(vec![held(Role::Regulatory, Some("production"))]), "the same elsewhere");
    assert!(with(vec![held(Role::Regulatory, None)]), "the same everywhere");
    assert!(with(vec![held(Role::Administrator, None)]), "another");
}

#[test]
fn confirming_what_is_not_held_alters_nothing() {
    let ben = account(9, &[Role::ClinicalSafety]);
    assert_eq!(confirm_as(&ben, 9).unwrap(), ben);
}

#[test]
fn an_account_of_before_holds_reads_as_one_without() {
    let text = serde_json::to_string(&account(9, &[Role::Viewer])).unwrap();
    assert!(!text.contains("hold"), "{text}");
    assert_eq!(serde_json::from_str::<Account>(&text).unwrap(), account(9, &[Role::Viewer]));
}

#[test]
fn what_was_handed_out_after_somebody_read_it_is_not_confirmed_with_what_they_read() {
    let ben = account(9, &[Role::ClinicalSafety]).handed_out(&person(1), noon());
    let read = ben.handed_out_digest();
    let later = noon().plus_millis(1);
    let more = vec![held(Role::ClinicalSafety, None), held(Role::Regulatory, None)];
    for other in [
        ben.reset(&person(1), noon()),
        ben.reset(&person(1), later),
        ben.reset(&person(3), noon()),
        ben.with_roles(more, &person(1), noon()),
        Account { name: "Somebody else".to_owned(), ..ben.clone() },
    ] {
        assert!(matches!(other.confirm(&admin(2), &read), Err(Refusal::OtherHandOut { .. })), "{other:?}");
        assert!(confirm_as(&other, 2).is_ok());
    }
    assert!(ben.confirm(&admin(2), &read).is_ok());
}

#[test]
fn the_last_person_who_administers_a_tenant_stays_one() {
    let (eva, ines) = (account(1, &[Role::Administrator]), account(2, &[Role::Administrator]));
    let ended = Account { active: false, ..eva.clone() };
    let demoted = Account { roles: vec![held(Role::Viewer, None)], ..eva.clone() };
    let waits = account(3, &[Role::Administrator]).handed_out(&person(1), noon());
    let program = Account { kind: AccountKind::Service, ..account(4, &[Role::Administrator]) };
    let elsewhere = Account { roles: vec![held(Role::Administrator, Some("lab"))], ..account(5, &[]) };
    let gone = Account { active: false, ..account(6, &[Role::Administrator]) };
    let others = [waits, program, elsewhere, gone];
    for to in [&ended, &demoted] {
        let refused = eva.leaves(to, &others).unwrap_err();
        assert!(matches!(refused, Refusal::LastAdministrator { .. }), "{refused}");
        assert_eq!(eva.leaves(to, std::slice::from_ref(&ines)).unwrap(), Some(&ines));
    }
    assert_eq!(eva.leaves(&eva, &others).unwrap(), None);
    let ben = account(9, &[Role::ClinicalSafety]);
    assert_eq!(ben.leaves(&Account { active: false, ..ben.clone() }, &[]).unwrap(), None);
}
