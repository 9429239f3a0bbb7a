//! Signed requests (RFC 9421): the text that is signed, and what it must cover here.
//!
//! Nothing here knows keys, so the server and whoever signs build the same text with the same code.

use axum::http::HeaderMap;
use sfv::{Dictionary, InnerList, ListEntry, ListSerializer, Parser};

/// The `tag` of our signatures: one for something else is not for us.
pub const TAG: &str = "interlock-v1";
/// The fewest bytes that a nonce stands for: 128 bits.
const NONCE_BYTES_MIN: usize = 16;
/// The longest nonce and key id, in characters.
const TEXT_MAX: usize = 128;
/// Most components.
const COMPONENTS_MAX: usize = 32;

/// A request, as far as a signature can speak of it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// `POST`, …
    pub method: &'a str,
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The host, and the port when it is not the usual one; in lower case.
    pub authority: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query, without its `?`.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// A signature and what it says of itself. Nothing is proved yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed {
    /// Which key.
    pub key_id: String,
    /// The number that is used once.
    pub nonce: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it ends, in seconds since 1970.
    pub expires: i64,
    /// What it says that it was made with, if it says so.
    pub algorithm: Option<String>,
    /// The signature.
    pub signature: Vec<u8>,
    covered: Vec<String>,
    list: InnerList,
}

/// What is wrong with a signed request, before its signature is looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedFault {
    /// Headers that are no such thing.
    #[error("`{header}` cannot be read as RFC 9421 has it")]
    Unreadable {
        /// Which.
        header: &'static str,
    },
    /// None is for this server, or several are.
    #[error("there must be exactly one signature with `tag=\"interlock-v1\"`")]
    NotOne,
    /// A parameter that must be there.
    #[error("the signature has no usable `{parameter}`")]
    Lacks {
        /// Which.
        parameter: &'static str,
    },
    /// A part of the request that must be covered.
    #[error("the signature does not cover `{component}`")]
    Uncovered {
        /// Which.
        component: String,
    },
    /// Something that is covered and is not there, or that nobody here understands.
    #[error(
        "the signature covers `{component}`, which the request does not have or which is not understood here"
    )]
    Unknown {
        /// Which.
        component: String,
    },
    /// It lives too long.
    #[error("the signature lives {seconds} s, and {most} s is the most")]
    TooLong {
        /// How long.
        seconds: i64,
        /// How long it may.
        most: i64,
    },
    /// Its time is over.
    #[error("the signature has expired, or was made too long ago; sign it again and check the clocks")]
    Expired,
    /// Its time has not come.
    #[error("the signature was made in the future; check the clocks")]
    Early,
}

/// Reads the one signature that is for this server.
pub fn read(headers: &HeaderMap) -> Result<Signed, SignedFault> {
    let inputs = dictionary(headers, "signature-input")?;
    let signatures = dictionary(headers, "signature")?;
    let mut ours = inputs.iter().filter_map(|(label, entry)| match entry {
        ListEntry::InnerList(list) if text(list, "tag") == Some(TAG) => Some((label, list)),
        _ => None,
    });
    let (Some((label, list)), None) = (ours.next(), ours.next()) else { return Err(SignedFault::NotOne) };
    let signature = match signatures.get(label) {
        Some(ListEntry::Item(item)) => item.bare_item.as_byte_sequence().map(<[u8]>::to_vec),
        _ => None,
    };
    let signature = signature.ok_or(SignedFault::Unreadable { header: "Signature" })?;
    let mut covered = Vec::new();
    for item in list.items.iter().take(COMPONENTS_MAX + 1) {
        let name = item.bare_item.as_string().map(|name| name.as_str().to_owned());
        let name = name.ok_or(SignedFault::Unreadable { header: "Signature-Input" })?;
        let twice = covered.contains(&name);
        // A component with parameters is one of the responses and trailers that we have none of.
        if !item.params.is_empty() || twice || covered.len() == COMPONENTS_MAX {
            return Err(SignedFault::Unknown { component: name.chars().take(80).collect() });
        }
        covered.push(name);
    }
    let word = |parameter| {
        let text = text(list, parameter).filter(|text| !text.is_empty() && text.len() <= TEXT_MAX);
        text.map(str::to_owned).ok_or(SignedFault::Lacks { parameter })
    };
    Ok(Signed {
        key_id: word("keyid")?,
        nonce: word("nonce")?,
        created: number(list, "created")?,
        expires: number(list, "expires")?,
        algorithm: text(list, "alg").map(str::to_owned),
        signature,
        covered,
        list: list.clone(),
    })
}

