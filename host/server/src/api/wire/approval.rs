//! Delegations, incidents and what else belongs to approvals.

use super::{change::Role, shape};

shape! {
    /// Under which delegation an approval was given.
    UsedDelegation {
        /// Which.
        id: String,
        /// The person whose roles count.
        on_behalf_of: String,
        /// What they are called.
        name: String,
    }
    /// A level of the approval profile waited too long.
    Escalation {
        /// The profile.
        profile: String,
        /// The level.
        level: String,
        /// The roles that may fill it, too, from then on.
        to: Vec<Role>,
        /// The digest that waits.
        digest: String,
        /// The stage that waits; absent when the whole change does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<u32>,
        /// From when on.
        since: String,
    }
    /// One of the two persons that it takes to break the glass.
    GlassBreak {
        /// Who.
        person: String,
        /// Through which account.
        account: String,
        /// What they are called.
        name: String,
        /// The roles that they held there: one of the two answers for safety.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        roles: Vec<Role>,
        /// Why.
        reason: String,
        /// The digest that it is about.
        digest: String,
        /// The policy decision that let them.
        decision: String,
        /// When.
        at: String,
        /// How long it lasts: for the second person to come, and from then on for the change to proceed.
        lasts_ms: u64,
    }
    /// Roles of one person that another may approve with.
    Delegation {
        /// Its id.
        id: String,
        /// In which tenant.
        tenant: String,
        /// Whose roles they are.
        from_person: String,
        /// Through which account they hold them.
        from_account: String,
        /// What they are called.
        from_name: String,
        /// Who may approve with them.
        to_person: String,
        /// Through which account.
        to_account: String,
        /// What they are called.
        to_name: String,
        /// The roles.
        roles: Vec<Role>,
        /// Where; absent when everywhere in the tenant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
        /// From when on.
        starts_at: String,
        /// When it ends.
        ends_at: String,
        /// Why.
        reason: String,
        /// When it was made.
        created_at: String,
        /// The policy decision that let it be made.
        decision: String,
        /// When somebody revoked it; absent when nobody did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revoked_at: Option<String>,
    }
    /// What happened when the glass was broken, and what came of looking at it.
    Incident {
        /// Its id.
        id: String,
        /// In which tenant.
        tenant: String,
        /// The change that was let through.
        change: String,
        /// Where that goes.
        environment: String,
        /// Who broke the glass: two persons.
        broken_by: Vec<GlassBreak>,
        /// When.
        opened_at: String,
        /// Until when the change could proceed without the approvals that were missing.
        glass_until: String,
        /// When it has to be reviewed.
        review_due: String,
        /// What came of looking at it; absent until somebody has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        review: Option<IncidentReview>,
    }
    /// What came of looking at an incident.
    IncidentReview {
        /// Who looked.
        person: String,
        /// What they are called.
        name: String,
        /// What they found, in their words.
        findings: String,
        /// The policy decision that let them.
        decision: String,
        /// When.
        at: String,
    }
}
