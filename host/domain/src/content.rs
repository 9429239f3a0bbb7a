//! What an object of a cluster holds, by digest: what a change must bring for the object to be let in.

use interlock_ledger::{Digest, to_canonical};
use serde_json::{Map, Value};

/// What an object is, besides what it holds; and what the cluster says of it.
const NOT_CONTENT: [&str; 2] = ["metadata", "status"];

/// Where objects keep the pods that they make.
const PODS: [&str; 3] = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"];

/// The digests of what an object holds: of each image of an object that makes pods, else of its canonical JSON without
/// `metadata` and `status`. The error says why it has none.
pub fn object_digests(object: &Value) -> Result<Vec<Digest>, String> {
    let images: Vec<&str> = PODS.iter().filter_map(|pod| object.pointer(pod)).flat_map(images).collect();
    if images.is_empty() {
        return Ok(vec![Digest::of(object_content(object)?)]);
    }
    images.into_iter().map(pinned).collect()
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
            json!({ "kind": "Deployment", "spec": { "template": { "spec": pod(&format!("r/x:1@{digest}")) } } }),
            json!({ "kind": "Pod", "spec": pod(&format!("r/x@{digest}")) }),
            json!({ "kind": "CronJob", "spec": { "jobTemplate": { "spec": { "template": { "spec": pod(&format!("x@{digest}")) } } } } }),
        ] {
            assert_eq!(object_digests(&object).unwrap(), [digest, digest], "{object}");
        }
        for image in ["r/x:1", "", "r/x@sha256:7"] {
            let refused = object_digests(&json!({ "spec": pod(image) })).unwrap_err();
            assert!(refused.contains("is not pinned"), "{refused}");
        }
    }

    #[test]
    fn what_has_no_one_form_has_no_digest() {
        assert!(object_digests(&json!({ "spec": { "weight": 0.5 } })).is_err());
        assert!(object_digests(&json!(["x"])).is_err());
    }
}
