//! Bundles that are refused, and what is said about them.

use interlock_domain::Action;
use interlock_policy::{Bundle, BundleError, default_files, sample_question};

use crate::{faults, files_with, refusal};

const GOOD: &str =
    "@id(\"a\") @reason(\"b\")\npermit (principal, action == Interlock::Action::\"ReadChange\", resource);\n";

#[test]
fn a_policy_that_does_not_parse_is_placed() {
    let error = refusal(&format!("{GOOD}@id(\"c\") @reason(\"d\")\nforbid (principal, action resource);"));
    assert!(error.starts_with("test.cedar:4:27: unexpected token `resource`"), "{error}");
}

#[test]
fn a_missing_semicolon_is_placed() {
    let error = refusal(GOOD.trim_end().trim_end_matches(';'));
    assert!(error.starts_with("test.cedar:2:"), "{error}");
}

#[test]
fn a_string_that_is_in_something_and_a_sum_that_overflows_are_refused_or_denied() {
    let error = refusal(&format!(
        "{GOOD}@id(\"c\") @reason(\"d\")\nforbid (principal, action, resource is Interlock::Change)\nwhen {{ resource.kind in \
         resource.author }};"
    ));
    assert!(error.starts_with("test.cedar:5:8: "), "{error}");
    // A type does not know how large a number is: at run time it is an error, and an error denies.
    let permit = "@id(\"all\") @reason(\"b\")\npermit (principal, action == Interlock::Action::\"AdmitChange\", resource);\n";
    let adds = "@id(\"sum\") @reason(\"d\")\nforbid (principal, action == Interlock::Action::\"AdmitChange\", resource)\n\
                when { context.exposure_bp + 9223372036854775807 < 0 };\n";
    let question = sample_question(Action::AdmitChange);
    assert!(Bundle::from_files(files_with(permit)).unwrap().ask(&question).allowed);
    // Refused when it is tried, since the plainest question overflows already.
    let tried = Bundle::from_files(files_with(&format!("{permit}{adds}"))).unwrap_err().to_string();
    assert!(tried.contains("AdmitChange") && tried.contains("overflow"), "{tried}");
}

#[test]
fn roles_and_actions_that_are_in_each_other_are_refused_and_named() {
    let mut files = files_with(GOOD);
    let schema = String::from_utf8(files["schema.cedarschema"].clone()).unwrap();
    let round = schema.replace("action Read;", "action Read in [Readers];\n  action Readers in [Read];");
    assert_ne!(round, schema);
    files.insert("schema.cedarschema".to_owned(), round.into_bytes());
    let error = Bundle::from_files(files).unwrap_err().to_string();
    assert!(
        error.starts_with("schema.cedarschema:") && error.contains("cycle") && error.contains("Read"),
        "{error}"
    );
}

#[test]
fn a_type_error_is_placed() {
    let error = refusal(&format!(
        "{GOOD}\n@id(\"c\") @reason(\"d\")\nforbid (principal, action, resource is Interlock::Change)\nwhen {{ resource.kind > 3 }};"
    ));
    assert!(error.starts_with("test.cedar:6:8: "), "{error}");
}

#[test]
fn an_attribute_that_may_be_absent_needs_a_look_first() {
    let error = refusal(
        "@id(\"c\") @reason(\"d\")\nforbid (principal, action == Interlock::Action::\"AdmitChange\", resource)\n\
         when { context.now.durationSince(context.approvals.oldest) > duration(\"1h\") };",
    );
    assert!(error.starts_with("test.cedar:3:") && error.contains("oldest"), "{error}");
}

#[test]
fn attributes_of_entities_that_the_question_does_not_carry_are_refused() {
    let schema = String::from_utf8(default_files()["schema.cedarschema"].clone()).unwrap();
    let mut files = files_with(
        "@id(\"deep\") @reason(\"d\")\nforbid (principal, action, resource)\nwhen { principal.tenant.frozen };",
    );
    files.insert(
        "schema.cedarschema".to_owned(),
        schema.replace("entity Tenant;", "entity Tenant { frozen: Bool };").into_bytes(),
    );
    let error = Bundle::from_files(files).unwrap_err().to_string();
    assert!(error.starts_with("test.cedar:3:") && error.contains("level"), "{error}");
}

/// The one policy, with this file of invariants.
fn promising(invariants: &str) -> Result<Bundle, BundleError> {
    let mut files = files_with(GOOD);
    files.insert("invariants/test.cedar".to_owned(), invariants.as_bytes().to_vec());
    Bundle::from_files(files)
}

