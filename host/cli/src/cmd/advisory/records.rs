//! Records of advisories, from files, folders and archives, in parts that a server takes.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::File,
    io::{BufReader, Read as _},
    path::{Path, PathBuf},
};

use interlock_domain::Timestamp;
use serde_json::Value;
use zip::ZipArchive;

use crate::client::Failure;

/// Most records in a part: as many as a server takes.
const RECORDS_MAX: usize = 1_000;
/// Most bytes of records in a part: less than `server.body_bytes_max` unless somebody lowers it.
const BYTES_MAX: usize = 768 << 10;
/// Largest file, also in an archive, where a few bytes may stand for very many.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// What the server leaves out, and need not be sent.
const PROSE: [&str; 3] = ["details", "references", "credits"];

/// Some records to be sent together.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) records: Vec<Value>,
    /// When the newest of them was altered.
    pub(super) newest: Option<Timestamp>,
}

/// What one path has, read as it is needed.
pub(super) struct Records {
    files: VecDeque<PathBuf>,
    archive: Option<Archive>,
    read: VecDeque<Value>,
}

struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    next: usize,
}

impl Records {
    /// Those of a file, an archive or a folder with all that is below it.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        let mut files = Vec::new();
        if path.is_dir() {
            collect(path, &mut files)?;
            files.sort();
        } else {
            files.push(path.to_owned());
        }
        Ok(Self { files: files.into(), archive: None, read: VecDeque::new() })
    }

    /// Those that are at hand.
    pub(super) fn again(records: impl Iterator<Item = Value>) -> Self {
        Self { files: VecDeque::new(), archive: None, read: records.collect() }
    }

    /// The next part; `None` at the end.
    pub(super) fn next_part(&mut self) -> Result<Option<Part>, Failure> {
        let mut part = Part { records: Vec::new(), newest: None };
        let mut bytes = 0;
        while part.records.len() < RECORDS_MAX {
            if self.read.is_empty() && !self.read_more()? {
                break;
            }
            let Some(mut record) = self.read.pop_front() else { continue };
            if let Value::Object(fields) = &mut record {
                for prose in PROSE {
                    fields.remove(prose);
                }
            }
            let size = record.to_string().len();
            if !part.records.is_empty() && bytes + size > BYTES_MAX {
                self.read.push_front(record);
                break;
            }
            bytes += size;
            let modified = record["modified"].as_str().and_then(|modified| modified.parse().ok());
            part.newest = part.newest.max(modified);
            part.records.push(record);
        }
        Ok((!part.records.is_empty()).then_some(part))
    }

    /// Reads another file; false when there is none.
    fn read_more(&mut self) -> Result<bool, Failure> {
        if let Some(archive) = &mut self.archive {
            match archive.next()? {
                Some(records) => self.read.extend(records),
                None => self.archive = None,
            }
            return Ok(true);
        }
        let Some(path) = self.files.pop_front() else { return Ok(false) };
        let file = File::open(&path).map_err(|error| Failure::file(&path, &error))?;
        if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("zip")) {
            let zip = ZipArchive::new(BufReader::new(file)).map_err(|error| broken(&path, error))?;
            self.archive = Some(Archive { path, zip, next: 0 });
        } else {
            let text = whole(file).map_err(|error| Failure::file(&path, &error))?;
            self.read.extend(parse(&text, &path.display().to_string())?);
        }
        Ok(true)
    }
}

impl Archive {
    fn next(&mut self) -> Result<Option<Vec<Value>>, Failure> {
        if self.next >= self.zip.len() {
            return Ok(None);
        }
        let file = self.zip.by_index(self.next).map_err(|error| broken(&self.path, error))?;
        self.next += 1;
        let inside = file.name().map_err(|error| broken(&self.path, error))?.into_owned();
        if !inside.ends_with(".json") {
            return Ok(Some(Vec::new()));
        }
        let name = format!("{}/{inside}", self.path.display());
        let text = whole(file).map_err(|error| broken(&self.path, format!("{name}: {error}")))?;
        parse(&text, &name).map(Some)
    }
}

/// What a record is about: the type of each purl, with the namespace where distributions have advisories of their own, or the
/// ecosystem. The server sees for itself; it only has to get a record of each.
pub(super) fn ecosystems(record: &Value) -> BTreeSet<String> {
    let affected = record["affected"].as_array().into_iter().flatten();
    affected.filter_map(|entry| ecosystem(&entry["package"])).collect()
}

