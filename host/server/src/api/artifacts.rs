//! Artifacts: pushed as a raw body, described by headers.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use futures::TryStreamExt as _;
use interlock_domain::{ArtifactId, ArtifactKind, Digest, SignedStatement};

use super::{
    at::At,
    auth::{Caller, Read, Write},
    list::{Everything, Items, Listing, Paging},
    payload, wire,
};
use crate::{
    App, FlowError,
    flow::{
        artifact::{self, Description},
        document,
    },
    problem::{Kind, Problem},
};

const KIND: &str = "Interlock-Kind";
const FILE_NAME: &str = "Interlock-File-Name";
const SIGNED: &str = "Interlock-Signed";
const DIGEST: &str = "Content-Digest";

/// List artifacts, newest first
#[utoipa::path(get, path = "/artifacts", tag = "artifacts", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::Artifact>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<wire::Artifact>>, Problem> {
    let found = artifact::list(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |artifact| artifact.id.to_string()))
}

/// Show an artifact and what its signature is worth today
#[utoipa::path(get, path = "/artifacts/{id}", tag = "artifacts", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The artifact")),
    responses((status = 200, description = "The artifact", body = wire::ShownArtifact)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<ArtifactId>,
) -> Result<Json<wire::ShownArtifact>, Problem> {
    let (artifact, signature) = artifact::show(&app, &caller.actor, &id).await?;
    Ok(Json(wire::ShownArtifact { artifact: artifact.into(), signature }))
}

/// Push an artifact
///
/// The body is the content as it is; headers describe it. Nothing is kept unless size and digest are what was
/// announced. Whether the signature is sound is judged when a change brings the artifact out, not now. Pushing the same
/// again answers with what is there.
#[utoipa::path(put, path = "/artifacts/{name}/{version}", tag = "artifacts", security(("key" = ["write"])),
    params(
        ("name" = String, Path, description = "Its name", example = "pump-firmware"),
        ("version" = String, Path, description = "Its version; name and version are taken once", example = "2.0.0"),
        ("Interlock-Kind" = String, Header, description = "`firmware`, `model` or `application`", example = "firmware"),
        ("Interlock-File-Name" = Option<String>, Header, description = "The file name that devices see; `NAME-VERSION` when absent", example = "pump-2.0.0.swu"),
        ("Content-Digest" = String, Header, description = "SHA-256 of the content (RFC 9530)", example = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
        ("Content-Length" = u64, Header, description = "Size of the content"),
        ("Interlock-Signed" = Option<String>, Header, description = "The maker's signed statement: base64url of JSON with `statement`, `signature` and `key_id`"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "It is stored", body = wire::ShownArtifact,
            headers(("Location" = String, description = "Where it is"))),
        (status = 200, description = "The same was stored before", body = wire::ShownArtifact),
    ))]
pub(super) async fn push(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    path: Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Path((_, name, version)) = path;
    let description = describe(name, version, &headers)?;
    let content = body.into_data_stream().map_err(std::io::Error::other);
    match artifact::push(&app, &caller.actor, description.clone(), content).await {
        Ok(stored) => {
            let location = format!("/v1/tenants/{}/artifacts/{}", stored.tenant, stored.id);
            let shown = shown(&app, stored);
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shown)).into_response())
        }
        Err(FlowError::Exists { what, id }) => {
            match artifact::same(&app, &caller.actor, &description).await? {
                Some(stored) => Ok(Json(shown(&app, stored)).into_response()),
                None => Err(FlowError::Exists { what, id }.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Attach a document to an artifact
///
/// An SBOM, a provenance statement and the like, as its raw content; gates read the newest of each kind. What was attached
/// before stays on record.
#[utoipa::path(put, path = "/artifacts/{name}/{version}/documents/{kind}", tag = "artifacts", operation_id = "attach_document",
    security(("key" = ["write"])),
    params(
        ("name" = String, Path, description = "The artifact's name", example = "pump-firmware"),
        ("version" = String, Path, description = "Its version", example = "2.0.0"),
        ("kind" = String, Path, description = "`sbom`, `provenance`, `release-notes`, `test-report`, `compatibility` or `configuration`", example = "sbom"),
        ("Content-Type" = String, Header, description = "What the document is", example = "application/vnd.cyclonedx+json"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "It is attached", body = document::Attached)))]
pub(super) async fn attach(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    path: Path<(String, String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<document::Attached>, Problem> {
    let Path((_, name, version, kind)) = path;
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let content = payload::read(&headers, app.config.evidence.document_bytes_max, body).await?;
    Ok(Json(document::attach(&app, &caller.actor, (&name, &version), &kind, media, &content).await?))
}

/// List the documents of an artifact
///
/// The newest of each kind, which is what gates read.
#[utoipa::path(get, path = "/artifacts/{name}/{version}/documents", tag = "artifacts", operation_id = "list_documents",
    security(("key" = ["read"])),
    params(
        ("name" = String, Path, description = "The artifact's name"),
        ("version" = String, Path, description = "Its version"),
    ),
    responses((status = 200, description = "All of them", body = Items<document::Attached>)))]
pub(super) async fn documents(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    path: Path<(String, String, String)>,
) -> Result<Json<Items<document::Attached>>, Problem> {
    let Path((_, name, version)) = path;
    let items = document::list(&app, &caller.actor, (&name, &version)).await?;
    Ok(Json(Items { items, next_cursor: None }))
}

/// Show a document of an artifact
#[utoipa::path(get, path = "/artifacts/{name}/{version}/documents/{kind}", tag = "artifacts", operation_id = "show_document",
    security(("key" = ["read"])),
    params(
        ("name" = String, Path, description = "The artifact's name"),
        ("version" = String, Path, description = "Its version"),
        ("kind" = String, Path, description = "The kind of document"),
    ),
    responses((status = 200, description = "The newest document of this kind, as it was attached", body = Vec<u8>,
        headers(("ETag" = String, description = "Its digest")))))]
