//! Policy changes: from the files that somebody sends to a plan that says what they alter, and into force.

use std::{collections::BTreeMap, sync::Arc};

use interlock_domain::{
    Action, Actor, Change, ChangeKind, Decision, Digest, Draft, Manifest, PolicyPlan, PolicySource,
    Timestamp, Transition,
};
use interlock_policy::{Bundle, Delta};
use interlock_store::Kept;
use serde::{Deserialize, Serialize};

use super::{
    ask::may_read,
    bundle::{self, BundleRefusal, Files, packed},
    change::tenant,
    levels,
    propose::{self, Proposal},
    roster,
};
use crate::{App, FlowError};

/// The policies that a change should put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyWish {
    /// Every file of the bundle, by path inside it.
    #[schema(example = json!({ "bundle.toml": "name = \"mercy\"\nrevision = 4\n" }))]
    pub files: BTreeMap<String, String>,
    /// Where they came from; only the host says that.
    #[serde(skip)]
    pub source: Option<PolicySource>,
}

/// Resolves a proposal of a `policy` change. What does not load, or fails one of its own cases, is refused here, so that
/// nobody has to approve it.
pub(crate) async fn draft(app: &Arc<App>, who: &Actor, proposal: Proposal) -> Result<Draft, FlowError> {
    at_home(app, who, &proposal)?;
    let wish = only_policies(&proposal)?;
    let files: Files =
        wish.files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
    let bundle = bundle::tried(&files, &(&app.config.policies.limits).into())?;
    let before = app.policies.bundle();
    let plan = PolicyPlan { source: wish.source.clone(), ..plan(app, &before, &bundle, &files).await? };
    if let Some(fault) = plan.fault() {
        return Err(FlowError::invalid("/policies/files/bundle.toml", fault));
    }
    app.store.keep(Kept::Bundle, &bundle.digest, &packed(&files)).await?;
    let in_use = roster::in_use(app, &who.tenant, &proposal.environment).await?;
    let judges = propose::gates(app, &in_use, ChangeKind::Policy).await?;
    let manifest = Manifest {
        policies: Some(plan),
        bundle: before.digest,
        ..propose::without_targets(app, who, &proposal, judges)
    };
    let expires_after_ms = levels::expires_after_ms(app, manifest.kind, &manifest.environment);
    Ok(Draft { manifest, targets: Vec::new(), author: who.clone(), expires_after_ms })
}

/// Policies hold for every tenant, so that not every tenant can decide on them.
fn at_home(app: &App, who: &Actor, proposal: &Proposal) -> Result<(), FlowError> {
    let Some(home) = &app.config.policies.home else {
        let detail = "this server takes its policies from its folder; say in `policies.home` where changes decide on them";
        return Err(FlowError::invalid("/kind", detail));
    };
    if home.tenant != who.tenant {
        return Err(FlowError::invalid("/kind", "policies are not decided in this tenant"));
    }
    if home.environment != proposal.environment {
        let detail = format!("policies are decided in environment `{}`", home.environment);
        return Err(FlowError::invalid("/environment", detail));
    }
    Ok(())
}

/// What belongs to other kinds has no meaning here, and is not ignored silently.
fn only_policies(proposal: &Proposal) -> Result<&PolicyWish, FlowError> {
    if let Some(field) = propose::of_a_release(proposal) {
        return Err(FlowError::invalid(field, "a `policy` change reaches no target; leave it out"));
    }
    if !proposal.plugins.is_empty() {
        return Err(FlowError::invalid(
            "/plugins",
            "only a change of kind `plugin` alters what plugins are used",
        ));
    }
    proposal.policies.as_ref().ok_or_else(|| {
        FlowError::invalid(
            "/policies",
            "a `policy` change puts policies in force; give the files of the bundle",
        )
    })
}

async fn plan(app: &App, before: &Bundle, after: &Bundle, files: &Files) -> Result<PolicyPlan, FlowError> {
    let old = kept_files(app, &before.digest).await?;
    let Delta { added, removed, altered, weakens } =
        Delta::between(&old, files).map_err(BundleRefusal::from)?;
    Ok(PolicyPlan {
        from: bundle::named(before),
        to: bundle::named(after),
        added,
        removed,
        altered,
        weakens,
        source: None,
    })
}

async fn kept_files(app: &App, digest: &Digest) -> Result<Files, FlowError> {
    let Some(packed) = app.store.kept(Kept::Bundle, digest).await? else {
        return Err(FlowError::NotFound { what: "policy bundle", id: digest.to_string() });
    };
    let files = bundle::unpacked_files(&packed);
    files.map_err(|reason| BundleRefusal::Unreadable { digest: *digest, reason }.into())
}

/// The files of a bundle that is in force, was, or was proposed.
pub async fn files(app: &App, who: &Actor, digest: &Digest) -> Result<Files, FlowError> {
    may_read(app, who, Action::ReadBundle, tenant(who)).await?;
    kept_files(app, digest).await
}

/// Puts a `policy` change in force, when the policies that are in force let it.
pub(crate) async fn admit(
    app: &App,
    change: &Change,
    asked: &Decision,
    now: Timestamp,
) -> Result<Option<Transition>, FlowError> {
    let in_force = app.store.bundle_floor().await?.map(|floor| floor.digest);
    Ok(change.adopt(asked, &in_force.unwrap_or_else(|| app.policies.bundle().digest), now)?)
}
