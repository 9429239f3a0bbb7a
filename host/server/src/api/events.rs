//! What happens, as it happens.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName},
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, StreamExt as _};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    auth::{Caller, Read},
    list::Listing,
    wire,
};
use crate::{
    App,
    flow::events::{self, From, Told},
    problem::Problem,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How long nothing happens before a comment keeps the line open.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long clients are asked to wait before they come back.
const RETRY: Duration = Duration::from_secs(1);
/// Most types that are asked for.
const KINDS_MAX: usize = 64;

/// What to follow
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct What {
    /// The index of the last entry that was seen, or `first` for all of them from the first one on; only what happens from now on when
    /// absent. A `Last-Event-ID` header goes before it.
    #[param(example = "41")]
    after: Option<String>,
    /// Beginnings of types, separated by commas; everything when absent.
    #[param(example = "change.,rollout.")]
    kinds: Option<String>,
}

/// Follow what happens in the tenant (server-sent events)
///
/// Each event is an entry of the ledger: its `id` is the entry's index, its `event` the entry's type, its `data` what
/// `GET /ledger/entries` shows of it. A stream ends by itself after a while (`events.stream_ms_max`); clients come back with
/// `Last-Event-ID` and miss nothing.
#[utoipa::path(get, path = "/events", tag = "ledger", security(("key" = ["read"])), params(What),
    responses((status = 200, description = "Events without end", body = wire::Entry, content_type = "text/event-stream")))]
pub(super) async fn follow(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    headers: HeaderMap,
    listing: Listing<What>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let What { after, kinds } = &listing.filter;
    let from = match (headers.get(LAST_EVENT_ID), after.as_deref()) {
        (Some(id), _) => {
            let index = id.to_str().ok().and_then(|id| id.trim().parse().ok());
            From::Behind(index.ok_or_else(|| {
                Problem::header(
                    "Last-Event-ID",
                    "it is no index of an entry; send the `id` of the last event, or leave it out",
                )
            })?)
        }
        (None, Some("first")) => From::Beginning,
        (None, Some(text)) => From::Behind(text.parse().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            Problem::parameter(
                "after",
                format!("`{shown}` is no index of an entry; give a number, or `first`"),
            )
        })?),
        (None, None) => From::Now,
    };
    let kinds: Vec<String> =
        kinds.iter().flat_map(|kinds| kinds.split(',')).map(|kind| kind.trim().to_owned()).collect();
    if kinds.len() > KINDS_MAX || kinds.iter().any(String::is_empty) {
        let detail = format!(
            "give at most {KINDS_MAX} beginnings of types, separated by commas and none of them empty"
        );
        return Err(Problem::parameter("kinds", detail));
    }
    let stream = events::follow(&app, &caller.actor, from, kinds).await?;
    let stream = futures::stream::unfold(stream, events::Stream::told);
    Ok(Sse::new(stream.map(|told| Ok(event(told)))).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

fn event(told: Told) -> Event {
    match told {
        Told::Passed(index) => Event::default().id(index.to_string()).retry(RETRY),
        Told::Entry(row) => {
            let kind = row.projection.as_ref().map(|projection| projection.kind.clone()).unwrap_or_default();
            let event = Event::default().id(row.idx.to_string()).event(one_line(&kind)).retry(RETRY);
            let entry = serde_json::to_string(&wire::Entry::from(*row)).unwrap_or_default();
            event.data(entry)
        }
    }
}

/// A type that somebody altered in the database does not end the line.
fn one_line(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}
