//! Policies, and what is asked of them.

use std::path::PathBuf;

use interlock_domain::{Environment, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Git;

/// Policies.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// The bundle's folder; the built-in bundle when empty.
    pub dir: PathBuf,
    /// Where policies are decided. When it is set, only an admitted change of kind `policy` of that tenant and environment
    /// puts other policies in force, on every replica, and the folder holds what the server has before the first one. They
    /// hold for every tenant, so it is the tenant of whoever runs the server.
    pub home: Option<Home>,
    /// Policies from git.
    pub git: Git,
    /// The folder with a folder for each tenant that has an application: policies of its own, asked over AuthZEN. None when
    /// empty.
    pub applications_dir: PathBuf,
    /// Most questions in one batch.
    pub evaluations_max: usize,
    /// Most results of one search; the rest is on the next page.
    pub results_max: usize,
    /// Longest type, id or action name in a question, in bytes.
    pub id_bytes_max: usize,
    /// Largest `properties` or `context` in a question, in bytes of JSON.
    pub properties_bytes_max: usize,
    /// Most that the questions of one batch hold together, in bytes: what an item takes from the batch counts in every item
    /// that takes it. A search ends its page when it has asked that much.
    pub batch_bytes_max: usize,
    /// Most evaluations, batches and searches that are answered at once; more are told to come again.
    pub parallel_max: usize,
}

/// A tenant and one of its environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Home {
    /// The tenant.
    #[schemars(with = "String")]
    pub tenant: TenantId,
    /// The environment, whose approvals, gates and guard rails apply.
    #[schemars(with = "String")]
    pub environment: Environment,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            home: None,
            git: Git::default(),
            dir: PathBuf::new(),
            applications_dir: PathBuf::new(),
            evaluations_max: 1_000,
            results_max: 1_000,
            id_bytes_max: 512,
            properties_bytes_max: 32 << 10,
            batch_bytes_max: 4 << 20,
            parallel_max: 256,
        }
    }
}
