//! The compliance map: each control, what enforces it, the tests that show it, and the evidence that it leaves.
//!
//! **Invariant:** a control that names a file or a test which is not there is no control. `docs/compliance.md` is written from this, and
//! a test compares.

mod hipaa;
mod part11;
mod soc2;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Where the map is kept.
const PAGE: &str = "docs/compliance.md";
/// Where tests are looked for.
const SOURCES: [&str; 4] = ["host", "plugins", "tests", "xtask"];

/// What one rule asks for, and how it is met.
struct Control {
    /// As the rule is cited.
    id: &'static str,
    /// What it asks for, in short.
    asks: &'static str,
    /// What enforces it, in words; for what only the organisation can do, that.
    how: &'static str,
    /// The files that do.
    files: &'static [&'static str],
    /// The tests that show it.
    tests: &'static [&'static str],
    /// What an inspector finds of it afterwards.
    evidence: &'static str,
}

/// A rule book.
struct Book {
    title: &'static str,
    controls: &'static [Control],
}

const BOOKS: [Book; 3] = [
    Book { title: "FDA 21 CFR Part 11: electronic records and signatures", controls: part11::CONTROLS },
    Book { title: "HIPAA Security Rule, 45 CFR 164", controls: hipaa::CONTROLS },
    Book { title: "SOC 2, Trust Services Criteria", controls: soc2::CONTROLS },
];

const HEAD: &str = "# Compliance map

What each control asks for, what in Interlock enforces it, the tests that show it, and the evidence that it leaves. It is written by
`cargo xtask compliance` from `xtask/src/compliance/`; a test refuses it when a file or a test that it names is not there, or when this page
is not what would be written.

It says what the program does. Whether an organisation complies is decided by what people do with it: where a control is the
organisation's, the map says so, and what the program gives for it. It is no legal advice.

";

/// Writes the map, or says that it is not what it should be.
pub(crate) fn run(check: bool) -> Result<()> {
    let page = page(&workspace::root())?;
    let path = workspace::root().join(PAGE);
    if !check {
        return fs::write(&path, page).with_context(|| path.display().to_string());
    }
    let found = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    if found != page {
        bail!("`{PAGE}` is not what the controls say; run `cargo xtask compliance`");
    }
    Ok(())
}

/// The page, when everything that it names is there.
fn page(root: &Path) -> Result<String> {
    let tests = tests(root)?;
    let mut page = HEAD.to_owned();
    for book in BOOKS {
        let _ = writeln!(page, "## {}\n", book.title);
        let _ = writeln!(
            page,
            "| control | asks for | enforced by | shown by | evidence |\n|---|---|---|---|---|"
        );
        for control in book.controls {
            let row = row(root, &tests, control).with_context(|| format!("control `{}`", control.id))?;
            page.push_str(&row);
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    Ok(page)
}

fn row(root: &Path, tests: &BTreeMap<String, String>, control: &Control) -> Result<String> {
    let mut files = Vec::new();
    for file in control.files {
        if !root.join(file).exists() {
            bail!("there is no `{file}`");
        }
        files.push(format!("[`{file}`](../{file})"));
    }
    let mut shown = Vec::new();
    for test in control.tests {
        let Some(file) = tests.get(*test) else { bail!("there is no test `{test}`") };
        shown.push(format!("[{}](../{file})", test.replace('_', " ")));
    }
    // What the program enforces is shown by a test; only what is the organisation's has none.
    if files.is_empty() != shown.is_empty() {
        bail!("what enforces it and what shows it belong together");
    }
    let how = match files.is_empty() {
        true => format!("**The organisation.** {}", control.how),
        false => format!("{} {}", control.how, files.join(", ")),
    };
    let Control { id, asks, evidence, .. } = control;
    Ok(format!("| {id} | {asks} | {how} | {} | {evidence} |\n", shown.join("; ")))
}

/// Every test, with its file.
fn tests(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut tests = BTreeMap::new();
    let mut folders: Vec<PathBuf> = SOURCES.iter().map(|source| root.join(source)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                let file = path.strip_prefix(root)?.display().to_string();
                for name in of_file(&text) {
                    // Folders are read in any order: of two tests of one name the page names the same one everywhere.
                    let known = tests.entry(name.to_owned()).or_insert_with(|| file.clone());
                    if file < *known {
                        known.clone_from(&file);
                    }
                }
            }
        }
    }
    Ok(tests)
}

/// The tests of a file: functions below an attribute that makes them one, and those that the store's suite lists for both databases.
fn of_file(text: &str) -> impl Iterator<Item = &str> {
    let (mut is_test, mut is_list) = (false, false);
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with("on_both! {") || is_list && line == "}" {
            is_list = line != "}";
            return None;
        }
        if is_list {
            return line.strip_suffix(',');
        }
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
            return None;
        }
        let named = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        std::mem::take(&mut is_test).then(|| named.split(['(', '<']).next().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compliance_map_names_what_is_there_and_is_checked_in() {
        let update = std::env::var_os("INTERLOCK_UPDATE").is_some();
        run(!update).unwrap();
    }

    #[test]
    fn a_control_that_names_a_test_which_is_not_there_is_refused_by_name() {
        let control = Control {
            id: "x",
            asks: "",
            how: "",
            files: &["Cargo.toml"],
            tests: &["nobody_wrote_this"],
            evidence: "",
        };
        let error = row(&workspace::root(), &BTreeMap::new(), &control).unwrap_err();
        assert!(error.to_string().contains("nobody_wrote_this"), "{error}");
        let unshown = Control { tests: &[], ..control };
        assert!(row(&workspace::root(), &BTreeMap::new(), &unshown).is_err());
    }

    #[test]
    fn a_function_that_is_no_test_shows_nothing() {
        let text = "#[test]\nfn one() {}\nfn helper() {}\n#[tokio::test(flavor = \"x\")]\nasync fn two() {}\n#[test]\n#[ignore]\nfn three() {}\n\
                    on_both! {\n    four,\n}\nasync fn five() {}\n";
        assert_eq!(of_file(text).collect::<Vec<_>>(), ["one", "two", "three", "four"]);
    }
}
