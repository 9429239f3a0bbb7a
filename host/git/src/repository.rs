//! The repository itself: a folder that is opened as it is, or a copy that is kept beside the server.

use std::path::Path;

use gix::ObjectId;

use crate::{CommitId, Fetched, GitError, Login, Revision, Rules, Source, history, remote, revision, tree};

/// What was found: the repository, the commit, and the tags that may vouch for commits.
pub(crate) struct Found {
    pub(crate) repo: gix::Repository,
    pub(crate) head: ObjectId,
    pub(crate) tags: Vec<ObjectId>,
}

/// Fetches the revision into a copy below `cache`, or opens the repository where the address is a folder of this machine, and
/// reads the bundle there. It blocks, until the deadline at most.
pub fn fetch(source: &Source, login: &Login, cache: &Path, rules: &Rules<'_>) -> Result<Fetched, GitError> {
    let url = || remote::shown(&source.url);
    if !source.revision.is_plain() {
        return Err(GitError::NoRevision { url: url(), revision: source.revision.clone() });
    }
    if !revision::is_plain(&source.tag_prefix) {
        let revision = Revision::Tag(source.tag_prefix.clone());
        return Err(GitError::NoRevision { url: url(), revision });
    }
    let found = match remote::address(&source.url, login.token.is_some())? {
        None => open(Path::new(source.url.strip_prefix("file://").unwrap_or(&source.url)), source, rules)?,
        Some(address) => remote::fetch(source, &address, login, cache, rules)?,
    };
    take(found, source, rules)
}

/// The repository in this folder.
fn open(folder: &Path, source: &Source, rules: &Rules<'_>) -> Result<Found, GitError> {
    let options = remote::options(&Login::default(), rules)?;
    let repo = gix::open_opts(folder, options).map_err(|error| GitError::Unreachable {
        url: source.url.clone(),
        reason: format!("{error}; it is no repository that can be read"),
    })?;
    let head = match &source.revision {
        Revision::Commit(commit) => repo.has_object(commit.0).then_some(commit.0),
        Revision::Named(name) => match peeled(&repo, &format!("refs/heads/{name}"))? {
            None => peeled(&repo, &format!("refs/tags/{name}"))?,
            branch => branch,
        },
        other => other.reference().map(|name| peeled(&repo, &name)).transpose()?.flatten(),
    };
    let none = || GitError::NoRevision { url: source.url.clone(), revision: source.revision.clone() };
    let head = head.ok_or_else(none)?;
    let mut tags = Vec::new();
    if !source.tag_prefix.is_empty() {
        let references = repo.references().map_err(GitError::damaged)?;
        for tag in references
            .prefixed(format!("refs/tags/{}", source.tag_prefix).as_str())
            .map_err(GitError::damaged)?
        {
            tags.extend(tag.map_err(GitError::damaged)?.try_id().map(|id| id.detach()));
        }
    }
    Ok(Found { repo, head, tags })
}

/// The commit that a reference leads to, if it is there.
fn peeled(repo: &gix::Repository, name: &str) -> Result<Option<ObjectId>, GitError> {
    let found = repo.try_find_reference(name).map_err(GitError::damaged)?;
    found
        .map(|mut reference| reference.peel_to_id().map(|id| id.detach()).map_err(GitError::damaged))
        .transpose()
}

fn take(found: Found, source: &Source, rules: &Rules<'_>) -> Result<Fetched, GitError> {
    let Found { mut repo, head, tags } = found;
    repo.objects.ignore_replacements = true;
    let range = history::range(&repo, head, (&tags, &source.tag_prefix), rules)?;
    let commit = history::commit(&repo, head, rules)?;
    let root = commit.tree_id().map_err(GitError::damaged)?.detach();
    let head = CommitId(head);
    Ok(Fetched { head, files: tree::files(&repo, head, root, &source.path, rules)?, range })
}
