//! Identity providers at which persons log in: what they say of themselves, and what they answer (OpenID Connect Core 1.0,
//! Discovery 1.0, RFC 9207, RFC 9700).
//!
//! **Invariant:** an answer counts only when it comes from the provider that was asked: its document is below the configured
//! issuer and names that issuer, the ID token is signed by its keys and names it too, and so does `iss` of the answer.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::{IdTokenAsked, IdTokenRefusal, IdTokenRule, TenantId, Timestamp, in_address};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::{
    JwtRefusal,
    jws::Token,
    keyring::{From as KeysFrom, Keyring},
};
use crate::{
    ConfigError,
    config::{Config, OidcProvider, is_safe},
    outside::{Form, Sources},
};

/// Largest document and largest answer with tokens.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// Longest token.
const TOKEN_MAX: usize = 16 << 10;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Providers(Vec<Provider>);

/// One provider.
pub(crate) struct Provider {
    pub(crate) config: OidcProvider,
    secret: Option<String>,
    rule: IdTokenRule,
    /// Where whoever logs in comes back to.
    back: String,
    kept: Mutex<Looked>,
}

/// What was found, and when that was tried last.
#[derive(Default)]
struct Looked {
    found: Option<(Arc<Found>, Timestamp)>,
    tried: Option<Timestamp>,
}

/// What a provider says of itself.
pub(crate) struct Found {
    authorization: Url,
    end_session: Option<Url>,
    token: Url,
    jwks: Url,
    by_post: bool,
    names_itself: bool,
    keys: Arc<Keyring>,
}

/// Its discovery document, of what is read.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    #[serde(default)]
    end_session_endpoint: Option<String>,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What its token endpoint answers, of what is read.
#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    id_token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

/// What its token endpoint answers when it refuses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: String,
}

/// What somebody is asked for there.
pub(crate) struct Request<'a> {
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) code_challenge: &'a str,
}

/// A code, with what this login was asked for.
pub(crate) struct Redemption<'a> {
    pub(crate) code: &'a str,
    pub(crate) verifier: &'a str,
    pub(crate) nonce: &'a str,
}

