//! What becomes a plugin, and what is refused with which words.

use std::sync::Arc;

use interlock_ledger::Digest;
use interlock_sandbox::types::{PluginKind, SettingsProblem};
use interlock_sandbox::{InstallError, PluginError};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_good_component_becomes_a_plugin() {
    let sandbox = sandbox(small());
    let wasm = passing().build();
    let plugin = sandbox.install(wasm.clone()).await.unwrap();
    assert_eq!(plugin.digest(), Digest::of(&wasm));
    assert_eq!(plugin.kind(), PluginKind::ComplianceGate);
    assert_eq!(
        (plugin.description().name.as_str(), plugin.description().version.as_str()),
        ("test-plugin", "1.0.0")
    );
    assert!(plugin.declares("artifact") && !plugin.declares("patients"));
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn installing_twice_gives_the_same_plugin() {
    let sandbox = sandbox(small());
    let wasm = passing().build();
    let first = sandbox.install(wasm.clone()).await.unwrap();
    let second = sandbox.install(wasm).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&first, &sandbox.shelf().get(&first.digest()).unwrap()));
    assert_eq!(sandbox.shelf().len(), 1);
}

#[tokio::test]
async fn a_slot_is_swapped_while_calls_keep_their_plugin() {
    let sandbox = sandbox(small());
    let old = sandbox.install(passing().build()).await.unwrap();
    let new = sandbox.install(passing().with(|g| g.version = "1.1.0".into()).build()).await.unwrap();
    let shelf = sandbox.shelf();
    assert!(shelf.bound("acme/test").is_none());
    shelf.bind("acme/test", &old);
    let held = shelf.bound("acme/test").unwrap();
    shelf.bind("acme/test", &new);
    assert_eq!(shelf.bound("acme/test").unwrap().digest(), new.digest());
    assert_eq!(ask(&held, 0).await.outcome, Ok(pass()));
    shelf.unbind("acme/test");
    assert!(shelf.bound("acme/test").is_none());
}

#[tokio::test]
async fn other_bytes_than_registered_are_refused() {
    let sandbox = sandbox(small());
    let wasm = passing().build();
    let registered = Digest::of(&wasm);
    let other = passing().with(|g| g.version = "0.9.0".into()).build();
    let error = sandbox.install_registered(registered, other).await.unwrap_err();
    assert!(
        matches!(error, InstallError::DigestDiffers { expected, .. } if expected == registered),
        "{error}"
    );
    sandbox.install_registered(registered, wasm).await.unwrap();
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let sandbox = sandbox(small());
    for bytes in [vec![], b"hello".to_vec(), b"\0asm\x01\0\0\0".to_vec(), passing().build()[..100].to_vec()] {
        let error = sandbox.install(bytes).await.unwrap_err();
        assert!(matches!(error, InstallError::Compile { .. }), "{error}");
    }
    assert!(sandbox.shelf().is_empty());
}

/// The contract with a world of the test's own.
fn with_world(guest: Guest, world: &str) -> Guest {
    guest.with(|g| {
        g.wit += world;
        g.world = "odd";
    })
}

