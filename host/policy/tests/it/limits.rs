//! What a folder may hold, and how much of it.

use std::{fs, os::unix::fs::symlink, path::Path};

use interlock_policy::{Bundle, BundleError, Limits, default_bundle, default_files};

use crate::files_with;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in default_files() {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn refusal(folder: &Path) -> String {
    Bundle::load_dir(folder).unwrap_err().to_string()
}

#[test]
fn a_folder_is_loaded_also_through_a_link_and_beside_git() {
    let folder = folder();
    fs::create_dir(folder.path().join(".git")).unwrap();
    let link = folder.path().join(".current");
    symlink(folder.path(), &link).unwrap();
    assert_eq!(Bundle::load_dir(&link).unwrap().digest, default_bundle().unwrap().digest);
}

#[test]
fn a_link_in_the_folder_is_refused() {
    let folder = folder();
    symlink("/etc/passwd", folder.path().join("extra.cedar")).unwrap();
    assert_eq!(
        refusal(folder.path()),
        "`extra.cedar` is a symbolic link; put the file itself into the bundle"
    );
}

#[test]
fn a_linked_folder_of_cases_is_refused() {
    let folder = folder();
    fs::rename(folder.path().join("cases"), folder.path().join(".cases")).unwrap();
    symlink(".cases", folder.path().join("cases")).unwrap();
    assert!(matches!(Bundle::load_dir(folder.path()), Err(BundleError::Symlink { path }) if path == "cases"));
}

#[test]
fn a_file_that_would_be_ignored_is_refused() {
    for stray in [
        "guardrails.cedar.bak",
        "notes",
        "cases/x.cedar",
        "more policies.cedar",
        "Schema.cedarschema",
        "invariants/x.json",
    ] {
        let folder = folder();
        fs::write(folder.path().join(stray), "").unwrap();
        assert!(
            refusal(folder.path()).starts_with(&format!("`{stray}` has no place in a bundle")),
            "{stray}"
        );
    }
    let folder = folder();
    fs::create_dir(folder.path().join("more")).unwrap();
    assert!(refusal(folder.path()).starts_with("`more` has no place in a bundle"));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    assert!(refusal(Path::new("/nowhere/at/all")).starts_with("cannot read `/nowhere/at/all`: "));
}

#[test]
fn a_bundle_without_its_header_or_schema_is_refused() {
    for needed in ["bundle.toml", "schema.cedarschema"] {
        let mut files = default_files();
        files.remove(needed);
        assert_eq!(
            Bundle::from_files(files).unwrap_err().to_string(),
            format!("there is no `{needed}` in this bundle; add it")
        );
    }
}

#[test]
fn ten_thousand_policies_are_loaded_and_asked() {
    // About one kind of question each: a policy about every action is validated for sixty of them.
    let policies: String = (0..10_000)
        .map(|at| {
            format!(
                "@id(\"p{at}\") @reason(\"Reads\")\npermit (principal == Interlock::ServiceAccount::\"s{at}\", action == \
                 Interlock::Action::\"ReadLedger\", resource == Interlock::Ledger::\"acme\");\n"
            )
        })
        .collect();
    let bundle = Bundle::from_files(files_with(&policies)).unwrap();
    assert_eq!(bundle.policy_count(), 10_000);
    let limits = Limits { policies_max: 9_999, ..Limits::default() };
    let refused = Bundle::from_files_within(&files_with(&policies), &limits).unwrap_err().to_string();
    assert_eq!(
        refused,
        "`the bundle` has policies beyond the limit of 9999 (`policies_max`); split or shorten it"
    );
}

#[test]
fn each_limit_is_obeyed_at_its_value_and_enforced_beyond_it() {
    let files = files_with("@id(\"a\") @reason(\"b\") forbid (principal, action, resource);");
    let exact = Limits {
        files_max: files.len(),
        file_bytes_max: files.values().map(Vec::len).max().unwrap(),
        bundle_bytes_max: files.values().map(Vec::len).sum(),
        path_bytes_max: files.keys().map(String::len).max().unwrap(),
        policies_max: 1,
    };
    Bundle::from_files_within(&files, &exact).unwrap();
    for (limits, unit) in [
        (Limits { files_max: exact.files_max - 1, ..exact }, "files"),
        (Limits { file_bytes_max: exact.file_bytes_max - 1, ..exact }, "bytes"),
        (Limits { bundle_bytes_max: exact.bundle_bytes_max - 1, ..exact }, "bytes"),
        (Limits { path_bytes_max: exact.path_bytes_max - 1, ..exact }, "bytes in its path"),
        (Limits { policies_max: 0, ..exact }, "policies"),
    ] {
        let error = Bundle::from_files_within(&files, &limits).unwrap_err();
        assert!(matches!(&error, BundleError::TooLarge { unit: found, .. } if *found == unit), "{error}");
    }
}

#[test]
fn a_file_that_is_too_large_on_disk_is_not_read_whole() {
    let folder = folder();
    let limits = Limits { file_bytes_max: 20_000, ..Limits::default() };
    Bundle::load_dir_within(folder.path(), &limits).unwrap();
    // Sparse: it would not fit into memory.
    fs::File::create(folder.path().join("huge.md")).unwrap().set_len(1 << 40).unwrap();
    let error = Bundle::load_dir_within(folder.path(), &limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`huge.md` has bytes beyond the limit of 20000 (`file_bytes_max`); split or shorten it"
    );
}

#[test]
fn the_digest_covers_every_byte_of_every_file() {
    let first = default_bundle().unwrap().digest;
    for path in default_files().keys() {
        let mut files = default_files();
        files.get_mut(path).unwrap().push(b'\n');
        assert_ne!(Bundle::from_files(files).unwrap().digest, first, "{path}");
    }
}