impl Signed {
    /// Whether it covers all that it must, and its time is now. `life_secs_max` is how long it may live, `skew_secs` how far the
    /// clocks may be apart.
    pub fn check(
        &self,
        message: &Message<'_>,
        has_body: bool,
        now_secs: i64,
        life_secs_max: i64,
        skew_secs: i64,
    ) -> Result<(), SignedFault> {
        let there = |name: &str| message.headers.contains_key(name);
        let mut needed = vec!["@method", "@target-uri"];
        needed.extend((has_body || there("content-digest")).then_some("content-digest"));
        needed.extend((has_body || there("content-type")).then_some("content-type"));
        needed.extend((message.method == "POST" || there("idempotency-key")).then_some("idempotency-key"));
        if let Some(component) = needed.into_iter().find(|name| !self.covered.iter().any(|it| it == name)) {
            return Err(SignedFault::Uncovered { component: component.to_owned() });
        }
        // Characters of base64url or hexadecimal: 22 of them are the fewest that may hold 128 bits.
        if self.nonce.len() < (NONCE_BYTES_MIN * 8).div_ceil(6) {
            return Err(SignedFault::Lacks { parameter: "nonce" });
        }
        let seconds = self.expires.saturating_sub(self.created);
        if seconds > life_secs_max {
            return Err(SignedFault::TooLong { seconds, most: life_secs_max });
        }
        if self.created > now_secs.saturating_add(skew_secs) {
            return Err(SignedFault::Early);
        }
        let oldest = now_secs.saturating_sub(life_secs_max).saturating_sub(skew_secs);
        if now_secs >= self.expires.saturating_add(skew_secs) || self.created < oldest {
            return Err(SignedFault::Expired);
        }
        Ok(())
    }

    /// The text that is signed (RFC 9421, 2.5).
    pub fn base(&self, message: &Message<'_>) -> Result<String, SignedFault> {
        base(&self.covered, &parameters(&self.list), message)
    }
}

/// The text that is signed, of components and their serialized list with its parameters.
pub fn base(covered: &[String], parameters: &str, message: &Message<'_>) -> Result<String, SignedFault> {
    let mut text = String::new();
    for name in covered {
        let value = value(name, message).ok_or_else(|| SignedFault::Unknown { component: name.clone() })?;
        text.push_str(&format!("\"{name}\": {value}\n"));
    }
    text.push_str(&format!("\"@signature-params\": {parameters}"));
    Ok(text)
}

/// What a component stands for in this request; nothing when it is not there or not understood.
fn value(name: &str, message: &Message<'_>) -> Option<String> {
    let Message { method, scheme, authority, path, query, headers } = *message;
    let after = query.map(|query| format!("?{query}"));
    Some(match name {
        "@method" => method.to_owned(),
        "@scheme" => scheme.to_owned(),
        "@authority" => authority.to_owned(),
        "@path" => path.to_owned(),
        "@query" => after.unwrap_or_else(|| "?".to_owned()),
        "@request-target" => format!("{path}{}", after.unwrap_or_default()),
        "@target-uri" => format!("{scheme}://{authority}{path}{}", after.unwrap_or_default()),
        name if name.starts_with('@') || name.bytes().any(|byte| byte.is_ascii_uppercase()) => return None,
        name => {
            let lines = headers.get_all(name).iter().map(|line| line.to_str().map(str::trim));
            let lines: Vec<&str> = lines.collect::<Result<_, _>>().ok()?;
            if lines.is_empty() {
                return None;
            }
            lines.join(", ")
        }
    })
}

/// The list of components with its parameters, as it stands in the signed text.
fn parameters(list: &InnerList) -> String {
    let mut serializer = ListSerializer::new();
    serializer.members([&ListEntry::InnerList(list.clone())]);
    serializer.finish().unwrap_or_default()
}

fn dictionary(headers: &HeaderMap, header: &'static str) -> Result<Dictionary, SignedFault> {
    let unreadable = || SignedFault::Unreadable { header };
    let lines = headers.get_all(header).iter().map(|line| line.to_str());
    let lines: Vec<&str> = lines.collect::<Result<_, _>>().map_err(|_| unreadable())?;
    Parser::new(&lines.join(", ")).parse::<Dictionary>().map_err(|_| unreadable())
}

fn text<'a>(list: &'a InnerList, parameter: &str) -> Option<&'a str> {
    list.params.get(parameter)?.as_string().map(|text| text.as_str())
}

fn number(list: &InnerList, parameter: &'static str) -> Result<i64, SignedFault> {
    let number = list.params.get(parameter).and_then(|value| value.as_integer()).map(i64::from);
    number.ok_or(SignedFault::Lacks { parameter })
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
