//! What the OpenAPI document says of the gates. Their bodies are the engines' own, so that they are described and not typed.

use serde_json::{Value, json};

/// A question of an engine: what comes after the gate, the method, its name, what it is, and what is answered.
type Question = (&'static str, &'static str, &'static str, &'static str, &'static str);

const QUESTIONS: [Question; 8] = [
    (
        "/flagger/{hook}",
        "post",
        "flagger",
        "Answer a webhook of Flagger",
        "Go on; of `rollback`: go back; of `event` and `post-rollout`: recorded. Everything else is 403",
    ),
    ("/argo", "get", "argo_query", "Answer the web metric of Argo Rollouts, asked by query", ARGO),
    ("/argo", "post", "argo", "Answer the web metric of Argo Rollouts", ARGO),
    ("/argo", "put", "argo_put", "Answer the web metric of Argo Rollouts, asked by PUT", ARGO),
    (
        "/kayenta/canaryConfig",
        "get",
        "kayenta_configs",
        "List Kayenta's canary configurations: the gate's one",
        "`[{\"id\", \"name\"}]`",
    ),
    (
        "/kayenta/canary/{id}",
        "post",
        "kayenta_begin",
        "Begin a canary of Kayenta, which is answered at once",
        "`{\"canaryExecutionId\"}`",
    ),
    (
        "/kayenta/judge",
        "post",
        "kayenta_judge",
        "Judge series as Kayenta's remote judge",
        "The score, those of the groups, and what each metric came to",
    ),
    (
        "/kubernetes",
        "post",
        "kubernetes",
        "Review an admission of Kubernetes",
        "An `AdmissionReview` of `admission.k8s.io/v1` with the response",
    ),
];

const ARGO: &str = "`{\"decision\": \"allow|deny|pending\", \"score\", \"reason\", \"decisionId\"}`";
const LOOK: Question = (
    "/kayenta/canary/{id}",
    "get",
    "kayenta_look",
    "Read what a canary of Kayenta came to",
    "`{\"complete\": true, \"result\": {\"judgeResult\": {\"score\": {\"score\"}}}}`",
);

/// Where they are below a tenant.
pub(crate) const BELOW: &str = "/gates/{gate}/";

/// Each path below a tenant with what it takes.
pub(crate) fn paths() -> Vec<(String, &'static str, Value)> {
    QUESTIONS
        .iter()
        .chain([&LOOK])
        .map(|(path, method, id, summary, answer)| {
            let named = |name: &str, description: &str| {
                json!({ "name": name, "in": "path", "required": true, "description": description,
                    "schema": { "type": "string" } })
            };
            let mut parameters = vec![named("gate", "Its name")];
            if path.contains("{hook}") {
                parameters.push(named("hook", "The webhook's type, such as `confirm-promotion`"));
            }
            if path.contains("{id}") {
                parameters.push(named("id", "The configuration or the execution"));
            }
            let media = if *id == "flagger" { "text/plain" } else { "application/json" };
            let schema = if *id == "flagger" { json!({ "type": "string" }) } else { json!({}) };
            let mut operation = json!({
                "tags": ["gates"],
                "summary": summary,
                "description": format!("Also at `/gate/{{token}}{path}`, without a key."),
                "operationId": id,
                "parameters": parameters,
                "security": [{ "key": ["read"] }],
                "responses": { "200": { "description": answer, "content": { media: { "schema": schema } } } },
            });
            if *method != "get" {
                operation["requestBody"] = json!({ "description": "What the engine sends", "required": true,
                    "content": { "application/json": { "schema": { "type": "object" } } } });
            }
            (format!("/gates/{{gate}}{path}"), *method, operation)
        })
        .collect()
}
