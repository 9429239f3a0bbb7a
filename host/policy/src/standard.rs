//! The default bundle, inside the program, so that it works without a folder.

use std::collections::BTreeMap;

use crate::{Bundle, BundleError};

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_bytes!(concat!("../../../policies/", $path)).as_slice())),+]
    };
}

/// The files of the default bundle (`policies/`), by path inside the bundle: a place for a team to start from.
pub fn default_files() -> BTreeMap<String, Vec<u8>> {
    files![
        "approvals.cedar",
        "approvals.toml",
        "bundle.toml",
        "cases/approvals.json",
        "cases/evidence.json",
        "cases/guardrails.json",
        "cases/rbac.json",
        "evidence.cedar",
        "guardrails.cedar",
        "invariants/approvals.cedar",
        "invariants/guardrails.cedar",
        "rbac.cedar",
        "schema.cedarschema",
    ]
    .into_iter()
    .map(|(path, content)| (path.to_owned(), content.to_vec()))
    .collect()
}

/// The default bundle.
pub fn default_bundle() -> Result<Bundle, BundleError> {
    Bundle::from_files(default_files())
}
