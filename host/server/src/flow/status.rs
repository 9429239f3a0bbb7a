//! What is amiss for one tenant: what `/ready` only counts.

use std::collections::BTreeMap;

use interlock_domain::{Action, Actor, BundleRef, ReviewStanding, Timestamp};

use super::{ask::may_read, bundle, change::tenant, esign, fresh, tamper};
use crate::{App, FlowError, rosters::Unloaded};

/// Something of the tenant's log that is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// What it is called.
    pub(crate) name: String,
    /// How many entries it covers.
    pub(crate) entries: u64,
    /// Since when.
    pub(crate) at: Option<Timestamp>,
    /// Why the last try came to nothing.
    pub(crate) failure: Option<String>,
}

/// How it is with a tenant, on this replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// Why its application was refused.
    pub(crate) application_refused: Option<String>,
    /// What was found altered in its ledger and nobody has looked at yet.
    pub(crate) ledger_altered: Option<String>,
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
    /// Copies of its log.
    pub(crate) copies: Vec<Elsewhere>,
    /// Who knows of its log.
    pub(crate) anchors: Vec<Elsewhere>,
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
        copies: app.copies.of_log(app, who.tenant.as_str()).await?,
        anchors: app.anchors.of_log(app, who.tenant.as_str()).await?,
        policies_in_git: if decides { fresh::standing(app).await? } else { None },
        ledger_altered: tamper::holds(app, &who.tenant).await?,
        application_refused: refused.get(who.tenant.as_str()).cloned(),
        evidence_failing: app.evidence.failures(&who.tenant, app.clock.now()),
        plugins_unloaded: app.rosters.unloaded_of(&who.tenant),
    })
}
