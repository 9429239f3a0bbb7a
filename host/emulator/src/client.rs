//! The device side of hawkBit DDI: requests as SWUpdate makes them, answers read as SWUpdate reads them.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// How often SWUpdate tries a download whose connection breaks.
const DOWNLOAD_TRIES: u32 = 5;
/// How long it waits in between; SWUpdate waits five seconds.
const DOWNLOAD_PAUSE: Duration = Duration::from_secs(1);

/// Why a download did not work.
enum Broken {
    /// The connection broke: worth another try.
    Connection(String),
    /// What came is not what was announced, or nothing is given out.
    Content(String),
}

/// The longest answer that is read; a deployment of one chunk has about one kilobyte.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The shortest interval that is taken from a server: it says seconds, and zero would be an endless loop.
const SLEEP_MIN: Duration = Duration::from_secs(1);

/// Why an exchange did not come off.
#[derive(Debug, Error)]
pub(crate) enum DdiError {
    #[error("the server did not answer")]
    Transport(#[from] reqwest::Error),
    #[error("the server answered {0}")]
    Status(u16),
    #[error("the server's answer makes no sense: {0}")]
    Malformed(&'static str),
}

impl DdiError {
    /// Whether the server understood and does not want this, so that saying it again is no use.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, DdiError::Status(400..=408 | 410..=428 | 430..=499))
    }
}

/// What a poll brings.
#[derive(Debug, Default)]
pub(crate) struct Base {
    pub(crate) sleep: Option<Duration>,
    pub(crate) config_data: Option<Url>,
    pub(crate) deployment: Option<Url>,
    pub(crate) cancel: Option<Url>,
}

/// What to install.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) action: String,
    pub(crate) version: String,
    /// The server says not to install.
    pub(crate) skip: bool,
    pub(crate) artifacts: Vec<Artifact>,
}

/// A file to download.
#[derive(Debug)]
pub(crate) struct Artifact {
    url: Url,
    size: u64,
    sha1: String,
    sha256: Option<String>,
}

/// How something ends, or that it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    Success,
    Failure,
    None,
}

/// One device's side of the wire.
pub(crate) struct Wire {
    http: Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

impl Wire {
    pub(crate) fn new(http: Client, base: Url, authorization: Option<HeaderValue>) -> Self {
        Self { http, base, authorization }
    }

    pub(crate) async fn base(&self) -> Result<Base, DdiError> {
        let answer = self.get(self.base.clone()).await?;
        let sleep = answer.pointer("/config/polling/sleep").and_then(Value::as_str).and_then(parse_sleep);
        let link = |name| -> Result<Option<Url>, DdiError> {
            match answer.pointer(&format!("/_links/{name}/href")).and_then(Value::as_str) {
                Some(href) => self.resolve(href).map(Some),
                None => Ok(None),
            }
        };
        if !answer.is_object() {
            return Err(DdiError::Malformed("a poll brings no object"));
        }
        Ok(Base {
            sleep,
            config_data: link("configData")?,
            deployment: link("deploymentBase")?,
            cancel: link("cancelAction")?,
        })
    }

    pub(crate) async fn config_data(&self, url: Url, data: Value) -> Result<(), DdiError> {
        let body = json!({ "id": "", "mode": "merge", "data": data });
        accept(self.request(Method::PUT, url).json(&body).send().await?).map(drop)
    }

    pub(crate) async fn deployment(&self, url: Url) -> Result<Deployment, DdiError> {
        let answer = self.get(url).await?;
        let part = |pointer| answer.pointer(pointer).ok_or(DdiError::Malformed("a deployment lacks a part"));
        let chunk = part("/deployment/chunks/0")?;
        let version = chunk.get("version").and_then(Value::as_str);
        let artifacts = chunk.get("artifacts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Ok(Deployment {
            action: action_id(part("/id")?).ok_or(DdiError::Malformed("an action id is no number"))?,
            version: version.ok_or(DdiError::Malformed("a chunk has no version"))?.to_owned(),
            skip: part("/deployment/update")?.as_str() == Some("skip"),
            artifacts: artifacts.iter().map(|artifact| self.artifact(artifact)).collect::<Result<_, _>>()?,
        })
    }

