//! What a case or a folder has to show when the plugin asks for evidence.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interlock_sandbox::{Document, EvidenceAnswer, EvidenceSource, Refusal};
use serde::Deserialize;
use serde_json::Value;

use crate::error::WorkshopError;
use crate::moment::Moment;
use crate::short::{Short, Shorthand};
use crate::suite;

/// The key that answers for every key that is not named.
const ANY: &str = "*";
/// The bytes of one file; the sandbox allows a call less than that.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Evidence as it is written: by source, then by key.
pub(crate) type EvidenceDraft = BTreeMap<String, BTreeMap<String, ShownDraft>>;

/// One document, or why there is none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ShownDraft {
    /// A JSON document.
    document: Option<Value>,
    /// Any other text.
    text: Option<String>,
    /// What is no text.
    base64: Option<String>,
    media_type: Option<String>,
    fetched_at: Option<Moment>,
    refused: Option<Short<RefusedDraft>>,
}

/// `not_found`, `{ denied: why }` or `{ unavailable: why }`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RefusedDraft {
    denied: Option<String>,
    unavailable: Option<String>,
}

impl Shorthand for RefusedDraft {
    const EXPECTED: &'static str = "`not_found`, `denied` or `unavailable`";

    fn from_text(text: &str) -> Result<Self, String> {
        let why = Some("the case says so".to_owned());
        match text {
            "not_found" => Ok(Self::default()),
            "denied" => Ok(Self { denied: why, ..Self::default() }),
            "unavailable" => Ok(Self { unavailable: why, ..Self::default() }),
            _ => Err(format!("`{text}` is no refusal: expected {}", Self::EXPECTED)),
        }
    }
}

/// Evidence that is ready to be asked for. What it does not have is not found.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    answers: BTreeMap<(String, String), EvidenceAnswer>,
}

#[async_trait]
impl EvidenceSource for Shown {
    async fn fetch(&self, _plugin: &str, source: &str, key: &str) -> EvidenceAnswer {
        self.answer(source, key).unwrap_or(EvidenceAnswer::Refused(Refusal::NotFound))
    }
}

impl Shown {
    /// What is said of this key, if anything is.
    pub(crate) fn answer(&self, source: &str, key: &str) -> Option<EvidenceAnswer> {
        let answer = |key: &str| self.answers.get(&(source.to_owned(), key.to_owned())).cloned();
        answer(key).or_else(|| answer(ANY))
    }

    /// From a file with sources, keys and documents as in a case, or from a folder with a folder for each source and a
    /// file for each key in it: `artifact/release-notes.json`. In names of files `%2F` stands for `/` and `%25` for `%`,
    /// and `.json` or `.txt` may follow the key.
    ///
    /// # Errors
    /// Names the file, and the field in it.
    pub fn read(path: &Path, now: u64) -> Result<Self, WorkshopError> {
        if !path.is_dir() {
            let draft: EvidenceDraft = suite::read(path)?;
            return Self::new(&draft, now)
                .map_err(|(field, reason)| WorkshopError::field(&path.display().to_string(), field, reason));
        }
        let mut answers = BTreeMap::new();
        for folder in entries(path)? {
            let source = name(&folder);
            for file in entries(&folder)? {
                let (key, document) = document(&file, now)?;
                answers.insert((source.clone(), key), EvidenceAnswer::Found(document));
            }
        }
        Ok(Self { answers })
    }

    /// Or the field that does not fit, and why.
    pub(crate) fn new(draft: &EvidenceDraft, now: u64) -> Result<Self, (String, String)> {
        let mut answers = BTreeMap::new();
        for (source, keys) in draft {
            for (key, shown) in keys {
                let answer = shown.answer(now).map_err(|reason| (format!("{source}.{key}"), reason))?;
                answers.insert((source.clone(), key.clone()), answer);
            }
        }
        Ok(Self { answers })
    }
}

