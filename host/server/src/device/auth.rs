//! Who speaks: a device with its own token, or a gateway that may speak for every device of its tenant.
//!
//! **Invariant:** whatever is wrong (header, token, tenant, device, a device out of service), the answer is the same.

use std::sync::Arc;

use axum::{
    extract::{self, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use interlock_domain::{Assignment, Device, DeviceId, DeviceState, State, TenantId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::error::DdiError;
use crate::{App, flow, flow::poll::Proof, peer::Peer};

/// Lets a device through as often as `http.limits.devices` says, before anything is looked up. Counted by address and name
/// together: whoever takes its name elsewhere does not use up what is its own.
pub(super) async fn in_time(
    extract::State(app): extract::State<Arc<App>>,
    peer: Peer,
    path: Result<RawPathParams, extract::rejection::RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Result<Response, DdiError> {
    let path = path.map_err(|_| DdiError::unauthorized())?;
    let named = |name| path.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    match app.limits.device(named("tenant"), named("device"), peer.0, app.clock.now()) {
        Ok(_) => Ok(next.run(request).await),
        Err(often) => Err(DdiError::too_often(often.retry_in_secs())),
    }
}

/// Whom somebody claims to speak for, before anything was looked up.
#[derive(Debug)]
pub(super) struct Claim {
    tenant: TenantId,
    device: DeviceId,
    token: Token,
}

/// SHA-256 of what was shown.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Target([u8; 32]),
    Gateway([u8; 32]),
}

/// A device that is who it says, and what proved it.
pub(super) struct Speaker {
    pub(super) device: Device,
    pub(super) proof: Proof,
}

impl Claim {
    /// The device and what it has going on, in one look, when the claim holds.
    pub(super) async fn look(&self, app: &App) -> Result<(Device, Option<(Assignment, State)>), DdiError> {
        match flow::poll::look(app, &self.tenant, &self.device).await? {
            Some((device, live)) => Ok((self.admit(app, device)?, live)),
            None => Ok((self.enroll(app).await?, None)),
        }
    }

    /// The device, when the claim holds.
    async fn speaker(&self, app: &App) -> Result<Device, DdiError> {
        match flow::poll::device(app, &self.tenant, &self.device).await? {
            Some(device) => self.admit(app, device),
            None => self.enroll(app).await,
        }
    }

    /// A gateway may speak for a device that nobody registered: it is registered then, as hawkBit does it.
    async fn enroll(&self, app: &App) -> Result<Device, DdiError> {
        if !self.gateway_admits(app) {
            return Err(DdiError::unauthorized());
        }
        self.admit(app, flow::poll::enroll(app, &self.tenant, &self.device).await?)
    }

    fn admit(&self, app: &App, device: Device) -> Result<Device, DdiError> {
        let known = match &self.token {
            Token::Target(shown) => device.token_sha256.as_deref().is_some_and(|kept| same(shown, kept)),
            Token::Gateway(_) => self.gateway_admits(app),
        };
        if !known || device.state == DeviceState::Retired {
            return Err(DdiError::unauthorized());
        }
        app.seen.note(&device, app.clock.now());
        Ok(device)
    }

    fn gateway_admits(&self, app: &App) -> bool {
        let kept = app.config.devices.gateway_token_sha256.get(&self.tenant);
        matches!((&self.token, kept), (Token::Gateway(shown), Some(kept)) if same(shown, kept))
    }
}

impl Token {
    /// Exactly one `Authorization: TargetToken …` or `GatewayToken …`: one space, and upper case where it stands.
    fn of(headers: &HeaderMap) -> Option<Token> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(text), None) = (given.next(), given.next()) else { return None };
        let (scheme, token) = text.to_str().ok()?.split_once(' ')?;
        if !flow::device::is_token(token) {
            return None;
        }
        let hash = Sha256::digest(token.as_bytes()).into();
        match scheme {
            "TargetToken" => Some(Token::Target(hash)),
            "GatewayToken" => Some(Token::Gateway(hash)),
            _ => None,
        }
    }
}

/// Whether this is the hash that is kept in hexadecimal. Takes the same time for every wrong one.
fn same(shown: &[u8; 32], kept: &str) -> bool {
    let mut bytes = [0; 32];
    hex::decode_to_slice(kept, &mut bytes).is_ok() && shown.ct_eq(&bytes).into()
}

impl FromRequestParts<Arc<App>> for Claim {
    type Rejection = DdiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, DdiError> {
        let path =
            RawPathParams::from_request_parts(parts, app).await.map_err(|_| DdiError::unauthorized())?;
        let named = |name| path.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
        let claim = || {
            Some(Claim {
                tenant: named("tenant")?.parse().ok()?,
                device: named("device")?.parse().ok()?,
                token: Token::of(&parts.headers)?,
            })
        };
        claim().ok_or_else(DdiError::unauthorized)
    }
}

impl FromRequestParts<Arc<App>> for Speaker {
    type Rejection = DdiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, DdiError> {
        let claim = Claim::from_request_parts(parts, app).await?;
        let device = claim.speaker(app).await?;
        let proof = match claim.token {
            Token::Target(_) => Proof::TargetToken,
            Token::Gateway(_) => Proof::GatewayToken,
        };
        Ok(Speaker { device, proof })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(values: &[&'static str]) -> Option<Token> {
        let values = values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        Token::of(&headers)
    }

    #[test]
    fn a_token_has_an_exact_prefix_and_one_space() {
        assert_eq!(token(&["TargetToken abc"]), Some(Token::Target(Sha256::digest("abc").into())));
        assert_eq!(token(&["GatewayToken abc"]), Some(Token::Gateway(Sha256::digest("abc").into())));
        for wrong in [
            "targettoken abc",
            "TARGETTOKEN abc",
            "TargetToken  abc",
            "TargetToken abc def",
            "TargetToken\tabc",
            "TargetToken",
            "TargetToken ",
            "Bearer abc",
            "abc",
            "",
        ] {
            assert_eq!(token(&[wrong]), None, "{wrong:?}");
        }
        assert_eq!(token(&["TargetToken abc", "TargetToken abc"]), None);
        assert_eq!(token(&[]), None);
    }

    #[test]
    fn a_kept_hash_that_is_none_matches_nothing() {
        let shown = Sha256::digest("abc").into();
        assert!(same(&shown, &hex::encode(shown)));
        assert!(same(&shown, &hex::encode_upper(shown)));
        for kept in ["", "00", "xyz", &hex::encode(Sha256::digest("abd"))] {
            assert!(!same(&shown, kept), "{kept}");
        }
    }
}
