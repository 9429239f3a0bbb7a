//! The absolute address of a device's resources. Clients use links to the letter.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::{header, request::Parts, uri::Authority},
};

use crate::App;

/// Where the device's resources are: `https://updates.example/mercy/controller/v1/pump-1`.
#[derive(Debug)]
pub(super) struct Home(String);

impl Home {
    /// The address of something below it.
    pub(super) fn at(&self, path: impl std::fmt::Display) -> String {
        format!("{}/{path}", self.0)
    }
}

impl FromRequestParts<Arc<App>> for Home {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        // Tenant and device as the client wrote them, so that they need not be escaped anew.
        let path: Vec<&str> = uri.path().split('/').skip(1).take(4).collect();
        let path = path.join("/");
        let public = app.config.server.public_url.trim_end_matches('/');
        Ok(Self(match public {
            "" => format!("http://{}/{path}", authority(parts, app)),
            public => format!("{public}/{path}"),
        }))
    }
}

/// How the client reached us, or where we listen when it does not say.
fn authority(parts: &Parts, app: &App) -> String {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(Authority::as_str));
    host.filter(|host| host.len() <= 255 && !host.contains('@') && host.parse::<Authority>().is_ok())
        .map_or_else(|| app.config.server.listen.to_string(), str::to_owned)
}
