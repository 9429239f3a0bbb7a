//! Why a command did not do what it was asked for, and the exit code by which scripts tell the kinds apart.

use std::{any::Any, fmt, io, path::Path};

use interlock_domain::IdError;
use interlock_emulator::FleetError;
use interlock_registry::{ReferenceError, RegistryError};
use interlock_server::{FlowError, StartError, config::ConfigError};
use interlock_toolchain::ToolchainError;
use interlock_vault::SigningError;
use interlock_workshop::WorkshopError;
use serde_json::Value;

/// How a command ends: the exit codes that `docs/cli.md` promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done = 0,
    /// The policies, a rule or a person said no.
    Refused = 1,
    /// The command line, or a file that it names, does not fit.
    Usage = 2,
    /// Nobody said no, and still it was not done: something cannot be reached, used or verified.
    Failed = 3,
    /// A program that the command needs is not installed.
    Missing = 4,
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server answered with a problem (RFC 9457).
    Problem { status: u16, problem: Box<Value> },
    /// The server cannot be reached or did not answer as a server of ours.
    Unreachable(String),
    /// A rule said no on this side, or the person who was asked.
    Refused(String),
    /// The command line, or a file that it names, does not fit.
    Usage(String),
    /// Something on this side is not as it should be.
    Local(String),
    /// A program that is needed is not there; the text says how to get it.
    Missing(String),
}

impl Failure {
    /// What went wrong on this side, by its kind.
    pub(crate) fn local(error: impl fmt::Display + 'static) -> Self {
        let text = error.to_string();
        match exit_of(&error) {
            Exit::Refused => Self::Refused(text),
            Exit::Usage => Self::Usage(text),
            Exit::Missing => Self::Missing(text),
            Exit::Done | Exit::Failed => Self::Local(text),
        }
    }

    /// A file that was named and cannot be used.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let text = format!("`{}`: {error}", path.display());
        match exit_of_io(error) {
            Exit::Usage => Self::Usage(text),
            _ => Self::Local(text),
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            // Not now, or not able to: the same command may be repeated.
            Failure::Problem { status: 408 | 429 | 500.., .. } => Exit::Failed,
            Failure::Problem { .. } | Failure::Refused(_) => Exit::Refused,
            Failure::Usage(_) => Exit::Usage,
            Failure::Unreachable(_) | Failure::Local(_) => Exit::Failed,
            Failure::Missing(_) => Exit::Missing,
        }
    }
}

/// The same table for what this program does without a server.
fn exit_of(error: &dyn Any) -> Exit {
    if error.is::<ConfigError>() || error.is::<IdError>() {
        Exit::Usage
    } else if let Some(error) = error.downcast_ref::<FlowError>() {
        exit_of_flow(error)
    } else if let Some(error) = error.downcast_ref::<StartError>() {
        match error {
            StartError::Folder { error, .. } => exit_of_io(error),
            StartError::Flow(error) => exit_of_flow(error),
            _ => Exit::Failed,
        }
    } else if let Some(error) = error.downcast_ref::<SigningError>() {
        match error {
            // The machine did not do its part; everything else is a file that holds no signing key.
            SigningError::Generate | SigningError::GenerateAuthor | SigningError::Sign => Exit::Failed,
            _ => Exit::Usage,
        }
    } else if error.is::<ReferenceError>() {
        Exit::Usage
    } else if let Some(error) = error.downcast_ref::<RegistryError>() {
        exit_of_registry(error)
    } else if let Some(error) = error.downcast_ref::<WorkshopError>() {
        match error {
            WorkshopError::File { source, .. } => exit_of_io(source),
            _ => Exit::Usage,
        }
    } else if let Some(error) = error.downcast_ref::<ToolchainError>() {
        match error {
            ToolchainError::File { source, .. } => exit_of_io(source),
            // What is to be built does not compile, or is no plugin.
            ToolchainError::Failed { .. } | ToolchainError::Component { .. } => Exit::Refused,
            ToolchainError::Missing { .. } => Exit::Missing,
            ToolchainError::Start { .. } => Exit::Failed,
            _ => Exit::Usage,
        }
    } else if let Some(FleetError::Server { .. } | FleetError::Token { .. }) = error.downcast_ref() {
        Exit::Usage
    } else {
        Exit::Failed
    }
}

/// What a server would answer with a status below 500 is a no here too.
fn exit_of_flow(error: &FlowError) -> Exit {
    match error {
        FlowError::Store(_) | FlowError::Vault(_) => Exit::Failed,
        _ => Exit::Refused,
    }
}

