//! Fetching: over HTTP with our own client, over SSH with the `ssh` program and whatever its configuration says.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use gix::{
    progress::Discard,
    protocol::transport::client::blocking_io::http,
    remote::{Direction, fetch::Tags, ref_map},
    url::Scheme,
};

use crate::{GitError, Login, Revision, Rules, Source, repository::Found};

/// Asks nothing, and gives up on a host that is silent.
const SSH: &str =
    "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3";
/// How often time and size are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How a repository is opened: nothing that anybody configured on this machine counts.
pub(crate) fn options(login: &Login, rules: &Rules<'_>) -> Result<gix::open::Options, GitError> {
    let largest = rules.limits.file_bytes_max.max(rules.limits.bundle_bytes_max);
    let overrides = [
        format!("core.sshCommand={}", ssh(login)?),
        "ssh.variant=ssh".to_owned(),
        format!("gitoxide.objects.allocLimit={largest}"),
    ];
    Ok(gix::open::Options::isolated().config_overrides(overrides))
}

/// The program and how it is called. A shell reads it.
fn ssh(login: &Login) -> Result<String, GitError> {
    let mut command = SSH.to_owned();
    if let Some(key) = &login.ssh_key_file {
        command.push_str(&format!(" -o IdentitiesOnly=yes -i {}", quoted(key)?));
    }
    if let Some(hosts) = &login.ssh_known_hosts_file {
        let hosts = quoted(hosts)?;
        command.push_str(&format!(" -o StrictHostKeyChecking=yes -o UserKnownHostsFile={hosts}"));
    }
    Ok(command)
}

/// A path that no shell, and no option of ssh, reads as anything else.
fn quoted(path: &Path) -> Result<String, GitError> {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '@');
    if text.chars().all(plain) && !text.starts_with('-') {
        return Ok(text);
    }
    let reason = "a file for ssh has letters, digits, `/`, `.`, `-`, `_`, `+` and `@` in its name and no others; put it elsewhere";
    Err(GitError::Address { url: text, reason })
}

/// The address, or nothing for a folder of this machine.
pub(crate) fn address(url: &str, has_token: bool) -> Result<Option<gix::Url>, GitError> {
    let shown = shown(url);
    let refuse = |reason| GitError::Address { url: shown.clone(), reason };
    let parsed = gix::url::parse(url).map_err(|_| refuse("it is no address"))?;
    match parsed.scheme {
        Scheme::File => Ok(None),
        _ if parsed.password().is_some() => Err(refuse("a password has no place in it; give it as a token")),
        Scheme::Https => Ok(Some(parsed)),
        Scheme::Http if has_token => Err(refuse("a token would be sent for all to read; use https")),
        Scheme::Http => Ok(Some(parsed)),
        Scheme::Ssh if has_token => {
            Err(refuse("a token is for HTTP; SSH takes its key from ssh's own configuration"))
        }
        Scheme::Ssh => Ok(Some(parsed)),
        _ => Err(refuse("use https, http, ssh or a folder")),
    }
}

/// An address without what may be secret in it.
pub(crate) fn shown(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (user, rest))) if user.contains(':') => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