#[tokio::test]
async fn every_foreign_import_is_named() {
    let world = "
        interface network { reach: func(); }
        interface disk { write: func(); }
        world odd { import network; import disk; export plugin; export gate; }";
    let guest = passing().with(|g| {
        g.imports = r#"
            (import "interlock:plugin/network@1.1.0" "reach" (func $reach))
            (import "interlock:plugin/disk@1.1.0" "write" (func $write))"#
            .into();
    });
    let error = refusal(with_world(guest, world)).await;
    let text = "the component imports `interlock:plugin/network@1.1.0`, `interlock:plugin/disk@1.1.0`, \
                which no plugin may: use `evidence` instead";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn missing_functions_are_named() {
    let guest = passing().with(|g| {
        let line = g.wit.lines().find(|line| line.contains("check-settings: func")).unwrap().to_owned();
        g.wit = g.wit.replace(&line, "");
        g.no_check_settings = true;
    });
    let text = "a compliance-gate must also export `interlock:plugin/plugin#check-settings`";
    assert_eq!(refusal(guest).await.to_string(), text);
}

#[tokio::test]
async fn a_component_of_no_world_or_of_two_is_refused() {
    let none = with_world(Guest::new("odd"), "world odd { export plugin; }");
    assert!(matches!(refusal(none).await, InstallError::NoWorld));

    let two = passing().with(|g| {
        g.export("strategy", "plan", "(param i32) (result i32)", "(unreachable)");
        g.export("strategy", "advance", "(param i32) (result i32)", "(unreachable)");
    });
    let error = refusal(with_world(two, "world odd { export plugin; export gate; export strategy; }")).await;
    let text = "the component is both a compliance-gate and a rollout-strategy: make two components of it";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn extra_exports_are_left_alone() {
    let guest = passing().with(|g| g.exports += "(func (export \"init\") (unreachable))");
    let guest = with_world(guest, "world odd { export plugin; export gate; export init: func(); }");
    assert_eq!(ask_fresh(small(), guest, 0).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn a_function_of_another_type_is_refused() {
    let guest = passing().with(|g| {
        g.wit = g.wit.replace(
            "settings: json, now: instant) -> result<verdict",
            "settings: json, now: u32) -> result<verdict",
        )
    });
    let error = refusal(guest).await;
    assert!(
        matches!(&error, InstallError::Contract { reason } if reason.starts_with("`gate#evaluate`")),
        "{error}"
    );
}

#[tokio::test]
async fn a_component_that_cannot_describe_itself_is_refused() {
    let error = refusal(passing().with(|g| g.describe = Some("(unreachable)".into()))).await;
    assert!(matches!(&error, InstallError::SmokeTest(PluginError::Trapped { .. })), "{error}");

    for (name, version) in [("Bad Name", "1.0.0"), ("good-name", "one")] {
        let error = refusal(passing().with(|g| (g.name, g.version) = (name.into(), version.into()))).await;
        assert!(matches!(&error, InstallError::SmokeTest(PluginError::BadOutput { .. })), "{error}");
    }
    for source in ["http.", ".ticket", "http..ticket", "HTTP.ticket"] {
        let error = refusal(passing().with(|g| g.sources = vec![source])).await;
        assert!(matches!(&error, InstallError::SmokeTest(PluginError::BadOutput { .. })), "{error}");
    }
    let error = refusal(passing().with(|g| g.sources = vec!["artifact", "artifact"])).await;
    assert!(error.to_string().ends_with("evidence source `artifact` stands twice"), "{error}");
}

#[tokio::test]
async fn a_settings_schema_must_be_one() {
    let cases = [
        "{",
        "7",
        r#"{"type":"objekt"}"#,
        r#"{"properties":[]}"#,
        r#"{"pattern":"("}"#,
        r#"{"$ref":"https://example.org/schema.json"}"#,
    ];
    for schema in cases {
        let error = refusal(passing().with(|g| g.schema = schema.into())).await;
        assert!(matches!(error, InstallError::Schema { .. }), "{schema}: {error}");
    }
}

#[tokio::test]
async fn settings_are_held_against_the_schema_with_pointers() {
    let plugin = install(small(), passing()).await;
    let problems = async |settings| plugin.check_settings(&settings).await.unwrap();
    assert_eq!(problems(json!({"days": 3})).await, []);
    let [SettingsProblem { path, message }] = &problems(json!({"days": 0})).await[..] else { panic!("one") };
    assert_eq!((path.as_str(), message.as_str()), ("/days", "0 is less than the minimum of 1"));
    assert_eq!(problems(json!({"dayz": 3})).await[0].path, "");
    assert!(!problems(json!([])).await.is_empty());
    let float = problems(json!({"days": 3.0})).await;
    assert_eq!(float[0].message, "`3.0` is not a whole number: write ratios in basis points");
}

#[tokio::test]
async fn what_only_the_plugin_can_see_is_asked_of_the_plugin() {
    let mut guest = passing().with(|g| g.no_check_settings = true);
    let (path, path_len) = guest.text("/days");
    let (message, message_len) = guest.text("no leap days");
    let problem = guest.words(&[path as u32, path_len as u32, message as u32, message_len as u32]);
    let list = guest.words(&[problem as u32, 1]);
    guest.export("plugin", "check-settings", "(param i32 i32) (result i32)", &format!("(i32.const {list})"));
    let plugin = install(small(), guest).await;
    let expected = SettingsProblem { path: "/days".into(), message: "no leap days".into() };
    assert_eq!(plugin.check_settings(&json!({"days": 3})).await.unwrap(), [expected]);
    let by_schema = plugin.check_settings(&json!({"days": 0})).await.unwrap();
    assert_eq!(by_schema.len(), 1, "the plugin sees only what passed the schema");
}

#[tokio::test]
async fn a_schema_that_refers_to_itself_cannot_exhaust_the_host() {
    for schema in [
        r##"{"$ref":"#"}"##,
        r##"{"allOf":[{"$ref":"#"}]}"##,
        r##"{"not":{"$ref":"#"}}"##,
        r##"{"$dynamicAnchor":"a","anyOf":[{"$dynamicRef":"#a"}]}"##,
        r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"if":{"$ref":"#/$defs/a"}}},"$ref":"#/$defs/a"}"##,
    ] {
        let wasm = passing().with(|g| g.schema = schema.into()).build();
        let plugin = sandbox(small()).install(wasm).await.unwrap();
        assert!(plugin.schema_problems(&json!({"days": 3})).len() <= 1, "{schema}");
    }
}
