//! A bundle to start from: it checks and tests green.

use std::{collections::BTreeMap, fs, io, path::Path};

use interlock_policy::default_files;
use thiserror::Error;

const POLICIES: &str = r#"// Nothing is permitted that is not written here.
@id("read.viewers")
@reason("Viewers may look at changes")
permit (
  principal in Interlock::Role::"viewer",
  action == Interlock::Action::"ReadChange",
  resource
)
when { resource in principal.tenant };
"#;

const CASES: &str = r#"[
  {
    "name": "a viewer looks at a change",
    "person": "vera", "roles": ["viewer"], "action": "ReadChange",
    "resource": { "type": "change", "environment": "production", "author": "ana" },
    "expect": { "decision": "allow", "policies": ["read.viewers"] }
  },
  {
    "name": "somebody without a role does not",
    "person": "nora", "roles": [], "action": "ReadChange",
    "resource": { "type": "change", "environment": "production", "author": "ana" },
    "expect": { "decision": "deny", "policies": [] }
  },
  {
    "name": "a viewer of another tenant does not",
    "person": "otto", "tenant": "other", "roles": ["viewer"], "action": "ReadChange",
    "resource": { "type": "change", "tenant": "acme", "environment": "production", "author": "ana" },
    "expect": { "decision": "deny", "policies": [] }
  }
]
"#;

const INVARIANTS: &str = r#"// What is to hold whatever the policies say: `interlock policy prove` proves it, nothing is decided by it. A `forbid` here is
// never allowed, a `permit` always is.
@id("promises.own-tenant")
@reason("Nobody does anything to what belongs to another tenant")
forbid (principal, action, resource)
unless { resource in principal.tenant };
"#;

/// Why there is no new bundle.
#[derive(Debug, Error)]
pub enum ScaffoldError {
    /// Something is there.
    #[error("`{path}` is there already; name a folder that is not")]
    There {
        /// What was named.
        path: String,
    },
    /// The disk does not take it.
    #[error("cannot write `{path}`: {source}")]
    Unwritable {
        /// Which file or folder.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

/// The files of a new bundle.
pub fn files(name: &str) -> BTreeMap<String, Vec<u8>> {
    let header = format!(
        "# Raise the revision with every edit: a server never goes back to a lower one.\nname = \"{name}\"\nrevision = 1\n\n\
         # Every environment that is not listed is guarded like production.\nunguarded = []\n"
    );
    let readme = format!(
        "# {name}\n\n`interlock policy check .` says what is wrong, `interlock policy test .` runs the cases in `cases/`,\n\
         `interlock policy prove .` proves what `invariants/` promise (it needs the solver cvc5), and `interlock policy fmt .`\n\
         writes the policies in form. `schema.cedarschema` is what policies may speak of; leave it as\n\
         the program wrote it.\n"
    );
    let schema = default_files().remove("schema.cedarschema").unwrap_or_default();
    BTreeMap::from([
        ("README.md".to_owned(), readme.into_bytes()),
        ("bundle.toml".to_owned(), header.into_bytes()),
        ("cases/read.json".to_owned(), CASES.as_bytes().to_vec()),
        ("invariants/promises.cedar".to_owned(), INVARIANTS.as_bytes().to_vec()),
        ("policies.cedar".to_owned(), POLICIES.as_bytes().to_vec()),
        ("schema.cedarschema".to_owned(), schema),
    ])
}

/// Writes a new bundle into a folder that is not there yet: beside it first, then in one step.
pub fn create(dir: &Path) -> Result<(), ScaffoldError> {
    let unwritable = |path: &Path| {
        let path = path.display().to_string();
        move |source| ScaffoldError::Unwritable { path, source }
    };
    let there = || ScaffoldError::There { path: dir.display().to_string() };
    if dir.symlink_metadata().is_ok() {
        return Err(there());
    }
    let folder = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = dir.with_file_name(format!(".{folder}.new-{}", std::process::id()));
    let name: String = folder
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(63)
        .collect();
    let name = if name.is_empty() { "policies".to_owned() } else { name };
    let write = || {
        fs::create_dir(&beside).map_err(unwritable(&beside))?;
        for (path, content) in files(&name) {
            let path = beside.join(path);
            let made = path.parent().map_or(Ok(()), fs::create_dir_all);
            made.and_then(|()| fs::write(&path, content)).map_err(unwritable(&path))?;
        }
        // An empty folder that appeared meanwhile would be replaced; nothing in it can be lost.
        fs::rename(&beside, dir).map_err(unwritable(dir))
    };
    let written = write();
    if written.is_err() {
        // What is left of a failed start; there is nothing more to say if that fails too.
        let _ = fs::remove_dir_all(&beside);
    }
    written
}