/// Fetches the revision; says where it is.
pub(crate) fn fetch(
    source: &Source,
    address: &gix::Url,
    login: &Login,
    cache: &Path,
    rules: &Rules<'_>,
) -> Result<Found, GitError> {
    // Which of the two it is, only the server knows.
    if let Revision::Named(name) = &source.revision {
        let as_one = |revision| fetch(&Source { revision, ..source.clone() }, address, login, cache, rules);
        return match as_one(Revision::Branch(name.clone())) {
            Err(GitError::NoRevision { .. }) => {
                as_one(Revision::Tag(name.clone())).map_err(|error| match error {
                    GitError::NoRevision { url, .. } => {
                        GitError::NoRevision { url, revision: source.revision.clone() }
                    }
                    other => other,
                })
            }
            found => found,
        };
    }
    let repo = copy(source, cache, login, rules)?;
    let (stop, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let began = Instant::now();
    let objects = repo.objects.store_ref().path().to_owned();
    let received = std::thread::scope(|scope| {
        scope.spawn(|| watch(&objects, rules, &stop, &done));
        let received = receive(&repo, source, address, login, rules, &stop);
        done.store(true, Ordering::Release);
        received
    });
    let url = shown(&source.url);
    if bytes_in(&objects) > rules.limits.repository_bytes_max {
        // Whatever came so far is of no use, and would count the next time.
        let _gone = fs::remove_dir_all(repo.git_dir());
        let limit = rules.limits.repository_bytes_max;
        return Err(GitError::TooLarge { subject: format!("`{url}`"), unit: "bytes", limit });
    }
    let no_revision = || GitError::NoRevision { url: url.clone(), revision: source.revision.clone() };
    let received = received.map_err(|reason| match began.elapsed() >= rules.deadline {
        true => GitError::TimedOut { url: url.clone(), after_ms: rules.deadline.as_millis() },
        false if reason.contains("refspec") => no_revision(),
        false => GitError::Unreachable { url: url.clone(), reason },
    })?;
    let repo = gix::open_opts(repo.git_dir(), options(login, rules)?).map_err(GitError::damaged)?;
    let head = match &source.revision {
        Revision::Commit(commit) => repo.has_object(commit.0).then_some(commit.0),
        _ => received.head,
    };
    Ok(Found { repo, head: head.ok_or_else(no_revision)?, tags: received.tags })
}

/// What the server says that it has.
struct Received {
    head: Option<gix::ObjectId>,
    tags: Vec<gix::ObjectId>,
}

fn receive(
    repo: &gix::Repository,
    source: &Source,
    address: &gix::Url,
    login: &Login,
    rules: &Rules<'_>,
    stop: &AtomicBool,
) -> Result<Received, String> {
    let remote =
        repo.remote_at_without_url_rewrite(address.clone()).map_err(chain)?.with_fetch_tags(Tags::None);
    let specs = specs(source);
    let remote = remote.with_refspecs(specs.iter().map(String::as_str), Direction::Fetch).map_err(chain)?;
    let mut connection = remote.connect(Direction::Fetch).map_err(chain)?;
    let token = login.token.clone();
    connection.set_credentials(move |action| {
        let gix::credentials::helper::Action::Get(context) = action else { return Ok(None) };
        let identity = token.as_ref().map(|token| gix::sec::identity::Account {
            username: "interlock".to_owned(),
            password: token.0.clone(),
            oauth_refresh_token: None,
        });
        Ok(identity.map(|identity| gix::credentials::protocol::Outcome { identity, next: context.into() }))
    });
    if matches!(address.scheme, Scheme::Http | Scheme::Https) {
        connection.set_transport_options(Box::new(over_http(rules.deadline)));
    }
    let prepared = connection.prepare_fetch(Discard, ref_map::Options::default()).map_err(chain)?;
    let outcome = prepared.receive(Discard, stop).map_err(chain)?;
    // Not from the references that are kept here: one that is gone there stays in the copy.
    let (mut head, mut tags) = (None, Vec::new());
    let wanted = source.revision.reference();
    for mapping in &outcome.ref_map.mappings {
        let Some(name) = mapping.remote.as_name().map(ToString::to_string) else { continue };
        if Some(&name) == wanted.as_ref() {
            head = mapping.remote.peeled_id().map(ToOwned::to_owned);
        }
        if name.strip_prefix("refs/tags/").is_some_and(|tag| is_vouching(tag, source)) {
            tags.extend(mapping.remote.as_id().map(ToOwned::to_owned));
        }
    }
    Ok(Received { head, tags })
}

fn is_vouching(tag: &str, source: &Source) -> bool {
    !source.tag_prefix.is_empty() && tag.starts_with(&source.tag_prefix)
}

/// What is fetched, and where it is kept. Forced, because it is only kept; whether a head descends is looked at afterwards.
fn specs(source: &Source) -> Vec<String> {
    let revision = match source.revision.reference() {
        Some(name) => format!("+{name}:refs/interlock/{name}"),
        None => "+refs/heads/*:refs/interlock/refs/heads/*".to_owned(),
    };
    let prefix = &source.tag_prefix;
    let tags =
        (!prefix.is_empty()).then(|| format!("+refs/tags/{prefix}*:refs/interlock/vouching/{prefix}*"));
    std::iter::once(revision).chain(tags).collect()
}

/// No redirect is followed: the token is for the host that was configured.
fn over_http(deadline: Duration) -> http::Options {
    let client = http::reqwest::Options {
        configure_client: Some(Box::new(move |client| Ok(client.timeout(deadline)))),
        ..Default::default()
    };
    http::Options {
        follow_redirects: http::options::FollowRedirects::None,
        backend: Some(Arc::new(Mutex::new(client))),
        user_agent: Some(concat!("interlock/", env!("CARGO_PKG_VERSION")).to_owned()),
        ..http::Options::default()
    }
}

/// The whole story in one line.
fn chain(error: gix::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = next {
        let said = error.to_string();
        if !text.contains(&said) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(said.lines().next().unwrap_or_default());
        }
        next = error.source();
    }
    text.chars().take(600).collect()
}

/// The copy of this address, made when it is not there yet.
fn copy(
    source: &Source,
    cache: &Path,
    login: &Login,
    rules: &Rules<'_>,
) -> Result<gix::Repository, GitError> {
    let name = digest::digest(&digest::SHA256, source.url.as_bytes());
    let name: String = name.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let folder: PathBuf = cache.join(name);
    if folder.join("HEAD").exists() {
        match gix::open_opts(&folder, options(login, rules)?) {
            Ok(repo) => return Ok(repo),
            // It holds nothing that the server of it does not.
            Err(_) => fs::remove_dir_all(&folder).map_err(GitError::damaged)?,
        }
    }
    fs::create_dir_all(&folder).map_err(GitError::damaged)?;
    let options = options(login, rules)?;
    let made =
        gix::ThreadSafeRepository::init_opts(&folder, gix::create::Kind::Bare, Default::default(), options);
    made.map(|repo| repo.to_thread_local()).map_err(GitError::damaged)
}

fn watch(objects: &Path, rules: &Rules<'_>, stop: &AtomicBool, done: &AtomicBool) {
    let began = Instant::now();
    while !done.load(Ordering::Acquire) {
        let late = began.elapsed() >= rules.deadline;
        if late || bytes_in(objects) > rules.limits.repository_bytes_max {
            stop.store(true, Ordering::Relaxed);
        }
        std::thread::sleep(LOOK);
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_in(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}
