//! Copies of the ledger that nobody overwrites.

use std::{collections::BTreeSet, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// A copy of every log, in a folder or in S3-compatible storage with Object Lock: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerCopy {
    /// What it is called in `/ready`, in metrics and in the database. What is under a name stays where it is: a copy that moves
    /// gets a new one.
    pub name: String,
    /// The folder, for a copy in a folder.
    pub folder: PathBuf,
    /// The address of the storage, such as `https://s3.eu-central-1.amazonaws.com`, for a copy in a bucket.
    pub s3_url: String,
    /// Its region.
    pub s3_region: String,
    /// The bucket. It was made with Object Lock.
    pub s3_bucket: String,
    /// What every name in the bucket begins with, such as `interlock/`.
    pub s3_prefix: String,
    /// The file with the keys, as other tools have it: `aws_access_key_id = …` and `aws_secret_access_key = …`, a line each, and
    /// `aws_session_token = …` where there is one.
    pub s3_credentials_file: PathBuf,
    /// How long one request to the storage may take, in milliseconds.
    pub s3_timeout_ms: u64,
    /// For how many years nobody can remove entry bundles, in compliance mode.
    pub keep_entries_years: u16,
    /// For how many years nobody can remove tiles and checkpoints, which prove the entries: at least as long.
    pub keep_proofs_years: u16,
    /// How many days longer than that: for leap days, clocks and whoever counts otherwise.
    pub keep_margin_days: u16,
    /// Whether what is put there is put on legal hold too, which ends only when somebody ends it there.
    pub legal_hold: bool,
    /// How long what a bundle is not yet full of may wait to be copied, in milliseconds. Full bundles are copied at once.
    pub every_ms: u64,
}

impl Default for LedgerCopy {
    fn default() -> Self {
        Self {
            name: String::new(),
            folder: PathBuf::new(),
            s3_url: String::new(),
            s3_region: "us-east-1".to_owned(),
            s3_bucket: String::new(),
            s3_prefix: String::new(),
            s3_credentials_file: PathBuf::new(),
            s3_timeout_ms: 30_000,
            keep_entries_years: 10,
            keep_proofs_years: 10,
            keep_margin_days: 31,
            legal_hold: false,
            every_ms: 600_000,
        }
    }
}

impl LedgerCopy {
    /// Whether it is in a bucket.
    pub(crate) fn is_in_bucket(&self) -> bool {
        !self.s3_url.is_empty()
    }
}

/// Refuses what could not be a copy.
pub(super) fn check(copies: &[LedgerCopy]) -> Result<(), ConfigError> {
    let mut names = BTreeSet::new();
    for copy in copies {
        let name = &copy.name;
        let senseless = |detail: String| {
            Err(ConfigError::Senseless { key: "ledger.copies", detail: format!("copy `{name}`: {detail}") })
        };
        let is_word = |text: &str, more: &str| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c) || more.contains(c))
        };
        if name.is_empty() || name.len() > 60 || !is_word(name, "") {
            return senseless("a name is 1 to 60 letters, digits, `-`, `_` and `.`".to_owned());
        }
        if !names.insert(name) {
            return senseless("two have this name".to_owned());
        }
        if copy.folder.as_os_str().is_empty() == copy.s3_url.is_empty() {
            return senseless("give either `folder` or `s3_url`".to_owned());
        }
        if copy.every_ms == 0 || copy.s3_timeout_ms == 0 {
            return senseless("`every_ms` and `s3_timeout_ms` must be at least 1".to_owned());
        }
        if !copy.is_in_bucket() {
            continue;
        }
        if !copy.s3_url.starts_with("http://") && !copy.s3_url.starts_with("https://") {
            return senseless(format!("`{}` is no http:// or https:// address", copy.s3_url));
        }
        if copy.s3_bucket.is_empty() || !is_word(&copy.s3_bucket, "") {
            return senseless("`s3_bucket` must name a bucket".to_owned());
        }
        if !is_word(&copy.s3_prefix, "/") || copy.s3_prefix.starts_with('/') {
            return senseless("`s3_prefix` is letters, digits, `-`, `_`, `.` and `/`".to_owned());
        }
        if copy.s3_credentials_file.as_os_str().is_empty() {
            return senseless("`s3_credentials_file` must name the file with the keys".to_owned());
        }
        if copy.keep_entries_years == 0 || copy.keep_proofs_years < copy.keep_entries_years {
            return senseless(
                "entries are kept for at least one year, and what proves them at least as long".to_owned(),
            );
        }
        if copy.keep_proofs_years > 100 {
            return senseless("a hundred years are enough".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (fn(&mut LedgerCopy), &'static str);

    fn said(alter: impl FnOnce(&mut LedgerCopy)) -> String {
        let mut copy = LedgerCopy {
            name: "worm".to_owned(),
            s3_url: "https://s3.example".to_owned(),
            s3_bucket: "ledger".to_owned(),
            s3_credentials_file: "/run/keys".into(),
            ..LedgerCopy::default()
        };
        alter(&mut copy);
        check(&[copy]).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn copies_that_could_not_be_kept_are_refused_by_name() {
        assert_eq!(said(|_| {}), "");
        assert_eq!(said(|copy| (copy.s3_url, copy.folder) = (String::new(), "/worm".into())), "");
        let table: [Case; 9] = [
            (|copy| copy.name.clear(), "a name is"),
            (|copy| copy.name = "a b".to_owned(), "a name is"),
            (|copy| copy.folder = "/worm".into(), "either `folder` or `s3_url`"),
            (|copy| copy.s3_url = "ftp://x".to_owned(), "ftp://x"),
            (|copy| copy.s3_bucket.clear(), "s3_bucket"),
            (|copy| copy.s3_prefix = "/x".to_owned(), "s3_prefix"),
            (|copy| copy.keep_entries_years = 11, "at least as long"),
            (|copy| copy.keep_proofs_years = 101, "hundred years"),
            (|copy| copy.every_ms = 0, "every_ms"),
        ];
        for (alter, expected) in table {
            assert!(said(alter).contains(expected), "{expected}: {}", said(alter));
        }
        let copy = LedgerCopy { name: "one".to_owned(), folder: "/a".into(), ..LedgerCopy::default() };
        assert!(check(&[copy.clone(), copy]).unwrap_err().to_string().contains("two have this name"));
    }
}
