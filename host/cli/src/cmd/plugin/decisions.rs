//! Recorded decisions of plugins: one from a file or the server, or those of the last days.

use std::path::Path;

use interlock_domain::{DecisionId, Timestamp};
use interlock_server::{Clock as _, SystemClock};
use interlock_workshop::Recorded;
use jiff::{Span, SpanRelativeTo};
use serde_json::Value;

use crate::client::{Client, Connection, Failure};

/// Decisions in one answer of the server: each holds all that its plugin saw.
const PAGE: usize = 20;

/// The decision of this id, or the one in this file.
pub(super) async fn decision(connection: &Connection, named: &str) -> Result<Recorded, Failure> {
    if Path::new(named).is_file() || named.ends_with(".json") || named.contains('/') {
        return Recorded::read(Path::new(named)).map_err(Failure::local);
    }
    let id: DecisionId = named.parse().map_err(|_| {
        Failure::Usage(format!(
            "`{named}` is neither the id of a decision (`interlock decision list`) nor a file that `interlock decision \
             show ID --output json` wrote"
        ))
    })?;
    let body = connection.client()?.get(&format!("/decisions/{id}")).await?.body;
    recorded(body)
}

/// The answers of a plugin since a time, the newest first, a few at a time: each holds all that the plugin saw.
pub(super) struct OfPlugin {
    client: Client,
    path: String,
    cursor: Option<String>,
    left: usize,
    done: bool,
}

impl OfPlugin {
    /// At most `limit` answers of the plugin of this name.
    pub(super) fn since(client: Client, plugin: &str, since: Timestamp, limit: usize) -> Self {
        let path = format!("/decisions?plugin={plugin}&since={since}");
        Self { client, path, cursor: None, left: limit, done: limit == 0 }
    }

    /// The next few; empty when there are no more.
    pub(super) async fn next(&mut self) -> Result<Vec<Recorded>, Failure> {
        if self.done {
            return Ok(Vec::new());
        }
        let (items, cursor) =
            self.client.part(&self.path, self.left.min(PAGE), self.cursor.as_deref()).await?;
        self.left = self.left.saturating_sub(items.len());
        self.done = cursor.is_none() || self.left == 0 || items.is_empty();
        self.cursor = cursor;
        items.into_iter().map(recorded).collect()
    }

    /// Whether the limit stopped it, and there is more.
    pub(super) const fn is_cut(&self) -> bool {
        self.left == 0 && self.cursor.is_some()
    }
}

/// The newest answer of a health check about what to measure for this change, not after `at`.
pub(super) async fn needs_before(client: &Client, judged: &Recorded) -> Result<Option<Recorded>, Failure> {
    let Some(change) = &judged.change else { return Ok(None) };
    let path = format!("/decisions?change={change}&plugin={}", judged.plugin);
    // The two are made one right after the other.
    let items = client.list_by(&path, 500, PAGE).await?;
    let needs = items.into_iter().find(|item| {
        let word = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        word("/subject/function") == "needs"
            && word("/id") < judged.id.as_str()
            && word("/subject/digest") == judged.record.plugin.to_string()
    });
    needs.map(recorded).transpose()
}

fn recorded(body: Value) -> Result<Recorded, Failure> {
    let id = body.get("id").and_then(Value::as_str).unwrap_or("the decision").to_owned();
    Recorded::from_value(&id, body).map_err(Failure::local)
}

/// `7d`, `12h`, `2w`, or a time.
pub(crate) fn since(text: &str) -> Result<Timestamp, String> {
    since_at(text, SystemClock.now())
}

fn since_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let refused = || {
        format!(
            "`{text}` is neither a span of time like `7d` or `12h` nor a time like `2026-03-02T12:00:00Z`"
        )
    };
    let span: Span = text.parse().map_err(|_| refused())?;
    let back = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| refused())?;
    let back = i64::try_from(back.as_millis()).ok().filter(|millis| *millis >= 0).ok_or_else(refused)?;
    Ok(now.plus_millis(-back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_counts_back_from_now_and_a_time_is_itself() {
        let now: Timestamp = "2026-03-09T12:00:00Z".parse().unwrap();
        let at = |text: &str| since_at(text, now).map(|at| at.to_string());
        assert_eq!(at("7d").unwrap(), "2026-03-02T12:00:00.000Z");
        assert_eq!(at("1w").unwrap(), at("7d").unwrap());
        assert_eq!(at("90m").unwrap(), "2026-03-09T10:30:00.000Z");
        assert_eq!(at("2026-03-01T00:00:00Z").unwrap(), "2026-03-01T00:00:00.000Z");
        for bad in ["", "yesterday", "-7d", "7 months", "7"] {
            assert!(at(bad).unwrap_err().contains("`7d`"), "{bad}");
        }
    }
}
