//! Stellar's keys as text (SEP-23): base32 of what kind it is, the key, and a checksum.

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// `G…`: an account.
pub(super) const ACCOUNT: u8 = 6 << 3;
/// `S…`: a secret key.
pub(super) const SECRET: u8 = 18 << 3;

/// The key in a text of this kind.
pub(super) fn decode(kind: u8, text: &str) -> Option<[u8; 32]> {
    if text.len() != 56 {
        return None;
    }
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::with_capacity(35));
    for symbol in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == symbol)?;
        bits = bits << 5 | u32::try_from(digit).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    let (payload, sum) = bytes.split_at_checked(33)?;
    if sum != checksum(payload).to_le_bytes() || payload.first() != Some(&kind) {
        return None;
    }
    payload.get(1..)?.try_into().ok()
}

/// A key as text.
pub(super) fn encode(kind: u8, key: &[u8; 32]) -> String {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(key);
    bytes.extend(checksum(&bytes).to_le_bytes());
    let (mut bits, mut held, mut text) = (0_u32, 0_u32, String::new());
    for byte in bytes {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(ALPHABET[(bits >> held & 31) as usize]));
        }
    }
    text
}

/// CRC-16/XMODEM.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(
            sum ^ u16::from(*byte) << 8,
            |sum, _| {
                if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of SEP-23.
    #[test]
    fn keys_are_written_and_read_as_the_specification_has_them() {
        let account = "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ";
        let key = decode(ACCOUNT, account).unwrap();
        assert_eq!(hex::encode(key), "3f0c34bf93ad0d9971d04ccc90f705511c838aad9734a4a2fb0d7a03fc7fe89a");
        assert_eq!(encode(ACCOUNT, &key), account);
        assert_eq!(decode(SECRET, &encode(SECRET, &key)), Some(key));
        for wrong in [
            "",
            "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGA",
            "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSG1",
            "SA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ",
        ] {
            assert_eq!(decode(ACCOUNT, wrong), None, "{wrong}");
        }
    }
}
