//! Where a request comes from.
//!
//! **Invariant:** only a proxy of `http.trusted_proxies` is believed, and of what it says only the part that it, or another
//! one of them, wrote itself: the rightmost address that is none of theirs. The leftmost is whatever a client likes to write.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Extensions, HeaderMap, request::Parts},
};
use interlock_domain::{Network, TenantId};

use crate::{
    App,
    config::{ForwardedHeader, Http},
    problem::{Kind, Problem},
};

/// Proxies that are walked back through, at most: a longer chain is not ours.
const HOPS_MAX: usize = 32;

/// The address that a request comes from, as the outermost layer leaves it in the request; nothing where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

impl Peer {
    /// Where this request comes from.
    pub(crate) fn of(http: &Http, extensions: &Extensions, headers: &HeaderMap) -> Self {
        let connected = extensions.get::<ConnectInfo<SocketAddr>>();
        Self(connected.map(|ConnectInfo(address)| client(http, address.ip(), headers)))
    }

    /// What the outermost layer found.
    pub(crate) fn found(extensions: &Extensions) -> Self {
        extensions.get::<Peer>().copied().unwrap_or(Peer(None))
    }

    /// Refuses whoever does not come from the networks of the tenant.
    pub(crate) fn admit(self, app: &App, tenant: &TenantId) -> Result<(), Problem> {
        match app.config.http.allow.get(tenant) {
            Some(networks) if !within(networks, self.0) => Err(self.refused("this tenant")),
            _ => Ok(()),
        }
    }

    /// The answer to who comes from elsewhere.
    pub(crate) fn refused(self, what: &str) -> Problem {
        let from = self.0.map_or("an unknown address".to_owned(), |address| format!("`{address}`"));
        Problem::new(
            Kind::AddressRefused,
            format!(
                "you come from {from}, and {what} may not be used from there; use one of its networks, or ask an \
                 administrator to add yours"
            ),
        )
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Peer::found(&parts.extensions))
    }
}

fn within(networks: &[Network], address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
}

/// The address of the client behind our own proxies.
fn client(http: &Http, connected: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut at = connected.to_canonical();
    if http.trusted_proxies.is_empty() {
        return at;
    }
    let hops = match http.forwarded_header {
        ForwardedHeader::XForwardedFor => listed(headers, "x-forwarded-for", plain),
        ForwardedHeader::Forwarded => listed(headers, "forwarded", forwarded),
    };
    for hop in hops.into_iter().rev().take(HOPS_MAX) {
        if !within(&http.trusted_proxies, Some(at)) {
            break;
        }
        // What is no address was not written by a proxy of ours; the one that passed it on is as far as we see.
        let Some(hop) = hop else { break };
        at = hop;
    }
    at
}

/// The elements of a header, over all its lines in order.
fn listed(headers: &HeaderMap, name: &str, read: fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.to_str().unwrap_or("?").split(',').map(read).collect::<Vec<_>>()).collect()
}

/// An element of `X-Forwarded-For`: an address, perhaps with a port.
fn plain(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// An element of `Forwarded` (RFC 7239): its one `for=`. A quoted string with a comma in it falls apart before it comes here,
/// and what falls apart is no address.
fn forwarded(text: &str) -> Option<IpAddr> {
    let mut found = text.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let (Some(node), None) = (found.next(), found.next()) else { return None };
    let quoted = node.strip_prefix('"').and_then(|node| node.strip_suffix('"'));
    plain(quoted.unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn check(header: ForwardedHeader, connected: &str, lines: &[&str], expected: &str) {
        let http = Http {
            trusted_proxies: ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap()).to_vec(),
            forwarded_header: header,
            ..Http::default()
        };
        let name = match header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(line).unwrap());
        }
        let found = client(&http, connected.parse().unwrap(), &headers);
        assert_eq!(found.to_string(), expected, "{connected} says {lines:?}");
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_of_ours_counts_and_never_the_leftmost() {
        let check = |connected, lines: &[&str], expected| {
            check(ForwardedHeader::XForwardedFor, connected, lines, expected);
        };
        check("198.51.100.1", &["192.0.2.7"], "198.51.100.1");
        check("10.0.0.1", &["192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["127.0.0.1, 192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["127.0.0.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7");
        check("10.0.0.1", &["127.0.0.1", "192.0.2.7", "10.0.0.2"], "192.0.2.7");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &["192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2");
        check("::ffff:10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7");
        check("2001:db8::1", &["[2001:db9::7]:4711"], "2001:db9::7");
        check("10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        let check = |lines: &[&str], expected| check(ForwardedHeader::Forwarded, "10.0.0.1", lines, expected);
        check(&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60");
        check(&["for=127.0.0.1, For=\"[2001:db9:cafe::17]:4711\""], "2001:db9:cafe::17");
        check(&["for=127.0.0.1, for=192.0.2.43", "for=10.0.0.2"], "192.0.2.43");
        check(&["for=192.0.2.7, for=_hidden"], "10.0.0.1");
        check(&["for=192.0.2.7, for=\"_a,for=192.0.2.8\""], "10.0.0.1");
        check(&["for=192.0.2.7;for=192.0.2.8"], "10.0.0.1");
    }

    #[test]
    fn a_chain_without_end_is_not_followed() {
        let chain = vec!["10.0.0.9"; 100_000].join(",");
        check(ForwardedHeader::XForwardedFor, "10.0.0.1", &[&format!("192.0.2.7,{chain}")], "10.0.0.9");
    }
}