#[test]
fn an_invariant_is_kept_and_decides_nothing() {
    let always =
        "@id(\"i\") @reason(\"r\")\npermit (principal, action == Interlock::Action::\"ReadKey\", resource);";
    let never = always.replace("\"i\"", "\"n\"").replace("permit", "forbid").replace("ReadKey", "ReadChange");
    let bundle = promising(&format!("{always}\n{never}")).unwrap();
    assert_eq!(bundle.policy_count(), 1);
    let kept: Vec<&str> = bundle.invariants().iter().map(|invariant| invariant.id.as_str()).collect();
    assert_eq!(kept, ["i", "n"]);
    assert!(
        bundle.invariants()[0].speaks_of(Action::ReadKey)
            && !bundle.invariants()[0].speaks_of(Action::ReadChange)
    );
    for (action, allowed) in [(Action::ReadKey, false), (Action::ReadChange, true)] {
        assert_eq!(bundle.ask(&sample_question(action)).allowed, allowed, "{action}");
    }
}

#[test]
fn an_invariant_that_does_not_fit_is_refused_and_placed() {
    let scope = "(principal, action == Interlock::Action::\"ReadChange\", resource)";
    for (text, expected) in [
        (
            "@id(\"i\") @reason(\"r\")\nforbid (principal, action resource);".to_owned(),
            "test.cedar:2:27: unexpected token",
        ),
        (
            "@id(\"i\") @reason(\"r\")\nforbid (principal, action == Interlock::Action::\"Fly\", resource);"
                .to_owned(),
            "Fly",
        ),
        (
            format!("@id(\"i\") @reason(\"r\")\nforbid {scope}\nwhen {{ resource.shoe == 3 }};"),
            "test.cedar:3:",
        ),
        (format!("@id(\"i\") @reason(\"r\")\nforbid {scope}\nwhen {{ false }};"), "impossible"),
        (format!("@id(\"i\")\nforbid {scope};"), "`@reason`"),
        (
            format!("@id(\"i\") @reason(\"r\") @mode(\"monitor\")\nforbid {scope};"),
            "an invariant has no `@mode`",
        ),
    ] {
        let error = promising(&text).unwrap_err().to_string();
        assert!(error.starts_with("invariants/test.cedar:") && error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn warnings_are_fatal() {
    let impossible = "@id(\"c\") @reason(\"d\")\nforbid (principal, action, resource)\nwhen { false };";
    assert!(refusal(impossible).starts_with("test.cedar:1:1: "), "{}", refusal(impossible));
    let confusable = "@id(\"c\") @reason(\"d\")\nforbid (principal, action, resource is Interlock::Change)\n\
                      when { resource.kind == \"rel\u{202e}ease\" };";
    assert!(refusal(confusable).contains("BIDI"), "{}", refusal(confusable));
}

#[test]
fn a_policy_about_a_reserved_word_is_refused_instead_of_sleeping() {
    let error =
        refusal("@id(\"c\") @reason(\"d\")\nforbid (principal, action, resource is Interlock::Artifact);");
    assert!(
        error.starts_with("test.cedar:1:1: ") && error.contains("unable to find an applicable action"),
        "{error}"
    );
}

#[test]
fn a_second_policy_with_the_same_id_is_refused_also_from_another_file() {
    let mut files = files_with(GOOD);
    files.insert("zz.cedar".to_owned(), format!("// x\n\n{GOOD}").into_bytes());
    assert_eq!(
        Bundle::from_files(files).unwrap_err().to_string(),
        "zz.cedar:3:1: `@id` `a` is already taken at test.cedar:1; give each policy its own"
    );
}

#[test]
fn every_fault_is_named_and_not_only_the_first() {
    let error = Bundle::from_files(files_with(
        "permit (principal, action == Interlock::Action::\"ReadChange\", resource);\n\
         @id(\"b\") @mode(\"watch\") @raeson(\"x\") forbid (principal, action, resource);\n\
         @id(\"é\") @reason(\"x\") permit (principal, action, resource is Interlock::Change);",
    ))
    .unwrap_err();
    insta::assert_snapshot!(faults(&error).join("\n"));
}

#[test]
fn a_permit_for_everybody_and_everything_needs_a_waiver() {
    let broad = "permit (principal, action, resource is Interlock::Change);";
    assert!(
        refusal(&format!("@id(\"b\") @reason(\"x\") {broad}"))
            .contains("add @allow(\"permit-everybody: why\")")
    );
    let waived = files_with(&format!("@id(\"b\") @reason(\"x\") @waiver(\"a demonstration\") {broad}"));
    assert!(Bundle::from_files(waived).is_ok());
}

#[test]
fn a_template_is_refused() {
    let error = refusal(
        "@id(\"t\") @reason(\"x\")\npermit (principal == ?principal, action == Interlock::Action::\"ReadChange\", resource);",
    );
    assert!(error.contains("template"), "{error}");
}

#[test]
fn a_schema_that_does_not_parse_is_placed() {
    let mut files = files_with("");
    files.insert("schema.cedarschema".to_owned(), b"namespace Interlock {\n  entity User\n}".to_vec());
    let error = Bundle::from_files(files).unwrap_err().to_string();
    assert!(error.starts_with("schema.cedarschema:3:1: "), "{error}");
}

#[test]
fn a_schema_without_one_of_the_actions_is_refused() {
    let schema = String::from_utf8(default_files()["schema.cedarschema"].clone()).unwrap();
    let mut files = files_with("");
    files.insert("schema.cedarschema".to_owned(), schema.replace("PushArtifact, ", "").into_bytes());
    assert_eq!(
        Bundle::from_files(files).unwrap_err().to_string(),
        "schema.cedarschema:1:1: action `PushArtifact` is not declared, and the host asks about it; add it"
    );
}

#[test]
fn a_schema_that_does_not_fit_the_hosts_questions_is_refused() {
    let schema = String::from_utf8(default_files()["schema.cedarschema"].clone()).unwrap();
    for (from, to) in [
        ("rollback_complete: Bool", "rollback_complete: String"),
        (
            "entity User in [Role] { tenant: Tenant, on_hold: Bool };",
            "entity User in [Role] { tenant: Tenant, on_hold: Bool, badge: Long };",
        ),
        ("entity Role;", "entity Role enum [\"viewer\"];"),
    ] {
        let mut files = files_with("");
        assert!(schema.contains(from));
        files.insert("schema.cedarschema".to_owned(), schema.replace(from, to).into_bytes());
        let error = Bundle::from_files(files).unwrap_err();
        assert!(matches!(&error, BundleError::Mute { .. }), "{error}");
        assert!(error.to_string().contains("make its schema fit the host's questions"), "{error}");
    }
}

#[test]
fn the_header_is_read_strictly() {
    let said = |text: &str| {
        let mut files = files_with("");
        files.insert("bundle.toml".to_owned(), text.as_bytes().to_vec());
        Bundle::from_files(files).unwrap_err().to_string()
    };
    assert!(said("name = \"x\"").contains("missing field `revision`"));
    assert!(said("name = \"x\"\nrevision = -1").starts_with("bundle.toml:2:12: "));
    assert!(
        said("name = \"x\"\nrevision = 1\nauthor = \"me\"")
            .starts_with("bundle.toml:3:1: unknown field `author`")
    );
    assert!(said("name = \"X Y\"\nrevision = 1").contains("`name` must be"));
}

#[test]
fn cases_are_read_strictly() {
    let said = |text: &str| {
        let mut files = files_with("");
        files.insert("cases/x.json".to_owned(), text.as_bytes().to_vec());
        Bundle::from_files(files).unwrap_err().to_string()
    };
    assert!(said("[{\"name\": \"a\", \"name\": \"b\"}]").starts_with("cases/x.json:1:"));
    assert!(said("[\n{\"nmae\": \"a\"}]").starts_with("cases/x.json:2:"));
    let nobody = "[{\"name\": \"a\", \"action\": \"ReadLedger\", \"resource\": {\"type\": \"ledger\"}, \
                  \"expect\": {\"decision\": \"deny\"}}]";
    assert_eq!(said(nobody), "cases/x.json:1:1: case `a`: give either `person` or `plugin`");
}

#[test]
fn a_case_that_does_not_hold_says_what_differs() {
    let mut files = files_with(GOOD);
    let case = "[{\"name\": \"a\", \"person\": \"ana\", \"action\": \"ReadChange\", \
                \"resource\": {\"type\": \"change\", \"environment\": \"x\", \"author\": \"bo\"}, \
                \"expect\": {\"decision\": \"deny\", \"policies\": [\"b\"]}}]";
    files.insert("cases/x.json".to_owned(), case.as_bytes().to_vec());
    let results = interlock_policy::run_cases(&Bundle::from_files(files).unwrap());
    assert_eq!(
        results[0].differences,
        ["expected deny, but it is allowed", "expected [\"b\"] to decide, but [\"a\"] did"]
    );
}

#[test]
fn text_that_is_not_utf_8_is_placed() {
    let mut files = files_with("");
    files.insert("test.cedar".to_owned(), b"//\n \xff".to_vec());
    assert_eq!(
        Bundle::from_files(files).unwrap_err().to_string(),
        "test.cedar:2:2: this is not UTF-8; save the file as UTF-8"
    );
}
