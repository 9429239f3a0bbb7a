//! The decision record of one call: all that went in, all that came out, and what it cost.

use std::sync::Arc;

use interlock_ledger::{CanonicalError, Digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::PluginError;
use crate::evidence::EvidenceLookup;
use crate::state::LogLine;
use crate::types::{Request, Response};

/// The answer of one call, and how it came about.
#[derive(Debug, Clone)]
pub struct Call {
    /// The answer, or why there is none. The latter is a deny.
    pub outcome: Result<Response, PluginError>,
    /// What led to it.
    pub transcript: Transcript,
}

/// What happened during a call. Nothing is serialised until [`Call::record`] asks for it.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// Digest of the component.
    pub plugin: Digest,
    /// What was asked.
    pub request: Arc<Request>,
    /// Fuel used: reproducible.
    pub fuel: u64,
    /// Wall time from admission to answer, in microseconds: not reproducible.
    pub elapsed_us: u64,
    /// Log lines and evidence look-ups.
    pub host_calls: u32,
    /// Bytes of all memories at their largest.
    pub memory_bytes_peak: u64,
    /// Evidence that was asked for, in order.
    pub evidence: Vec<EvidenceLookup>,
    /// What the plugin logged, in order.
    pub logs: Vec<LogLine>,
}

/// A call as it is kept: canonical JSON all the way down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Digest of the component.
    pub plugin: Digest,
    /// The function that was called.
    pub function: String,
    /// The [`Request`].
    pub input: Value,
    /// Digest of the canonical `input`.
    pub input_digest: Digest,
    /// The [`Response`]; absent when there was none.
    pub output: Option<Value>,
    /// Digest of the canonical `output`.
    pub output_digest: Option<Digest>,
    /// Why there is no output.
    pub error: Option<RecordedError>,
    /// Fuel used.
    pub fuel: u64,
    /// Wall time in microseconds. Not part of a replay's comparison.
    pub elapsed_us: u64,
    /// Log lines and evidence look-ups.
    pub host_calls: u32,
    /// Bytes of all memories at their largest.
    pub memory_bytes_peak: u64,
    /// Evidence that was asked for, in order.
    pub evidence: Vec<EvidenceLookup>,
    /// What the plugin logged, in order.
    pub logs: Vec<LogLine>,
}

/// A [`PluginError`] as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedError {
    /// [`PluginError::code`].
    pub code: String,
    /// Its text.
    pub message: String,
}

impl From<&PluginError> for RecordedError {
    fn from(error: &PluginError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

impl Call {
    /// A call that could not be made, because no plugin with this digest is installed: a deny like every other failure,
    /// and recorded like one.
    pub fn not_installed(plugin: Digest, request: impl Into<Arc<Request>>) -> Self {
        Self::not_made(plugin, request, PluginError::NotInstalled { digest: plugin })
    }

    /// A call that could not be made, because the plugin's component does not load.
    pub fn not_loaded(plugin: Digest, request: impl Into<Arc<Request>>, reason: String) -> Self {
        Self::not_made(plugin, request, PluginError::NotLoaded { reason })
    }

    fn not_made(plugin: Digest, request: impl Into<Arc<Request>>, error: PluginError) -> Self {
        Self {
            outcome: Err(error),
            transcript: Transcript {
                plugin,
                request: request.into(),
                fuel: 0,
                elapsed_us: 0,
                host_calls: 0,
                memory_bytes_peak: 0,
                evidence: Vec::new(),
                logs: Vec::new(),
            },
        }
    }

    /// The call as it is kept.
    ///
    /// # Errors
    /// When the request holds an integer beyond 2^53, which only the host can have put there.
    pub fn record(&self) -> Result<Record, CanonicalError> {
        let Transcript { plugin, request, fuel, elapsed_us, host_calls, memory_bytes_peak, evidence, logs } =
            &self.transcript;
        let (input, input_digest) = canonical(request.as_ref())?;
        let output = self.outcome.as_ref().ok().map(canonical).transpose()?;
        let (output, output_digest) = output.unzip();
        Ok(Record {
            plugin: *plugin,
            function: request.function().to_owned(),
            input,
            input_digest,
            output,
            output_digest,
            error: self.outcome.as_ref().err().map(RecordedError::from),
            fuel: *fuel,
            elapsed_us: *elapsed_us,
            host_calls: *host_calls,
            memory_bytes_peak: *memory_bytes_peak,
            evidence: evidence.clone(),
            logs: logs.clone(),
        })
    }
}

fn canonical<T: Serialize>(value: &T) -> Result<(Value, Digest), CanonicalError> {
    let value = serde_json::to_value(value).map_err(|e| CanonicalError::NotJson { reason: e.to_string() })?;
    let digest = Digest::of_canonical(&value)?;
    Ok((value, digest))
}
