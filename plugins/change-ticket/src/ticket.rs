//! One ticket, and what is wrong with it.

use interlock_plugin_sdk::prelude::*;
use interlock_plugin_sdk::read_instant;
use serde_json::Value;

use crate::settings::{FieldSettings, Settings, Subject};

/// What the ticket system answered for one id.
pub(crate) struct Ticket<'a> {
    pub(crate) id: &'a str,
    pub(crate) answer: &'a Value,
    pub(crate) fields: &'a FieldSettings,
}

impl Ticket<'_> {
    /// A fault when the answer is about another ticket.
    pub(crate) fn is_the_one(&self) -> Result<(), Fault> {
        let Some(pointer) = &self.fields.id else { return Ok(()) };
        match self.text(pointer) {
            Some(id) if id.eq_ignore_ascii_case(self.id) => Ok(()),
            found => Err(Fault::evidence(format_args!(
                "asked for ticket `{}`, but the answer is about {}; check the connector and `fields.id`",
                self.id,
                found.map_or("none".to_owned(), |id| format!("`{id}`"))
            ))),
        }
    }

    pub(crate) fn state(&self, settings: &Settings) -> Option<Finding> {
        let state = self.text(&self.fields.state);
        let fits = state.as_deref().is_some_and(|state| among(&settings.states, state));
        (!fits).then(|| {
            let found = state.map_or("has no state".to_owned(), |state| format!("is in state `{state}`"));
            let wanted = crate::listed(&settings.states);
            self.finding("ticket-wrong-state", format!("{found}, but work needs {wanted}; move it there"))
        })
    }

    pub(crate) fn approval(&self, settings: &Settings) -> Option<Finding> {
        let found = self.text(self.fields.approved.as_ref()?);
        let fits = found.as_deref().is_some_and(|found| among(&settings.approved, found));
        (!fits).then(|| {
            let found = found.map_or("nothing".to_owned(), |found| format!("`{found}`"));
            self.finding(
                "ticket-not-approved",
                format!("is not approved (it says {found}); have it approved"),
            )
        })
    }

    pub(crate) fn approver(&self, settings: &Settings, change: &Change) -> Option<Finding> {
        let pointer = self.fields.approvers.as_ref().filter(|_| settings.distinct_approver)?;
        let approvers = self.answer.pointer(pointer).map(texts).unwrap_or_default();
        if approvers.is_empty() {
            return Some(self.finding(
                "ticket-approver-unknown",
                "does not say who approved it; have it approved".into(),
            ));
        }
        approvers.iter().any(|approver| same_person(approver, &change.author)).then(|| {
            let author = &change.author;
            let message = format!(
                "was approved by `{author}`, who proposed the change; have another person approve it"
            );
            self.finding("ticket-approved-by-author", message)
        })
    }

    /// What the ticket should name and does not.
    pub(crate) fn subjects(&self, settings: &Settings, change: &Change) -> Vec<Finding> {
        if settings.must_name.is_empty() {
            return Vec::new();
        }
        let places = self.fields.texts.iter().filter_map(|pointer| self.answer.pointer(pointer));
        let said: Vec<String> = places.flat_map(texts).map(|text| text.to_lowercase()).collect();
        let named = |word: &str| said.iter().any(|text| holds_word(text, &word.to_lowercase()));
        let mut findings = Vec::new();
        if settings.must_name.contains(&Subject::Environment) && !named(&change.environment) {
            let message = format!(
                "does not name the environment `{}`; add it, or name the right ticket",
                change.environment
            );
            findings.push(self.finding("ticket-other-environment", message));
        }
        if settings.must_name.contains(&Subject::Artifact) {
            let unnamed = change
                .artifacts
                .iter()
                .filter(|artifact| !(named(&artifact.name) && named(&artifact.version)));
            findings.extend(unnamed.map(|Artifact { name, version, .. }| {
                let message =
                    format!("does not name `{name}` and {version}; add them, or name the right ticket");
                self.finding("ticket-other-artifact", message)
            }));
        }
        findings
    }

    /// Whether to wait, and why.
    pub(crate) fn window(&self, settings: &Settings, now: Instant) -> Option<(bool, Finding)> {
        let (start, end) = (self.moment(self.fields.start.as_ref()), self.moment(self.fields.end.as_ref()));
        let unreadable = [&start, &end].into_iter().find_map(|moment| moment.as_ref().err());
        if let Some(text) = unreadable {
            let message =
                format!("has a window that cannot be read: `{text}`; write it as `2026-03-02T12:00:00Z`");
            return Some((false, self.finding("ticket-window-unreadable", message)));
        }
        let (start, end) = (start.ok().flatten(), end.ok().flatten());
        if start.is_none() && end.is_none() {
            let message = "has no window; say when work may begin and must end".to_owned();
            return settings.window_required.then(|| (false, self.finding("ticket-window-missing", message)));
        }
        if let Some((text, _)) = start.as_ref().filter(|(_, start)| now < *start) {
            let message = format!("ticket `{}` opens at {text}; the change waits", self.id);
            return Some((true, Finding::warning("ticket-window-not-open", message).about(self.id)));
        }
        let (text, _) = end.as_ref().filter(|(_, end)| now >= *end)?;
        let message = format!("ticket `{}` closed at {text}; move its window, the change waits", self.id);
        Some((true, Finding::warning("ticket-window-over", message).about(self.id)))
    }

    /// What stands there, and which moment that is; the error is a text that is none.
    fn moment(&self, pointer: Option<&String>) -> Result<Option<(String, Instant)>, String> {
        let Some(text) = pointer.and_then(|pointer| self.text(pointer)) else { return Ok(None) };
        match read_instant(&text) {
            Some(moment) => Ok(Some((text, moment))),
            None => Err(text),
        }
    }

    /// A text, number or truth value as text; nothing for what is empty, null, a list or an object.
    fn text(&self, pointer: &str) -> Option<String> {
        let text = match self.answer.pointer(pointer)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    fn finding(&self, code: &str, wrong: String) -> Finding {
        Finding::critical(code, format!("ticket `{}` {wrong}", self.id)).about(self.id)
    }
}

fn among(words: &[String], word: &str) -> bool {
    words.iter().any(|each| each.eq_ignore_ascii_case(word))
}

/// Ticket systems know people by account or by address: `ana` is `ana@example.com`. Rather one person too many taken for the
/// author than the author taken for another.
fn same_person(one: &str, other: &str) -> bool {
    let account = |name: &str| name.split('@').next().unwrap_or_default().trim().to_lowercase();
    account(one) == account(other)
}

/// Every text in a value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(values) => values.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Whether `word` stands in `text` by itself: `2.1.0` is neither in `12.1.0` nor in `2.1.0.1` nor in `2.1.0-rc.1`.
fn holds_word(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '+';
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default().chars().next_back();
            let mut after = text.get(at + word.len()..).unwrap_or_default().chars();
            // A full stop ends a sentence, but goes on in a version or a name.
            let goes_on = match after.next() {
                Some('.') => after.next().is_some_and(|c| c.is_alphanumeric()),
                next => next.is_some_and(inside),
            };
            !before.is_some_and(|c| inside(c) || c == '.') && !goes_on
        })
}