fn ecosystem(package: &Value) -> Option<String> {
    if let Some(purl) = package["purl"].as_str().and_then(|purl| purl.strip_prefix("pkg:")) {
        let mut parts = purl.split('/');
        let kind = parts.next()?.to_ascii_lowercase();
        let namespace = parts.next().filter(|_| ["apk", "alpm", "deb", "rpm"].contains(&kind.as_str()));
        return Some(namespace.map_or_else(|| kind.clone(), |namespace| format!("{kind}/{namespace}")));
    }
    Some(package["ecosystem"].as_str()?.split(':').next()?.to_owned())
}

/// The records below a folder. Links are not followed: one could lead back up.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| Failure::file(folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Failure::file(folder, &error))?;
        let kind = entry.file_type().map_err(|error| Failure::file(&entry.path(), &error))?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() && entry.path().extension().is_some_and(|end| end == "json") {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn whole(file: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// One record or a list of them.
fn parse(text: &[u8], name: &str) -> Result<Vec<Value>, Failure> {
    match serde_json::from_slice(text) {
        Ok(Value::Array(records)) => Ok(records),
        Ok(record @ Value::Object(_)) => Ok(vec![record]),
        Ok(_) => Err(Failure::Usage(format!("`{name}` holds no advisory in the OSV format"))),
        Err(error) => Err(Failure::Usage(format!("`{name}` is no JSON: {error}"))),
    }
}

fn broken(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("`{}` cannot be read as a zip archive: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn record(id: usize, padding: usize) -> Value {
        json!({ "id": format!("A-{id}"), "modified": "2026-11-02T08:30:00Z", "details": "long", "summary": "x".repeat(padding) })
    }

    fn parts(path: &Path) -> Vec<Part> {
        let mut records = Records::of(path).unwrap();
        std::iter::from_fn(|| records.next_part().unwrap()).collect()
    }

    fn sizes(path: &Path) -> Vec<usize> {
        parts(path).iter().map(|part| part.records.len()).collect()
    }

    #[test]
    fn a_record_is_about_the_ecosystems_of_its_packages() {
        let record = json!({ "affected": [
            { "package": { "purl": "pkg:npm/a" } }, { "package": { "purl": "pkg:deb/debian/b" } },
            { "package": { "ecosystem": "Debian:12", "name": "b" } }, { "ranges": [] } ] });
        assert_eq!(ecosystems(&record), ["Debian", "deb/debian", "npm"].map(str::to_owned).into());
        assert!(ecosystems(&json!({ "id": "A" })).is_empty());
    }

    #[test]
    fn a_list_is_cut_into_parts_by_number_and_by_size() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("all.json");
        let write = |count: usize, padding: usize| {
            let records: Value = (0..count).map(|id| record(id, padding)).collect();
            std::fs::write(&file, records.to_string()).unwrap();
        };
        write(1_001, 1);
        assert_eq!(sizes(&file), [1_000, 1]);
        write(3, 300 << 10);
        assert_eq!(sizes(&file), [2, 1]);
        write(2, 800 << 10);
        assert_eq!(sizes(&file), [1, 1], "one that is too large alone is for the server to refuse");
        write(0, 0);
        assert_eq!(parts(&file).len(), 0);
    }

    #[test]
    fn a_folder_and_an_archive_of_it_have_the_same_records() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("npm")).unwrap();
        let zip = dir.path().join("all.zip");
        let mut archive = ZipWriter::new(File::create(&zip).unwrap());
        for (name, text) in [
            ("npm/A-1.json", record(1, 0).to_string()),
            ("A-2.json", record(2, 0).to_string()),
            ("README", "?".to_owned()),
        ] {
            std::fs::write(dir.path().join(name), &text).unwrap();
            archive.start_file(name, SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        let ids = |path: &Path| -> Vec<String> {
            let mut ids: Vec<String> = parts(path)
                .iter()
                .flat_map(|part| &part.records)
                .map(|record| record["id"].to_string())
                .collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(dir.path()), ["\"A-1\"", "\"A-2\""]);
        assert_eq!(ids(&zip), ids(dir.path()));
        let part = parts(&zip).remove(0);
        assert_eq!(part.newest.unwrap().to_string(), "2026-11-02T08:30:00.000Z");
        assert_eq!(part.records[0].get("details"), None);
    }

    #[test]
    fn what_holds_no_record_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |name: &str, text: &str| {
            let file = dir.path().join(name);
            std::fs::write(&file, text).unwrap();
            let failed = Records::of(&file).unwrap().next_part().unwrap_err().to_string();
            assert!(failed.contains(name), "{failed}");
            failed
        };
        assert!(refused("a.json", "{").contains("is no JSON"));
        assert!(refused("b.json", "7").contains("holds no advisory"));
        assert!(refused("c.zip", "not a zip").contains("zip archive"));
        let missing = Records::of(Path::new("/nowhere.json")).unwrap().next_part().unwrap_err();
        assert!(missing.to_string().contains("/nowhere.json"));
    }
}
