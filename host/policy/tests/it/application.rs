//! Applications: the public interop suites of AuthZEN, and what a question must not get by with.
//!
//! The suites in `tests/authzen` are those of the OpenID AuthZEN working group (github.com/openid/authzen, MIT): the
//! decisions of the to-do back end (1.0 draft 02), of the gateways before it, and the three searches over records.

use std::{path::Path, sync::Arc};

use interlock_domain::Timestamp;
use interlock_policy::{Access, Application, BundleError, Limits, Part, Search};
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn example(name: &str) -> Application {
    Application::load_dir(&root().join("examples/applications").join(name)).unwrap()
}

fn suite(name: &str) -> Value {
    let path = root().join("host/policy/tests/authzen").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn noon() -> Timestamp {
    "2026-11-20T12:00:00.000Z".parse().unwrap()
}

fn access(value: Value) -> Access {
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_public_decisions_of_the_todo_application_and_its_gateways_hold() {
    let todo = example("todo");
    let mut asked = 0;
    for name in ["todo-decisions.json", "gateway-decisions.json"] {
        for case in suite(name)["evaluation"].as_array().unwrap() {
            let answer = todo.evaluate(&access(case["request"].clone()), noon());
            assert_eq!(json!(answer.allowed), case["expected"], "{case}: {answer:?}");
            assert!(answer.errors.is_empty(), "{case}: {answer:?}");
            asked += 1;
        }
    }
    assert_eq!(asked, 65);
}

/// A case of the public suites as a search: what is searched for has no id there.
fn search(wanted: &str, request: &Value) -> Search {
    let mut question = request.clone();
    question["search"] = json!(wanted);
    for field in ["subject", "resource"] {
        if question[field].get("id").is_none() {
            question[field]["id"] = json!("");
        }
    }
    serde_json::from_value(question).unwrap()
}

fn part(after: Option<&str>, limit: usize) -> Part<'_> {
    Part { after, limit, tries: usize::MAX }
}

#[test]
fn the_public_searches_over_records_hold() {
    let records = example("records");
    let mut asked = 0;
    for (name, key, wanted, id) in [
        ("search-subject.json", "evaluation", "subject", "id"),
        ("search-resource.json", "evaluation", "resource", "id"),
        ("idp-search.json", "search", "resource", "id"),
        ("search-action.json", "evaluation", "action", "name"),
    ] {
        for case in suite(name)[key].as_array().unwrap() {
            let results = case["expected"]["results"].as_array().unwrap();
            let mut expected: Vec<&str> = results.iter().map(|each| each[id].as_str().unwrap()).collect();
            expected.sort_unstable();
            let found = records.search(&search(wanted, &case["request"]), part(None, 100), noon());
            assert_eq!(found.found, expected, "{case}");
            assert_eq!(found.next, None);
            asked += 1;
        }
    }
    assert!(asked > 150, "only {asked} cases");
}

#[test]
fn a_search_goes_on_after_the_last_one_found() {
    let records = example("records");
    let search = search(
        "resource",
        &json!({
            "subject": { "type": "user", "id": "alice" },
            "action": { "name": "view" },
            "resource": { "type": "record" },
        }),
    );
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let found = records.search(&search, part(after.as_deref(), 7), noon());
        all.extend(found.found);
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (101..=120).map(|id| id.to_string()).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_search_that_has_tried_enough_goes_on_where_it_stopped_and_finds_the_same() {
    let records = example("records");
    let search = search(
        "resource",
        &json!({
            "subject": { "type": "user", "id": "bob" },
            "action": { "name": "edit" },
            "resource": { "type": "record" },
        }),
    );
    let whole = records.search(&search, part(None, 100), noon());
    assert!(!whole.found.is_empty() && whole.found.len() < 20, "{whole:?}");
    for tries in [0, 1, 3, 19, 20] {
        let (mut all, mut after, mut parts) = (Vec::new(), None::<String>, 0);
        loop {
            let found = records.search(&search, Part { after: after.as_deref(), limit: 100, tries }, noon());
            all.extend(found.found);
            parts += 1;
            after = found.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((all, parts), (whole.found.clone(), 20_usize.div_ceil(tries.max(1))), "{tries}");
    }
}

const SCHEMA: &str = r#"
    namespace App {
      entity Group in [Group];
      entity User in [Group] { clearance?: Long, tenant?: String };
      entity Doc { level: Long, owner?: User };
      action read appliesTo { principal: User, resource: Doc,
        context: { now: datetime, place?: { ward: String }, by?: User, action?: { mode?: String } } };
      action write appliesTo { principal: User, resource: Doc };
    }
"#;

fn application(policies: &str, entities: &Value) -> Result<Application, BundleError> {
    application_with(policies, entities, "name = \"app\"\nrevision = 1\n", &[])
}

fn application_with(
    policies: &str,
    entities: &Value,
    header: &str,
    more: &[(&str, &str)],
) -> Result<Application, BundleError> {
    let entities = entities.to_string();
    let files = [
        ("application.toml", header),
        ("schema.cedarschema", SCHEMA),
        ("app.cedar", policies),
        ("entities.json", &entities),
    ];
    let files = files.iter().chain(more).map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    Application::from_files(&files.collect())
}

fn question(subject: Value, context: Value) -> Access {
    access(json!({
        "subject": subject,
        "action": { "name": "read" },
        "resource": { "type": "Doc", "id": "d", "properties": { "level": 3 } },
        "context": context,
    }))
}

const BY_CLEARANCE: &str = r#"
    @id("read.cleared") @reason("Whoever is cleared for the level reads it")
    permit (principal, action == App::Action::"read", resource)
    when { principal has clearance && principal.clearance >= resource.level };
"#;

#[test]
fn what_the_application_keeps_counts_more_than_what_a_question_claims() {
    let kept =
        json!([{ "uid": { "type": "App::User", "id": "eve" }, "attrs": { "clearance": 1 }, "parents": [] }]);
    let application = application(BY_CLEARANCE, &kept).unwrap();
    let as_user = |id: &str| json!({ "type": "User", "id": id, "properties": { "clearance": 9 } });
    assert!(!application.evaluate(&question(as_user("eve"), json!({})), noon()).allowed);
    // Of somebody whom it does not keep, what the asking program says is all there is.
    assert!(application.evaluate(&question(as_user("ada"), json!({})), noon()).allowed);
}

#[test]
fn what_a_kept_entity_lacks_a_question_adds_only_where_the_application_says_so() {
    let kept =
        json!([{ "uid": { "type": "App::User", "id": "eve" }, "attrs": { "tenant": "a" }, "parents": [] }]);
    let header = |claims: &str| format!("name = \"app\"\nrevision = 1\n{claims}");
    let eve = json!({ "type": "User", "id": "eve", "properties": { "clearance": 9, "tenant": "b" } });
    let asked = question(eve, json!({}));
    for (claims, allowed) in [
        ("", false),
        ("[claims]\n\"App::User\" = [\"tenant\"]\n", false),
        ("[claims]\n\"App::Doc\" = [\"owner\"]\n", false),
        ("[claims]\n\"App::User\" = [\"clearance\"]\n", true),
    ] {
        let application = application_with(BY_CLEARANCE, &kept, &header(claims), &[]).unwrap();
        assert_eq!(application.evaluate(&asked, noon()).allowed, allowed, "{claims}");
        // What changes nothing is not on record either.
        let readable = application.readable(&asked);
        assert_eq!(readable.subject.properties.contains_key("clearance"), allowed, "{claims}");
        assert_eq!(application.evaluate(&readable, noon()).allowed, allowed, "{claims}");
    }
    // What is kept counts, also where it may be claimed.
    let of_a = BY_CLEARANCE.replace(
        "principal has clearance && principal.clearance >= resource.level",
        "principal has tenant && principal.tenant == \"b\"",
    );
    let claims = header("[claims]\n\"App::User\" = [\"tenant\"]\n");
    assert!(!application_with(&of_a, &kept, &claims, &[]).unwrap().evaluate(&asked, noon()).allowed);

    for (claims, said) in [
        ("[claims]\n\"App::Ghost\" = [\"x\"]\n", "`App::Ghost`"),
        ("[claims]\n\"App::User\" = [\"shoe\"]\n", "`shoe` of `App::User`"),
    ] {
        let refused = application_with(BY_CLEARANCE, &kept, &header(claims), &[]).unwrap_err().to_string();
        assert!(refused.contains("application.toml:4") && refused.contains(said), "{refused}");
    }
}

#[test]
fn what_no_policy_can_read_changes_nothing() {
    let application = application(BY_CLEARANCE, &json!([])).unwrap();
    let user = json!({ "type": "User", "id": "u", "properties": { "clearance": 3, "shoe_size": 44.5, "tenant": null } });
    let context =
        json!({ "weather": { "rain": true }, "place": { "ward": "a", "door": 7 }, "now": "yesterday" });
    let answer = application.evaluate(&question(user, context), noon());
    assert!(answer.allowed, "{answer:?}");
}

#[test]
fn what_is_missing_unknown_or_of_another_type_denies_and_is_named() {
    let application = application(BY_CLEARANCE, &json!([])).unwrap();
    let good = json!({
        "subject": { "type": "User", "id": "u", "properties": { "clearance": 3 } },
        "action": { "name": "read" },
        "resource": { "type": "Doc", "id": "d", "properties": { "level": 3 } },
    });
    assert!(application.evaluate(&access(good.clone()), noon()).allowed);
    let bad = [
        ("/subject/type", json!("Person"), "no type `Person`"),
        ("/action/name", json!("burn"), "no action `burn`"),
        ("/resource/properties", json!({}), "level"),
        ("/resource/properties/level", json!("three"), "resource"),
        ("/resource/type", json!("User"), "schema"),
        ("/context", json!({ "place": { "ward": 5 } }), "context"),
    ];
    for (pointer, value, said) in bad {
        let mut question = good.clone();
        question["context"] = json!({});
        *question.pointer_mut(pointer).unwrap() = value;
        let answer = application.evaluate(&access(question), noon());
        assert!(
            !answer.allowed && answer.errors.iter().any(|error| error.contains(said)),
            "{pointer}: {answer:?}"
        );
    }
}

#[test]
fn the_servers_time_the_actions_properties_and_entities_in_the_context_are_seen() {
    let policies = r#"
        @id("read.morning") @reason("Mornings only")
        permit (principal, action == App::Action::"read", resource)
        when { context.now < datetime("2026-11-20T12:00:00Z") };
        @id("read.audit") @reason("Auditors' program, in audit mode")
        permit (principal, action == App::Action::"read", resource)
        when { context has action && context.action has mode && context.action.mode == "audit"
          && context has by && context.by in App::Group::"auditors" };
    "#;
    let group = |id: &str| json!({ "type": "App::Group", "id": id });
    let kept = json!([
        { "uid": group("auditors"), "attrs": {}, "parents": [] },
        { "uid": group("heads"), "attrs": {}, "parents": [group("auditors")] },
        { "uid": { "type": "App::User", "id": "ida" }, "attrs": {}, "parents": [group("heads")] },
    ]);
    let application = application(policies, &kept).unwrap();
    let user = json!({ "type": "User", "id": "u" });
    // Whatever the question says, it is noon.
    let early = json!({ "now": "2026-11-20T08:00:00Z" });
    assert!(!application.evaluate(&question(user.clone(), early), noon()).allowed);
    let morning = "2026-11-20T11:59:59.999Z".parse().unwrap();
    assert!(application.evaluate(&question(user.clone(), json!({})), morning).allowed);

    let mut audit = question(user, json!({ "by": { "type": "User", "id": "ida" } }));
    assert!(!application.evaluate(&audit, noon()).allowed);
    Arc::make_mut(&mut audit.action).properties = json!({ "mode": "audit" }).as_object().unwrap().clone();
    let answer = application.evaluate(&audit, noon());
    assert!(answer.allowed, "{answer:?}");
}

#[test]
fn a_question_is_recorded_as_far_as_it_can_be_read_and_answered_the_same() {
    let header =
        "name = \"app\"\nrevision = 1\nmask = [\"/subject/properties/tenant\", \"/context/nowhere\"]\n";
    let application = application_with(BY_CLEARANCE, &json!([]), header, &[]).unwrap();
    let user = json!({
        "type": "User", "id": "u",
        "properties": { "clearance": 3, "tenant": "secret", "weight": 71.5 },
    });
    let asked = question(user, json!({ "weather": 0.5, "place": { "ward": "a", "temperature": 21.5 } }));
    let readable = application.readable(&asked);
    assert_eq!(application.evaluate(&readable, noon()), application.evaluate(&asked, noon()));
    assert_eq!(application.readable(&readable), readable);
    let (recorded, masked) = application.masked(serde_json::to_value(&readable).unwrap());
    assert!(masked);
    let expected = json!({
        "subject": { "type": "User", "id": "u", "properties": { "clearance": 3, "tenant": "(masked)" } },
        "action": { "name": "read" },
        "resource": { "type": "Doc", "id": "d", "properties": { "level": 3 } },
        "context": { "place": { "ward": "a" } },
    });
    assert_eq!(recorded, expected);

    // What is read and has no exact number is a text in the record, and denied either way.
    let heavy = json!({ "type": "User", "id": "u", "properties": { "clearance": 3.5 } });
    let readable = application.readable(&question(heavy, json!({})));
    assert_eq!(readable.subject.properties["clearance"], json!("3.5"));
    assert!(!application.evaluate(&readable, noon()).allowed);
}

#[test]
fn a_policy_that_errs_denies_whatever_the_others_say() {
    let policies = r#"
        @id("all") @reason("Everybody reads") permit (principal, action == App::Action::"read", resource);
        @id("guard") @reason("No overflow") forbid (principal, action == App::Action::"read", resource)
        when { resource.level * 9223372036854775807 < 0 };
    "#;
    let application = application(policies, &json!([])).unwrap();
    let answer = application.evaluate(&question(json!({ "type": "User", "id": "u" }), json!({})), noon());
    assert!(!answer.allowed && answer.errors[0].contains("`guard`"), "{answer:?}");
}

#[test]
fn faults_are_all_named_with_their_place() {
    let refused = |result: Result<Application, BundleError>| result.unwrap_err().to_string();
    let nobody = json!([]);
    let header = |more: &str| format!("name = \"app\"\nrevision = 1\n{more}");
    let said = refused(application("permit (principal, action, resource);", &nobody));
    assert!(said.contains("app.cedar:1:1") && said.contains("@id"), "{said}");
    let said = refused(application(
        BY_CLEARANCE,
        &json!([{ "uid": { "type": "App::Ghost", "id": "g" }, "attrs": {}, "parents": [] }]),
    ));
    assert!(said.contains("entities.json") && said.contains("Ghost"), "{said}");
    let cyclic = json!([
        { "uid": { "type": "App::Group", "id": "a" }, "attrs": {}, "parents": [{ "type": "App::Group", "id": "b" }] },
        { "uid": { "type": "App::Group", "id": "b" }, "attrs": {}, "parents": [{ "type": "App::Group", "id": "a" }] },
    ]);
    let said = refused(application(BY_CLEARANCE, &cyclic));
    assert!(said.contains("entities.json") && said.contains("cycle"), "{said}");
    let said =
        refused(application_with(BY_CLEARANCE, &nobody, &header("[types]\nperson = \"App::Person\"\n"), &[]));
    assert!(
        said.contains("application.toml:4") && said.contains("App::Person") && said.contains("App::User"),
        "{said}"
    );
    let said = refused(application_with(BY_CLEARANCE, &nobody, &header("mask = [\"context\"]\n"), &[]));
    assert!(said.contains("JSON pointer"), "{said}");
    let said = refused(application_with(BY_CLEARANCE, &nobody, &header(""), &[("app.cedar.bak", "")]));
    assert!(said.contains("app.cedar.bak"), "{said}");
    let case = r#"{"evaluation": [{"request": {"subject": {"type": "User", "id": "u"}, "action": {"name": "read"},
        "resource": {"type": "Doc", "id": "d", "properties": {"level": 1}}}, "expected": true}]}"#;
    let said = refused(application_with(BY_CLEARANCE, &nobody, &header(""), &[("cases/read.json", case)]));
    assert!(said.contains("cases/read.json") && said.contains("denied"), "{said}");
    let holds = case.replace("\"expected\": true", "\"expected\": false");
    application_with(BY_CLEARANCE, &nobody, &header(""), &[("cases/read.json", &holds)]).unwrap();
}

