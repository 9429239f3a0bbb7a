//! What an object of a cluster holds, by digest: what a change must bring for the object to be let in.

use interlock_ledger::{Digest, to_canonical};
use serde_json::{Map, Value};

/// What an object is, besides what it holds; and what the cluster says of it.
const NOT_CONTENT: [&str; 2] = ["metadata", "status"];

const TEMPLATE: &str = "/spec/template/spec";

/// The kinds of Kubernetes' own that make pods: group, kind, and where the pod is.
const PODS: [(&str, &str, &str); 8] = [
    ("", "Pod", "/spec"),
    ("", "ReplicationController", TEMPLATE),
    ("apps", "DaemonSet", TEMPLATE),
    ("apps", "Deployment", TEMPLATE),
    ("apps", "ReplicaSet", TEMPLATE),
    ("apps", "StatefulSet", TEMPLATE),
    ("batch", "CronJob", "/spec/jobTemplate/spec/template/spec"),
    ("batch", "Job", TEMPLATE),
];

/// The digests of what an object holds: of each image of an object of Kubernetes' own that makes pods, else of its canonical JSON
/// without `metadata` and `status`. What a kind that somebody else defined does with its images nobody here knows, nor what else in
/// it matters: so all of it counts, whatever it looks like. The error says why it has none.
pub fn object_digests(object: &Value) -> Result<Vec<Digest>, String> {
    let Some(pod) = pod_of(object) else { return Ok(vec![Digest::of(object_content(object)?)]) };
    let images = object.pointer(pod).map(images).unwrap_or_default();
    if images.is_empty() {
        return Err(format!("it has no containers at `{pod}`"));
    }
    images.into_iter().map(pinned).collect()
}

/// Where an object of Kubernetes' own keeps the pod that it makes; nothing for every other object.
fn pod_of(object: &Value) -> Option<&'static str> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let (version, kind) = (text("apiVersion")?, text("kind")?);
    let group = version.split_once('/').map_or("", |(group, _)| group);
    PODS.iter().find(|known| (known.0, known.1) == (group, kind)).map(|known| known.2)
}

/// The canonical JSON of what an object holds: the artifact to push.
pub fn object_content(object: &Value) -> Result<Vec<u8>, String> {
    let Value::Object(fields) = object else { return Err("it is no object".to_owned()) };
    let kept: Map<String, Value> = fields
        .iter()
        .filter(|(name, _)| !NOT_CONTENT.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    to_canonical(&kept).map_err(|error| format!("it has no one canonical form: {error}"))
}

fn images(pod: &Value) -> Vec<&str> {
    ["containers", "initContainers", "ephemeralContainers"]
        .iter()
        .filter_map(|kind| pod.get(kind)?.as_array())
        .flatten()
        .map(|container| container.get("image").and_then(Value::as_str).unwrap_or_default())
        .collect()
}

/// The digest that an image is pinned by: a tag may be another image tomorrow.
fn pinned(image: &str) -> Result<Digest, String> {
    let digest = image.rsplit_once('@').and_then(|(_, digest)| digest.parse().ok());
    digest.ok_or_else(|| {
        let image: String = image.chars().take(200).collect();
        format!("its image `{image}` is not pinned by `@sha256:…`")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_map_is_its_data_whatever_the_cluster_says_of_it() {
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "b": "2", "a": "1" },
            "metadata": { "name": "x", "resourceVersion": "7" } });
        let content = object_content(&map).unwrap();
        assert_eq!(
            String::from_utf8(content.clone()).unwrap(),
            r#"{"apiVersion":"v1","data":{"a":"1","b":"2"},"kind":"ConfigMap"}"#
        );
        assert_eq!(object_digests(&map).unwrap(), [Digest::of(&content)]);
        let mut other = map.clone();
        other["metadata"]["resourceVersion"] = json!("8");
        assert_eq!(object_digests(&other), object_digests(&map));
        other["data"]["a"] = json!("3");
        assert_ne!(object_digests(&other), object_digests(&map));
    }

    #[test]
    fn what_makes_pods_is_its_images_and_each_is_pinned() {
        let digest = Digest::of(b"image");
        let pod = |image: &str| json!({ "containers": [{ "image": image }], "initContainers": [{ "image": format!("i@{digest}") }] });
        for object in [
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "spec": { "template": { "spec": pod(&format!("r/x:1@{digest}")) } } }),
            json!({ "apiVersion": "v1", "kind": "Pod", "spec": pod(&format!("r/x@{digest}")) }),
            json!({ "apiVersion": "batch/v1", "kind": "CronJob", "spec": { "jobTemplate": { "spec": { "template": { "spec": pod(&format!("x@{digest}")) } } } } }),
        ] {
            assert_eq!(object_digests(&object).unwrap(), [digest, digest], "{object}");
        }
        for image in ["r/x:1", "", "r/x@sha256:7"] {
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "spec": pod(image) });
            let refused = object_digests(&pod).unwrap_err();
            assert!(refused.contains("is not pinned"), "{refused}");
        }
        let bare = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "spec": {} });
        assert!(object_digests(&bare).unwrap_err().contains("no containers"));
    }

    #[test]
    fn a_kind_of_somebody_elses_is_all_that_it_holds_however_much_it_looks_like_a_pod() {
        let digest = Digest::of(b"image");
        let pod = json!({ "containers": [{ "image": format!("r/x@{digest}") }] });
        for (version, kind, spec) in [
            (
                "ward.example/v1",
                "PumpProfile",
                json!({ "rate_ml_per_h_max": 250, "template": { "spec": pod } }),
            ),
            (
                "ward.example/v1",
                "Deployment",
                json!({ "rate_ml_per_h_max": 250, "template": { "spec": pod } }),
            ),
            (
                "apps.ward.example/v1",
                "Deployment",
                json!({ "rate_ml_per_h_max": 250, "containers": pod["containers"] }),
            ),
            ("v1", "Deployment", json!({ "rate_ml_per_h_max": 250, "template": { "spec": pod } })),
        ] {
            let object = json!({ "apiVersion": version, "kind": kind, "spec": spec });
            let whole = object_digests(&object).unwrap();
            assert_eq!(whole, [Digest::of(object_content(&object).unwrap())], "{object}");
            let mut other = object.clone();
            other["spec"]["rate_ml_per_h_max"] = json!(2500);
            assert_ne!(object_digests(&other).unwrap(), whole, "{object}");
        }
    }

    #[test]
    fn what_has_no_one_form_has_no_digest() {
        assert!(object_digests(&json!({ "spec": { "weight": 0.5 } })).is_err());
        assert!(object_digests(&json!(["x"])).is_err());
    }
}
