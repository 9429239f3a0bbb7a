//! One transaction for one batch: heads and leases are locked first and in order, so that replicas cannot deadlock;
//! then each commit is applied or refused on its own; then the entries of those that were applied are appended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    Committed, Lease, LedgerKeys, StoreError, Write, access_requests, accounts, advisories, artifacts,
    assignments, changes,
    db::Tx,
    decisions, delegations, devices,
    draft::{Prepared, PreparedWrite, Staged},
    floor, gate_endpoints, groups, idempotency, incidents, leases,
    ledger::OpenLog,
    logins, segments, signatures, subjects, tasks, telemetry,
    writer::{Done, Job, Work, Writer},
};

/// Writes the jobs and says of each what came of it. An error means that nothing was written, unless it is
/// [`StoreError::Unknown`].
pub(crate) async fn write(writer: &Writer, jobs: &[Job]) -> Result<Vec<Done>, StoreError> {
    let commits: Vec<&Prepared> = jobs.iter().filter_map(commit_of).collect();
    let mut tx = writer.db.begin().await?;
    let mut logs = open_logs(&mut tx, &commits).await?;
    let held = hold_fences(&mut tx, &commits).await?;
    let mut done: Vec<Done> = Vec::with_capacity(jobs.len());
    for job in jobs {
        done.push(match commit_of(job) {
            Some(commit) => apply_or_undo(&mut tx, commit, &held, &mut logs, &writer.keys).await?.map(Some),
            None => Ok(None),
        });
    }
    write_measurements(&mut tx, jobs).await?;
    let mut grown = Vec::new();
    for (_, open) in logs {
        grown.extend(open.append(&mut tx).await?);
    }
    tx.commit().await.map_err(|error| StoreError::Unknown(Arc::new(error)))?;
    writer.signer.grown(&grown);
    Ok(done)
}

fn commit_of(job: &Job) -> Option<&Prepared> {
    match &job.work {
        Work::Commit(commit) => Some(commit),
        Work::Samples(_) | Work::Seen(_) | Work::Heard(..) | Work::Nothing(_) | Work::Stop => None,
    }
}

async fn open_logs<'a>(
    tx: &mut Tx,
    commits: &[&'a Prepared],
) -> Result<BTreeMap<&'a str, OpenLog>, StoreError> {
    let needed: BTreeSet<&str> = commits.iter().map(|commit| commit.scribe.log.as_str()).collect();
    let mut logs = BTreeMap::new();
    for log in needed {
        logs.insert(log, OpenLog::lock(tx, log).await?);
    }
    Ok(logs)
}

/// The leases that are still held, of those under which something is to be written. Their rows stay locked, so that
/// nobody takes one over before this transaction has ended.
async fn hold_fences<'a>(
    tx: &mut Tx,
    commits: &[&'a Prepared],
) -> Result<BTreeSet<(&'a str, i64)>, StoreError> {
    let asked: BTreeSet<(&str, i64)> =
        commits.iter().filter_map(|commit| commit.fence.as_ref()).map(fence).collect();
    let mut held = BTreeSet::new();
    for (name, token) in asked {
        if leases::hold(tx, name, token).await? {
            held.insert((name, token));
        }
    }
    Ok(held)
}

fn fence(lease: &Lease) -> (&str, i64) {
    (lease.name.as_str(), lease.token)
}

/// The inner result is the commit's own; the outer one ends the batch.
async fn apply_or_undo(
    tx: &mut Tx,
    commit: &Prepared,
    held: &BTreeSet<(&str, i64)>,
    logs: &mut BTreeMap<&str, OpenLog>,
    keys: &LedgerKeys,
) -> Result<Result<Committed, StoreError>, StoreError> {
    if let Some(lease) = &commit.fence
        && !held.contains(&fence(lease))
    {
        return Ok(Err(StoreError::Fenced { lease: lease.name.clone() }));
    }
    let guarded = commit.needs_savepoint();
    if guarded {
        tx.savepoint().await?;
    }
    match apply(tx, commit, keys).await {
        Ok(of_tasks) => {
            if guarded {
                tx.keep().await?;
            }
            record(commit, &of_tasks, logs).map(Ok)
        }
        Err(refusal) if refusal.is_refusal() => {
            if guarded {
                tx.undo().await?;
            }
            Ok(Err(refusal))
        }
        Err(error) => Err(error),
    }
}

/// Applies the writes in order and returns the entries of each one's tasks.
async fn apply(tx: &mut Tx, commit: &Prepared, keys: &LedgerKeys) -> Result<Vec<Vec<Staged>>, StoreError> {
    let mut of_tasks = Vec::with_capacity(commit.writes.len());
    let mut at = 0;
    while let Some(write) = commit.writes.get(at) {
        // A fleet is registered in a few statements, not in one a device.
        let fresh = devices::leading_registrations(&commit.writes[at..]);
        if fresh.len() > 1 {
            devices::register(tx, &fresh).await?;
            at += fresh.len();
            of_tasks.extend(fresh.iter().map(|_| Vec::new()));
            continue;
        }
        of_tasks.push(apply_one(tx, commit, write, keys).await?);
        at += 1;
    }
    Ok(of_tasks)
}

