//! What may be in a segment, in a few bytes: a Bloom filter (Bloom 1970, with the double hashing of Kirsch and
//! Mitzenmacher 2006). It never says no of what is there, and yes of one in a hundred of what is not.

use std::collections::BTreeSet;

use interlock_ledger::Digest;

/// Bits for each thing in it: with [`PROBES`], one in a hundred is a false yes.
const BITS_EACH: usize = 10;
/// Bits that are looked at for each.
const PROBES: u64 = 7;

/// Makes the filter of these texts.
pub(super) fn of(texts: &BTreeSet<String>) -> Vec<u8> {
    let mut filter = vec![0_u8; (texts.len() * BITS_EACH).div_ceil(8).max(8)];
    for text in texts {
        for bit in bits(text, filter.len()) {
            filter[bit / 8] |= 1 << (bit % 8);
        }
    }
    filter
}

/// Whether the text may be in it.
pub(super) fn may_hold(filter: &[u8], text: &str) -> bool {
    !filter.is_empty() && bits(text, filter.len()).all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0)
}

fn bits(text: &str, bytes: usize) -> impl Iterator<Item = usize> {
    let digest = Digest::of(text);
    let number = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&digest.as_bytes()[at..at + 8]);
        u64::from_le_bytes(number)
    };
    let (first, step) = (number(0), number(8) | 1);
    let bits = (bytes as u64).saturating_mul(8).max(1);
    (0..PROBES)
        .map(move |probe| usize::try_from(first.wrapping_add(probe.wrapping_mul(step)) % bits).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_denied_and_little_else_is_let_through() {
        let there: BTreeSet<String> = (0..2_000).map(|n| format!("principal=user:{n}")).collect();
        let filter = of(&there);
        assert!(there.iter().all(|text| may_hold(&filter, text)));
        let wrongly = (0..10_000).filter(|n| may_hold(&filter, &format!("principal=other:{n}"))).count();
        assert!(wrongly < 200, "{wrongly} of 10,000");
    }

    #[test]
    fn an_empty_one_holds_nothing() {
        assert!(!may_hold(&of(&BTreeSet::new()), "principal=ana"));
    }
}
