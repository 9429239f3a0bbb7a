//! What a signed token of an identity provider must say before it proves anything (RFC 7519, RFC 8725, RFC 9068). Signatures
//! are checked elsewhere, and before.

use serde_json::Value;

use crate::Timestamp;

/// Longest subject and group.
const TEXT_MAX: usize = 255;
/// Most groups that are read.
const GROUPS_MAX: usize = 1_000;
/// What only ID tokens say: they tell a client who logged in, and open nothing.
const OF_ID_TOKENS: [&str; 4] = ["nonce", "at_hash", "c_hash", "s_hash"];

/// What the tokens of one issuer must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRule {
    /// `iss`, exactly.
    pub issuer: String,
    /// At least one of these is in `aud`.
    pub audience: Vec<String>,
    /// What `typ` in the header may be, in lower case and without `application/`.
    pub types: Vec<String>,
    /// The claim that says whose it is.
    pub account_claim: String,
    /// The claim with the groups, if they are read.
    pub groups_claim: Option<String>,
    /// How far the clocks may be apart.
    pub leeway_ms: i64,
    /// The longest that a token may live.
    pub lifetime_ms_max: i64,
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSays {
    /// Whose it is, by the name that the issuer has for them.
    pub subject: String,
    /// Their groups there.
    pub groups: Vec<String>,
}

/// Why a token proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// It is of another kind.
    #[error("the token is no access token: its `typ` is `{found}`, and this issuer's are {expected}")]
    OtherType {
        /// What it says it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// It tells a client who logged in.
    #[error("the token is an ID token (it has `{claim}`); send the access token instead")]
    IdToken {
        /// What gives it away.
        claim: &'static str,
    },
    /// It is for somebody else.
    #[error("the token is not for this server: its `aud` must be one of {expected}")]
    OtherAudience {
        /// What it should be.
        expected: String,
    },
    /// It is somebody else's.
    #[error("the token is not of the issuer that signed it")]
    OtherIssuer,
    /// Something that must be there is not, or is no such thing.
    #[error("the token has no usable `{claim}`")]
    Lacks {
        /// Which.
        claim: String,
    },
    /// Its time is over.
    #[error("the token has expired; ask for a new one")]
    Expired,
    /// Its time has not come.
    #[error("the token is not good yet (`{claim}`); check the clocks")]
    Early {
        /// `nbf` or `iat`.
        claim: &'static str,
    },
    /// Its life is longer than the operator admits.
    #[error("the token lives longer than the operator admits")]
    TooLong,
}

impl TokenRule {
    /// What a token says whose signature was found good. `typ` is that of its header.
    pub fn check(
        &self,
        typ: Option<&str>,
        claims: &Value,
        now: Timestamp,
    ) -> Result<TokenSays, TokenRefusal> {
        let found = typ.unwrap_or_default().to_ascii_lowercase();
        let bare = found.strip_prefix("application/").unwrap_or(&found);
        if !self.types.iter().any(|kind| kind == bare) {
            let found = bare.chars().take(40).collect();
            return Err(TokenRefusal::OtherType { found, expected: quoted(&self.types) });
        }
        if let Some(claim) = OF_ID_TOKENS.into_iter().find(|claim| claims.get(claim).is_some()) {
            return Err(TokenRefusal::IdToken { claim });
        }
        for (claim, said) in [("typ", "id"), ("token_use", "id")] {
            if text(claims, claim).is_some_and(|text| text.eq_ignore_ascii_case(said)) {
                return Err(TokenRefusal::IdToken { claim });
            }
        }
        if text(claims, "iss") != Some(&self.issuer) {
            return Err(TokenRefusal::OtherIssuer);
        }
        if !self.is_for_us(claims) {
            return Err(TokenRefusal::OtherAudience { expected: quoted(&self.audience) });
        }
        self.check_times(claims, now)?;
        let lacks = || TokenRefusal::Lacks { claim: self.account_claim.clone() };
        let subject = text(claims, &self.account_claim).filter(|text| usable(text)).ok_or_else(lacks)?;
        let groups = self.groups_claim.as_ref().and_then(|claim| claims.get(claim));
        let groups = groups.and_then(Value::as_array).into_iter().flatten().take(GROUPS_MAX);
        let groups =
            groups.filter_map(Value::as_str).filter(|text| usable(text)).map(str::to_owned).collect();
        Ok(TokenSays { subject: subject.to_owned(), groups })
    }

    fn is_for_us(&self, claims: &Value) -> bool {
        let known =
            |said: &Value| said.as_str().is_some_and(|said| self.audience.iter().any(|ours| ours == said));
        match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(known),
            Some(one) => known(one),
            None => false,
        }
    }

    fn check_times(&self, claims: &Value, now: Timestamp) -> Result<(), TokenRefusal> {
        let now = now.as_millis();
        let expires = required(claims, "exp")?;
        let issued = required(claims, "iat")?;
        if now >= expires.saturating_add(self.leeway_ms) {
            return Err(TokenRefusal::Expired);
        }
        if issued > now.saturating_add(self.leeway_ms) {
            return Err(TokenRefusal::Early { claim: "iat" });
        }
        if claims.get("nbf").is_some() && required(claims, "nbf")? > now.saturating_add(self.leeway_ms) {
            return Err(TokenRefusal::Early { claim: "nbf" });
        }
        if expires.saturating_sub(issued) > self.lifetime_ms_max {
            return Err(TokenRefusal::TooLong);
        }
        Ok(())
    }
}

