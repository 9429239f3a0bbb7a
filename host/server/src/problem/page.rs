//! The pages behind `type`: one for each kind, for people in a browser and for programs.

use axum::{
    Json, Router,
    extract::Path,
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use super::{Kind, Problem};

/// `/problems` and `/problems/{slug}`.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/problems", get(list)).route("/problems/{slug}", get(show))
}

#[derive(Serialize)]
struct Entry {
    #[serde(rename = "type")]
    path: String,
    title: &'static str,
    status: u16,
    explanation: &'static str,
}

impl From<Kind> for Entry {
    fn from(kind: Kind) -> Self {
        Self {
            path: kind.path(),
            title: kind.title(),
            status: kind.status().as_u16(),
            explanation: kind.explanation(),
        }
    }
}

async fn list(headers: HeaderMap) -> Response {
    if wants_json(&headers) {
        let all: Vec<Entry> = Kind::ALL.iter().copied().map(Entry::from).collect();
        return Json(serde_json::json!({ "items": all })).into_response();
    }
    let items: String = Kind::ALL
        .iter()
        .map(|kind| format!("<li><a href=\"{}\">{}</a> {}</li>\n", kind.path(), kind.slug(), kind.title()))
        .collect();
    html("Problems", &format!("<ul>\n{items}</ul>\n"))
}

async fn show(Path(slug): Path<String>, headers: HeaderMap) -> Response {
    let Some(kind) = Kind::of_slug(&slug) else {
        return Problem::not_found("problem", &slug.chars().take(80).collect::<String>()).into_response();
    };
    if wants_json(&headers) {
        return Json(Entry::from(kind)).into_response();
    }
    let body = format!(
        "<p><code>{}</code>, status {}</p>\n<p>{}</p>\n<p><a href=\"/problems\">All problems</a></p>\n",
        kind.slug(),
        kind.status().as_u16(),
        kind.explanation()
    );
    html(kind.title(), &body)
}

/// The texts come from the catalogue, which holds no markup but backticks: nothing needs escaping.
fn html(title: &str, body: &str) -> Response {
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n"
    ))
    .into_response()
}

/// A browser names `text/html`; who names JSON before it, or not HTML at all, gets JSON.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    match (accept.find("json"), accept.find("text/html")) {
        (Some(json), Some(html)) => json < html,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_json_and_html_in_accept_decides() {
        let wants = |accept: &'static str| {
            wants_json(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]))
        };
        assert!(wants("application/json"));
        assert!(wants("application/problem+json, text/html"));
        assert!(!wants("text/html,application/json;q=0.9"));
        assert!(!wants("*/*"));
    }

    #[test]
    fn no_text_of_the_catalogue_needs_escaping() {
        for kind in Kind::ALL {
            for text in [kind.title(), kind.explanation(), kind.slug()] {
                assert!(!text.contains(['<', '>', '&']), "{}", kind.slug());
            }
        }
    }
}
