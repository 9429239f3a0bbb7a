//! The OpenAPI 3.1 document: what the handlers say of themselves, and what holds for all of them.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema as _;
use utoipa_axum::router::OpenApiRouter;

use super::{TENANT, auth, idempotency, open, v1};
use crate::{gates::document, problem};

/// The document.
pub fn document() -> Value {
    let (_, from_handlers) = OpenApiRouter::new().nest(TENANT, v1()).merge(open()).split_for_parts();
    let mut document = serde_json::to_value(from_handlers).unwrap_or_default();
    for (path, method, operation) in document::paths() {
        document["paths"][format!("{TENANT}{path}")][method] = operation;
    }
    document["info"] = json!({
        "title": "Interlock",
        "version": "1",
        "summary": "A change gate: nothing reaches a device until policies, gates and people have said yes",
        "description": DESCRIPTION,
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["tags"] = tags();
    let components = &mut document["components"];
    components["schemas"]["Problem"] = serde_json::to_value(problem::Wire::schema()).unwrap_or_default();
    components["securitySchemes"] = json!({
        "key": {
            "type": "http", "scheme": "bearer", "bearerFormat": "ilk_ID_SECRET",
            "description": "An API key. What it is for (`read`, `write`, `admin`) stands by each operation.",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": auth::session::SECURE,
            "description": "The session of a person who logged in. It works wherever a key does; whatever changes something \
                            carries `X-CSRF-Token` too. Signing takes a session.",
        },
    });
    components["responses"] = json!({ "Problem": {
        "description": "What went wrong (RFC 9457)",
        "content": { problem::MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    } });
    components["parameters"] = json!({
        "tenant": { "name": "tenant", "in": "path", "required": true, "description": "The key's tenant",
            "schema": { "type": "string" }, "example": "mercy" },
        "idempotency-key": { "name": idempotency::KEY, "in": "header", "required": true,
            "description": "New for each thing that you want done; repeating a request with it does it once",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 } },
        "if-match": { "name": "If-Match", "in": "header", "required": false,
            "description": "The `ETag` that was read: refuses to act on anything newer", "schema": { "type": "string" } },
    });
    let paths = document["paths"].as_object_mut().map(std::mem::take).unwrap_or_default();
    document["paths"] =
        paths.into_iter().map(|(path, item)| completed(path, item)).collect::<Map<_, _>>().into();
    document
}

const DESCRIPTION: &str = "\
Everything is JSON in snake_case; times are RFC 3339 in UTC with milliseconds, digests `sha256:<hex>`, ids opaque.

Lists come in parts: pass `next_cursor` as `cursor` until it is `null`. What can change carries a revision in `ETag`; \
`If-Match` makes sure that you act on what you read. Every POST that changes something carries an `Idempotency-Key`. \
Errors are problems (RFC 9457) whose `type` is a page of this server, see `/problems`. Every answer carries its trace id in \
`X-Trace-Id`.";

fn tags() -> Value {
    let tag = |name: &str, description: &str| json!({ "name": name, "description": description });
    json!([
        tag("changes", "Proposals to move devices from one revision to another, and their rollouts"),
        tag("delegations", "Roles that somebody lends to whoever approves while they are away"),
        tag("incidents", "Emergencies in which a change was let through, and what came of looking at them"),
        tag("artifacts", "What changes bring: content addressed by its digest, with a signed statement"),
        tag("advisories", "What is known of the weaknesses of packages, for gates that ask"),
        tag("devices", "The registry, and groups in it"),
        tag("keys", "API keys and the accounts behind them"),
        tag("login", "Persons: invitations, passwords, codes, passkeys, sessions"),
        tag("signatures", "Electronic signatures (21 CFR Part 11), given with an approval or a rejection"),
        tag("decisions", "Every recorded answer of policies and plugins; each can be made again"),
        tag("gates", "Gates that other engines ask: Flagger, Argo Rollouts, Kayenta, Kubernetes"),
        tag("ledger", "The append-only record of everything"),
        tag("plugins", "Gates, health checks and strategies that are installed"),
        tag("policies", "The policies in force"),
        tag("status", "What is amiss for a tenant"),
    ])
}

/// Adds to a path what holds for all of them.
fn completed(path: String, mut item: Value) -> (String, Value) {
    let parameter = |name: &str| json!({ "$ref": format!("#/components/parameters/{name}") });
    let in_tenant = path.starts_with(TENANT);
    if in_tenant {
        item["parameters"] = json!([parameter("tenant")]);
    }
    let question = path.contains(document::BELOW) || idempotency::needs_no_key(&path);
    for (method, operation) in item.as_object_mut().into_iter().flatten() {
        let mut more = Vec::new();
        match method.as_str() {
            "post" if question => {}
            "post" => more.push(parameter("idempotency-key")),
            "get" | "put" | "patch" | "delete" => {}
            _ => continue,
        }
        let on_revision = !question
            && (path.contains("/changes/{id}") || path.contains("/devices/{id}"))
            && method != "get";
        if on_revision {
            more.push(parameter("if-match"));
        }
        // Names of operations are what generated clients call their functions: `changes_approve`, not `approve`.
        let noun = operation["tags"][0].as_str().unwrap_or_default();
        let noun = match () {
            () if path.contains("/groups") => "groups",
            () if path.contains("/accounts") => "accounts",
            () if path.contains("/access-requests") => "access_requests",
            () => noun,
        };
        operation["operationId"] =
            format!("{noun}_{}", operation["operationId"].as_str().unwrap_or_default()).into();
        if !more.is_empty() {
            let mut all = operation["parameters"].as_array().cloned().unwrap_or_default();
            all.extend(more);
            operation["parameters"] = all.into();
        }
        operation["responses"]["default"] = json!({ "$ref": "#/components/responses/Problem" });
    }
    (path, item)
}
