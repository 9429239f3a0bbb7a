//! Logging in at an identity provider (OpenID Connect, Authorization Code with PKCE).
//!
//! **Invariant:** whoever comes back is the browser that was sent: it holds a secret that nobody else has, from which nonce and
//! PKCE verifier are made. Only its digest is kept, so that neither a stranger's code nor the database logs anybody in.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use interlock_domain::{Account, AccountId, Session, Subject, TenantId, Timestamp};
use interlock_store::{Ceremony, StoreError, Write};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{LoggedIn, began, begin as begin_session, counted, expires, keep, may_log_in, random_token};
use crate::{
    App, FlowError,
    flow::device::token_hash,
    issuers::oidc::{Provider, ProviderRefusal, Redemption, Request, plain},
};

/// Where a browser goes that was not told.
const NEXT: &str = "/v1/me";
/// Longest place to go to.
const NEXT_MAX: usize = 1_024;
/// Longest code, state and challenge.
const TEXT_MAX: usize = 4_096;

/// What a login is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum For {
    /// A browser, which goes on to this page of ours.
    Page(String),
    /// A program on the browser's machine that listens there (RFC 8252).
    Program {
        /// On this port.
        port: u16,
        /// SHA-256 of what only it has, base64url.
        challenge: String,
    },
}

/// A login that began: where to send the browser, and the secret that it keeps meanwhile.
pub(crate) struct Begun {
    pub(crate) location: String,
    pub(crate) secret: String,
}

/// A login that waits for its answer.
#[derive(Serialize, Deserialize)]
struct Waiting {
    provider: String,
    secret_sha256: String,
    wanted: For,
}

/// What a provider's page sends back.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
pub(crate) struct Back {
    /// What is given back for the tokens.
    pub(crate) code: Option<String>,
    /// What was sent along.
    pub(crate) state: Option<String>,
    /// Who answers (RFC 9207).
    pub(crate) iss: Option<String>,
    /// Why there is no code.
    pub(crate) error: Option<String>,
}

/// What came of it.
pub(crate) enum Finished {
    /// A session in the browser.
    Page { logged_in: Box<LoggedIn>, next: String },
    /// A code for the program: whose session it would get, and what both show.
    Program { port: u16, code: String, name: String, word: String },
}

/// A login that a program may take over.
#[derive(Serialize, Deserialize)]
struct Handed {
    tenant: TenantId,
    account: AccountId,
    provider: String,
    challenge: String,
}

/// A program takes over the login that was made for it in a browser.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandedCode {
    /// What the browser brought.
    pub code: String,
    /// What the challenge is the SHA-256 of.
    pub verifier: String,
}

/// Where to send somebody whose session ended, to log out at the provider too at which it began.
pub(crate) async fn log_out_address(app: &App, session: &Session) -> Option<String> {
    let provider = app.providers.named(session.proof.strip_prefix("oidc:")?)?;
    // A provider of another tenant has got this name since.
    if provider.config.tenant != session.tenant {
        return None;
    }
    provider.log_out(&app.evidence, app.clock.now()).await.map(String::from)
}

/// Sends somebody to a provider.
pub(crate) async fn begin(app: &App, provider: &str, wanted: For) -> Result<Begun, FlowError> {
    let now = app.clock.now();
    let provider = named(app, provider)?;
    check(&wanted)?;
    let (state, secret) = (random_token()?, random_token()?);
    let code_challenge = digest(&verifier(&secret));
    let nonce = nonce(&secret);
    let request = Request { state: &state, nonce: &nonce, code_challenge: &code_challenge };
    let location = provider.ask(&app.evidence, &request, now).await?;
    let waiting =
        Waiting { provider: provider.config.name.clone(), secret_sha256: token_hash(&secret), wanted };
    keep(app, Ceremony::Provider, &token_hash(&state), &waiting, expires(app, now), now).await?;
    Ok(Begun { location: location.to_string(), secret })
}

