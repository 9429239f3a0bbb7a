//! Networks: which addresses somebody may come from.

// Only the types: nothing here opens a connection.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A range of addresses, as `10.0.0.0/8`, `2001:db8::/32` or one address. An IPv4 address inside an IPv6 one
/// (`::ffff:10.0.0.1`) is the IPv4 address, wherever it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    first: IpAddr,
    /// How many leading bits an address has in common with it.
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No address, or no such length.
    #[error("`{text}` is no network; write it as `10.0.0.0/8`, `2001:db8::/32` or one address")]
    Malformed {
        /// What was given.
        text: String,
    },
    /// It names an address inside the network: one of the two parts is a mistake.
    #[error("`{text}` has bits beyond its prefix; write `{network}`, or a longer prefix")]
    BitsBeyond {
        /// What was given.
        text: String,
        /// The network that the address is in.
        network: Network,
    },
}

impl Network {
    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix) == Some(self.first)
    }

    /// Whether all of another network is in it.
    pub fn covers(&self, other: &Network) -> bool {
        self.first.is_ipv4() == other.first.is_ipv4()
            && self.prefix <= other.prefix
            && self.contains(other.first)
    }

    fn of(address: IpAddr, prefix: u8) -> Option<(Self, bool)> {
        let (address, prefix) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) => (v4, prefix.checked_sub(96)?),
            (given, _) => (given, prefix),
        };
        let first = masked(address, prefix)?;
        Some((Self { first, prefix }, first == address))
    }
}

/// The address with only its first bits; `None` when it has no so many.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => {
            let beyond = 32u32.checked_sub(u32::from(prefix))?;
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(beyond).unwrap_or(0)))
        }
        IpAddr::V6(address) => {
            let beyond = 128u32.checked_sub(u32::from(prefix))?;
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(beyond).unwrap_or(0)))
        }
    })
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let shown = || text.chars().take(80).collect::<String>();
        let read = || {
            let Some((address, prefix)) = text.split_once('/') else {
                let address: IpAddr = text.parse().ok()?;
                return Self::of(address, if address.is_ipv4() { 32 } else { 128 });
            };
            let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
            Self::of(address.parse().ok()?, prefix.parse().ok().filter(|_| digits)?)
        };
        match read() {
            Some((network, true)) => Ok(network),
            Some((network, false)) => Err(NetworkError::BitsBeyond { text: shown(), network }),
            None => Err(NetworkError::Malformed { text: shown() }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;
    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "::1", "127.0.0.1"),
            ("::1", "::1", "::2"),
        ] {
            assert!(network(text).contains(inside.parse().unwrap()), "{inside} in {text}");
            assert!(!network(text).contains(outside.parse().unwrap()), "{outside} in {text}");
        }
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_the_ipv4_address() {
        assert!(network("10.0.0.0/8").contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!network("::ffff:10.0.0.0/104").contains("11.0.0.1".parse().unwrap()));
        assert_eq!(network("::ffff:10.0.0.0/104"), network("10.0.0.0/8"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1/32"));
    }

    #[test]
    fn what_is_no_network_is_refused_and_a_slip_is_told() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "pump",
            "::ffff:10.0.0.0/95",
        ] {
            assert!(matches!(text.parse::<Network>(), Err(NetworkError::Malformed { .. })), "{text}");
        }
        let slip = "10.0.0.1/8".parse::<Network>().unwrap_err().to_string();
        assert!(slip.contains("write `10.0.0.0/8`"), "{slip}");
    }

    #[test]
    fn a_network_is_written_as_it_is_read() {
        for text in ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"] {
            assert_eq!(serde_json::to_string(&network(text)).unwrap(), format!("\"{text}\""));
            assert_eq!(network(text).to_string(), text);
        }
    }
}
