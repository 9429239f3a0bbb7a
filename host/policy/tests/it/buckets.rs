//! Buckets: the same answers as the whole set of policies gives, whatever their scopes are.

use std::str::FromStr;

use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, Schema};
use interlock_domain::Action;
use interlock_policy::{Bundle, default_files, sample_question};
use proptest::{prelude::*, sample::select};

use crate::{bundle_with, ids};

const SCOPES: [&str; 7] = [
    "action",
    "action == Interlock::Action::\"ReadChange\"",
    "action == Interlock::Action::\"PauseRollout\"",
    "action in Interlock::Action::\"Read\"",
    "action in Interlock::Action::\"All\"",
    "action in [Interlock::Action::\"PauseRollout\", Interlock::Action::\"Read\"]",
    "action in [Interlock::Action::\"ResumeRollout\"]",
];

const CONDITIONS: [&str; 5] = [
    "",
    "when { resource.environment == \"production\" }",
    "unless { resource.environment == \"production\" }",
    "when { principal in Interlock::Role::\"release_manager\" }",
    // Cedar knows what is in a group, and refuses a condition that can never hold.
    "when { action in Interlock::Action::\"All\" || resource.environment == \"staging\" }",
];

/// The default schema with a group above the group.
fn schema() -> String {
    let schema = String::from_utf8(default_files()["schema.cedarschema"].clone()).unwrap();
    schema.replace("action Read;", "action All;\n  action Read in [All];")
}

fn policy(number: usize, forbid: bool, scope: &str, condition: &str) -> String {
    let effect = if forbid { "forbid" } else { "permit" };
    format!(
        "@id(\"p{number}\") @reason(\"r\") @waiver(\"a test\")\n\
         {effect} (principal, {scope}, resource is Interlock::Change) {condition};\n"
    )
}

fn policies() -> impl Strategy<Value = String> {
    let one = (prop::bool::weighted(0.3), select(SCOPES.to_vec()), select(CONDITIONS.to_vec()));
    prop::collection::vec(one, 0..8).prop_map(|policies| {
        policies
            .into_iter()
            .enumerate()
            .map(|(number, (forbid, scope, condition))| policy(number, forbid, scope, condition))
            .collect()
    })
}

/// What Cedar says with every policy at once, given the sample question by hand.
fn ask_whole_set(schema: &str, policies: &str, action: Action) -> (bool, Vec<String>) {
    let schema = Schema::from_str(schema).unwrap();
    let uid = |text: &str| EntityUid::from_str(text).unwrap();
    let principal = uid("Interlock::User::\"per_0000000000000000000000000000000b\"");
    let resource = uid("Interlock::Change::\"chg_00000000000000000000000000000001\"");
    let text = |value: &str| cedar_policy::RestrictedExpression::new_string(value.to_owned());
    let author = uid("Interlock::User::\"per_0000000000000000000000000000000a\"");
    let tenant = uid("Interlock::Tenant::\"acme\"");
    let flag = cedar_policy::RestrictedExpression::new_bool;
    let entity_of = cedar_policy::RestrictedExpression::new_entity_uid;
    let entities = Entities::from_entities(
        [
            Entity::new(
                principal.clone(),
                [("tenant".to_owned(), entity_of(tenant.clone())), ("on_hold".to_owned(), flag(false))]
                    .into(),
                [uid("Interlock::Role::\"release_manager\"")].into(),
            )
            .unwrap(),
            Entity::new(
                resource.clone(),
                [
                    ("environment".to_owned(), text("production")),
                    ("kind".to_owned(), text("release")),
                    ("author".to_owned(), entity_of(author)),
                    ("guarded".to_owned(), flag(true)),
                    ("paused_by_safety".to_owned(), flag(false)),
                    ("back_weakens".to_owned(), flag(false)),
                ]
                .into(),
                [tenant, uid("Interlock::Environment::\"acme/production\"")].into(),
            )
            .unwrap(),
        ],
        Some(&schema),
    )
    .unwrap();
    let now = cedar_policy::RestrictedExpression::new_datetime("2026-11-20T12:00:00.000Z");
    let request = Request::new(
        principal,
        uid(&format!("Interlock::Action::\"{action}\"")),
        resource,
        Context::from_pairs([("now".to_owned(), now)]).unwrap(),
        Some(&schema),
    )
    .unwrap();
    let set = PolicySet::from_str(policies).unwrap();
    let response = Authorizer::new().is_authorized(&request, &set, &entities);
    let mut ids: Vec<String> =
        response.diagnostics().reason().map(|id| set.annotation(id, "id").unwrap().to_owned()).collect();
    ids.sort();
    (response.decision() == Decision::Allow, ids)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn buckets_answer_as_the_whole_set_does(policies in policies()) {
        let mut files = default_files();
        files.retain(|path, _| path == "bundle.toml");
        let schema = schema();
        files.insert("schema.cedarschema".to_owned(), schema.clone().into_bytes());
        files.insert("test.cedar".to_owned(), policies.clone().into_bytes());
        let bundle = Bundle::from_files(files).unwrap();
        for action in [Action::ReadChange, Action::PauseRollout, Action::ResumeRollout, Action::RejectChange] {
            let answer = bundle.ask(&sample_question(action));
            let (allowed, deciding) = ask_whole_set(&schema, &policies, action);
            prop_assert_eq!(answer.allowed, allowed, "{}", action);
            prop_assert_eq!(ids(&answer), deciding, "{}", action);
        }
    }

    #[test]
    fn one_more_forbid_never_allows_more(
        policies in policies(),
        scope in select(SCOPES.iter().copied().filter(|scope| !scope.contains("All")).collect::<Vec<_>>()),
        condition in select(CONDITIONS.iter().copied().filter(|it| !it.contains("All")).collect::<Vec<_>>()),
        watched: bool,
    ) {
        let policies = policies.replace("Action::\"All\"", "Action::\"Read\"");
        let mode = if watched { "@mode(\"monitor\") " } else { "" };
        let more = format!("{policies}{mode}{}", policy(99, true, scope, condition));
        let (before, after) = (bundle_with(&policies), bundle_with(&more));
        for &action in Action::ALL {
            let question = sample_question(action);
            let (before, after) = (before.ask(&question), after.ask(&question));
            prop_assert!(before.allowed || !after.allowed, "{action}");
            if watched {
                prop_assert_eq!(before.allowed, after.allowed);
                prop_assert_eq!(before.determining, after.determining);
            }
        }
    }
}
