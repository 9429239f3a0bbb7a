use std::{collections::BTreeSet, path::Path};

use axum::{body::Body, http::Method};
use interlock_server::{
    api,
    testing::{TENANT, TestApp},
};
use serde_json::Value;

#[test]
fn the_checked_in_document_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let mut text = serde_json::to_string_pretty(&api::document()).unwrap();
    text.push('\n');
    if std::env::var_os("INTERLOCK_UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == text,
        "docs/openapi.json is out of date; run this test with INTERLOCK_UPDATE=1 and review the difference"
    );
}

fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a str, &'a Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                visit(name, member);
                walk(member, visit);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[test]
fn the_document_holds_together() {
    let document = api::document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut dangling = Vec::new();
    walk(&document, &mut |name, member| {
        if let ("$ref", Some(reference)) = (name, member.as_str()) {
            let pointer = reference.trim_start_matches('#');
            if document.pointer(pointer).is_none() {
                dangling.push(reference.to_owned());
            }
        }
    });
    assert_eq!(dangling, Vec::<String>::new());
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
        {
            let at = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].to_string()), "{at}: its id is taken");
            assert!(operation["summary"].is_string(), "{at}: it has no summary");
            assert!(operation["responses"]["default"].is_object(), "{at}: it says nothing of problems");
            let known = &operation["security"][0];
            let says_who = known["key"][0].is_string() || known["session"].is_array();
            assert!(says_who || !path.contains("{tenant}"), "{at}: it names no scope");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{at}");
        }
    }
}

#[test]
fn every_member_of_every_schema_is_described() {
    let document = api::document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let mut parts = vec![schema];
        parts.extend(schema["allOf"].as_array().into_iter().flatten());
        parts.extend(schema["oneOf"].as_array().into_iter().flatten());
        for (member, schema) in parts.iter().filter_map(|part| part["properties"].as_object()).flatten() {
            let tag = ["type", "step"].contains(&member.as_str()) && schema.get("enum").is_some();
            let described =
                schema.get("description").or_else(|| schema["oneOf"][0].get("description")).is_some();
            assert!(tag || described, "{name}.{member} is not described: {schema}");
        }
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served_from_the_program_alone() {
    let app = TestApp::start().await;
    let nobody = app.client(TENANT, None);
    let get = async |path: &'static str| nobody.send(Method::GET, path, &[], Body::empty()).await;
    assert_eq!(get("//openapi.json").await.ok(), api::document());
    let page = get("//docs/").await;
    assert_eq!(page.status, 200);
    let html = page.text();
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "it loads something from elsewhere: {html}"
    );
    assert!(!html.contains("<script>"), "an inline script would not run under the policy: {html}");
    assert!(get("//docs/swagger-initializer.js").await.text().contains("/openapi.json"));
    assert_eq!(get("//docs/swagger-ui-bundle.js").await.status, 200);
}

/// Two types of one name would silently describe each other.
#[test]
fn a_request_and_a_record_of_one_name_are_two_schemas() {
    let schemas = &api::document()["components"]["schemas"];
    assert!(schemas["Approval"]["properties"]["person"].is_object());
    assert!(schemas["ApprovalRequest"]["properties"].get("person").is_none());
}
