//! The author's loop over the default bundle and over bundles with one thing wrong.

#![expect(clippy::unwrap_used, reason = "the helpers below are as much a test as what calls them")]

mod cases;
mod edits;
mod findings;

use std::collections::BTreeMap;

use interlock_policy::{Bundle, default_files};

type Files = BTreeMap<String, Vec<u8>>;

/// The default bundle's header and schema with other policies.
fn files_with(policies: &str) -> Files {
    let mut files = default_files();
    files.retain(|path, _| path == "bundle.toml" || path == "schema.cedarschema");
    files.insert("test.cedar".to_owned(), policies.as_bytes().to_vec());
    files
}

/// The default bundle with a piece of one file replaced.
fn edited(file: &str, from: &str, to: &str) -> Files {
    let mut files = default_files();
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    files.insert(file.to_owned(), text.replace(from, to).into_bytes());
    files
}

fn bundle(files: &Files) -> Bundle {
    Bundle::from_files(files.clone()).unwrap()
}
