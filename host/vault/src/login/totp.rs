//! One-time codes (RFC 6238): SHA-1, six digits, steps of 30 seconds, as every authenticator app makes them. Thirty lines over
//! an HMAC that is here already, and which step a code is of is what a caller needs and libraries keep to themselves.

use aws_lc_rs::hmac;
use interlock_domain::in_address;
use zeroize::Zeroizing;

/// How long one code lasts.
pub const STEP_MS: i64 = 30_000;
/// The length that RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A code as somebody typed it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(u32);

impl Code {
    /// Six digits; spaces between them are no matter.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != ' ').take(7).collect();
        let fits = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| digits.parse().ok().map(Self))?
    }

    /// The step that this is the code of, one before and one after included; the latest of them.
    pub fn step(self, secret: &[u8], at_ms: i64) -> Option<u64> {
        let now = step_at(at_ms);
        // All three are worked out: the time that it takes says nothing.
        let fits = [now.saturating_sub(1), now, now.saturating_add(1)]
            .map(|step| (step, number(secret, step) == self.0));
        fits.into_iter().rev().find(|(_, fits)| *fits).map(|(step, _)| step)
    }
}

/// The step of a time.
pub fn step_at(at_ms: i64) -> u64 {
    u64::try_from(at_ms / STEP_MS).unwrap_or_default()
}

/// The code of a step, as an app shows it.
pub fn code_at(secret: &[u8], step: u64) -> String {
    format!("{:06}", number(secret, step))
}

/// A fresh secret; `None` when the system gives no randomness.
pub fn new_secret() -> Option<Zeroizing<Vec<u8>>> {
    let mut secret = Zeroizing::new(vec![0; SECRET_BYTES]);
    aws_lc_rs::rand::fill(&mut secret).ok()?;
    Some(secret)
}

/// What an app reads from a picture: `otpauth://totp/…`.
pub fn uri(secret: &[u8], issuer: &str, account: &str) -> Zeroizing<String> {
    let (issuer, account) = (in_address(issuer), in_address(account));
    let secret = Zeroizing::new(base32(secret));
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period=30",
        secret.as_str()
    ))
}

fn number(secret: &[u8], step: u64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
    let word = tag.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes);
    (word & 0x7fff_ffff) % 1_000_000
}

/// RFC 4648 without padding.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(BASE32[(held << (5 - bits) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    /// The last six digits of RFC 6238's table for SHA-1.
    #[test]
    fn codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(SECRET, step_at(seconds * 1_000)), code, "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_before_and_after_and_no_longer() {
        let code = Code::parse("287 082").unwrap();
        for (at_ms, step) in [(-1, None), (0, Some(1)), (59_999, Some(1)), (89_999, Some(1)), (90_000, None)]
        {
            let expected = if at_ms < 0 { Some(1) } else { step };
            assert_eq!(code.step(SECRET, at_ms), expected, "{at_ms}");
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        for text in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert!(Code::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_app_is_told_everything_and_names_are_escaped() {
        assert_eq!(
            uri(b"Hello!\xde\xad\xbe\xef", "Mercy", "Ana & Co").as_str(),
            "otpauth://totp/Mercy:Ana%20%26%20Co?secret=JBSWY3DPEHPK3PXP&issuer=Mercy&algorithm=SHA1&digits=6&period=30"
        );
    }
}
