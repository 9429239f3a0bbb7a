//! An anchor by webhook, signed as Standard Webhooks says: <https://www.standardwebhooks.com>. Whoever receives it keeps it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use serde_json::json;

use super::{Known, Proof, answered, client, secret};
use crate::config::LedgerAnchor;

/// What the secret begins with.
const SECRET: &str = "whsec_";
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Who is told.
pub(super) struct Receiver {
    url: Url,
    key: hmac::Key,
    inside: bool,
    http: Client,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Receiver {
    pub(super) fn open(config: &LedgerAnchor) -> Result<Self, String> {
        let text = secret(&config.webhook_secret_file)?;
        let key = text.strip_prefix(SECRET).and_then(|key| STANDARD.decode(key).ok());
        let key = key.filter(|key| (24..=64).contains(&key.len())).ok_or_else(|| {
            format!(
                "`{}` holds no secret for webhooks: `{SECRET}` and the base64 of 24 to 64 bytes",
                config.webhook_secret_file.display()
            )
        })?;
        let url = Url::parse(&config.url).map_err(|error| error.to_string())?;
        let mut http = client(config);
        if !config.webhook_inside {
            http = http.dns_resolver(Arc::new(Outside)).no_proxy();
        }
        Ok(Self {
            url,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            inside: config.webhook_inside,
            http: http.build().map_err(|error| error.to_string())?,
        })
    }

    pub(super) async fn know(&self, known: &Known<'_>) -> Result<Proof, String> {
        // An address that stands as it is was never looked up.
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if !self.inside && host.parse::<IpAddr>().is_ok_and(|ip| !is_outside(ip)) {
            return Err(format!("`{host}` is an address inside; `webhook_inside = true` lets it be one"));
        }
        let id = format!("msg_{}", known.id.simple());
        let seconds = known.now.as_millis() / 1_000;
        let body = json!({
            "type": "ledger.checkpoint",
            "timestamp": known.now.to_string(),
            "data": {
                "origin": known.origin, "size": known.size, "sha256": known.digest.to_hex(), "checkpoint": known.note,
            },
        })
        .to_string();
        let signature = signature(&self.key, &id, seconds, &body);
        let request = self.http.post(self.url.clone()).header("content-type", "application/json");
        let request = request
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", &signature)
            .body(body.clone());
        let (status, _) = answered(request, ANSWER_BYTES_MAX).await?;
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        Ok(Proof { reference: format!("{id}, answered {}", status.as_u16()), proof: body.into_bytes() })
    }
}

/// As Standard Webhooks signs with a shared secret.
fn signature(key: &hmac::Key, id: &str, seconds: i64, body: &str) -> String {
    let tag = hmac::sign(key, format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

/// Finds only addresses outside, so that no name leads to what is inside.
#[derive(Debug)]
struct Outside;

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let outside: Vec<SocketAddr> = found.filter(|address| is_outside(address.ip())).collect();
            if outside.is_empty() {
                let detail =
                    format!("`{name}` has no address outside; `webhook_inside = true` lets it be one inside");
                return Err(detail.into());
            }
            let addresses: Addrs = Box::new(outside.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address is one of the public internet.
fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_outside_v4(address),
        IpAddr::V6(address) => is_outside_v6(address),
    }
}

fn is_outside_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Carriers' own, tests of speed, assignments of protocols.
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a == 192 && b == 0 && c == 0))
}

fn is_outside_v6(address: Ipv6Addr) -> bool {
    // Others carry an address of the older kind: that one counts.
    let segments = address.segments();
    let inner = match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some((segments[6], segments[7])),
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = inner {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_outside_v4(Ipv4Addr::new(a, b, c, d));
    }
    // All that was given out is in 2000::/3; documentation and Teredo are in it too.
    segments[0] & 0xe000 == 0x2000 && !matches!(segments, [0x2001, 0x0db8 | 0, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn messages_are_signed_as_the_specification_signs_them() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signed =
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn addresses_inside_are_told_from_those_outside() {
        let inside = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ];
        for text in inside {
            assert!(!is_outside(text.parse().unwrap()), "{text}");
        }
        for text in
            ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "2002:101:101::"]
        {
            assert!(is_outside(text.parse().unwrap()), "{text}");
        }
    }
}