/// A time in seconds, perhaps with a fraction, as milliseconds.
pub(crate) fn required(claims: &Value, claim: &str) -> Result<i64, TokenRefusal> {
    let lacks = || TokenRefusal::Lacks { claim: claim.to_owned() };
    let value = claims.get(claim).ok_or_else(lacks)?;
    if let Some(seconds) = value.as_i64() {
        return seconds.checked_mul(1_000).ok_or_else(lacks);
    }
    let seconds = value.as_f64().filter(|seconds| seconds.abs() < 1e12).ok_or_else(lacks)?;
    Ok((seconds * 1e3) as i64)
}

pub(crate) fn text<'a>(claims: &'a Value, claim: &str) -> Option<&'a str> {
    claims.get(claim)?.as_str()
}

pub(crate) fn usable(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_MAX && !text.chars().any(char::is_control)
}

pub(crate) fn quoted(all: &[String]) -> String {
    let all: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn rule() -> TokenRule {
        TokenRule {
            issuer: "https://idp.mercy".to_owned(),
            audience: vec!["interlock".to_owned(), "interlock-test".to_owned()],
            types: vec!["at+jwt".to_owned()],
            account_claim: "sub".to_owned(),
            groups_claim: Some("groups".to_owned()),
            leeway_ms: 30_000,
            lifetime_ms_max: 3_600_000,
        }
    }

    fn claims() -> Value {
        json!({ "iss": "https://idp.mercy", "aud": "interlock", "sub": "ana", "iat": NOW - 60, "nbf": NOW - 60,
            "exp": NOW + 600, "groups": ["safety", 7, ""] })
    }

    fn check(typ: &str, alter: impl FnOnce(&mut Value)) -> Result<TokenSays, TokenRefusal> {
        let mut claims = claims();
        alter(&mut claims);
        rule().check(Some(typ), &claims, Timestamp::from_millis(NOW * 1_000))
    }

    fn set(claim: &'static str, value: Value) -> impl FnOnce(&mut Value) {
        move |claims| claims[claim] = value
    }

    fn without(claim: &'static str) -> impl FnOnce(&mut Value) {
        move |claims| _ = claims.as_object_mut().unwrap().remove(claim)
    }

    #[test]
    fn a_good_token_says_whose_it_is() {
        let said = TokenSays { subject: "ana".to_owned(), groups: vec!["safety".to_owned()] };
        assert_eq!(check("at+jwt", |_| {}), Ok(said.clone()));
        assert_eq!(
            check("application/AT+JWT", set("aud", json!(["other", "interlock-test"]))),
            Ok(said.clone())
        );
        assert_eq!(check("at+jwt", without("nbf")), Ok(said));
    }

    #[test]
    fn what_is_missing_or_of_somebody_else_is_refused() {
        use TokenRefusal as R;
        let lacks = |claim: &str| R::Lacks { claim: claim.to_owned() };
        for claim in ["exp", "iat", "sub"] {
            assert_eq!(check("at+jwt", without(claim)), Err(lacks(claim)));
            assert_eq!(check("at+jwt", set(claim, json!({}))), Err(lacks(claim)));
        }
        assert_eq!(check("at+jwt", set("nbf", json!("now"))), Err(lacks("nbf")));
        assert_eq!(check("at+jwt", set("sub", json!("a\nb"))), Err(lacks("sub")));
        assert_eq!(check("at+jwt", set("exp", json!(i64::MAX))), Err(lacks("exp")));
        for audience in [json!("other"), json!([]), json!(["other"]), json!(7)] {
            assert!(matches!(check("at+jwt", set("aud", audience)), Err(R::OtherAudience { .. })));
        }
        assert!(matches!(check("at+jwt", without("aud")), Err(R::OtherAudience { .. })));
        for issuer in [json!("https://idp.mercy/"), json!("https://idp.grace"), Value::Null] {
            assert_eq!(check("at+jwt", set("iss", issuer)), Err(R::OtherIssuer));
        }
        assert_eq!(check("at+jwt", without("iss")), Err(R::OtherIssuer));
    }

    #[test]
    fn an_id_token_opens_nothing() {
        for claim in OF_ID_TOKENS {
            assert_eq!(check("at+jwt", set(claim, json!("x"))), Err(TokenRefusal::IdToken { claim }));
        }
        for (claim, said) in [("typ", "ID"), ("token_use", "id")] {
            assert_eq!(check("at+jwt", set(claim, json!(said))), Err(TokenRefusal::IdToken { claim }));
        }
        for typ in ["jwt", "", "logout+jwt"] {
            assert!(matches!(check(typ, |_| {}), Err(TokenRefusal::OtherType { .. })), "{typ}");
        }
    }

    #[test]
    fn times_are_kept_to_the_leeway() {
        use TokenRefusal as R;
        assert!(check("at+jwt", set("exp", json!(NOW - 29))).is_ok());
        assert_eq!(check("at+jwt", set("exp", json!(NOW - 30))), Err(R::Expired));
        for claim in ["nbf", "iat"] {
            assert!(check("at+jwt", set(claim, json!(NOW + 30))).is_ok());
            assert_eq!(check("at+jwt", set(claim, json!(NOW + 31))), Err(R::Early { claim }));
        }
        assert!(check("at+jwt", set("iat", json!(NOW - 3_000))).is_ok());
        assert_eq!(check("at+jwt", set("iat", json!(NOW - 3_001))), Err(R::TooLong));
    }
}
