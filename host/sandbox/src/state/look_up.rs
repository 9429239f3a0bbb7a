//! The import `evidence`: counted, authorised outside, recorded here.

use std::collections::VecDeque;
use std::sync::Arc;

use interlock_ledger::Digest;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::Result;

use super::CallState;
use crate::bindings::evidence;
use crate::call::panic_text;
use crate::evidence::{Document, Ending, EvidenceAnswer, EvidenceLookup, Refusal};
use crate::limits::INTEGER_MAX;
use crate::{Limits, PluginError};

/// How many keys of one `fetch-many` are looked up at the same time.
const AT_ONCE: usize = 8;

type Told = std::result::Result<evidence::Document, evidence::Refusal>;
type Answered = std::result::Result<EvidenceAnswer, JoinError>;

impl evidence::Host for CallState {
    async fn fetch(&mut self, source: String, key: String) -> Result<Told> {
        self.count_host_calls(1)?;
        self.begin(&source, &key);
        let answer = match self.objection(&source, &key) {
            Some(answer) => answer,
            None => {
                let answered = self.ask(&source, &key).await;
                self.judge(&source, answered)
            }
        };
        self.tell(answer)
    }

    /// Looks ahead while it answers in order, so that the record is the one of as many single look-ups. What was asked ahead when
    /// a look-up ends the call is given up: the plugin was told nothing of it, and nothing of it is recorded.
    async fn fetch_many(&mut self, source: String, keys: Vec<String>) -> Result<Vec<Told>> {
        self.count_host_calls(keys.len().max(1))?;
        let declared = self.declares(&source);
        let mut ahead = VecDeque::<(&String, AbortOnDropHandle<EvidenceAnswer>)>::new();
        let mut unasked = keys.iter().peekable();
        let mut told = Vec::with_capacity(keys.len());
        for key in &keys {
            self.begin(&source, key);
            while declared && ahead.len() < AT_ONCE {
                // The same key twice in one go could be answered in either order, and a replay in the other.
                let next = unasked.next_if(|next| ahead.iter().all(|(asked, _)| asked != next));
                let Some(next) = next else { break };
                ahead.push_back((next, self.ask(&source, next)));
            }
            let asked = ahead.pop_front();
            let answer = match (self.objection(&source, key), asked) {
                (Some(answer), _) => answer,
                (None, Some((_, asked))) => {
                    let answered = asked.await;
                    self.judge(&source, answered)
                }
                (None, None) => {
                    EvidenceAnswer::Ended(Ending::Failed { reason: format!("nobody asked for `{key}`") })
                }
            };
            told.push(self.tell(answer)?);
        }
        Ok(told)
    }
}

impl CallState {
    /// Recorded before anybody is asked: if the time of the call is up meanwhile, this is how the look-up stays.
    fn begin(&mut self, source: &str, key: &str) {
        let answer = EvidenceAnswer::Ended(Ending::Unanswered);
        self.lookups.push(EvidenceLookup { source: source.to_owned(), key: key.to_owned(), answer });
    }

    fn declares(&self, source: &str) -> bool {
        self.declared.evidence_sources.iter().any(|declared| declared == source)
    }

    /// The answer to a look-up that nobody needs to be asked about.
    fn objection(&mut self, source: &str, key: &str) -> Option<EvidenceAnswer> {
        // Names count too: they are recorded even when nobody is asked.
        let bytes = source.len() + key.len();
        if !self.count_evidence(bytes as u64) {
            return Some(EvidenceAnswer::Ended(Ending::TooLarge { bytes: bytes as u64, digest: None }));
        }
        if !self.declares(source) {
            let reason = format!("`{source}` is not among the evidence sources that this plugin declares");
            return Some(EvidenceAnswer::Refused(Refusal::Denied(reason)));
        }
        None
    }

    /// Asks on a task of its own: the guest runs on a small stack that wasmtime switches to, and code that measures how
    /// much stack is left (Cedar does) would take that for an overflow. The task ends with the call.
    fn ask(&self, source: &str, key: &str) -> AbortOnDropHandle<EvidenceAnswer> {
        let asked = Arc::clone(&self.source);
        let (plugin, source, key) = (self.declared.name.clone(), source.to_owned(), key.to_owned());
        AbortOnDropHandle::new(tokio::spawn(async move { asked.fetch(&plugin, &source, &key).await }))
    }

    /// What comes of an answer. One that ends the call is an answer too, so that it is recorded like every other.
    fn judge(&mut self, source: &str, answered: Answered) -> EvidenceAnswer {
        self.waited = true;
        match answered {
            Ok(EvidenceAnswer::Found(document)) => self.found(source, document),
            // Only a record says so: the content was too large to be kept, but its size counts as it did then.
            Ok(EvidenceAnswer::Ended(Ending::TooLarge { bytes, digest })) if self.count_evidence(bytes) => {
                let what = digest.map_or_else(|| "a name".to_owned(), |digest| format!("content `{digest}`"));
                let reason = format!("{what} of {bytes} bytes was too large then, and is not recorded");
                EvidenceAnswer::Ended(Ending::Failed { reason })
            }
            Ok(answer) => answer,
            Err(error) => {
                let panic = error.try_into_panic();
                let reason = panic.map_or_else(|e| e.to_string(), |panic| panic_text(panic.as_ref()));
                EvidenceAnswer::Ended(Ending::Failed { reason })
            }
        }
    }

    fn found(&mut self, source: &str, mut document: Document) -> EvidenceAnswer {
        // What the record calls this content must be true whatever the source said.
        document.digest = Digest::of(&document.content);
        let bytes = document.content.len() as u64;
        if !self.count_evidence(bytes) {
            return EvidenceAnswer::Ended(Ending::TooLarge { bytes, digest: Some(document.digest) });
        }
        if document.fetched_at > INTEGER_MAX {
            let reason =
                format!("evidence source `{source}` says that it fetched at `{}`", document.fetched_at);
            return EvidenceAnswer::Ended(Ending::Failed { reason });
        }
        EvidenceAnswer::Found(document)
    }

    /// Completes the record of the look-up that is under way, and says the same to the plugin.
    fn tell(&mut self, answer: EvidenceAnswer) -> Result<Told> {
        if let Some(lookup) = self.lookups.last_mut() {
            lookup.answer = answer.clone();
        }
        Ok(match answer {
            EvidenceAnswer::Found(Document { media_type, content, digest, fetched_at }) => {
                Ok(evidence::Document { media_type, content, digest: digest.to_string(), fetched_at })
            }
            EvidenceAnswer::Refused(refusal) => Err(match refusal {
                Refusal::NotFound => evidence::Refusal::NotFound,
                Refusal::Denied(reason) => evidence::Refusal::Denied(reason),
                Refusal::Unavailable(reason) => evidence::Refusal::Unavailable(reason),
            }),
            EvidenceAnswer::Ended(ending) => return Err(self.ended(ending).into()),
        })
    }

    /// Whether so many more bytes of evidence are within the limit.
    fn count_evidence(&mut self, bytes: u64) -> bool {
        self.evidence_bytes = self.evidence_bytes.saturating_add(bytes);
        self.evidence_bytes <= self.limits().evidence_bytes_max
    }

    fn ended(&self, ending: Ending) -> PluginError {
        let Limits { evidence_bytes_max, call_timeout_ms, .. } = *self.limits();
        match ending {
            Ending::TooLarge { .. } => PluginError::EvidenceExceeded { evidence_bytes_max },
            Ending::Unanswered => PluginError::CallTimedOut { after_ms: call_timeout_ms },
            Ending::Failed { reason } => PluginError::HostFailed { reason },
        }
    }
}