/// Logs in whoever comes back from there. `secret` is what their browser kept.
pub(crate) async fn finish(
    app: &App,
    provider: &str,
    back: Back,
    secret: Option<&str>,
    peer: &str,
) -> Result<Finished, FlowError> {
    let now = app.clock.now();
    let provider = named(app, provider)?;
    let state = token_hash(&within(back.state).unwrap_or_default());
    let waiting: Option<Waiting> = app.store.ceremony(Ceremony::Provider, &state, now).await?;
    let fits = |waiting: &Waiting| {
        let kept = secret.map(token_hash).unwrap_or_default();
        waiting.provider == provider.config.name
            && bool::from(kept.as_bytes().ct_eq(waiting.secret_sha256.as_bytes()))
    };
    let (Some(waiting), Some(secret)) = (waiting.filter(fits), secret) else {
        return Err(again("this login was not begun in this browser, was used, or is over"));
    };
    provider.answered(&app.evidence, back.iss.as_deref(), now).await?;
    if let Some(error) = back.error {
        return Err(again(&format!("the identity provider said `{}`", plain(&error))));
    }
    let code = within(back.code).ok_or_else(|| again("there is no code in the answer"))?;
    let (verifier, nonce) = (verifier(secret), nonce(secret));
    let given = Redemption { code: &code, verifier: &verifier, nonce: &nonce };
    let subject = provider.redeem(&app.evidence, &given, now).await.inspect_err(|_| {
        counted(&provider.config.tenant, "failed");
    })?;
    let account = meant(app, provider, &subject).await?;
    let used = Write::CeremonyUsed(state);
    match waiting.wanted {
        For::Page(next) => {
            let how = format!("oidc:{}", provider.config.name);
            let logged_in = Box::new(admit(app, account, &how, used, peer, now).await?);
            Ok(Finished::Page { logged_in, next })
        }
        For::Program { port, challenge } => {
            let code = random_token()?;
            let word = word(&challenge);
            let handed = Handed {
                tenant: account.tenant.clone(),
                account: account.id.clone(),
                provider: provider.config.name.clone(),
                challenge,
            };
            app.commit_as_host(&account.tenant, now, None, vec![used]).await.map_err(replayed)?;
            keep(app, Ceremony::Handed, &token_hash(&code), &handed, expires(app, now), now).await?;
            Ok(Finished::Program { port, code, name: account.name, word })
        }
    }
}

/// Gives the program the session that was made for it.
pub(crate) async fn take_over(app: &App, given: HandedCode, peer: &str) -> Result<LoggedIn, FlowError> {
    let now = app.clock.now();
    let over = || again("this code is over, was used, or is another program's");
    let id = token_hash(&given.code);
    let handed: Option<Handed> = app.store.ceremony(Ceremony::Handed, &id, now).await?;
    let theirs = digest(&given.verifier);
    let handed = handed
        .filter(|handed| bool::from(theirs.as_bytes().ct_eq(handed.challenge.as_bytes())))
        .ok_or_else(over)?;
    let account = app.store.account(&handed.tenant, &handed.account).await?;
    let account = account.filter(may_log_in).ok_or_else(over)?;
    let how = format!("oidc:{}", handed.provider);
    admit(app, account, &how, Write::CeremonyUsed(id), peer, now).await
}

/// What the program and the page show, so that whoever logs in sees that they are of one login.
fn word(challenge: &str) -> String {
    hex::encode(&Sha256::digest(challenge)[..4])
}

async fn admit(
    app: &App,
    account: Account,
    how: &str,
    used: Write,
    peer: &str,
    now: Timestamp,
) -> Result<LoggedIn, FlowError> {
    let (token, session) = begin_session(app, &account, how, peer, now)?;
    let note = began(&session);
    let actor = account.actor(format!("session:{}", session.id));
    let stands = Write::Unaltered(Box::new(account.clone()));
    let writes = vec![Write::Session(Box::new(session.clone())), note, used, stands];
    app.commit(&actor, now, writes).await.map_err(replayed)?;
    counted(&account.tenant, "passed");
    Ok(LoggedIn { token, session, account })
}