    /// The action that is to be stopped.
    pub(crate) async fn cancel(&self, url: Url) -> Result<String, DdiError> {
        let answer = self.get(url).await?;
        let stop = answer.pointer("/cancelAction/stopId").and_then(action_id);
        stop.ok_or(DdiError::Malformed("a cancellation does not say what to stop"))
    }

    /// Says that what was to be stopped is stopped.
    pub(crate) async fn cancelled(&self, url: Url, action: &str) -> Result<(), DdiError> {
        self.cancel_feedback(url, action, "closed", "Operation canceled.").await
    }

    /// Says that it is too late to stop, in the words of rauc-hawkbit-updater, which calls that a success too.
    pub(crate) async fn cancel_rejected(&self, url: Url, action: &str) -> Result<(), DdiError> {
        self.cancel_feedback(url, action, "rejected", "Cancelation impossible, installation started already.")
            .await
    }

    /// The address is the link's own with `/feedback` behind it.
    async fn cancel_feedback(
        &self,
        mut url: Url,
        action: &str,
        execution: &str,
        detail: &str,
    ) -> Result<(), DdiError> {
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push("feedback");
        }
        self.feedback_to(url, action, execution, Finished::Success, detail).await
    }

    /// Says how a deployment goes. SWUpdate builds this address itself.
    pub(crate) async fn feedback(
        &self,
        action: &str,
        execution: &str,
        finished: Finished,
        detail: &str,
    ) -> Result<(), DdiError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(["deploymentBase", action, "feedback"]);
        }
        self.feedback_to(url, action, execution, finished, detail).await
    }

    pub(crate) async fn telemetry(&self, samples: &[(&str, f64)]) -> Result<(), DdiError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push("telemetry");
        }
        let samples: Vec<Value> =
            samples.iter().map(|(metric, value)| json!({ "metric": metric, "value": value })).collect();
        let body = json!({ "samples": samples });
        accept(self.request(Method::POST, url).json(&body).send().await?).map(drop)
    }

    /// Downloads a file without keeping it. Says what is wrong with it, in words for the server.
    pub(crate) async fn download(&self, artifact: &Artifact) -> Result<(), String> {
        let mut tries = 1;
        loop {
            match self.try_download(artifact).await {
                Err(Broken::Connection(_)) if tries < DOWNLOAD_TRIES => tries += 1,
                Err(Broken::Connection(detail) | Broken::Content(detail)) => return Err(detail),
                Ok(()) => return Ok(()),
            }
            tokio::time::sleep(DOWNLOAD_PAUSE).await;
        }
    }

    async fn try_download(&self, artifact: &Artifact) -> Result<(), Broken> {
        let request =
            |method| self.request(method, artifact.url.clone()).header(ACCEPT, "application/octet-stream");
        // A failing HEAD only warns in SWUpdate too.
        let _ = request(Method::HEAD).send().await;
        let said = |e: DdiError| format!("Download failed: {e}.");
        let lost = |e: reqwest::Error| Broken::Connection(said(e.into()));
        let wrong = |detail: String| Err(Broken::Content(detail));
        let answer = request(Method::GET).send().await.map_err(lost)?;
        let mut answer = accept(answer).map_err(|e| Broken::Content(said(e)))?;
        let (mut size, mut sha1, mut sha256) = (0_u64, Sha1::new(), Sha256::new());
        while let Some(bytes) = answer.chunk().await.map_err(lost)? {
            size += bytes.len() as u64;
            if size > artifact.size {
                return wrong(format!("Download failed: more than the {} bytes announced.", artifact.size));
            }
            sha1.update(&bytes);
            sha256.update(&bytes);
        }
        if size != artifact.size {
            return wrong(format!("Download failed: {size} bytes instead of {}.", artifact.size));
        }
        if hex::encode(sha1.finalize()) != artifact.sha1 {
            return wrong("Download failed: SHA-1 differs.".to_owned());
        }
        match &artifact.sha256 {
            Some(expected) if *expected != hex::encode(sha256.finalize()) => {
                wrong("Download failed: SHA-256 differs.".to_owned())
            }
            _ => Ok(()),
        }
    }

    async fn feedback_to(
        &self,
        url: Url,
        action: &str,
        execution: &str,
        finished: Finished,
        detail: &str,
    ) -> Result<(), DdiError> {
        let finished = match finished {
            Finished::Success => "success",
            Finished::Failure => "failure",
            Finished::None => "none",
        };
        // SWUpdate sends the id as a number.
        let id = action.parse::<i64>().map_or_else(|_| Value::from(action), Value::from);
        let status =
            json!({ "result": { "finished": finished }, "execution": execution, "details": [detail] });
        let body = json!({ "id": id, "status": status });
        accept(self.request(Method::POST, url).json(&body).send().await?).map(drop)
    }

    fn artifact(&self, artifact: &Value) -> Result<Artifact, DdiError> {
        let text = |pointer| artifact.pointer(pointer).and_then(Value::as_str);
        let href = text("/_links/download/href").or_else(|| text("/_links/download-http/href"));
        Ok(Artifact {
            url: self.resolve(href.ok_or(DdiError::Malformed("an artifact has no download link"))?)?,
            size: artifact
                .get("size")
                .and_then(Value::as_u64)
                .ok_or(DdiError::Malformed("an artifact has no size"))?,
            sha1: text("/hashes/sha1").ok_or(DdiError::Malformed("an artifact has no SHA-1"))?.to_owned(),
            sha256: text("/hashes/sha256").map(str::to_owned),
        })
    }

    /// A link is used as it stands.
    fn resolve(&self, href: &str) -> Result<Url, DdiError> {
        self.base.join(href).map_err(|_| DdiError::Malformed("a link is no address"))
    }

    async fn get(&self, url: Url) -> Result<Value, DdiError> {
        let request = self.request(Method::GET, url).header(ACCEPT, "application/json");
        let mut answer = accept(request.send().await?)?;
        let mut body = Vec::new();
        while let Some(bytes) = answer.chunk().await? {
            body.extend_from_slice(&bytes);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(DdiError::Malformed("it has more than a mebibyte"));
            }
        }
        serde_json::from_slice(&body).map_err(|_| DdiError::Malformed("it is no JSON"))
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        }
    }
}

