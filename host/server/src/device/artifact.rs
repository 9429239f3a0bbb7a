//! Files for devices, streamed as they are decrypted. A device sees only what is meant for it.

use std::{ops::Range, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::TryStreamExt as _;
use interlock_domain::{Artifact, Digest, Timestamp};
use serde::Deserialize;
use tracing::error;

use super::{
    auth::Speaker,
    deployment::File,
    error::DdiError,
    home::Home,
    range::{Asked, asked, matches, still},
};
use crate::{App, flow};

/// What a file's MD5 is asked for by.
const MD5_SUFFIX: &str = ".MD5SUM";

/// A software module: one artifact, by the hexadecimal SHA-256 of its content.
#[derive(Deserialize)]
pub(super) struct OfModule {
    module: String,
    #[serde(default)]
    file: String,
}

impl OfModule {
    fn digest(&self) -> Result<Digest, DdiError> {
        let digest = format!("sha256:{}", self.module).parse();
        digest.map_err(|_| DdiError::not_found("software module", &self.module))
    }
}

/// `GET softwaremodules/{module}/artifacts`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Speaker { device, .. }: Speaker,
    home: Home,
    Path(of): Path<OfModule>,
) -> Result<Json<[File; 1]>, DdiError> {
    let artifact = flow::poll::known_artifact(&app, &device, &of.digest()?).await?;
    Ok(Json([File::of(artifact, &home)]))
}

/// `GET` and `HEAD softwaremodules/{module}/artifacts/{file}`, and its MD5.
///
/// The first `GET` marks the assignment as downloading. Not `HEAD`, and not reading the deployment: SWUpdate does both,
/// the latter twice, before it decides to fetch anything.
pub(super) async fn download(
    method: Method,
    State(app): State<Arc<App>>,
    Speaker { device, proof }: Speaker,
    Path(of): Path<OfModule>,
    headers: HeaderMap,
) -> Result<Response, DdiError> {
    let artifact = flow::poll::offered_artifact(&app, &device, &of.digest()?).await?;
    if of.file != artifact.file_name {
        return match of.file.strip_suffix(MD5_SUFFIX) {
            Some(file) if file == artifact.file_name => Ok(md5sum(&artifact)),
            _ => Err(DdiError::not_found("file", &of.file)),
        };
    }
    let head = Head::of(&artifact);
    let wanted = match head.wanted(&headers, &method) {
        Wanted::Changed => return Ok(StatusCode::PRECONDITION_FAILED.into_response()),
        Wanted::Asked(Asked::Outside) => {
            let range = format!("bytes */{}", artifact.size_bytes);
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response());
        }
        Wanted::Asked(Asked::Whole) => None,
        Wanted::Asked(Asked::Part(part)) => Some(part),
    };
    if method == Method::HEAD {
        return Ok(head.answer(None, Body::empty()));
    }
    let content = flow::artifact::content(&app, &artifact, wanted.clone()).await?;
    flow::poll::fetched(&app, &device, proof).await?;
    // The status is sent by now: all that is left is to break off, which the client sees by the length.
    let digest = artifact.digest;
    let content = content.inspect_err(move |error| error!(%digest, %error, "a download broke off"));
    Ok(head.answer(wanted, Body::from_stream(content)))
}

/// What is said of a file before its content.
struct Head {
    size: u64,
    sha1: String,
    etag: String,
    last_modified: String,
    disposition: String,
}

enum Wanted {
    /// Not this file: it is another than the client has in mind.
    Changed,
    Asked(Asked),
}

impl Head {
    fn of(artifact: &Artifact) -> Head {
        Head {
            size: artifact.size_bytes,
            sha1: artifact.sha1.clone(),
            etag: format!("\"{}\"", artifact.sha1),
            last_modified: http_date(artifact.pushed_at),
            // File names have no character that would need quoting.
            disposition: format!("attachment; filename=\"{}\"", artifact.file_name),
        }
    }

    fn wanted(&self, headers: &HeaderMap, method: &Method) -> Wanted {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        if text(header::IF_MATCH).is_some_and(|tags| !matches(tags, &self.sha1)) {
            return Wanted::Changed;
        }
        let still = text(header::IF_RANGE).is_none_or(|is| still(is, &self.etag, &self.last_modified));
        Wanted::Asked(match text(header::RANGE) {
            Some(range) if method == Method::GET && still => asked(range, self.size),
            _ => Asked::Whole,
        })
    }

    fn answer(self, part: Option<Range<u64>>, body: Body) -> Response {
        let length = part.as_ref().map_or(self.size, |part| part.end - part.start);
        let headers = [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_LENGTH, length.to_string()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::ETAG, self.etag),
            (header::LAST_MODIFIED, self.last_modified),
            (header::CONTENT_DISPOSITION, self.disposition),
        ];
        match part {
            Some(part) => {
                let range = format!("bytes {}-{}/{}", part.start, part.end - 1, self.size);
                (StatusCode::PARTIAL_CONTENT, headers, [(header::CONTENT_RANGE, range)], body).into_response()
            }
            None => (StatusCode::OK, headers, body).into_response(),
        }
    }
}

/// As `md5sum` prints it.
fn md5sum(artifact: &Artifact) -> Response {
    let disposition = format!("attachment; filename=\"{}{MD5_SUFFIX}\"", artifact.file_name);
    let text = format!("{}  {}", artifact.md5, artifact.file_name);
    ([(header::CONTENT_DISPOSITION, disposition)], text).into_response()
}

/// An instant as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_as_http_writes_it() {
        assert_eq!(http_date(Timestamp::from_millis(784_111_777_999)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