/// A registry that says no is a no; one that cannot be reached, or cannot be believed, is not.
fn exit_of_registry(error: &RegistryError) -> Exit {
    use RegistryError as E;
    match error {
        E::Reference(_) | E::PushByDigest { .. } => Exit::Usage,
        E::File { source, .. } => exit_of_io(source),
        E::NotAllowed { .. }
        | E::Unauthorized { .. }
        | E::NotFound { .. }
        | E::MediaType { .. }
        | E::TooLarge { .. }
        | E::Envelope { .. } => Exit::Refused,
        _ => Exit::Failed,
    }
}

/// A path that is not there or may not be used was named wrongly; a disk that is full was not.
fn exit_of_io(error: &io::Error) -> Exit {
    use io::ErrorKind as K;
    match error.kind() {
        K::NotFound
        | K::PermissionDenied
        | K::AlreadyExists
        | K::IsADirectory
        | K::NotADirectory
        | K::InvalidInput
        | K::InvalidData
        | K::InvalidFilename
        | K::ReadOnlyFilesystem => Exit::Usage,
        _ => Exit::Failed,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, problem) = match self {
            Failure::Problem { status, problem } => (status, problem),
            Failure::Unreachable(why)
            | Failure::Refused(why)
            | Failure::Usage(why)
            | Failure::Local(why)
            | Failure::Missing(why) => {
                return write!(f, "{why}");
            }
        };
        let text = |key: &str| problem.get(key).and_then(Value::as_str);
        write!(f, "{}", text("title").unwrap_or("refused"))?;
        if let Some(detail) = text("detail") {
            write!(f, ": {detail}")?;
        }
        if let Some(field) = text("field").filter(|field| !field.is_empty()) {
            write!(f, "\n  field: {field}")?;
        }
        for reason in problem.get("reasons").and_then(Value::as_array).into_iter().flatten() {
            write!(f, "\n  because: {}", reason.as_str().unwrap_or_default())?;
        }
        if let Some(decision) = text("decision") {
            write!(f, "\n  decision: {decision}")?;
        }
        match text("trace_id") {
            Some(trace) => write!(f, "\n  status {status}, trace {trace}")?,
            None => write!(f, "\n  status {status}")?,
        }
        if matches!(status, 408 | 429 | 503) {
            write!(f, "; try again in a moment")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, path::PathBuf};

    use interlock_domain::TenantId;

    use super::*;

    fn problem(status: u16) -> Failure {
        Failure::Problem { status, problem: Box::default() }
    }

    #[test]
    fn what_a_server_answers_tells_a_no_from_a_failure() {
        for status in [400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422] {
            assert_eq!(problem(status).exit(), Exit::Refused, "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(problem(status).exit(), Exit::Failed, "{status}");
        }
        assert_eq!(Failure::Unreachable(String::new()).exit(), Exit::Failed);
    }

    #[test]
    fn what_goes_wrong_on_this_side_is_told_apart_by_its_kind() {
        let io = |kind| io::Error::new(kind, "why");
        let folder = |kind| StartError::Folder { path: PathBuf::from("/data"), error: io(kind) };
        let denied = || FlowError::invalid("/expires_in_ms", "at most 90 days");
        let busy = || FlowError::Store(interlock_store::StoreError::Busy);
        let table = [
            (Failure::local(denied()), Exit::Refused),
            (Failure::local(StartError::Flow(denied())), Exit::Refused),
            (Failure::local("Bad Tenant".parse::<TenantId>().unwrap_err()), Exit::Usage),
            (Failure::local(ConfigError::Senseless { key: "k", detail: String::new() }), Exit::Usage),
            (Failure::local(SigningError::Generate), Exit::Failed),
            (Failure::local(SigningError::Pem { reason: String::new() }), Exit::Usage),
            (Failure::local(folder(ErrorKind::PermissionDenied)), Exit::Usage),
            (Failure::local(folder(ErrorKind::StorageFull)), Exit::Failed),
            (Failure::local(busy()), Exit::Failed),
            (Failure::local("anything else"), Exit::Failed),
            (Failure::file(Path::new("x"), &io(ErrorKind::NotFound)), Exit::Usage),
            (Failure::file(Path::new("x"), &io(ErrorKind::StorageFull)), Exit::Failed),
        ];
        for (failure, exit) in table {
            assert_eq!(failure.exit(), exit, "{failure:?}");
        }
    }
}
