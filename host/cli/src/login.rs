//! The session of whoever logged in with this program: a file that only its owner may read.

use std::{
    io::{ErrorKind, IsTerminal as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// A session with one server. Its token is as good as a password while it lasts.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// With which server.
    pub(crate) server: String,
    /// Of which tenant.
    pub(crate) tenant: String,
    /// `NAME=TOKEN`
    pub(crate) cookie: String,
    /// What goes into `X-CSRF-Token`.
    pub(crate) csrf: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Session {
    /// The session with this server and tenant, if there is one.
    pub(crate) fn load(server: &str, tenant: &str) -> Result<Option<Self>, Failure> {
        let Ok(file) = file() else { return Ok(None) };
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file(&file, &error)),
        };
        let mode = std::fs::metadata(&file).map_err(|error| Failure::file(&file, &error))?;
        if mode.permissions().mode() & 0o077 != 0 {
            let file = file.display();
            return Err(Failure::Usage(format!(
                "others can read `{file}`: `interlock logout`, then log in again"
            )));
        }
        let session: Option<Session> = serde_json::from_str(&text).ok();
        Ok(session.filter(|session| session.server == server && session.tenant == tenant))
    }

    /// Keeps it in place of another one.
    pub(crate) fn keep(&self) -> Result<(), Failure> {
        let file = file()?;
        let failed = |error: std::io::Error| Failure::file(&file, &error);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let unfinished = file.with_extension("new");
        // Made anew: one that somebody left there would keep its own mode, and whoever has it open could read on.
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut open = std::fs::OpenOptions::new();
        let mut made = open.write(true).create_new(true).mode(0o600).open(&unfinished).map_err(failed)?;
        made.write_all(serde_json::to_string(self).map_err(Failure::local)?.as_bytes()).map_err(failed)?;
        std::fs::rename(&unfinished, &file).map_err(failed)
    }

    /// Forgets whichever there is.
    pub(crate) fn forget() -> Result<(), Failure> {
        let file = file()?;
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::file(&file, &error)),
            _ => Ok(()),
        }
    }
}

fn file() -> Result<PathBuf, Failure> {
    if let Some(file) = std::env::var_os("INTERLOCK_SESSION_FILE") {
        return Ok(file.into());
    }
    let folder = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    let missing = "there is no home folder; set INTERLOCK_SESSION_FILE to where the session is kept";
    Ok(folder.ok_or_else(|| Failure::Usage(missing.to_owned()))?.join("interlock/session.json"))
}

/// Asks for what nobody beside them should read; from a pipe, the next line.
pub(crate) fn secret(what: &str) -> Result<String, Failure> {
    let text = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{what}: ")).map_err(Failure::local)?
    } else {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).map_err(Failure::local)? == 0 {
            return Err(Failure::Usage(format!("nobody is there to give: {what}")));
        }
        line
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
