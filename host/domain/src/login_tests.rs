use uuid::Uuid;

use super::*;
use crate::AccountKind;

const LIMITS: LoginLimits = LoginLimits { failures_max: 5, signing_failures_max: 3, lock_ms: 900_000 };

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn login() -> Login {
    let account = Account {
        id: AccountId::new(Uuid::from_u128(1)),
        tenant: "mercy".parse().unwrap(),
        kind: AccountKind::User,
        person: PersonId::new(Uuid::from_u128(2)),
        name: "Ana Sousa".to_owned(),
        roles: Vec::new(),
        active: true,
        created_at: at(0),
        hold: None,
    };
    let totp = Totp { sealed: "sealed".to_owned(), last_step: 10 };
    let passkey = Passkey { id: "p".to_owned(), key: "k".to_owned(), counter: 0, added_at: at(0) };
    let set = Enrolled {
        password: Some(("hash".to_owned(), totp)),
        recovery: vec!["r1".to_owned(), "r2".to_owned()],
        passkey: Some(passkey),
    };
    Login::none(&account, at(0)).enrolled(set, at(0)).unwrap()
}

fn code(step: u64) -> Vec<Proof> {
    vec![Proof::Password, Proof::Totp { step }]
}

#[test]
fn a_password_is_long_and_not_among_the_first_that_are_tried() {
    let fault = |text: &str| password(text, "Ana Sousa").unwrap_err();
    assert_eq!(fault("elevenchars"), PasswordFault::Length);
    assert_eq!(fault(&"ab c".repeat(33)), PasswordFault::Length);
    assert_eq!(fault("Administrator!"), PasswordFault::Common);
    assert_eq!(fault("aaaaaaaaaaaa"), PasswordFault::Common);
    assert_eq!(fault("123456789012"), PasswordFault::Common);
    assert_eq!(fault("Ana Sousa2026!"), PasswordFault::Name);
    assert_eq!(password("twelve chars", "Ana").unwrap(), "twelve chars");
    assert!(password(&"ab c".repeat(32), "Ana").is_ok(), "128 characters are not too many");
    // What is common today may have been set before.
    assert_eq!(password_as_hashed("passwordpassword").as_deref(), Some("passwordpassword"));
    assert_eq!(password_as_hashed("elevenchars"), None);
    // The same password, however a keyboard composes it.
    assert_eq!(password("cafe\u{301} am Platz", "Ana"), password("caf\u{e9} am Platz", "Ana"));
}

#[test]
fn a_code_counts_once_and_none_before_it_counts() {
    let used = login().proved(&code(11), true, at(1)).unwrap();
    for step in [9, 10, 11] {
        assert_eq!(used.proved(&code(step), true, at(2)), Err(LoginRefusal::Replayed), "{step}");
    }
    assert!(used.proved(&code(12), true, at(2)).is_ok());
}

#[test]
fn a_recovery_code_counts_once() {
    let proofs = [Proof::Password, Proof::Recovery { sha256: "r1".to_owned() }];
    let used = login().proved(&proofs, true, at(1)).unwrap();
    assert_eq!(used.proved(&proofs, true, at(2)), Err(LoginRefusal::NoSuchCode));
}

#[test]
fn a_passkey_whose_counter_does_not_rise_is_a_copy() {
    let touch = |counter| [Proof::Passkey { id: "p".to_owned(), counter }];
    let used = login().proved(&touch(7), true, at(1)).unwrap();
    for counter in [0, 6, 7] {
        assert_eq!(used.proved(&touch(counter), true, at(2)), Err(LoginRefusal::NoSuchPasskey), "{counter}");
    }
    assert!(used.proved(&touch(8), true, at(2)).is_ok());
    let uncounted = login().proved(&touch(0), true, at(1)).unwrap();
    assert!(uncounted.proved(&touch(0), true, at(2)).is_ok(), "a synced passkey never counts");
}

#[test]
fn two_components_are_two() {
    let alone = [Proof::Password];
    assert_eq!(login().proved(&alone, true, at(1)), Err(LoginRefusal::Incomplete));
    assert!(login().proved(&alone, false, at(1)).is_ok(), "a later signing takes one");
    assert_eq!(login().proved(&[Proof::Totp { step: 11 }], false, at(1)), Err(LoginRefusal::Incomplete));
    assert_eq!(login().proved(&[], false, at(1)), Err(LoginRefusal::Incomplete));
}

#[test]
fn the_fifth_failure_locks_and_the_lock_ends_at_its_instant() {
    let four = (0..4).fold(login(), |login, _| login.failed(LIMITS, at(0)));
    assert!(four.proved(&code(11), true, at(0)).is_ok());
    let five = four.failed(LIMITS, at(0));
    assert_eq!(five.proved(&code(11), true, at(899_999)), Err(LoginRefusal::Locked));
    assert!(five.proved(&code(11), true, at(900_000)).is_ok());
    let meanwhile = five.failed(LIMITS, at(5));
    assert_eq!(meanwhile.locked_until, five.locked_until, "trying does not keep somebody out for ever");
}

#[test]
fn whoever_guesses_shuts_out_no_passkey_and_gets_no_more_tries_by_its_use() {
    let touch = [Proof::Passkey { id: "p".to_owned(), counter: 0 }];
    let locked = (0..5).fold(login(), |login, _| login.failed(LIMITS, at(0)));
    let used = locked.proved(&touch, true, at(1)).unwrap();
    assert_eq!(used.locked_until, locked.locked_until);
    assert_eq!(used.proved(&code(11), true, at(2)), Err(LoginRefusal::Locked));
    let both = [&touch[..], &code(11)].concat();
    assert_eq!(locked.proved(&both, true, at(1)), Err(LoginRefusal::Locked));
    assert_eq!(locked.proved(&[], true, at(1)), Err(LoginRefusal::Locked));
    // Failed signings are those of somebody who is logged in.
    let signing = (0..3).fold(login(), |login, _| login.failed_to_sign(LIMITS, at(0)));
    assert_eq!(signing.proved(&touch, true, at(899_999)), Err(LoginRefusal::Locked));
    assert!(signing.proved(&touch, true, at(900_000)).is_ok());
}

#[test]
fn the_third_failed_signing_locks() {
    let two = (0..2).fold(login(), |login, _| login.failed_to_sign(LIMITS, at(0)));
    assert!(!two.is_locked(at(0)));
    assert!(two.failed_to_sign(LIMITS, at(0)).is_locked(at(0)));
    assert_eq!(two.signed().failed_to_sign(LIMITS, at(0)).locked_until, None);
}

#[test]
fn an_invitation_ends_at_its_instant_and_what_there_was_before_it() {
    let enrolment =
        Enrolment { code_sha256: "c".to_owned(), by: PersonId::new(Uuid::from_u128(9)), expires_at: at(100) };
    let invited = login().invited(enrolment, at(0));
    assert!(!invited.is_usable());
    assert!(invited.is_invited_by("c", at(99)) && !invited.is_invited_by("c", at(100)));
    assert!(!invited.is_invited_by("d", at(0)));
    assert!(invited.enrolled(Enrolled::default(), at(1)).is_none(), "nothing set is nothing to log in with");
}

#[test]
fn what_is_secret_is_not_in_its_debug_form() {
    let shown = format!("{:?}", login());
    assert!(!shown.contains("hash") && !shown.contains("sealed") && !shown.contains("r1"), "{shown}");
}
