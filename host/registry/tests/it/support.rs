//! A server that misbehaves on purpose.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use interlock_ledger::Digest;
use serde_json::json;

pub(crate) const WASM: &[u8] = b"a component";
pub(crate) const OTHER_WASM: &[u8] = b"other bytes";

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    OtherLayer,
    OtherManifest,
    Hangs,
    Unauthorized,
    TooLarge,
    Endless,
    EndlessManifest,
    Short,
    Truncated,
    OtherMediaType,
    Broken,
    RedirectsToPlainHttp,
    WantsToken,
}

/// A fault injector: a registry with one plugin and one fault.
pub(crate) struct FaultInjector {
    pub(crate) host: String,
    pub(crate) manifest_digest: Digest,
}

#[derive(Clone)]
struct Server {
    fault: Fault,
    host: String,
    manifest: Vec<u8>,
}

impl FaultInjector {
    pub(crate) async fn start(fault: Fault) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let kind = if fault == Fault::OtherMediaType { "text/plain" } else { "application/wasm" };
        let size = if fault == Fault::TooLarge { 1001 } else { WASM.len() };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(b"{}"), "size": 2 },
            "layers": [{ "mediaType": kind, "digest": Digest::of(WASM), "size": size }],
        });
        let manifest = manifest.to_string().into_bytes();
        let manifest_digest = Digest::of(&manifest);
        if fault == Fault::Truncated {
            tokio::spawn(breaks_off(listener, manifest));
            return Self { host, manifest_digest };
        }
        let server = Server { fault, host: host.clone(), manifest };
        let router = axum::Router::new().fallback(answer).with_state(server);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, manifest_digest }
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if server.fault == Fault::WantsToken {
        if path == "/token" {
            // `ana:secret`
            let good = authorization == Some("Basic YW5hOnNlY3JldA==");
            return if good {
                r#"{"token":"t0k3n"}"#.into_response()
            } else {
                StatusCode::UNAUTHORIZED.into_response()
            };
        }
        if authorization != Some("Bearer t0k3n") {
            let challenge = format!("Bearer realm=\"http://{}/token\",service=\"s\"", server.host);
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
        }
    }
    if path.contains("/referrers/") || path.contains("/manifests/sha256-") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if path.contains("/manifests/") {
        return match server.fault {
            Fault::Hangs => std::future::pending().await,
            Fault::Unauthorized => StatusCode::UNAUTHORIZED.into_response(),
            Fault::Broken => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Fault::OtherManifest => [server.manifest, b" ".to_vec()].concat().into_response(),
            Fault::EndlessManifest => endless(),
            _ => server.manifest.into_response(),
        };
    }
    match server.fault {
        Fault::OtherLayer => OTHER_WASM.into_response(),
        Fault::Endless => endless(),
        Fault::Short => b"a comp".into_response(),
        Fault::RedirectsToPlainHttp => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "http://127.0.0.2:1/blob")]).into_response()
        }
        _ => WASM.into_response(),
    }
}

/// A body that never ends.
fn endless() -> Response {
    let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[0; 4096]));
    Body::from_stream(futures::stream::repeat_with(chunk)).into_response()
}

/// Announces eleven bytes of a component, sends six and hangs up: no HTTP library would.
async fn breaks_off(listener: tokio::net::TcpListener, manifest: Vec<u8>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        let is_manifest = asked.starts_with(b"GET /v2/plugins/size-limit/manifests/");
        let (size, sent) =
            if is_manifest { (manifest.len(), &manifest[..]) } else { (WASM.len(), &WASM[..6]) };
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), sent].concat()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
}
