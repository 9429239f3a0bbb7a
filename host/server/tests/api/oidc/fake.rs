//! A provider that answers what a test puts into its mouth: for tokens that no real one makes.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::jwt::Signer;

/// What it answers, and what it was asked.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) issuer: String,
    pub(crate) document: Arc<Mutex<Value>>,
    /// Status code, `Location`, body.
    pub(crate) tokens: Arc<Mutex<(u16, String, String)>>,
    pub(crate) asked: Arc<Mutex<(String, String)>>,
}

impl Fake {
    pub(crate) async fn start(key: &Signer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let document = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        });
        let fake = Self {
            issuer,
            document: Arc::new(Mutex::new(document)),
            tokens: Arc::new(Mutex::new((400, String::new(), "{}".to_owned()))),
            asked: Arc::default(),
        };
        let keys = json!({ "keys": [key.published()] });
        let (shown, told) = (fake.clone(), fake.clone());
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(move || async move { Json(shown.document.lock().unwrap().clone()) }),
            )
            .route("/keys", get(move || async move { Json(keys.clone()) }))
            .route(
                "/token",
                post(move |headers: HeaderMap, body: String| async move { told.token(&headers, body) }),
            );
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    fn token(&self, headers: &HeaderMap, body: String) -> Response {
        let authorization =
            headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        *self.asked.lock().unwrap() = (authorization.unwrap_or_default(), body);
        let (status, location, body) = self.tokens.lock().unwrap().clone();
        (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, location)], body).into_response()
    }

    pub(crate) fn says(&self, id_token: &str) {
        let body = json!({ "id_token": id_token, "access_token": "access", "token_type": "Bearer" });
        *self.tokens.lock().unwrap() = (200, String::new(), body.to_string());
    }

    pub(crate) fn answers(&self, status: u16, location: &str, body: &str) {
        *self.tokens.lock().unwrap() = (status, location.to_owned(), body.to_owned());
    }
}
