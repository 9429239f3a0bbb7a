//! What an ID token must say before it logs somebody in (OpenID Connect Core 1.0, 3.1.3.7; RFC 9700). Signatures are checked
//! elsewhere, and before.

use serde_json::Value;

use crate::{
    Timestamp,
    token::{quoted, required, text, usable},
};

/// What the ID tokens of one provider must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdTokenRule {
    /// `iss`, exactly.
    pub issuer: String,
    /// Who we are there: `aud`.
    pub client: String,
    /// The claim that says whose it is.
    pub account_claim: String,
    /// How far the clocks may be apart.
    pub leeway_ms: i64,
}

/// What this very login was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdTokenAsked<'a> {
    /// What was sent along.
    pub nonce: &'a str,
    /// What `at_hash` is for the access token that came with it; nothing when none came.
    pub at_hash: Option<&'a str>,
    /// What `acr` may be; anything when empty.
    pub acr: &'a [String],
}

/// Why an ID token logs nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenRefusal {
    /// It is of another kind.
    #[error("the token is no ID token: its `typ` is `{found}`")]
    OtherType {
        /// What it says it is.
        found: String,
    },
    /// It is of another provider.
    #[error("the token is of another issuer than the one that was asked")]
    OtherIssuer,
    /// It is for somebody else.
    #[error("the token is not for this server alone: its `{claim}` must be `{expected}`")]
    OtherAudience {
        /// `aud` or `azp`.
        claim: &'static str,
        /// What it should be.
        expected: String,
    },
    /// It answers another login.
    #[error("the token answers another login: its `nonce` is not the one that was sent")]
    OtherNonce,
    /// The access token beside it is another one.
    #[error("the token came with another access token than its own (`at_hash`)")]
    OtherAccessToken,
    /// Something that must be there is not, or is no such thing.
    #[error("the token has no usable `{claim}`")]
    Lacks {
        /// Which.
        claim: String,
    },
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not good yet (`{claim}`); check the clocks")]
    Early {
        /// `nbf` or `iat`.
        claim: &'static str,
    },
    /// The person did not prove enough.
    #[error("the login there was too weak: `acr` must be one of {expected}")]
    TooWeak {
        /// What it should be.
        expected: String,
    },
}

impl IdTokenRule {
    /// Whose an ID token is, by the provider's name for them, when its signature was found good. `typ` is that of its header.
    pub fn check(
        &self,
        typ: Option<&str>,
        claims: &Value,
        asked: IdTokenAsked<'_>,
        now: Timestamp,
    ) -> Result<String, IdTokenRefusal> {
        use IdTokenRefusal as R;
        // An access token or a logout token that the same key signed is none.
        if let Some(typ) = typ.filter(|typ| !typ.eq_ignore_ascii_case("jwt")) {
            return Err(R::OtherType { found: typ.chars().take(40).collect() });
        }
        if text(claims, "iss") != Some(&self.issuer) {
            return Err(R::OtherIssuer);
        }
        self.check_audience(claims)?;
        // Made by us for this login alone; not even its holder gains from how long comparing takes.
        if text(claims, "nonce") != Some(asked.nonce) {
            return Err(R::OtherNonce);
        }
        if claims.get("at_hash").is_some()
            && (asked.at_hash.is_none() || text(claims, "at_hash") != asked.at_hash)
        {
            return Err(R::OtherAccessToken);
        }
        self.check_times(claims, now)?;
        let known = |acr: &str| asked.acr.iter().any(|good| good == acr);
        if !asked.acr.is_empty() && !text(claims, "acr").is_some_and(known) {
            return Err(R::TooWeak { expected: quoted(asked.acr) });
        }
        let lacks = || R::Lacks { claim: self.account_claim.clone() };
        let subject = text(claims, &self.account_claim).filter(|text| usable(text)).ok_or_else(lacks)?;
        Ok(subject.to_owned())
    }

    /// For us and nobody else: a token that others hold too proves nothing about this browser.
    fn check_audience(&self, claims: &Value) -> Result<(), IdTokenRefusal> {
        let refused = |claim| IdTokenRefusal::OtherAudience { claim, expected: self.client.clone() };
        let ours = |said: &Value| said.as_str() == Some(&self.client);
        let for_us = match claims.get("aud") {
            Some(Value::Array(all)) => !all.is_empty() && all.iter().all(ours),
            Some(one) => ours(one),
            None => false,
        };
        if !for_us {
            return Err(refused("aud"));
        }
        if claims.get("azp").is_some_and(|azp| !ours(azp)) {
            return Err(refused("azp"));
        }
        Ok(())
    }