async fn apply_one(
    tx: &mut Tx,
    commit: &Prepared,
    prepared: &PreparedWrite,
    keys: &LedgerKeys,
) -> Result<Vec<Staged>, StoreError> {
    let PreparedWrite { write, body, .. } = prepared;
    match write {
        Write::Change(transition) => {
            changes::write(tx, transition, body, prepared.digest).await?;
            return tasks::run(tx, &commit.scribe, transition, &prepared.task_ids, keys).await;
        }
        Write::Assignment(transition) => assignments::write(tx, &transition.assignment).await?,
        Write::Device { device, from_revision: 0, .. } => devices::register(tx, &[(device, body)]).await?,
        Write::Device { device, from_revision, .. } => {
            devices::update(tx, device, body, *from_revision).await?
        }
        Write::Group(group) => groups::write(tx, group, body).await?,
        Write::GroupRemoved { tenant, name } => groups::remove(tx, tenant, name).await?,
        Write::Artifact { artifact, sealed } => artifacts::write(tx, artifact, body, sealed).await?,
        Write::Account { account, from } => {
            accounts::write(tx, account, from.as_deref(), body).await?;
        }
        Write::Credential(credential) => accounts::write_credential(tx, credential, body).await?,
        Write::Subject(subject) => subjects::link(tx, subject, body).await?,
        Write::SubjectGone { tenant, id } => subjects::unlink(tx, tenant, id).await?,
        Write::Unaltered(account) => drop(accounts::stored(tx, account).await?),
        Write::Powerless { tenant, account, now } => {
            accounts::hold_powerless(tx, tenant, account, *now).await?
        }
        Write::LiveKeys { tenant, account, most, now } => {
            accounts::hold_live(tx, tenant, account, *most, *now).await?
        }
        Write::AccessRequest { request, limits } => {
            access_requests::write(tx, request, *limits, body).await?
        }
        Write::GateEndpoint(gate) => gate_endpoints::write(tx, gate, body).await?,
        Write::Login { login, .. } => logins::write(tx, login, body).await?,
        Write::Session(session) => logins::write_session(tx, session, body).await?,
        Write::SessionsEnd(end) => logins::end_sessions(tx, end).await?,
        Write::CeremonyUsed(id) => logins::use_ceremony(tx, id).await?,
        Write::Signature(signature) => signatures::write(tx, signature, body).await?,
        Write::Delegation(delegation) => delegations::write(tx, delegation, body).await?,
        Write::Incident(incident) => incidents::write(tx, incident, body).await?,
        Write::Decision(decision) => decisions::write(tx, decision, body).await?,
        Write::Segment(segment) => segments::write(tx, segment).await?,
        Write::Advisories(import) => {
            return advisories::run(tx, &commit.scribe, import, &prepared.task_ids, keys).await;
        }
        Write::Note(_) => {}
        Write::BundleFloor(to) => floor::raise(tx, to, commit.scribe.now).await?,
        Write::ApplicationFloor { tenant, to } => {
            floor::raise_application(tx, tenant, to, commit.scribe.now).await?
        }
        Write::Done { key, principal, made } => idempotency::mark(tx.conn(), key, principal, made).await?,
    }
    Ok(Vec::new())
}

/// Gives the entries of an applied commit their places.
fn record(
    commit: &Prepared,
    of_tasks: &[Vec<Staged>],
    logs: &mut BTreeMap<&str, OpenLog>,
) -> Result<Committed, StoreError> {
    let log = commit.scribe.log.as_str();
    let open = logs.get_mut(log).ok_or_else(|| StoreError::corrupt("log", log, "it was not locked"))?;
    let mut entries = Vec::new();
    for (write, of_tasks) in commit.writes.iter().zip(of_tasks) {
        for entry in write.entries.iter().chain(of_tasks) {
            entries.push(open.push(entry)?);
        }
    }
    Ok(Committed { log: log.to_owned(), entries })
}

/// Measurements of all jobs together, sorted: two replicas that touch the same rows touch them in the same order.
async fn write_measurements(tx: &mut Tx, jobs: &[Job]) -> Result<(), StoreError> {
    let mut samples = Vec::new();
    let mut seen = Vec::new();
    let mut heard = BTreeMap::new();
    for job in jobs {
        match &job.work {
            Work::Samples(more) => samples.extend(more),
            Work::Seen(more) => seen.extend(more),
            Work::Heard(assignment, at) => {
                heard.insert((&assignment.change, &assignment.device), (assignment.as_ref(), *at));
            }
            Work::Nothing(at) => logins::write_nothing(tx, *at).await?,
            Work::Commit(_) | Work::Stop => {}
        }
    }
    telemetry::write_samples(tx, samples).await?;
    telemetry::write_seen(tx, seen).await?;
    for (assignment, at) in heard.into_values() {
        assignments::write_heard(tx, assignment, at).await?;
    }
    Ok(())
}
