//! A plugin's folder, and what its project file says.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::error::ToolchainError;
use crate::language::{Kind, Language};

/// A plugin's folder.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder.
    pub dir: PathBuf,
    /// The plugin's name, which is also the component's: `storage-fit`.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// The folder with the contract, as seen from `dir`. Rust has it in the SDK.
    pub(crate) wit: PathBuf,
    /// Keep imports of WASI: they are inert on the host, but do not trap.
    pub(crate) wasi: bool,
    /// The files to compile. Rust knows its own.
    pub(crate) sources: Vec<String>,
    /// Folders where compilers are looked for before the path.
    pub(crate) tools: Vec<PathBuf>,
    kind: Option<Kind>,
    file: PathBuf,
    /// The way to the fields in the project's file: `tool.interlock.`
    table: &'static str,
}

impl Project {
    /// The project in `dir`.
    ///
    /// # Errors
    /// When the folder has no project file or several, or names the field that does not fit.
    pub fn open(dir: &Path) -> Result<Self, ToolchainError> {
        let there: Vec<Language> = Language::ALL
            .into_iter()
            .filter(|language| dir.join(language.project_file()).is_file())
            .collect();
        let language = match there.as_slice() {
            [] => return Err(ToolchainError::NoProject { dir: dir.to_owned() }),
            [language] => *language,
            [one, other, ..] => {
                let (one, other) = (one.project_file(), other.project_file());
                return Err(ToolchainError::TwoProjects { dir: dir.to_owned(), one, other });
            }
        };
        let file = dir.join(language.project_file());
        let document = document(&file)?;
        // Where the name stands, and where what is ours does.
        let (name_at, table) = match language {
            Language::Rust => ("package.name", "package.metadata.interlock."),
            Language::Python => ("project.name", "tool.interlock."),
            Language::Javascript => ("name", "interlock."),
            Language::C => ("name", ""),
        };
        let fields = Fields { file: &file, document: &document };
        let name =
            fields.text(name_at)?.ok_or_else(|| fields.wrong(name_at, "say what the plugin is called"))?;
        plugin_name(&name).map_err(|reason| fields.wrong(name_at, reason))?;
        let at = |field: &str| format!("{table}{field}");
        let wit = fields.text(&at("wit"))?.unwrap_or_else(|| "wit".to_owned());
        let wasi = fields.truth(&at("wasi"))?.unwrap_or(false);
        let kind = fields.kind(&at("kind"))?;
        let mut sources = fields.texts(&at("sources"))?;
        sources.extend(fields.text(&at("source"))?);
        Ok(Self {
            dir: dir.to_owned(),
            name,
            language,
            wit: wit.into(),
            wasi,
            sources,
            tools: Vec::new(),
            kind,
            file: file.clone(),
            table,
        })
    }

    /// With compilers from these folders rather than from the path.
    #[must_use]
    pub fn with_tools(mut self, folders: &[PathBuf]) -> Self {
        self.tools.extend_from_slice(folders);
        self
    }

    /// What it is for. Rust says so in its source.
    pub(crate) fn kind(&self) -> Result<Kind, ToolchainError> {
        self.kind.ok_or_else(|| self.missing("kind", "say `gate`, `health` or `strategy`"))
    }

    /// The one file to start from.
    pub(crate) fn source(&self, what: &str) -> Result<&str, ToolchainError> {
        self.sources
            .first()
            .map(String::as_str)
            .ok_or_else(|| self.missing("source", &format!("name {what}")))
    }

    /// What the compilers of every language but Rust take without asking whether it is there.
    pub(crate) fn is_whole(&self) -> Result<(), ToolchainError> {
        let wit = self.dir.join(&self.wit);
        if !wit.exists() {
            let reason =
                "it is not there; `interlock plugin new` makes a folder with one, in `wit`".to_owned();
            return Err(ToolchainError::Wit { path: wit, reason });
        }
        let absent = self.sources.iter().find(|source| !self.dir.join(source).exists());
        absent.map_or(Ok(()), |absent| {
            let field = if self.language == Language::C { "sources" } else { "source" };
            Err(self.missing(
                field,
                &format!("`{absent}` is not there; name the file, from the project's folder"),
            ))
        })
    }

    /// A folder for what nobody wants to keep.
    pub(crate) fn temporary(&self) -> Result<TempDir, ToolchainError> {
        tempfile::tempdir().map_err(|source| ToolchainError::File { path: std::env::temp_dir(), source })
    }

    fn missing(&self, field: &str, reason: &str) -> ToolchainError {
        ToolchainError::Field {
            file: self.file.clone(),
            field: format!("{}{field}", self.table),
            reason: reason.to_owned(),
        }
    }
}

/// Whether a plugin may be called so, or the rule that it breaks.
pub(crate) fn plugin_name(name: &str) -> Result<(), &'static str> {
    if name.len() > NAME_BYTES_MAX {
        return Err("at most 64 characters");
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err("begins with a lower-case letter: `storage-fit`");
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return Err("lower-case letters, digits and dashes only: `storage-fit`");
    }
    if name.ends_with('-') || name.contains("--") {
        return Err("one dash between two words, and none at the end: `storage-fit`");
    }
    Ok(())
}

/// Long enough for a sentence; file systems stop at four times that.
const NAME_BYTES_MAX: usize = 64;

fn document(file: &Path) -> Result<Value, ToolchainError> {
    let text =
        fs::read_to_string(file).map_err(|source| ToolchainError::File { path: file.to_owned(), source })?;
    let parsed = match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_str(&text).map_err(|error| error.to_string()),
        _ => toml::from_str(&text).map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("{} at line {}", error.message(), before.matches('\n').count() + 1)
        }),
    };
    parsed.map_err(|reason| ToolchainError::Unreadable { file: file.to_owned(), reason })
}

/// Fields of a project's file by their way: `tool.interlock.kind`.
struct Fields<'a> {
    file: &'a Path,
    document: &'a Value,
}

impl Fields<'_> {
    fn at(&self, way: &str) -> Option<&Value> {
        way.split('.').try_fold(self.document, |value, key| value.get(key))
    }

    fn wrong(&self, way: &str, reason: &str) -> ToolchainError {
        ToolchainError::Field { file: self.file.to_owned(), field: way.to_owned(), reason: reason.to_owned() }
    }

    fn text(&self, way: &str) -> Result<Option<String>, ToolchainError> {
        match self.at(way) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(way, "a text that is not empty")),
        }
    }

    fn texts(&self, way: &str) -> Result<Vec<String>, ToolchainError> {
        match self.at(way) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<String>> =
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                texts.ok_or_else(|| self.wrong(way, "a list of texts"))
            }
            Some(_) => Err(self.wrong(way, "a list of texts")),
        }
    }

    fn truth(&self, way: &str) -> Result<Option<bool>, ToolchainError> {
        match self.at(way) {
            None => Ok(None),
            Some(value) => value.as_bool().map(Some).ok_or_else(|| self.wrong(way, "`true` or `false`")),
        }
    }

    fn kind(&self, way: &str) -> Result<Option<Kind>, ToolchainError> {
        let Some(name) = self.text(way)? else { return Ok(None) };
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        kind.map(Some).ok_or_else(|| self.wrong(way, "`gate`, `health` or `strategy`"))
    }
}
