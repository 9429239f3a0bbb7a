//! The policies in force.

use std::{str::FromStr, sync::Arc};

use axum::{Json, extract::State};

use interlock_domain::Digest;

use super::{
    at::{At, Noun},
    auth::{Admin, Caller, Read},
    wire,
};
use crate::{
    App,
    flow::{adopt, bundle},
    problem::Problem,
};

/// Show the policies in force
#[utoipa::path(get, path = "/bundle", tag = "policies", security(("key" = ["read"])),
    responses((status = 200, description = "The bundle", body = wire::Bundle)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<wire::Bundle>, Problem> {
    Ok(Json((&*bundle::show(&app, &caller.actor).await?).into()))
}

/// A bundle, as a path names it.
pub(super) struct BundleDigest(Digest);

impl FromStr for BundleDigest {
    type Err = <Digest as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Noun for BundleDigest {
    const NOUN: &'static str = "policy bundle";
}

/// Show the files of a bundle
///
/// Of one that is in force, was, or was proposed: what a decision or a change names by digest can be read.
#[utoipa::path(get, path = "/bundles/{digest}", tag = "policies", security(("key" = ["read"])),
    params(("digest" = String, Path, description = "The digest of the bundle", example = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")),
    responses((status = 200, description = "Its files", body = wire::BundleFiles)))]
pub(super) async fn files(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(BundleDigest(digest)): At<BundleDigest>,
) -> Result<Json<wire::BundleFiles>, Problem> {
    Ok(Json(adopt::files(&app, &caller.actor, &digest).await?.into()))
}

/// Load the policies again from their folder
///
/// Refused where changes of kind `policy` decide (`policies.home`).
///
/// A bundle that does not load, does not validate, cannot answer or fails one of its own cases is refused, and so is one
/// with a lower revision than was in force before, or with the same revision and other content. The last good one stays.
#[utoipa::path(post, path = "/bundle/reload", tag = "policies", security(("key" = ["admin"])),
    responses((status = 200, description = "The bundle that is in force now", body = wire::Bundle)))]
pub(super) async fn reload(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
) -> Result<Json<wire::Bundle>, Problem> {
    Ok(Json((&*bundle::reload(&app, &caller.actor).await?).into()))
}