    fn check_times(&self, claims: &Value, now: Timestamp) -> Result<(), IdTokenRefusal> {
        use IdTokenRefusal as R;
        let latest = now.as_millis().saturating_add(self.leeway_ms);
        if now.as_millis() >= time(claims, "exp")?.saturating_add(self.leeway_ms) {
            return Err(R::Expired);
        }
        if time(claims, "iat")? > latest {
            return Err(R::Early { claim: "iat" });
        }
        if claims.get("nbf").is_some() && time(claims, "nbf")? > latest {
            return Err(R::Early { claim: "nbf" });
        }
        Ok(())
    }
}

fn time(claims: &Value, claim: &str) -> Result<i64, IdTokenRefusal> {
    required(claims, claim).map_err(|_| IdTokenRefusal::Lacks { claim: claim.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn check_as(
        typ: Option<&str>,
        asked: IdTokenAsked<'_>,
        alter: impl FnOnce(&mut Value),
    ) -> Result<String, IdTokenRefusal> {
        let rule = IdTokenRule {
            issuer: "https://idp.mercy".to_owned(),
            client: "interlock".to_owned(),
            account_claim: "sub".to_owned(),
            leeway_ms: 30_000,
        };
        let mut claims = json!({ "iss": "https://idp.mercy", "aud": "interlock", "sub": "ana", "iat": NOW, "exp": NOW + 600,
            "nonce": "n", "at_hash": "h", "acr": "mfa" });
        alter(&mut claims);
        rule.check(typ, &claims, asked, Timestamp::from_millis(NOW * 1_000 + 500))
    }

    fn asked() -> IdTokenAsked<'static> {
        IdTokenAsked { nonce: "n", at_hash: Some("h"), acr: &[] }
    }

    fn check(claim: &'static str, value: Value) -> Result<String, IdTokenRefusal> {
        check_as(Some("JWT"), asked(), |claims| claims[claim] = value)
    }

    fn without(claim: &'static str) -> Result<String, IdTokenRefusal> {
        check_as(None, asked(), |claims| _ = claims.as_object_mut().unwrap().remove(claim))
    }

    #[test]
    fn a_good_token_says_whose_it_is() {
        assert_eq!(check("aud", json!(["interlock"])).unwrap(), "ana");
        assert!(check("azp", json!("interlock")).is_ok() && without("at_hash").is_ok());
    }

    #[test]
    fn what_is_for_somebody_else_or_of_somebody_else_logs_nobody_in() {
        use IdTokenRefusal as R;
        assert_eq!(check("iss", json!("https://idp.mercy/")), Err(R::OtherIssuer));
        for audience in [json!("other"), json!([]), json!(["interlock", "other"]), json!(7), Value::Null] {
            assert!(matches!(check("aud", audience), Err(R::OtherAudience { claim: "aud", .. })));
        }
        assert!(matches!(check("azp", json!("other")), Err(R::OtherAudience { claim: "azp", .. })));
        for nonce in [json!("m"), json!(""), Value::Null] {
            assert_eq!(check("nonce", nonce), Err(R::OtherNonce));
        }
        assert_eq!(without("nonce"), Err(R::OtherNonce));
        assert_eq!(check("at_hash", json!("other")), Err(R::OtherAccessToken));
        let none = IdTokenAsked { at_hash: None, ..asked() };
        assert_eq!(check_as(None, none, |_| {}), Err(R::OtherAccessToken));
        assert!(matches!(check_as(Some("at+jwt"), asked(), |_| {}), Err(R::OtherType { .. })));
        for claim in ["sub", "exp", "iat"] {
            assert_eq!(without(claim), Err(R::Lacks { claim: claim.to_owned() }));
        }
        assert!(matches!(check("sub", json!("a\nb")), Err(R::Lacks { .. })));
    }

    #[test]
    fn times_are_kept_to_the_leeway() {
        use IdTokenRefusal as R;
        assert!(check("exp", json!(NOW - 29)).is_ok());
        assert_eq!(check("exp", json!(NOW - 30)), Err(R::Expired));
        for claim in ["iat", "nbf"] {
            assert!(check(claim, json!(NOW + 30)).is_ok());
            assert_eq!(check(claim, json!(NOW + 31)), Err(R::Early { claim }));
        }
    }

    #[test]
    fn whoever_logs_in_proved_well_enough_who_they_are() {
        let good = ["mfa".to_owned()];
        let asked = IdTokenAsked { acr: &good, ..asked() };
        assert!(check_as(None, asked, |_| {}).is_ok());
        for acr in [json!("pwd"), Value::Null] {
            let found = check_as(None, asked, |claims| claims["acr"] = acr);
            assert!(matches!(found, Err(IdTokenRefusal::TooWeak { .. })), "{found:?}");
        }
    }
}
