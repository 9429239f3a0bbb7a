//! Evidence: what a plugin may read, and the record of what it read.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

/// Where evidence comes from. The sandbox asks only for sources that the plugin declared; whether *this* plugin may
/// read *this* source is for the implementation to ask Cedar.
#[async_trait]
pub trait EvidenceSource: Send + Sync {
    /// Looks `key` up in `source` on behalf of the plugin with this name.
    async fn fetch(&self, plugin: &str, source: &str, key: &str) -> EvidenceAnswer;
}

/// A document, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceAnswer {
    /// The source has it.
    Found(Document),
    /// It does not, or does not give it.
    Refused(Refusal),
    /// The call ended with this look-up; the plugin was told nothing.
    Ended(Ending),
}

/// How a look-up ended the call that it was made in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// More bytes than the call may hold: not kept, so that the limit also bounds the record.
    TooLarge {
        /// How many: of the content, or of the names when they alone were too many.
        bytes: u64,
        /// Digest of the content; absent when nobody was asked for it.
        digest: Option<Digest>,
    },
    /// The time of the call was up before there was an answer.
    Unanswered,
    /// The source failed.
    Failed {
        /// What happened.
        reason: String,
    },
}

/// What a source had under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// For example `application/json`.
    pub media_type: String,
    /// The bytes.
    #[serde(with = "base64_text")]
    pub content: Vec<u8>,
    /// Digest of `content`.
    pub digest: Digest,
    /// When it was fetched, in milliseconds since the epoch.
    pub fetched_at: u64,
}

impl Document {
    /// A document with its digest.
    #[must_use]
    pub fn new(media_type: impl Into<String>, content: impl Into<Vec<u8>>, fetched_at: u64) -> Self {
        let content = content.into();
        Self { media_type: media_type.into(), digest: Digest::of(&content), content, fetched_at }
    }
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The source has nothing under this key.
    NotFound,
    /// This plugin may not read this source.
    Denied(String),
    /// The source did not answer, or its answer was too large.
    Unavailable(String),
}

/// One look-up and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceLookup {
    /// The source that the plugin named.
    pub source: String,
    /// What it looked up there.
    pub key: String,
    /// What it was told, or how the call ended instead.
    pub answer: EvidenceAnswer,
}

/// No evidence at all: for questions that must not need any.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvidence;

#[async_trait]
impl EvidenceSource for NoEvidence {
    async fn fetch(&self, _plugin: &str, _source: &str, _key: &str) -> EvidenceAnswer {
        EvidenceAnswer::Refused(Refusal::Denied("there is no evidence for this question".into()))
    }
}

/// Answers as they were recorded, in the same order for each key. The source of a replay.
#[derive(Debug, Default)]
pub struct RecordedEvidence {
    answers: Mutex<HashMap<(String, String), VecDeque<EvidenceAnswer>>>,
}

impl RecordedEvidence {
    /// The answers of these look-ups.
    pub fn new(lookups: impl IntoIterator<Item = EvidenceLookup>) -> Self {
        let mut answers = HashMap::<_, VecDeque<_>>::new();
        for EvidenceLookup { source, key, answer } in lookups {
            answers.entry((source, key)).or_default().push_back(answer);
        }
        Self { answers: Mutex::new(answers) }
    }
}

#[async_trait]
impl EvidenceSource for RecordedEvidence {
    async fn fetch(&self, _plugin: &str, source: &str, key: &str) -> EvidenceAnswer {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = answers.get_mut(&(source.to_owned(), key.to_owned())).and_then(VecDeque::pop_front);
        next.unwrap_or_else(|| {
            let reason = format!("the record holds no further look-up of `{key}` in `{source}`");
            EvidenceAnswer::Refused(Refusal::Unavailable(reason))
        })
    }
}

mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str) -> EvidenceAnswer {
        EvidenceAnswer::Found(Document::new("text/plain", content, 7))
    }

    fn lookup(key: &str, content: &str) -> EvidenceLookup {
        EvidenceLookup { source: "artifact".into(), key: key.into(), answer: found(content) }
    }

    #[tokio::test]
    async fn recorded_answers_come_back_in_order_for_each_key() {
        let recorded = RecordedEvidence::new([lookup("a", "1"), lookup("b", "2"), lookup("a", "3")]);
        assert_eq!(recorded.fetch("p", "artifact", "b").await, found("2"));
        assert_eq!(recorded.fetch("p", "artifact", "a").await, found("1"));
        assert_eq!(recorded.fetch("p", "artifact", "a").await, found("3"));
        let spent = recorded.fetch("p", "artifact", "a").await;
        assert!(matches!(spent, EvidenceAnswer::Refused(Refusal::Unavailable(_))), "{spent:?}");
    }

    #[test]
    fn content_that_is_no_text_survives_json() {
        let answer = EvidenceAnswer::Found(Document::new("application/octet-stream", vec![0, 255, 10], 7));
        let json = serde_json::to_string(&answer).unwrap();
        assert!(json.contains(r#""content":"AP8K""#), "{json}");
        assert_eq!(serde_json::from_str::<EvidenceAnswer>(&json).unwrap(), answer);
    }
}
