//! Repeating a recorded call and comparing what comes out.

use std::fmt::Debug;
use std::sync::Arc;

use interlock_ledger::Digest;
use serde::Deserialize;

use crate::evidence::{EvidenceAnswer, RecordedEvidence};
use crate::plugin::Plugin;
use crate::transcript::{Call, Record};
use crate::types::Request;

/// What a replay showed.
#[derive(Debug)]
pub struct Replayed {
    /// Whether everything reproducible came out as recorded.
    pub identical: bool,
    /// What did not, in words, one entry for each thing.
    pub differences: Vec<String>,
    /// The repeated call; absent when the record cannot be repeated at all.
    pub call: Option<Call>,
}

impl Replayed {
    fn impossible(reason: String) -> Self {
        Self { identical: false, differences: vec![reason], call: None }
    }
}

impl Plugin {
    /// Repeats a recorded call with the evidence that was recorded, and compares everything but the time it took.
    ///
    /// A call that the machine ended (its time was up while it computed, no sandbox was free) cannot be repeated, and
    /// the one difference says so. One that ended while it waited for evidence can: the record says at which look-up.
    pub async fn replay(&self, record: &Record) -> Replayed {
        if record.plugin != self.digest() {
            let reason =
                format!("the record is about plugin `{}`, this is `{}`", record.plugin, self.digest());
            return Replayed::impossible(reason);
        }
        let request = match Digest::of_canonical(&record.input) {
            Err(error) => {
                return Replayed::impossible(format!("the recorded input is not canonical: {error}"));
            }
            Ok(digest) if digest != record.input_digest => {
                let reason =
                    format!("the recorded input has digest `{digest}`, not `{}`", record.input_digest);
                return Replayed::impossible(reason);
            }
            Ok(_) => match Request::deserialize(&record.input) {
                Ok(request) => Arc::new(request),
                Err(reason) => {
                    return Replayed::impossible(format!("the recorded input is no request: {reason}"));
                }
            },
        };
        if let Some(reason) = record.unrepeatable() {
            return Replayed::impossible(reason);
        }
        // Undeclared sources are refused before anybody is asked, as they were then.
        let asked = record.evidence.iter().filter(|lookup| self.declares(&lookup.source)).cloned();
        let call = self.call(request, Arc::new(RecordedEvidence::new(asked))).await;
        let differences = match call.record() {
            Ok(repeated) => differences(record, &repeated),
            Err(error) => vec![format!("the repeated call cannot be recorded: {error}")],
        };
        Replayed { identical: differences.is_empty(), differences, call: Some(call) }
    }
}

impl Record {
    /// Why the call cannot be repeated, when it was neither its input nor its evidence that ended it.
    #[must_use]
    pub fn unrepeatable(&self) -> Option<String> {
        let code = self.error.as_ref()?.code.as_str();
        let last = self.evidence.last();
        let at_a_look_up = last.is_some_and(|lookup| matches!(lookup.answer, EvidenceAnswer::Ended(_)));
        match code {
            "not-installed" => Some("there was no call: the plugin was not installed".to_owned()),
            "not-loaded" => Some("there was no call: the plugin did not load".to_owned()),
            "call-timed-out" | "host-failed" if at_a_look_up => None,
            "busy" | "timed-out" | "call-timed-out" | "host-failed" => Some(format!(
                "the call ended as `{code}`: that was the machine's doing, and cannot be repeated"
            )),
            _ => None,
        }
    }
}

fn differences(recorded: &Record, repeated: &Record) -> Vec<String> {
    let mut found = Vec::new();
    // All fields by name, so that a new one must be placed here too.
    let Record {
        plugin,
        function,
        input,
        input_digest,
        output,
        output_digest,
        error,
        fuel,
        elapsed_us: _,
        host_calls,
        memory_bytes_peak,
        evidence,
        logs,
    } = recorded;
    compare(&mut found, "plugin", plugin, &repeated.plugin);
    compare(&mut found, "function", function, &repeated.function);
    compare(&mut found, "input", input, &repeated.input);
    compare(&mut found, "input digest", input_digest, &repeated.input_digest);
    compare(&mut found, "output", output, &repeated.output);
    compare(&mut found, "output digest", output_digest, &repeated.output_digest);
    compare(&mut found, "error", error, &repeated.error);
    compare(&mut found, "fuel", fuel, &repeated.fuel);
    compare(&mut found, "host calls", host_calls, &repeated.host_calls);
    compare(&mut found, "memory peak", memory_bytes_peak, &repeated.memory_bytes_peak);
    compare(&mut found, "number of evidence look-ups", &evidence.len(), &repeated.evidence.len());
    for (index, (then, now)) in evidence.iter().zip(&repeated.evidence).enumerate() {
        // Not the content: it may be long, and its digest says the same.
        if then != now {
            found.push(format!("evidence look-up {index}: `{}` in `{}` differs", now.key, now.source));
        }
    }
    compare(&mut found, "logs", logs, &repeated.logs);
    found
}

fn compare<T: PartialEq + Debug>(found: &mut Vec<String>, what: &str, recorded: &T, repeated: &T) {
    if recorded != repeated {
        found.push(format!("{what}: recorded {recorded:?}, repeated {repeated:?}"));
    }
}
