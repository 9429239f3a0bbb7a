//! Bodies: JSON that has one reading, fits its type to the last field, and is not too large.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use interlock_domain::canonical::{CanonicalError, parse_strict};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::{
    App,
    problem::{Kind, Problem},
};

/// The body of a request as a `T`.
pub(crate) struct Payload<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Payload<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        expect_json(&parts.headers)?;
        let bytes = read(&parts.headers, app.config.server.body_bytes_max, body).await?;
        parse(&bytes).map(Payload)
    }
}

/// All of a body, unless it is larger than `bytes_max`.
pub(crate) async fn read(headers: &HeaderMap, bytes_max: usize, body: Body) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            Kind::BodyTooLarge,
            format!("the body has more than {bytes_max} bytes; split the request"),
        )
        .with("limit_bytes", bytes_max)
    };
    if announced(headers).is_some_and(|announced| announced > bytes_max as u64) {
        return Err(too_large());
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(Kind::Interrupted, "the body broke off; send it again")),
    }
}

/// The size that `Content-Length` announces.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Checks the media type: `application/json`, or any that ends in `+json`.
pub(crate) fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = given.map(|given| given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match media.as_deref() {
        Some(media) if media == "application/json" || media.ends_with("+json") => Ok(()),
        Some(media) => Err(Problem::new(
            Kind::UnsupportedMediaType,
            format!(
                "the body is `{}`; send it as `application/json`",
                media.chars().take(80).collect::<String>()
            ),
        )),
        None => Err(Problem::new(
            Kind::UnsupportedMediaType,
            "the body has no `Content-Type`; send it as `application/json`",
        )),
    }
}

/// Reads a `T` and says which field is at fault when it is none.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value = parse_strict(bytes).map_err(|error| {
        let detail = error.to_string();
        match error {
            CanonicalError::Malformed { .. } | CanonicalError::NotJson { .. } => {
                Problem::new(Kind::MalformedJson, detail)
            }
            CanonicalError::DuplicateKey { path } => {
                Problem::new(Kind::DuplicateKey, detail).with("field", path)
            }
            CanonicalError::Float { path, .. } | CanonicalError::IntegerTooLarge { path, .. } => {
                Problem::invalid(path, detail)
            }
            _ => Problem::invalid("", detail),
        }
    })?;
    typed(value)
}

/// A `T` from JSON, or the problem with a pointer to what does not fit.
pub(crate) fn typed<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                Segment::Map { key } => push(&mut pointer, key),
                // The tag of an enum is no place in the document.
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let detail = error.inner().to_string();
        // serde names these fields only in its message; the path ends at the object around them.
        for prefix in ["unknown field `", "missing field `"] {
            if let Some(name) = detail.strip_prefix(prefix).and_then(|rest| rest.split('`').next())
                && !pointer.ends_with(&format!("/{name}"))
            {
                push(&mut pointer, name);
            }
        }
        Problem::invalid(pointer, detail)
    })
}

fn push(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Order {
        title: String,
        #[serde(default)]
        lines: Vec<Line>,
        #[serde(default)]
        labels: BTreeMap<String, String>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Line {
        count: u32,
    }

    fn refused(text: &str) -> (Kind, String) {
        let problem = parse::<Order>(text.as_bytes()).unwrap_err();
        let field = problem.extension("field").and_then(|field| field.as_str()).unwrap_or("-").to_owned();
        (problem.kind(), field)
    }

    #[test]
    fn the_field_at_fault_is_named_by_its_pointer() {
        assert_eq!(refused(r#"{"title": 1}"#), (Kind::Invalid, "/title".into()));
        assert_eq!(refused(r#"{"titel": "x"}"#), (Kind::Invalid, "/titel".into()));
        assert_eq!(refused(r#"{}"#), (Kind::Invalid, "/title".into()));
        assert_eq!(
            refused(r#"{"title": "x", "lines": [{"count": 1}, {"cuont": 1}]}"#),
            (Kind::Invalid, "/lines/1/cuont".into())
        );
        assert_eq!(
            refused(r#"{"title": "x", "lines": [{"count": "1"}]}"#),
            (Kind::Invalid, "/lines/0/count".into())
        );
        assert_eq!(
            refused(r#"{"title": "x", "labels": {"a/b~c": 1}}"#),
            (Kind::Invalid, "/labels/a~1b~0c".into())
        );
        assert_eq!(refused("[]"), (Kind::Invalid, "".into()));
    }

    #[test]
    fn json_with_two_readings_is_refused() {
        assert_eq!(refused(r#"{"title": "x", "title": "y"}"#), (Kind::DuplicateKey, "/title".into()));
        assert_eq!(
            refused(r#"{"title": "x", "lines": [{"count": 1.5}]}"#),
            (Kind::Invalid, "/lines/0/count".into())
        );
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for text in ["", "{", "{} {}", "nope", "\u{feff}{}"] {
            assert_eq!(refused(text), (Kind::MalformedJson, "-".into()), "{text:?}");
        }
    }

    #[test]
    fn only_json_is_taken() {
        let check = |media: &'static str| {
            expect_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, media.parse().unwrap())])).is_ok()
        };
        assert!(check("application/json"));
        assert!(check("application/JSON; charset=utf-8"));
        assert!(check("application/merge-patch+json"));
        assert!(!check("text/plain"));
        assert!(!check("application/x-www-form-urlencoded"));
        assert!(expect_json(&HeaderMap::new()).is_err());
    }
}