/// Whom the provider means here.
async fn meant(app: &App, provider: &Provider, subject: &str) -> Result<Account, FlowError> {
    let (tenant, issuer) = (&provider.config.tenant, &provider.config.issuer);
    let id = Subject::id_of(tenant, issuer, subject);
    let not_linked = |detail: String| {
        counted(tenant, "failed");
        FlowError::NotLinked { detail, issuer: issuer.clone(), subject: subject.to_owned() }
    };
    let Some((_, account)) = app.store.subject(tenant, &id).await? else {
        return Err(not_linked(format!(
            "the identity provider knows you, and nobody here is linked to you yet: ask an administrator to run \
             `interlock account link ACCOUNT --issuer {issuer} --subject {subject}`"
        )));
    };
    if !may_log_in(&account) {
        return Err(not_linked(
            "the account that is linked to you is a program's or was deactivated: ask an administrator"
                .to_owned(),
        ));
    }
    Ok(account)
}

fn named<'a>(app: &'a App, name: &str) -> Result<&'a Provider, FlowError> {
    let id = || name.chars().take(40).collect();
    app.providers.named(name).ok_or_else(|| FlowError::NotFound { what: "identity provider", id: id() })
}

/// Whoever logged in stays here: on a page of ours, or with a program on their own machine.
fn check(wanted: &For) -> Result<(), FlowError> {
    let refused = |field: &str, detail: &str| Err(FlowError::invalid(field, detail));
    match wanted {
        For::Page(next) if !is_ours(next) => {
            refused("/next", "this is no page of this server: give a path such as `/v1/me`")
        }
        For::Program { port: 0, .. } => refused("/port", "a program listens on a port from 1 to 65535"),
        For::Program { challenge, .. }
            if URL_SAFE_NO_PAD.decode(challenge).ok().is_none_or(|bytes| bytes.len() != 32) =>
        {
            refused("/challenge", "the challenge is the SHA-256 of the verifier, base64url without padding")
        }
        For::Page(_) | For::Program { .. } => Ok(()),
    }
}

/// Whether a text is a path on this server, whatever a browser makes of it.
fn is_ours(next: &str) -> bool {
    let second = next.as_bytes().get(1);
    next.len() <= NEXT_MAX
        && next.starts_with('/')
        && !matches!(second, Some(b'/' | b'\\'))
        && next.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'))
}

/// Where a browser goes when nothing else was asked for.
pub(crate) fn next(asked: Option<String>) -> String {
    asked.unwrap_or_else(|| NEXT.to_owned())
}

fn verifier(secret: &str) -> String {
    digest(&format!("interlock oidc verifier\n{secret}"))
}

fn nonce(secret: &str) -> String {
    digest(&format!("interlock oidc nonce\n{secret}"))
}

fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

fn within(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty() && text.len() <= TEXT_MAX)
}

fn again(detail: &str) -> FlowError {
    FlowError::ProviderRefused(format!("{detail}; log in again"))
}

/// Somebody was faster with the same answer.
fn replayed(error: FlowError) -> FlowError {
    match error {
        FlowError::Store(StoreError::Conflict { .. }) => again("this login was used"),
        error => error,
    }
}

impl From<ProviderRefusal> for FlowError {
    fn from(refusal: ProviderRefusal) -> Self {
        tracing::info!(%refusal, "a login at an identity provider was refused");
        match refusal {
            ProviderRefusal::Unreachable(reason) => FlowError::ProviderUnreachable(reason),
            refusal => again(&refusal.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_logged_in_stays_on_this_server() {
        for ours in ["/", "/v1/me", "/docs?x=1#y", "/a//b", "/%2f%2fevil.test"] {
            assert!(is_ours(ours), "{ours}");
        }
        let long = format!("/{}", "a".repeat(NEXT_MAX));
        for theirs in [
            "",
            "v1/me",
            "//evil.test",
            "/\\evil.test",
            "https://evil.test",
            "javascript:alert(1)",
            "/a\nb",
            "/\t/evil.test",
            "/a\\b",
            "/\"><b>",
            long.as_str(),
        ] {
            assert!(!is_ours(theirs), "{theirs}");
        }
        assert!(is_ours(&long[..NEXT_MAX]));
    }

    #[test]
    fn what_is_made_of_one_secret_tells_nothing_of_the_rest() {
        let (verifier, nonce) = (verifier("secret"), nonce("secret"));
        assert!(verifier != nonce && verifier.len() == 43 && nonce.len() == 43);
        assert_ne!(digest(&verifier), nonce);
    }
}