pub(super) async fn document(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    path: Path<(String, String, String, String)>,
) -> Result<Response, Problem> {
    let Path((_, name, version, kind)) = path;
    let (attached, content) = document::show(&app, &caller.actor, (&name, &version), &kind).await?;
    let tag = format!("\"{}\"", attached.digest);
    // Never shown as a page: what is in it is the maker's.
    let headers = [
        (header::CONTENT_TYPE, attached.media_type),
        (header::ETAG, tag),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
    ];
    Ok((headers, content).into_response())
}

fn shown(app: &App, artifact: interlock_domain::Artifact) -> wire::ShownArtifact {
    let signature = artifact::signature(app, &artifact);
    wire::ShownArtifact { artifact: artifact.into(), signature }
}

/// What path and headers say of the content.
fn describe(name: String, version: String, headers: &HeaderMap) -> Result<Description, Problem> {
    let text = |name: &'static str| match headers.get(name).map(|value| value.to_str()) {
        Some(Ok(text)) => Ok(Some(text.trim())),
        Some(Err(_)) => Err(Problem::header(name, "it is not ASCII")),
        None => Ok(None),
    };
    let needed = |name: &'static str, example: &str| {
        text(name)?.ok_or_else(|| {
            Problem::header(name, format!("it is missing; send for example `{name}: {example}`"))
        })
    };
    let size_bytes = payload::announced(headers).ok_or_else(|| {
        Problem::new(Kind::LengthRequired, "there is no `Content-Length`; announce the size of the content")
    })?;
    Ok(Description {
        kind: kind(needed(KIND, "firmware")?)?,
        digest: digest(needed(DIGEST, "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")?)?,
        file_name: text(FILE_NAME)?.map_or_else(|| format!("{name}-{version}"), str::to_owned),
        signed: text(SIGNED)?.map(signed).transpose()?,
        size_bytes,
        name,
        version,
    })
}

fn kind(text: &str) -> Result<ArtifactKind, Problem> {
    serde_json::from_value(text.into())
        .map_err(|_| Problem::header(KIND, "it must be `firmware`, `model` or `application`"))
}

/// The SHA-256 in a `Content-Digest` (RFC 9530), which may name other digests beside it.
fn digest(text: &str) -> Result<Digest, Problem> {
    let member =
        text.split(',').map(str::trim).find_map(|member| member.strip_prefix("sha-256=:")?.strip_suffix(':'));
    let bytes = member.and_then(|member| STANDARD.decode(member).ok()).filter(|bytes| bytes.len() == 32);
    let digest = bytes.and_then(|bytes| format!("sha256:{}", hex::encode(bytes)).parse().ok());
    digest.ok_or_else(|| {
        Problem::header(DIGEST, "it must hold `sha-256=:BASE64:` with the SHA-256 of the content")
    })
}

fn signed(text: &str) -> Result<SignedStatement, Problem> {
    let json = URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| Problem::header(SIGNED, "it is not base64url"))?;
    payload::parse(&json).map_err(|problem| {
        let field = problem.extension("field").cloned().unwrap_or_default();
        Problem::header(SIGNED, format!("it is no signed statement: {}", problem.detail()))
            .with("field", field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_digest_may_name_other_digests_too() {
        let empty = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
        assert_eq!(digest(empty).unwrap(), Digest::of(b""));
        assert_eq!(digest(&format!("sha-512=:AAAA:, {empty}")).unwrap(), Digest::of(b""));
        for bad in
            ["", "sha-256=AAAA", "sha-256=:AAAA:", "md5=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"]
        {
            assert_eq!(digest(bad).unwrap_err().kind(), Kind::BadHeader, "{bad}");
        }
    }

    #[test]
    fn a_statement_with_an_unknown_field_is_refused_by_header_and_field() {
        let text = URL_SAFE_NO_PAD.encode(r#"{"statement":"{}","signature":"","key_id":"","trust":true}"#);
        let problem = signed(&text).unwrap_err();
        assert_eq!(problem.extension("header").unwrap(), SIGNED);
        assert_eq!(problem.extension("field").unwrap(), "/trust");
    }
}
