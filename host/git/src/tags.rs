//! Signed tags: each counts like a signature of the one commit that it names, and of no other.

use std::collections::HashMap;

use gix::{ObjectId, object::Kind};

use crate::{AllowedSigners, GitError, Rules, signature::Signature, tree::sized};

const BEGIN: &[u8] = b"-----BEGIN SSH SIGNATURE-----\n";

/// Who vouches for which commit; or why a tag that names it does not count.
pub(crate) type Vouched = HashMap<ObjectId, Result<String, String>>;

/// Reads the tags among these objects. One that does not count, such as one without a signature, is passed over: whoever
/// may push may push such.
pub(crate) fn vouched(
    repo: &gix::Repository,
    objects: &[ObjectId],
    prefix: &str,
    signers: &AllowedSigners,
    rules: &Rules<'_>,
) -> Result<Vouched, GitError> {
    if objects.len() > rules.limits.commits_max {
        let limit = rules.limits.commits_max as u64;
        return Err(GitError::TooLarge { subject: "the list of tags".to_owned(), unit: "tags", limit });
    }
    let mut vouched = Vouched::new();
    for id in objects {
        // One that is too large, or names what is no tag, is passed over as well.
        let Ok(object) = sized(repo, *id, "a tag", rules.limits.file_bytes_max) else { continue };
        if object.kind != Kind::Tag {
            continue;
        }
        let Some(tag) = Tag::read(&object.data).filter(|tag| tag.name.starts_with(prefix)) else { continue };
        let counts = tag.signer(signers, rules.now_secs).map_err(|reason| {
            format!("tag `{}` names it, but its signature does not count: {reason}", tag.name)
        });
        let known = vouched.entry(tag.commit).or_insert_with(|| counts.clone());
        if known.is_err() && counts.is_ok() {
            *known = counts;
        }
    }
    Ok(vouched)
}

/// A tag, read from the very bytes that are signed.
struct Tag<'a> {
    commit: ObjectId,
    name: &'a str,
    at: i64,
    signed: &'a [u8],
    block: &'a str,
}

impl<'a> Tag<'a> {
    /// Nothing where it is not signed, or names something else than a commit.
    fn read(data: &'a [u8]) -> Option<Self> {
        // The last one, as git does: what is before it is signed.
        let begins = |at: &usize| *at == 0 || data.get(at - 1) == Some(&b'\n');
        let at = data.windows(BEGIN.len()).enumerate().rev();
        let at = at.filter(|(_, window)| *window == BEGIN).map(|(at, _)| at).find(begins)?;
        let (signed, block) = data.split_at_checked(at)?;
        let mut lines = std::str::from_utf8(signed).ok()?.split('\n');
        let object = lines.next()?.strip_prefix("object ")?;
        let commit = ObjectId::from_hex(object.as_bytes()).ok()?;
        if lines.next()? != "type commit" {
            return None;
        }
        let name = lines.next()?.strip_prefix("tag ")?;
        let tagger = lines.next()?.strip_prefix("tagger ")?;
        let at = tagger.rsplit_once('>')?.1.split_whitespace().next()?.parse().ok()?;
        Some(Self { commit, name, at, signed, block: std::str::from_utf8(block).ok()? })
    }

    fn signer(&self, signers: &AllowedSigners, now_secs: i64) -> Result<String, &'static str> {
        let signature = Signature::parse(self.block)?;
        let principal = signers.whose(&signature.key, self.at, now_secs)?;
        signature.signs(self.signed)?;
        Ok(principal.to_owned())
    }
}