/// Why a provider's answer proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderRefusal {
    /// It does not answer, or not as a provider does.
    #[error("{0}")]
    Unreachable(String),
    /// It does not take the code.
    #[error("the provider did not take the code: {0}")]
    Code(String),
    /// It names another one than the one that was asked.
    #[error("the answer is of another provider than the one that was asked")]
    Elsewhere,
    /// What it answered is no ID token of its own.
    #[error(transparent)]
    Token(#[from] JwtRefusal),
    /// The ID token says what it should not.
    #[error(transparent)]
    Claims(#[from] IdTokenRefusal),
}

impl Providers {
    /// Reads secrets. What a provider says of itself is fetched when the first person comes.
    pub(crate) fn open(config: &Config) -> Result<Self, ConfigError> {
        let open = |provider| Provider::open(provider, &config.server.public_url);
        Ok(Self(config.login.oidc.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// What the providers of a tenant are called as issuers.
    pub(crate) fn of_tenant(&self, tenant: &TenantId) -> impl Iterator<Item = &str> {
        let ours = self.0.iter().filter(move |provider| provider.config.tenant == *tenant);
        ours.map(|provider| provider.config.issuer.as_str())
    }

    /// The one of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.config.name == name)
    }
}

impl Provider {
    fn open(config: &OidcProvider, public_url: &str) -> Result<Self, ConfigError> {
        let rule = IdTokenRule {
            issuer: config.issuer.clone(),
            client: config.client_id.clone(),
            account_claim: config.account_claim.clone(),
            leeway_ms: i64::try_from(config.leeway_ms).unwrap_or(i64::MAX),
        };
        let base = public_url.trim_end_matches('/');
        let back = format!("{base}/v1/login/oidc/{}/callback", config.name);
        let secret = config.secret()?;
        Ok(Self { config: config.clone(), secret, rule, back, kept: Mutex::default() })
    }

    /// Where to send somebody who wants to log in.
    pub(crate) async fn ask(
        &self,
        outside: &Sources,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<Url, ProviderRefusal> {
        let found = self.found(outside, now).await?;
        let mut url = found.authorization.clone();
        let acr = self.config.acr.join(" ");
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("response_type", "code");
            query.append_pair("client_id", &self.config.client_id);
            query.append_pair("redirect_uri", &self.back);
            query.append_pair("scope", &self.config.scopes.join(" "));
            query.append_pair("state", request.state);
            query.append_pair("nonce", request.nonce);
            query.append_pair("code_challenge", request.code_challenge);
            query.append_pair("code_challenge_method", "S256");
            if !acr.is_empty() {
                query.append_pair("acr_values", &acr);
            }
        }
        Ok(url)
    }

    /// Where to send somebody who logged in there, to log out there too (OpenID Connect RP-Initiated Logout 1.0); nothing where
    /// the provider has no such page, or cannot be asked just now. The ID token is not kept, so the provider asks the person.
    pub(crate) async fn log_out(&self, outside: &Sources, now: Timestamp) -> Option<Url> {
        let mut url = self.found(outside, now).await.ok()?.end_session.clone()?;
        url.query_pairs_mut().append_pair("client_id", &self.config.client_id);
        Some(url)
    }

    /// Whether `iss` of an answer is what this provider says there (RFC 9207).
    pub(crate) async fn answered(
        &self,
        outside: &Sources,
        iss: Option<&str>,
        now: Timestamp,
    ) -> Result<(), ProviderRefusal> {
        match iss {
            Some(iss) if iss == self.config.issuer => Ok(()),
            Some(_) => Err(ProviderRefusal::Elsewhere),
            // One that says it always names itself did not send this.
            None if self.found(outside, now).await?.names_itself => Err(ProviderRefusal::Elsewhere),
            None => Ok(()),
        }
    }

    /// Gives the code back, and reads whose the ID token is that comes for it.
    pub(crate) async fn redeem(
        &self,
        outside: &Sources,
        given: &Redemption<'_>,
        now: Timestamp,
    ) -> Result<String, ProviderRefusal> {
        let found = self.found(outside, now).await?;
        let tokens = self.tokens(outside, &found, given).await?;
        let text = tokens.id_token.filter(|text| text.len() <= TOKEN_MAX);
        let unreadable = || ProviderRefusal::from(JwtRefusal::Unreadable);
        let text = text.ok_or_else(unreadable)?;
        let token = Token::read(&text).ok_or_else(unreadable)?;
        let algorithm = found.keys.verify(outside, &token, now).await.map_err(|refusal| match refusal {
            JwtRefusal::NoKeys => ProviderRefusal::Unreachable(refusal.to_string()),
            refusal => refusal.into(),
        })?;
        let at_hash = tokens.access_token.map(|access| algorithm.half_hash(&access));
        let asked = IdTokenAsked { nonce: given.nonce, at_hash: at_hash.as_deref(), acr: &self.config.acr };
        Ok(self.rule.check(token.header.typ.as_deref(), &token.claims, asked, now)?)
    }

    async fn tokens(
        &self,
        outside: &Sources,
        found: &Found,
        given: &Redemption<'_>,
    ) -> Result<Tokens, ProviderRefusal> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", given.code),
            ("redirect_uri", self.back.as_str()),
            ("code_verifier", given.verifier),
        ];
        let mut authorization = None;
        match &self.secret {
            Some(secret) if !found.by_post => {
                // Each is encoded as in a form before they are put together (RFC 6749, 2.3.1).
                let both = format!("{}:{}", in_address(&self.config.client_id), in_address(secret));
                authorization = Some(format!("Basic {}", STANDARD.encode(both)));
            }
            Some(secret) => {
                fields.extend([("client_id", self.config.client_id.as_str()), ("client_secret", secret)]);
            }
            None => fields.push(("client_id", &self.config.client_id)),
        }
        let form = Form { url: found.token.clone(), body: form(&fields), authorization };
        let (status, body) = outside
            .post(form, ANSWER_BYTES_MAX, self.config.timeout_ms)
            .await
            .map_err(|reason| self.unreachable(&reason))?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map_err(|_| self.unreachable("its token endpoint did not answer with tokens")),
            status if status.is_client_error() => {
                let refused: Refused = serde_json::from_slice(&body).unwrap_or_default();
                Err(ProviderRefusal::Code(plain(&refused.error)))
            }
            status => Err(self.unreachable(&format!("its token endpoint answered {status}"))),
        }
    }

    /// What it says of itself: fetched again when that is old. What was fetched last stays while it cannot be reached, for as
    /// long again.
    async fn found(&self, outside: &Sources, now: Timestamp) -> Result<Arc<Found>, ProviderRefusal> {
        let mut kept = self.kept.lock().await;
        let since = |at: Timestamp| u64::try_from(now.millis_since(at)).unwrap_or(0);
        let age = kept.found.as_ref().map_or(u64::MAX, |(_, at)| since(*at));
        let again = kept.tried.is_none_or(|tried| since(tried) >= self.config.timeout_ms);
        if age >= self.config.refresh_ms && again {
            kept.tried = Some(now);
            let before = kept.found.as_ref().map(|(found, _)| found.clone());
            match self.fetched(outside, before.as_deref()).await {
                Ok(found) => {
                    info!(
                        issuer = self.config.issuer,
                        "what an identity provider says of itself was fetched"
                    );
                    let found = Arc::new(found);
                    kept.found = Some((found.clone(), now));
                    return Ok(found);
                }
                Err(reason) => {
                    warn!(issuer = self.config.issuer, reason, "an identity provider cannot be asked")
                }
            }
        }
        match &kept.found {
            Some((found, _)) if age < self.config.refresh_ms.saturating_mul(2) => Ok(found.clone()),
            _ => Err(self.unreachable("what it says of itself cannot be fetched just now")),
        }
    }

    async fn fetched(&self, outside: &Sources, before: Option<&Found>) -> Result<Found, String> {
        let issuer = &self.config.issuer;
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let url = Url::parse(&place).map_err(|error| error.to_string())?;
        let bytes = outside.document(url, ANSWER_BYTES_MAX, self.config.timeout_ms).await?;
        let document: Document = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if document.issuer != *issuer {
            return Err(format!("its document is of `{}`", plain(&document.issuer)));
        }
        let challenges = document.code_challenge_methods_supported;
        if challenges.is_some_and(|all| !all.iter().any(|method| method == "S256")) {
            return Err("it does not take PKCE with S256".to_owned());
        }
        // A provider elsewhere must not send us to services of this machine.
        let here = issuer.starts_with("http://");
        let endpoint = |what: &str, text: &str| {
            let url = Url::parse(text).ok().filter(|url| is_safe(text) && (here || url.scheme() == "https"));
            url.ok_or_else(|| format!("its `{what}` must be https"))
        };
        let jwks = endpoint("jwks_uri", &document.jwks_uri)?;
        let keys = match before {
            Some(before) if before.jwks == jwks => before.keys.clone(),
            _ => Arc::new(self.keyring(jwks.clone())?),
        };
        // Nobody needs it to log in, so one that is no good is as none.
        let end_session = document.end_session_endpoint.and_then(|text| {
            let checked = endpoint("end_session_endpoint", &text);
            checked.inspect_err(|reason| warn!(issuer, reason, "nobody is sent there to log out")).ok()
        });
        let ways = document.token_endpoint_auth_methods_supported.unwrap_or_default();
        let takes = |name: &str| ways.iter().any(|way| way == name);
        Ok(Found {
            authorization: endpoint("authorization_endpoint", &document.authorization_endpoint)?,
            end_session,
            token: endpoint("token_endpoint", &document.token_endpoint)?,
            jwks,
            by_post: !takes("client_secret_basic") && takes("client_secret_post"),
            names_itself: document.authorization_response_iss_parameter_supported,
            keys,
        })
    }

    fn keyring(&self, jwks: Url) -> Result<Keyring, String> {
        Ok(Keyring {
            issuer: self.config.issuer.clone(),
            algorithms: self.config.pinned().map_err(|error| error.to_string())?,
            from: KeysFrom::Url(jwks),
            refresh_ms: self.config.refresh_ms,
            refetch_ms: self.config.refetch_ms,
            kept: Arc::default(),
        })
    }

    fn unreachable(&self, reason: &str) -> ProviderRefusal {
        ProviderRefusal::Unreachable(format!("`{}`: {reason}", self.config.issuer))
    }
}

/// A body of a form.
fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", in_address(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// What somebody else wrote, as it may be shown.
pub(crate) fn plain(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect()
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("config", &self.config).finish_non_exhaustive()
    }
}
