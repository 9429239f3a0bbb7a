//! A change, as the domain writes it.

use std::collections::BTreeMap;

use super::{
    approval::{Escalation, GlassBreak, UsedDelegation},
    names,
    rollout::{Outcome, Rollout, Stage, Verdict},
    shape,
};

names! {
    /// Where a change is.
    State {
        Gating, Approving, RollingOut, Paused, RollingBack, RolledBack, Completed, Rejected, Cancelled, Expired,
    }
    /// What a change moves.
    ChangeKind { Release, Config, Policy, Plugin, Tenant }
    /// Whether a gate blocks.
    GateMode { Monitor, Enforce }
    /// What a bound plugin is for.
    BindingRole { Gate, Health, Strategy }
    /// What a person meant by an answer (21 CFR 11.50).
    Meaning { Review, Approval, Responsibility, Rejection }
    /// A role.
    Role { Viewer, Operator, ReleaseManager, ClinicalSafety, Regulatory, Auditor, Administrator }
}

shape! {
    /// A change.
    Change {
        /// Its id.
        #[schema(example = "chg_0193470d5c5a7f3e8a6b2f8d9c1e4a70")]
        id: String,
        /// The person who proposed it.
        #[schema(example = "per_0193470d5c5a7f3e8a6b2f8d9c1e4a71")]
        author: String,
        /// What they are called.
        #[schema(example = "Ana Sousa")]
        author_name: String,
        /// Through which account.
        author_account: String,
        /// What it would do.
        manifest: Manifest,
        /// SHA-256 of the manifest's canonical JSON. Approvals, verdicts and the rollout bind to it.
        #[schema(example = "sha256:3b1f7a0c5e2d4986b7a1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9")]
        digest: String,
        /// Where it is.
        state: State,
        /// What the gates said of this digest.
        gates: Vec<GateReport>,
        /// What their groups came to; absent when there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<GroupReport>,
        /// What persons said, also of older digests.
        approvals: Vec<Approval>,
        /// The levels of its approval profile that waited too long; absent when none did.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        escalations: Vec<Escalation>,
        /// Who broke the glass; absent when nobody did.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        glass: Vec<GlassBreak>,
        /// Why the policies hold it just now.
        hold: Option<Hold>,
        /// The rollout, once admitted.
        rollout: Option<Rollout>,
        /// Why it goes or went back.
        rollback: Option<RollbackCause>,
        /// Why it stands still, was rejected or withdrawn.
        note: Option<String>,
        /// True while somebody with clinical safety or regulatory has stopped it; absent otherwise. Only one of them who
        /// is not the author resumes it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        paused_by_safety: bool,
        /// When it was proposed.
        #[schema(example = "2026-11-20T18:00:00.000Z")]
        created_at: String,
        /// When it was last revised; absent when it never was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revised_at: Option<String>,
        /// When it expires unless it is admitted.
        expires_at: String,
        /// When something last happened.
        updated_at: String,
        /// How many events it has had; also its `ETag`.
        #[schema(example = 4)]
        revision: u64,
    }
    /// All that a change would do.
    Manifest {
        /// Always 1.
        v: u32,
        /// In which tenant.
        tenant: String,
        /// In which environment.
        #[schema(example = "production")]
        environment: String,
        /// What it moves.
        kind: ChangeKind,
        /// One line for people.
        title: String,
        /// What brings it about.
        description: String,
        /// What it brings.
        artifacts: Vec<ArtifactRef>,
        /// The documents about what it brings: what its gates read, whatever is attached later. Absent when there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        documents: Vec<DocumentRef>,
        /// Whom it was meant for.
        selector: Selector,
        /// Whom that meant when it was proposed.
        population: Population,
        /// How it gets there; absent of a change that reaches no target.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strategy: Option<StrategyBinding>,
        /// What it does to the roster of its environment; absent of every change but a `plugin` change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plugins: Option<PluginPlan>,
        /// Which policies it puts in force; absent of every change but a `policy` change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policies: Option<PolicyPlan>,
        /// How many of a site or group are on their way at once; absent without such rules.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        at_once: Vec<AtOnce>,
        /// What watches it.
        health: Vec<HealthBinding>,
        /// What judges it first.
        gates: Vec<GateBinding>,
        /// The gate groups that judge in place of their members; absent when there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<GroupBinding>,
        /// Digest of the policies that were in force when it was proposed.
        bundle: String,
        /// How it comes back.
        rollback: Vec<RollbackTarget>,
        /// A target that shows no progress for so long counts as failed.
        silent_after_ms: u64,
        /// How often health is judged.
        judge_every_ms: u64,
    }
    /// One bundle takes the place of another.
    PolicyPlan {
        /// What was in force when it was proposed.
        from: BundleRef,
        /// What is in force from then on.
        to: BundleRef,
        /// Ids of policies that only the new one has.
        added: Vec<String>,
        /// Ids of policies that only the old one has.
        removed: Vec<String>,
        /// Ids of policies that say something else.
        altered: Vec<String>,
        /// How it may let through what was refused before, one sentence each.
        weakens: Vec<String>,
        /// Where it came from, when that was git.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<PolicySource>,
    }
    /// A head in git that policies came from.
    PolicySource {
        /// Its commit.
        commit: String,
        /// Its branch, as `refs/heads/main`.
        reference: String,
        /// Who signed what came since the last one that was taken.
        signers: Vec<String>,
    }
    /// A policy bundle by digest.
    BundleRef {
        /// SHA-256 of the canonical list of its files.
        digest: String,
        /// What it is called.
        name: String,
        /// Rises with every bundle that is in force.
        revision: u64,
    }
    /// A document about an artifact, as it was when a change was proposed.
    DocumentRef {
        /// About which artifact.
        artifact: String,
        /// `sbom`, `provenance` and so on.
        kind: String,
        /// For example `application/vnd.cyclonedx+json`.
        media_type: String,
        /// SHA-256 of the document.
        digest: String,
    }
    /// Of each site or group whose name begins so, at most so many targets are on their way at once.
    AtOnce {
        /// `site:`, `site:north`, `group:pair-`.
        #[schema(example = "group:pair-")]
        of: String,
        /// Most targets of one of them.
        #[schema(example = 1)]
        targets: u32,
    }
    /// An artifact that a change brings.
    ArtifactRef {
        /// Its name.
        name: String,
        /// The version that targets report once they run it.
        version: String,
        /// SHA-256 of its content.
        digest: String,
        /// Its size.
        size_bytes: u64,
    }
    /// Chooses devices: all conditions that are given must hold. An empty selector chooses nobody.
    Selector {
        /// Every device of the environment.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all: bool,
        /// In any of these groups.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<String>,
        /// One of these.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        devices: Vec<String>,
        /// Of this model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// Of this hardware revision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hardware_revision: Option<String>,
        /// At one of these sites.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sites: Vec<String>,
        /// With all of these labels.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
    }
    /// The targets, as resolved when the change was proposed.
    Population {
        /// How many.
        size: u64,
        /// SHA-256 over the sorted ids, each followed by a line feed.
        digest: String,
        /// Their sites and groups (`site:north`, `group:canaries`) with how many targets each has.
        groups: BTreeMap<String, u64>,
        /// Their hardware models with how many targets each has. Absent in changes from before this was recorded.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        models: BTreeMap<String, u64>,
    }
    /// The strategy that leads a rollout.
    StrategyBinding {
        /// The plugin.
        plugin: PluginRef,
        /// Its settings.
        #[schema(value_type = Object)]
        settings: serde_json::Value,
        /// The stages that it planned.
        plan: Vec<Stage>,
    }
    /// A health check that watches a rollout.
    HealthBinding {
        /// The id of its binding. Absent in changes from before bindings had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The plugin.
        plugin: PluginRef,
        /// Its settings.
        #[schema(value_type = Object)]
        settings: serde_json::Value,
        /// Whether what it says counts; absent when it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<GateMode>,
    }
    /// A gate bound to a change.
    GateBinding {
        /// The id of its binding. Absent in changes from before bindings had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The plugin.
        plugin: PluginRef,
        /// Its settings.
        #[schema(value_type = Object)]
        settings: serde_json::Value,
        /// Whether it blocks.
        mode: GateMode,
        /// The gate group that judges in its place; absent when it judges by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
    }
    /// A gate group bound to a change.
    GroupBinding {
        /// Its name.
        name: String,
        /// A boolean expression over the ids of its members.
        #[schema(example = "signature && (maintenance-window || !freeze)")]
        expression: String,
        /// Whether it blocks.
        mode: GateMode,
    }
    /// What one gate group came to, and why.
    GroupReport {
        /// Its name.
        name: String,
        /// What was evaluated.
        expression: String,
        /// Whether it blocks.
        mode: GateMode,
        /// What it came to.
        outcome: Outcome,
        /// Each member with its part in that.
        members: Vec<GroupMember>,
    }
    /// One member's part in what its group came to.
    GroupMember {
        /// The id of its binding.
        id: String,
        /// What it said; a failure when it did not answer.
        outcome: Outcome,
        /// Whether it did not answer; absent when it did.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unanswered: bool,
        /// Whether the group came to its outcome because of this member.
        decides: bool,
    }
    /// The steps of a `plugin` change, in order.
    PluginPlan {
        /// At least one.
        steps: Vec<PluginStep>,
        /// Who vouched for the components that it activates when it was proposed: by plugin digest, the names under which
        /// the keys are trusted, by key id. Absent when nobody did, because the operator asks for nobody.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        signers: BTreeMap<String, BTreeMap<String, String>>,
    }
    /// What a plugin is used for.
    Binding {
        /// The plugin's name: whichever digest is active under it.
        plugin: String,
        /// What it is for.
        role: BindingRole,
        /// Its settings.
        #[schema(value_type = Object)]
        settings: serde_json::Value,
        /// Whether what it says counts, or is only recorded.
        mode: GateMode,
        /// The kinds of change that it is asked about.
        kinds: Vec<ChangeKind>,
        /// The gate group that it is a member of; absent when it is in none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
    }
    /// A gate group.
    GateGroup {
        /// A boolean expression over the ids of its members.
        expression: String,
        /// Whether it blocks.
        mode: GateMode,
    }
    /// Which plugin, exactly.
    PluginRef {
        /// Its name.
        #[schema(example = "canary")]
        name: String,
        /// Its version, for people.
        version: String,
        /// Its digest, which is what counts.
        digest: String,
    }
    /// A revision that part of the population runs now, and what would bring it back.
    RollbackTarget {
        /// What these targets report today.
        version: Option<String>,
        /// Digest of the stored artifact of that version.
        artifact: Option<String>,
        /// How many targets.
        targets: u64,
    }
    /// What one gate said.
    GateReport {
        /// The id of its binding. Absent in changes from before bindings had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The plugin.
        plugin: PluginRef,
        /// Whether it blocks.
        mode: GateMode,
        /// The gate group that judges in its place; absent when it judges by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// Whether it did not answer, so that the verdict only stands in for one; absent when it did.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unanswered: bool,
        /// What it said, or what stands in for it.
        verdict: Verdict,
        /// The recorded call.
        decision: String,
        /// When.
        at: String,
    }
    /// One person's answer to one digest.
    Approval {
        /// Who.
        person: String,
        /// Through which account.
        account: String,
        /// What they were called at the time.
        name: String,
        /// The roles that they held there and then.
        roles: Vec<Role>,
        /// What they meant.
        meaning: Meaning,
        /// Why, in their words.
        reason: String,
        /// The digest they answered to.
        digest: String,
        /// When.
        at: String,
        /// The policy decision that let them.
        decision: String,
        /// The electronic signature that they gave with it; absent when they did not sign.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
        /// The one stage that it is for; absent when it is for the whole change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<u32>,
        /// The delegation under which it was given; absent when its giver's own roles count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delegation: Option<UsedDelegation>,
    }
    /// Why the policies do not let a change go on just now.
    Hold {
        /// What was asked.
        #[schema(example = "AdmitChange")]
        action: String,
        /// Their decision.
        decision: String,
        /// Their reasons, each with the policy's id.
        reasons: Vec<String>,
    }
}

