//! What makes a password good enough: length, and that it is not among the first that somebody tries. No rules about
//! which characters it is made of (NIST SP 800-63B).

use unicode_normalization::UnicodeNormalization as _;

/// Shortest password.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// What is tried first, of those that are long enough. Compared without case, digits and marks at the end.
const COMMON: [&str; 34] = [
    "passwordpassword",
    "password",
    "passwort",
    "passwortpasswort",
    "motdepasse",
    "contraseña",
    "administrator",
    "adminadmin",
    "letmein",
    "letmeinletmein",
    "letmeinplease",
    "qwertyuiop",
    "qwertyqwerty",
    "qwertzuiop",
    "qwertzqwertz",
    "azertyuiop",
    "asdfghjkl",
    "asdfghjklasdf",
    "iloveyou",
    "iloveyouiloveyou",
    "welcome",
    "welcomewelcome",
    "changeme",
    "changemechangeme",
    "changemeplease",
    "trustno",
    "superman",
    "monkeymonkey",
    "dragondragon",
    "sunshinesunshine",
    "princessprincess",
    "footballfootball",
    "correcthorsebatterystaple",
    "interlockinterlock",
];

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Too short or too long.
    #[error("a password has 12 to 128 characters; a sentence of your own is a good one")]
    Length,
    /// Among the first that are tried.
    #[error("this password is among the first that somebody would try; choose one of your own")]
    Common,
    /// The account's name.
    #[error("a password is not the account's name; choose another")]
    Name,
}

/// A password that somebody gives in the one form that is hashed (NFKC); nothing for what never was one, by its length. Which ones
/// may be set is no matter here: one that was set stays good when more of them are called common.
pub fn password_as_hashed(text: &str) -> Option<String> {
    // Cut before it is looked at: what comes from outside may be of any length.
    if text.len() > PASSWORD_CHARS_MAX * 4 {
        return None;
    }
    let normal: String = text.nfkc().collect();
    (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&normal.chars().count()).then_some(normal)
}

/// A password to be set, as it is hashed, or why it is not taken.
pub fn password(text: &str, name: &str) -> Result<String, PasswordFault> {
    let normal = password_as_hashed(text).ok_or(PasswordFault::Length)?;
    let plain = |text: &str| -> String {
        let kept: String = text.nfkc().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
        kept.trim_end_matches(|c: char| !c.is_alphabetic()).to_owned()
    };
    let (bare, name) = (plain(&normal), plain(name));
    if !name.is_empty() && !bare.is_empty() && bare.replace(&name, "").is_empty() {
        return Err(PasswordFault::Name);
    }
    let distinct: std::collections::BTreeSet<char> = normal.chars().collect();
    if COMMON.contains(&bare.as_str()) || distinct.len() < 4 || is_run(&normal) {
        return Err(PasswordFault::Common);
    }
    Ok(normal)
}

/// `123456789012`, `abcdefghijkl`: each character follows the one before.
fn is_run(text: &str) -> bool {
    let codes: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
    codes.windows(2).all(|pair| matches!(pair[1] - pair[0], 1 | -1 | -9 | 9))
}
