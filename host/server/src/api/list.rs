//! Lists: what to list, and which part of it.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use interlock_store::Page;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::payload::typed;
use crate::problem::Problem;

/// Entries in a part unless the caller says otherwise.
const LIMIT: u32 = 50;
/// Most entries in a part.
const LIMIT_MAX: u32 = 200;
/// What every cursor begins with, so that a text that merely decodes is not taken for one.
const CURSOR_V1: &str = "1:";

/// Which part of a list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Listing` reads")]
pub(crate) struct Paging {
    /// Most entries in the answer.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the part before; the first part when absent.
    cursor: Option<String>,
}

/// What a request wants listed.
pub(crate) struct Listing<F> {
    /// Which entries.
    pub(crate) filter: F,
    after: Option<String>,
    limit: u32,
}

/// A list that has no filter.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Everything {}

impl<F: DeserializeOwned, S: Sync> FromRequestParts<S> for Listing<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::parameter("", error.body_text()))?;
        let mut filter = Map::new();
        let mut after = None;
        let mut limit = LIMIT;
        for (name, value) in given {
            match name.as_str() {
                "limit" => limit = limit_of(&value)?,
                "cursor" => after = Some(decode(&value)?),
                _ if filter.contains_key(&name) => {
                    return Err(Problem::parameter(name, "it is given twice; give it once"));
                }
                _ => drop(filter.insert(name, Value::String(value))),
            }
        }
        // The filter is flat: the pointer of a body is the name of a parameter here.
        let filter = typed(Value::Object(filter)).map_err(|problem| {
            let name = problem.extension("field").and_then(Value::as_str).unwrap_or_default();
            Problem::parameter(
                name.trim_start_matches('/'),
                problem.detail().replace(" field ", " parameter "),
            )
        })?;
        Ok(Self { filter, after, limit })
    }
}

impl<F> Listing<F> {
    /// The page to ask the store for: one entry more than the caller gets, to know whether there is a next part.
    pub(crate) fn page(&self) -> Page {
        Page { after: self.after.clone(), limit: self.limit + 1 }
    }

    /// The answer.
    pub(crate) fn answer<T, U: From<T>>(
        &self,
        found: Vec<T>,
        id: impl Fn(&T) -> String,
    ) -> axum::Json<Items<U>> {
        self.answer_so_far(found, None, id)
    }

    /// The answer, where so much was looked at that it goes on after this id, whatever was found.
    pub(crate) fn answer_so_far<T, U: From<T>>(
        &self,
        mut found: Vec<T>,
        reached: Option<String>,
        id: impl Fn(&T) -> String,
    ) -> axum::Json<Items<U>> {
        let limit = self.limit as usize;
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more).map(id);
        let next_cursor = last.or(reached).map(|after| encode(&after));
        axum::Json(Items { items: found.into_iter().map(U::from).collect(), next_cursor })
    }
}

/// A part of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Items<T> {
    /// The entries.
    pub(crate) items: Vec<T>,
    /// Ask for the next part with this; absent (`null`) in the last part.
    #[schema(example = "MTpjaGdfMDE5M2E")]
    pub(crate) next_cursor: Option<String>,
}

fn limit_of(text: &str) -> Result<u32, Problem> {
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        Problem::parameter("limit", format!("`{text}` is not a number from 1 to {LIMIT_MAX}"))
    })
}

fn encode(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{CURSOR_V1}{id}"))
}

fn decode(cursor: &str) -> Result<String, Problem> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let id = text
        .as_deref()
        .and_then(|text| text.strip_prefix(CURSOR_V1))
        .filter(|id| !id.is_empty() && id.len() <= 256);
    id.map(str::to_owned).ok_or_else(|| {
        Problem::parameter(
            "cursor",
            "this is no cursor of this server; pass `next_cursor` of the part before as it came",
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_id(id in "[!-~]{1,128}") {
            prop_assert_eq!(decode(&encode(&id)).unwrap(), id);
        }

        #[test]
        fn whatever_is_given_as_a_cursor_is_an_id_or_a_problem(text in ".{0,300}") {
            match decode(&text) {
                Ok(id) => prop_assert_eq!(encode(&id), text),
                Err(problem) => prop_assert_eq!(problem.extension("parameter").unwrap(), "cursor"),
            }
        }
    }

    #[test]
    fn a_limit_is_one_to_two_hundred() {
        assert_eq!(limit_of("200").unwrap(), 200);
        for bad in ["0", "201", "-1", "ten", ""] {
            assert!(limit_of(bad).is_err(), "{bad}");
        }
    }
}
