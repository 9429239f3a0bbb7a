//! What is amiss for one tenant: what `/ready` only counts.

use std::collections::BTreeMap;

use interlock_domain::{Action, Actor, BundleRef, ReviewStanding};

use super::{ask::may_read, bundle, change::tenant, esign, fresh};
use crate::{App, FlowError, rosters::Unloaded};

/// How it is with a tenant, on this replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// Why its application was refused.
    pub(crate) application_refused: Option<String>,
    /// Sources that failed its plugins lately, with the reason.
    pub(crate) evidence_failing: BTreeMap<String, String>,
    /// Its active plugins that do not load.
    pub(crate) plugins_unloaded: Vec<Unloaded>,
    /// How it is with the policies in git, of the tenant that decides on them.
    pub(crate) policies_in_git: Option<fresh::Shown>,
    /// The policies in force.
    pub(crate) policies: BundleRef,
    /// How far its ledger was reviewed.
    pub(crate) ledger_review: ReviewStanding,
    /// How long ago they were last known to be the newest.
    pub(crate) policies_age_ms: Option<u64>,
}

/// Shows how it is with the tenant.
pub(crate) async fn show(app: &App, who: &Actor) -> Result<Status, FlowError> {
    may_read(app, who, Action::ReadPlugin, tenant(who)).await?;
    let (_, refused) = app.applications.state();
    let home = app.config.policies.home.as_ref();
    let decides = home.is_some_and(|home| home.tenant == who.tenant);
    Ok(Status {
        policies: bundle::named(&app.policies.bundle()),
        ledger_review: esign::review::standing(app, who).await?,
        policies_age_ms: fresh::age_ms(app),
        policies_in_git: if decides { fresh::standing(app).await? } else { None },
        application_refused: refused.get(who.tenant.as_str()).cloned(),
        evidence_failing: app.evidence.failures(&who.tenant, app.clock.now()),
        plugins_unloaded: app.rosters.unloaded_of(&who.tenant),
    })
}
