//! The repository itself: a folder that is opened as it is, or a copy of one branch that is kept beside the server.

use std::path::Path;

use crate::{CommitId, Fetched, GitError, Rules, Source, Token, history, remote, tree};

/// Fetches the branch into a copy below `cache`, or opens the repository where the address is a folder of this machine, and
/// reads its head. It blocks, until the deadline at most.
pub fn fetch(
    source: &Source,
    token: Option<&Token>,
    cache: &Path,
    rules: &Rules<'_>,
) -> Result<Fetched, GitError> {
    check_branch(source)?;
    let Some(address) = remote::address(&source.url, token.is_some())? else {
        return read(Path::new(source.url.strip_prefix("file://").unwrap_or(&source.url)), source, rules);
    };
    let (repo, head) = remote::fetch(source, &address, token, cache, rules)?;
    take(&repo, head, source, rules)
}

/// Reads the head of the branch in this folder.
pub fn read(folder: &Path, source: &Source, rules: &Rules<'_>) -> Result<Fetched, GitError> {
    check_branch(source)?;
    let opened = gix::open_opts(folder, remote::options(rules)).map_err(|error| GitError::Unreachable {
        url: source.url.clone(),
        reason: format!("{error}; it is no repository that can be read"),
    })?;
    let name = format!("refs/heads/{}", source.branch);
    let no_branch = || GitError::NoBranch { url: source.url.clone(), branch: source.branch.clone() };
    let reference =
        opened.try_find_reference(name.as_str()).map_err(GitError::damaged)?.ok_or_else(no_branch)?;
    let head = reference.try_id().ok_or_else(no_branch)?.detach();
    take(&opened, head, source, rules)
}

fn take(
    repo: &gix::Repository,
    head: gix::ObjectId,
    source: &Source,
    rules: &Rules<'_>,
) -> Result<Fetched, GitError> {
    let mut repo = repo.clone();
    repo.objects.ignore_replacements = true;
    let range = history::range(&repo, head, rules)?;
    let commit = history::commit(&repo, head, rules)?;
    let root = commit.tree_id().map_err(GitError::damaged)?.detach();
    let head = CommitId(head);
    Ok(Fetched { head, files: tree::files(&repo, head, root, &source.path, rules)?, range })
}

/// Names that git allows for a branch, less what only quoting would save.
fn check_branch(source: &Source) -> Result<(), GitError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
    let name = &source.branch;
    let crooked = name.is_empty()
        || name.len() > 200
        || !name.chars().all(plain)
        || name.starts_with(['-', '/', '.'])
        || name.ends_with(['/', '.'])
        || name.contains("..")
        || name.contains("//");
    if crooked {
        return Err(GitError::NoBranch { url: source.url.clone(), branch: name.chars().take(80).collect() });
    }
    Ok(())
}
