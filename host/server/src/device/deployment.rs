//! Deployments: what to install, how it goes, what was installed last.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use interlock_domain::{Artifact, ArtifactKind, AssignmentState, Feedback};
use serde::{Deserialize, Serialize};

use super::{auth::Speaker, body::Said, error::DdiError, home::Home};
use crate::{
    App,
    flow::poll::{self, Deployment},
};

/// The action in a path. Whatever is no number is no action.
#[derive(Deserialize)]
pub(super) struct OfAction {
    action: String,
}

impl OfAction {
    pub(super) fn number(&self) -> Result<u32, DdiError> {
        let digits = !self.action.is_empty() && self.action.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| self.action.parse().ok()).flatten();
        number.ok_or_else(|| DdiError::not_found("action", &self.action))
    }
}

/// How much of the action's history is wanted: the newest so many messages; all when negative.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted {
    #[serde(default)]
    action_history: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    id: String,
    deployment: Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_history: Option<History>,
}

/// Both "forced", and no maintenance window: what may not be installed now is not offered at all.
#[derive(Serialize)]
struct Plan {
    download: &'static str,
    update: &'static str,
    chunks: [Chunk; 1],
}

/// One chunk with one artifact: rauc-hawkbit-updater refuses more.
#[derive(Serialize)]
struct Chunk {
    part: &'static str,
    version: String,
    name: String,
    artifacts: [File; 1],
}

/// An artifact as devices see it.
#[derive(Serialize)]
pub(super) struct File {
    filename: String,
    size: u64,
    hashes: Hashes,
    #[serde(rename = "_links")]
    links: Links,
}

#[derive(Serialize)]
struct Hashes {
    sha1: String,
    md5: String,
    sha256: String,
}

/// All lead to the same place. Clients built without TLS look at the `-http` ones alone.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Links {
    download: Link,
    download_http: Link,
    md5sum: Link,
    md5sum_http: Link,
}

#[derive(Clone, Serialize)]
struct Link {
    href: String,
}

#[derive(Serialize)]
struct History {
    status: &'static str,
    messages: Vec<String>,
}

/// `GET deploymentBase/{action}`. Reading it twice, as SWUpdate does, changes nothing.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Speaker { device, .. }: Speaker,
    home: Home,
    Path(of): Path<OfAction>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Wire>, DdiError> {
    let deployment = poll::deployment(&app, &device, of.number()?).await;
    let deployment = deployment.map_err(|error| DdiError::from(error).closed_as_absent())?;
    Ok(Json(Wire::of(deployment, &home, &wanted)))
}

/// `POST deploymentBase/{action}/feedback`.
pub(super) async fn feedback(
    State(app): State<Arc<App>>,
    Speaker { device, proof }: Speaker,
    Path(of): Path<OfAction>,
    Said(feedback): Said<Feedback>,
) -> Result<StatusCode, DdiError> {
    poll::feedback(&app, &device, proof, of.number()?, &feedback).await?;
    Ok(StatusCode::OK)
}

/// `GET installedBase/{action}`.
pub(super) async fn installed(
    State(app): State<Arc<App>>,
    Speaker { device, .. }: Speaker,
    home: Home,
    Path(of): Path<OfAction>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Wire>, DdiError> {
    let deployment = poll::installed(&app, &device, of.number()?).await?;
    Ok(Json(Wire::of(deployment, &home, &wanted)))
}

impl Wire {
    fn of(deployment: Deployment, home: &Home, wanted: &Wanted) -> Wire {
        let Deployment { action, artifact, state, said } = deployment;
        let wanted =
            wanted.action_history.as_deref().and_then(|count| count.parse::<i64>().ok()).unwrap_or_default();
        let messages = || if said.is_empty() { Vec::new() } else { vec![said] };
        let action_history = (wanted != 0).then(|| History { status: word(state), messages: messages() });
        let chunk = Chunk {
            part: part(artifact.kind),
            version: artifact.version.clone(),
            name: artifact.name.clone(),
            artifacts: [File::of(artifact, home)],
        };
        let plan = Plan { download: "forced", update: "forced", chunks: [chunk] };
        Wire { id: action.to_string(), deployment: plan, action_history }
    }
}

impl File {
    pub(super) fn of(artifact: Artifact, home: &Home) -> File {
        let module = artifact.digest.to_hex();
        let path = format!("softwaremodules/{module}/artifacts/{}", artifact.file_name);
        let download = Link { href: home.at(&path) };
        let md5sum = Link { href: home.at(format_args!("{path}.MD5SUM")) };
        File {
            filename: artifact.file_name,
            size: artifact.size_bytes,
            hashes: Hashes { sha1: artifact.sha1, md5: artifact.md5, sha256: module },
            links: Links {
                download: download.clone(),
                download_http: download,
                md5sum: md5sum.clone(),
                md5sum_http: md5sum,
            },
        }
    }
}

/// hawkBit's names of the kinds of software modules.
fn part(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Firmware => "os",
        ArtifactKind::Application => "bApp",
        ArtifactKind::Model => "model",
    }
}

/// hawkBit's names of the states of an action.
fn word(state: AssignmentState) -> &'static str {
    use AssignmentState as S;
    match state {
        S::Pending | S::Waiting | S::Recalled => "SCHEDULED",
        S::Offered | S::Silent => "RUNNING",
        S::Downloading => "DOWNLOAD",
        S::Installing | S::Restoring | S::Confirming => "RUNNING",
        S::Installed | S::Verified | S::RolledBack => "FINISHED",
        S::Failed | S::RollbackFailed => "ERROR",
        S::Cancelling => "CANCELING",
        S::Released | S::Superseded => "CANCELED",
    }
}