/// One step of a `plugin` change: what the roster holds before it, and after.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
#[serde(tag = "step", rename_all = "snake_case")]
#[cfg_attr(not(test), expect(dead_code, reason = "describes a type of the domain"))]
pub(crate) enum PluginStep {
    /// A component comes into use under its name; what was granted to that name stays granted.
    Activate {
        /// The plugin's name.
        name: String,
        /// What was in use; `null` when the name is new.
        from: Option<PluginRef>,
        /// What is in use from then on.
        to: PluginRef,
    },
    /// A name goes out of use.
    Deactivate {
        /// The plugin's name.
        name: String,
        /// What was in use.
        from: PluginRef,
    },
    /// A plugin is bound, or bound differently.
    Bind {
        /// The binding's id.
        id: String,
        /// As it was; `null` when it is new.
        from: Option<Binding>,
        /// As it is from then on.
        to: Binding,
    },
    /// A binding goes away.
    Unbind {
        /// Its id.
        id: String,
        /// As it was.
        from: Binding,
    },
    /// A plugin may read other evidence sources.
    Grant {
        /// The plugin's name.
        plugin: String,
        /// What it could read.
        from: Vec<String>,
        /// What it can read from then on.
        to: Vec<String>,
    },
    /// A gate group is made, or altered.
    Group {
        /// Its name.
        name: String,
        /// As it was; `null` when it is new.
        from: Option<GateGroup>,
        /// As it is from then on.
        to: GateGroup,
    },
    /// A gate group goes away.
    Ungroup {
        /// Its name.
        name: String,
        /// As it was.
        from: GateGroup,
    },
}

/// Why a rollout goes back.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(not(test), expect(dead_code, reason = "describes a type of the domain"))]
pub(crate) enum RollbackCause {
    /// The strategy asked for it.
    Strategy {
        /// What it said.
        reason: String,
    },
    /// A person asked for it.
    Person {
        /// Who.
        person: String,
        /// What they are called.
        name: String,
        /// What they said.
        reason: String,
    },
}