#[test]
fn what_is_kept_with_an_attribute_of_the_wrong_type_is_refused_at_load() {
    let kept = json!([{ "uid": { "type": "App::User", "id": "eve" }, "attrs": { "clearance": "high" }, "parents": [] }]);
    let refused = application(BY_CLEARANCE, &kept).unwrap_err().to_string();
    assert!(refused.starts_with("entities.json:1:1: ") && refused.contains("clearance"), "{refused}");
}

#[test]
fn somebody_whom_nobody_knows_is_denied_and_it_is_no_error() {
    let kept =
        json!([{ "uid": { "type": "App::User", "id": "eve" }, "attrs": { "clearance": 9 }, "parents": [] }]);
    let application = application(BY_CLEARANCE, &kept).unwrap();
    let asked = |id: &str| question(json!({ "type": "User", "id": id }), json!({}));
    assert!(application.evaluate(&asked("eve"), noon()).allowed);
    let answer = application.evaluate(&asked("nobody"), noon());
    assert!(!answer.allowed && answer.errors.is_empty(), "{answer:?}");
}

/// What is said of an application of the tenant `mercy`.
fn refused_for_mercy(policies: &str, entities: &Value, header: &str) -> Vec<String> {
    let schema = SCHEMA.replace("entity Doc {", "entity Clinic; entity Doc in [Clinic, Interlock::Tenant] {");
    let schema = format!("{schema}\nnamespace Interlock {{ entity Tenant; }}");
    let entities = entities.to_string();
    let files = [
        ("application.toml", header),
        ("schema.cedarschema", &schema),
        ("app.cedar", policies),
        ("entities.json", &entities),
    ];
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    let loaded = Application::from_files_within(&files, &Limits::default(), Some(&"mercy".parse().unwrap()));
    loaded.map_or_else(|error| error.faults().iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn what_names_another_tenant_is_refused_where_it_does() {
    let header = "name = \"app\"\nrevision = 1\n";
    let listed = format!("{header}tenants = [\"App::Clinic\"]\n");
    let policy = |of: &str| {
        format!(
            "@id(\"in\") @reason(\"Whoever is cleared\")\npermit (principal, action == App::Action::\"read\",\n  resource in {of});"
        )
    };
    let doc = |parent: &str, tenant: &str| {
        json!([{
            "uid": { "type": "App::Doc", "id": "d" }, "attrs": { "level": 1 },
            "parents": [{ "type": parent, "id": tenant }],
        }])
    };
    let nobody = json!([]);
    let none: Vec<String> = Vec::new();
    assert_eq!(
        refused_for_mercy(
            &policy("Interlock::Tenant::\"mercy\""),
            &doc("Interlock::Tenant", "mercy"),
            header
        ),
        none
    );
    let said = refused_for_mercy(&policy("Interlock::Tenant::\"grace\""), &nobody, header);
    let expected = "app.cedar:3:15: `Interlock::Tenant::\"grace\"` is another tenant, and this application is of `mercy`; speak \
                    of that one alone";
    assert_eq!(said, [expected]);
    let said = refused_for_mercy(BY_CLEARANCE, &doc("Interlock::Tenant", "grace"), header);
    assert!(
        said.len() == 1 && said[0].starts_with("entities.json:1:") && said[0].contains("grace"),
        "{said:?}"
    );

    // A type of its own is a tenant of this server only where the application says so.
    assert_eq!(
        refused_for_mercy(&policy("App::Clinic::\"grace\""), &doc("App::Clinic", "grace"), header),
        none
    );
    let said = refused_for_mercy(&policy("App::Clinic::\"grace\""), &doc("App::Clinic", "grace"), &listed);
    assert!(said.len() == 2 && said[0].starts_with("app.cedar:3:15: `App::Clinic"), "{said:?}");
    assert_eq!(
        refused_for_mercy(&policy("App::Clinic::\"mercy\""), &doc("App::Clinic", "mercy"), &listed),
        none
    );
    let said = refused_for_mercy(BY_CLEARANCE, &nobody, &listed.replace("Clinic", "Ghost"));
    assert!(said[0].starts_with("application.toml:3:") && said[0].contains("App::Ghost"), "{said:?}");
}

#[test]
fn groups_that_are_in_each_other_are_refused_and_the_way_round_is_named() {
    let group = |id: &str, above: &[&str]| {
        let parents: Vec<Value> = above.iter().map(|id| json!({ "type": "App::Group", "id": id })).collect();
        json!({ "uid": { "type": "App::Group", "id": id }, "attrs": {}, "parents": parents })
    };
    let said = |groups: Value| application(BY_CLEARANCE, &groups).unwrap_err().to_string();
    let three = said(json!([
        group("top", &[]),
        group("a", &["top", "b"]),
        group("b", &["c"]),
        group("c", &["top", "a"])
    ]));
    let way = "these are in a cycle: App::Group::\"a\" in App::Group::\"b\" in App::Group::\"c\" in App::Group::\"a\"; take";
    assert!(three.starts_with("entities.json:1:") && three.contains(way), "{three}");
    let own = said(json!([group("a", &["a"])]));
    assert!(own.contains("App::Group::\"a\" in App::Group::\"a\""), "{own}");
    application(
        BY_CLEARANCE,
        &json!([group("a", &["b", "c"]), group("b", &["d"]), group("c", &["d"]), group("d", &[])]),
    )
    .unwrap();
    // As deep as a file may be.
    let deep: Vec<Value> =
        (0..2_000).map(|at| group(&format!("g{at}"), &[&format!("g{}", (at + 1) % 2_000)])).collect();
    assert!(said(json!(deep)).contains("in a cycle"));
}

#[test]
fn ten_thousand_policies_of_an_application_are_loaded_and_asked_and_one_beyond_the_limit_is_refused_by_name()
{
    let many = |count: usize| -> String {
        (0..count)
            .map(|at| {
                format!(
                    "@id(\"p{at}\") @reason(\"Whoever owns it reads it\")\npermit (principal == App::User::\"u{at}\", action == \
                     App::Action::\"read\", resource);\n"
                )
            })
            .collect()
    };
    let loaded = application(&many(10_000), &json!([])).unwrap();
    assert_eq!((loaded.policy_count(), loaded.policies_asked("read")), (10_000, 10_000));
    let user = |id: &str| json!({ "type": "User", "id": id });
    assert!(loaded.evaluate(&question(user("u9999"), json!({})), noon()).allowed);
    assert!(!loaded.evaluate(&question(user("u10000"), json!({})), noon()).allowed);

    let files = |count| {
        let files = [("application.toml", "name = \"app\"\nrevision = 1\n"), ("schema.cedarschema", SCHEMA)];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let policies = ("app.cedar".to_owned(), many(count).into_bytes());
        files.into_iter().chain([policies]).collect()
    };
    let limits = Limits { policies_max: 100, ..Limits::default() };
    Application::from_files_within(&files(100), &limits, None).unwrap();
    let refused = Application::from_files_within(&files(101), &limits, None).unwrap_err().to_string();
    assert_eq!(
        refused,
        "`the bundle` has policies beyond the limit of 100 (`policies_max`); split or shorten it"
    );
}

#[test]
fn without_policies_everything_is_denied() {
    let application = application("", &json!([])).unwrap();
    assert!(application.denies_all());
    let answer = application.evaluate(&question(json!({ "type": "User", "id": "u" }), json!({})), noon());
    assert!(!answer.allowed && answer.errors.is_empty(), "{answer:?}");
}
