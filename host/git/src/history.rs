//! What came since the last commit that was taken, and who signed each of it.

use std::collections::{HashSet, VecDeque};

use gix::ObjectId;

use crate::{
    AllowedSigners, CommitId, GitError, Rules, Signed,
    signature::Signature,
    tags::{self, Vouched},
    tree::sized,
};

/// Every commit of the head's history that is not in that of what was taken, oldest first, merges too.
pub(crate) fn range(
    repo: &gix::Repository,
    head: ObjectId,
    (tags, tag_prefix): (&[ObjectId], &str),
    rules: &Rules<'_>,
) -> Result<Vec<Signed>, GitError> {
    let known = match rules.current.or(rules.trusted) {
        // Nothing came since.
        Some(base) if base.0 == head => return Ok(Vec::new()),
        Some(base) if !repo.has_object(base.0) => {
            return Err(GitError::NotADescendant { head: CommitId(head), current: base });
        }
        Some(base) => reached(repo, base.0, &HashSet::new(), rules)?.into_iter().collect(),
        None => HashSet::new(),
    };
    let mut range = reached(repo, head, &known, rules)?;
    if let Some(base) = rules.current.or(rules.trusted)
        && base.0 != head
        && !parents_in(repo, &range, base.0, rules)?
    {
        return Err(GitError::NotADescendant { head: CommitId(head), current: base });
    }
    range.reverse();
    let vouched = match rules.signers {
        Some(signers) if !tag_prefix.is_empty() => tags::vouched(repo, tags, tag_prefix, signers, rules)?,
        _ => Vouched::new(),
    };
    let signed = range.into_iter().map(|id| {
        let commit = CommitId(id);
        let Some(signers) = rules.signers else { return Ok(Signed { commit, signer: None, fault: None }) };
        match signer(repo, id, signers, &vouched, rules) {
            Ok(signer) => Ok(Signed { commit, signer: Some(signer), fault: None }),
            Err(error) if rules.must_sign => Err(error),
            Err(error) => Ok(Signed { commit, signer: None, fault: Some(error.to_string()) }),
        }
    });
    signed.collect()
}

/// Whether one of these has that commit as a parent: what reaches it has a last step to it.
fn parents_in(
    repo: &gix::Repository,
    range: &[ObjectId],
    base: ObjectId,
    rules: &Rules<'_>,
) -> Result<bool, GitError> {
    for id in range {
        if parents(repo, *id, rules)?.contains(&base) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What can be reached from here without passing what is known, nearest first. The parents are read from the commits
/// themselves: no graft, replacement or commit graph has a say.
fn reached(
    repo: &gix::Repository,
    from: ObjectId,
    known: &HashSet<ObjectId>,
    rules: &Rules<'_>,
) -> Result<Vec<ObjectId>, GitError> {
    let (mut seen, mut waiting, mut order) = (HashSet::new(), VecDeque::from([from]), Vec::new());
    while let Some(id) = waiting.pop_front() {
        if known.contains(&id) || !seen.insert(id) {
            continue;
        }
        if order.len() >= rules.limits.commits_max {
            let limit = rules.limits.commits_max as u64;
            return Err(GitError::TooLarge { subject: "the history".to_owned(), unit: "commits", limit });
        }
        order.push(id);
        for parent in parents(repo, id, rules)? {
            if !repo.has_object(parent) {
                return Err(GitError::MissingHistory { commit: CommitId(id) });
            }
            waiting.push_back(parent);
        }
    }
    Ok(order)
}

fn parents(repo: &gix::Repository, id: ObjectId, rules: &Rules<'_>) -> Result<Vec<ObjectId>, GitError> {
    let commit = commit(repo, id, rules)?;
    let decoded = commit.decode().map_err(GitError::damaged)?;
    Ok(decoded.parents().collect())
}

pub(crate) fn commit<'repo>(
    repo: &'repo gix::Repository,
    id: ObjectId,
    rules: &Rules<'_>,
) -> Result<gix::Commit<'repo>, GitError> {
    sized(repo, id, &format!("commit `{id}`"), rules.limits.file_bytes_max)?
        .try_into_commit()
        .map_err(GitError::damaged)
}

/// Who signed it, or a tag that names it.
fn signer(
    repo: &gix::Repository,
    id: ObjectId,
    signers: &AllowedSigners,
    vouched: &Vouched,
    rules: &Rules<'_>,
) -> Result<String, GitError> {
    let own = own_signer(repo, id, signers, rules);
    match (own, vouched.get(&id)) {
        (Ok(signer), _) => Ok(signer),
        (Err(_), Some(Ok(signer))) => Ok(signer.clone()),
        (Err(GitError::Unsigned { commit }), Some(Err(reason))) => {
            Err(GitError::BadSignature { commit, reason: reason.clone() })
        }
        (Err(error), _) => Err(error),
    }
}

fn own_signer(
    repo: &gix::Repository,
    id: ObjectId,
    signers: &AllowedSigners,
    rules: &Rules<'_>,
) -> Result<String, GitError> {
    let commit = commit(repo, id, rules)?;
    let found = commit.signature().map_err(GitError::damaged)?;
    let Some((block, data)) = found else { return Err(GitError::Unsigned { commit: CommitId(id) }) };
    let bad = |reason: &str| GitError::BadSignature { commit: CommitId(id), reason: reason.to_owned() };
    let block = std::str::from_utf8(&block).map_err(|_| bad("it is no text"))?;
    let signature = Signature::parse(block).map_err(bad)?;
    let at = commit.time().map_err(GitError::damaged)?.seconds;
    let principal = signers.whose(&signature.key, at, rules.now_secs).map_err(bad)?;
    signature.signs(&data.to_bstring()).map_err(bad)?;
    Ok(principal.to_owned())
}
