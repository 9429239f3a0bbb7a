//! One digest over many rows, in no order, that follows each alteration without reading the others.
//!
//! LtHash (Bellare and Micciancio, 1997; Lewi and others, 2019, <https://eprint.iacr.org/2019/227>): each row is spread
//! over 1024 numbers of 16 bits, and the numbers of all rows are added up. Two sets of rows with one sum are as hard to
//! find as a short vector of a lattice; a plain exclusive or of digests would fall to linear algebra.

use interlock_ledger::Digest;

const NUMBERS: usize = 1024;
/// Numbers that one SHA-256 yields.
const STRIDE: usize = 16;

/// The sum over rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum(Vec<u16>);

impl Sum {
    /// Over no rows.
    pub(crate) fn new() -> Self {
        Self(vec![0; NUMBERS])
    }

    /// As [`Sum::to_bytes`] wrote it; `None` for anything else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let numbers: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        (numbers.len() == NUMBERS && rest.is_empty()).then_some(Self(numbers))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// What entries of the ledger carry.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.to_bytes())
    }

    pub(crate) fn add(&mut self, row: &str) {
        self.each(row, u16::wrapping_add);
    }

    pub(crate) fn take(&mut self, row: &str) {
        self.each(row, u16::wrapping_sub);
    }

    fn each(&mut self, row: &str, with: fn(u16, u16) -> u16) {
        let seed = Digest::of(row);
        for (block, numbers) in self.0.chunks_exact_mut(STRIDE).enumerate() {
            let mut input = seed.as_bytes().to_vec();
            input.extend((block as u32).to_le_bytes());
            let spread = Digest::of(input);
            let (pairs, _) = spread.as_bytes().as_chunks::<2>();
            for (number, pair) in numbers.iter_mut().zip(pairs) {
                *number = with(*number, u16::from_le_bytes(*pair));
            }
        }
    }
}

/// A record, as it goes into the sum.
pub(crate) fn of_record(id: &str, modified_ms: i64, digest: &str) -> String {
    serde_json::json!(["record", id, modified_ms, digest]).to_string()
}

/// As of when an ecosystem is complete, as it goes into the sum.
pub(crate) fn of_ecosystem(name: &str, as_of_ms: i64, imported_ms: i64) -> String {
    serde_json::json!(["ecosystem", name, as_of_ms, imported_ms]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_knows_its_rows_and_not_their_order() {
        let of = |rows: &[&str]| {
            let mut sum = Sum::new();
            rows.iter().for_each(|row| sum.add(row));
            sum
        };
        assert_eq!(of(&["a", "b"]), of(&["b", "a"]));
        for other in [&["a"][..], &["a", "b", "b"], &["ab"], &[]] {
            assert_ne!(of(&["a", "b"]).digest(), of(other).digest(), "{other:?}");
        }
        let mut less = of(&["a", "b", "c"]);
        less.take("b");
        assert_eq!(less, of(&["c", "a"]));
        assert_eq!(Sum::from_bytes(&less.to_bytes()), Some(less));
        assert_eq!(Sum::from_bytes(&[0; 2047]), None);
    }
}