/// RAUC's client accepts 200 alone, so a server that answers anything else works for half of the world.
fn accept(answer: Response) -> Result<Response, DdiError> {
    match answer.status().as_u16() {
        200 => Ok(answer),
        status => Err(DdiError::Status(status)),
    }
}

/// SWUpdate reads ids with `json_object_get_int`, which takes numbers and decimal strings.
fn action_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.parse::<u64>().ok().map(|id| id.to_string()),
        Value::Number(number) => number.as_u64().map(|id| id.to_string()),
        _ => None,
    }
}

/// `HH:MM:SS`.
fn parse_sleep(text: &str) -> Option<Duration> {
    let mut parts = text.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let fits = parts.next().is_none() && hours <= 23 && minutes <= 59 && seconds <= 59;
    fits.then(|| Duration::from_secs(hours * 3_600 + minutes * 60 + seconds).max(SLEEP_MIN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_polling_interval_is_read_as_devices_do() {
        assert_eq!(parse_sleep("00:05:00"), Some(Duration::from_secs(300)));
        assert_eq!(parse_sleep("23:59:59"), Some(Duration::from_secs(86_399)));
        assert_eq!(parse_sleep("00:00:00"), Some(SLEEP_MIN), "no endless loop");
        for wrong in ["", "5", "24:00:00", "00:60:00", "00:00:00:00", "-1:00:00", "a:b:c"] {
            assert_eq!(parse_sleep(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_action_id_may_be_a_number_or_a_decimal_text() {
        assert_eq!(action_id(&json!("7")), Some("7".to_owned()));
        assert_eq!(action_id(&json!(7)), Some("7".to_owned()));
        assert_eq!(action_id(&json!("../7")), None, "it becomes part of an address");
        assert_eq!(action_id(&json!(null)), None);
    }

    #[test]
    fn only_a_refusal_that_stays_one_is_final() {
        assert!([404, 410, 400].into_iter().all(|status| DdiError::Status(status).is_final()));
        assert!(![409, 429, 500, 503].into_iter().any(|status| DdiError::Status(status).is_final()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_interval_reader_panic(text in "[0-9:x-]{0,30}") {
            let _ = parse_sleep(&text);
        }
    }
}
