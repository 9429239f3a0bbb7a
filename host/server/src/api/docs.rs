//! `/openapi.json` and the interactive page at `/docs`.

use std::sync::LazyLock;

use axum::{Router, http::header, response::IntoResponse, routing::get};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::document::document;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// The document and its page. The page's files are part of the program: nothing is fetched from elsewhere.
pub(super) fn router() -> Router {
    let page: Router =
        SwaggerUi::new("/docs").config(Config::from("/openapi.json").validator_url("none")).into();
    Router::new().route("/openapi.json", get(openapi)).merge(page)
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}
