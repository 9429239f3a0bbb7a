//! Who comes first: a deterministic order of the targets of a rollout.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{ChangeId, DeviceId};

/// The two sides that health is judged over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cohort {
    /// Targets that the rollout has reached.
    Treatment,
    /// Targets of the same population that it has not reached.
    Control,
}

/// Orders the targets of a change: every change shuffles anew, the same change always the same way. The
/// returned list is the rollout's order; a target's place in it is its rank.
pub fn rank(change: &ChangeId, mut targets: Vec<DeviceId>) -> Vec<DeviceId> {
    targets.sort_by_cached_key(|target| {
        let mut hash = Sha256::new();
        hash.update(change.as_str());
        hash.update([0]);
        hash.update(target.as_str());
        (<[u8; 32]>::from(hash.finalize()), target.clone())
    });
    targets
}

/// So many of `size` targets are `basis_points` of them, rounded up to whole targets.
pub fn percent_of(basis_points: u32, size: u64) -> u64 {
    let points = u128::from(basis_points.min(10_000));
    let exposed = (u128::from(size) * points).div_ceil(10_000);
    u64::try_from(exposed).unwrap_or(size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    proptest! {
        #[test]
        fn a_larger_share_never_reaches_fewer_and_all_is_all(size in 0u64..2_000_000, a in 0u32..=10_000, b in 0u32..=10_000) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(percent_of(low, size) <= percent_of(high, size));
            prop_assert_eq!(percent_of(10_000, size), size);
            prop_assert_eq!(percent_of(0, size), 0);
        }

        #[test]
        fn the_order_does_not_depend_on_the_order_of_the_input(mut ids in proptest::collection::hash_set("[a-z]{1,8}", 1..40)) {
            let targets: Vec<DeviceId> = ids.drain().map(|id| id.parse().unwrap()).collect();
            let mut reversed = targets.clone();
            reversed.reverse();
            let change = ChangeId::new(Uuid::from_u128(9));
            prop_assert_eq!(rank(&change, targets), rank(&change, reversed));
        }
    }

    #[test]
    fn one_of_few_is_rounded_up() {
        assert_eq!(percent_of(500, 3), 1);
    }
}