impl ShownDraft {
    fn answer(&self, now: u64) -> Result<EvidenceAnswer, String> {
        let at = self.fetched_at.map_or(now, |at| at.instant(now));
        let found = |media_type: &str, content: Vec<u8>| {
            let media_type = self.media_type.as_deref().unwrap_or(media_type);
            EvidenceAnswer::Found(Document::new(media_type, content, at))
        };
        match (&self.document, &self.text, &self.base64, &self.refused) {
            (Some(document), None, None, None) => Ok(found("application/json", document.to_string().into())),
            (None, Some(text), None, None) => Ok(found("text/plain", text.clone().into())),
            (None, None, Some(base64), None) => match STANDARD.decode(base64) {
                Ok(content) => Ok(found("application/octet-stream", content)),
                Err(error) => {
                    Err(format!("`base64` is not base64 with padding (RFC 4648, section 4): {error}"))
                }
            },
            (None, None, None, Some(Short(refused))) => Ok(EvidenceAnswer::Refused(match refused.clone() {
                RefusedDraft { denied: Some(why), .. } => Refusal::Denied(why),
                RefusedDraft { unavailable: Some(why), .. } => Refusal::Unavailable(why),
                RefusedDraft { .. } => Refusal::NotFound,
            })),
            _ => Err("write exactly one of `document`, `text`, `base64` and `refused`".to_owned()),
        }
    }
}

fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>, WorkshopError> {
    let failed = |source| WorkshopError::File { path: folder.display().to_string(), source };
    let entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The key that a file is for, and its content.
fn document(file: &Path, now: u64) -> Result<(String, Document), WorkshopError> {
    let failed = |source| WorkshopError::File { path: file.display().to_string(), source };
    let bytes = fs::metadata(file).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        let reason = format!("{bytes} bytes are more than the {FILE_BYTES_MAX} that are read");
        return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidData, reason)));
    }
    let content = fs::read(file).map_err(failed)?;
    let name = name(file);
    let (key, media_type) = match name.rsplit_once('.') {
        Some((key, "json")) => (key, "application/json"),
        Some((key, "txt")) => (key, "text/plain"),
        _ => (name.as_str(), "application/octet-stream"),
    };
    let key = key.replace("%2F", "/").replace("%25", "%");
    Ok((key, Document::new(media_type, content, now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(shown: &Shown, key: &str) -> String {
        match shown.fetch("p", "artifact", key).await {
            EvidenceAnswer::Found(document) => String::from_utf8(document.content).unwrap(),
            other => format!("{other:?}"),
        }
    }

    fn shown(draft: Value) -> Result<Shown, (String, String)> {
        Shown::new(&serde_json::from_value(draft).unwrap(), 0)
    }

    #[tokio::test]
    async fn a_key_is_answered_before_any_key() {
        let draft = serde_json::json!({ "artifact": {
            "a": { "document": { "x": 1 } }, "b": { "refused": { "denied": "no" } }, "*": { "text": "any" } } });
        let shown = shown(draft).unwrap();
        assert_eq!(ask(&shown, "a").await, r#"{"x":1}"#);
        assert_eq!(ask(&shown, "b").await, r#"Refused(Denied("no"))"#);
        assert_eq!(ask(&shown, "c").await, "any");
        assert!(matches!(shown.fetch("p", "other", "a").await, EvidenceAnswer::Refused(Refusal::NotFound)));
    }

    #[test]
    fn a_document_and_a_refusal_at_once_are_refused() {
        let draft = serde_json::json!({ "s": { "k": { "text": "a", "refused": "denied" } } });
        assert_eq!(shown(draft).unwrap_err().0, "s.k");
        assert_eq!(shown(serde_json::json!({ "s": { "k": {} } })).unwrap_err().0, "s.k");
    }

    #[tokio::test]
    async fn what_is_no_text_is_written_in_base64() {
        let one = |base64: &str| shown(serde_json::json!({ "artifact": { "a": { "base64": base64 } } }));
        let EvidenceAnswer::Found(document) = one("AP8K").unwrap().fetch("p", "artifact", "a").await else {
            panic!("it is there");
        };
        let expected = ("application/octet-stream", vec![0, 255, 10]);
        assert_eq!((document.media_type.as_str(), document.content), expected);
        assert!(one("AP8").unwrap_err().1.contains("RFC 4648"));
    }

    #[tokio::test]
    async fn a_folder_has_a_folder_for_each_source_and_a_file_for_each_key() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("artifact")).unwrap();
        fs::write(dir.path().join("artifact/a%2Fb@1.0.json"), "{}").unwrap();
        fs::write(dir.path().join("artifact/.hidden"), "").unwrap();
        let shown = Shown::read(dir.path(), 0).unwrap();
        assert_eq!(ask(&shown, "a/b@1.0").await, "{}");
        assert_eq!(shown.answers.len(), 1);
    }
}
