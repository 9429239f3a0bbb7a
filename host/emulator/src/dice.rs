//! Chance that is the same every time: a hash of the seed and of what it is for.

/// Spreads a number over all 64 bits: the finaliser of splitmix64.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A number for a device: FNV-1a over its id, mixed with the seed.
pub(crate) fn of_device(seed: u64, id: &str) -> u64 {
    let name = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(mix(seed).wrapping_add(name))
}

/// The `n`th throw of a device, from 0 up to but not 1.
pub(crate) fn throw(device: u64, n: u64) -> f64 {
    // 53 bits are what a double holds exactly.
    (mix(device.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_are_the_same_every_time_and_even() {
        let device = of_device(1, "pump-1");
        assert_eq!(device, of_device(1, "pump-1"));
        assert_ne!(device, of_device(2, "pump-1"));
        assert_ne!(device, of_device(1, "pump-2"));
        let mean = (0..10_000).map(|n| throw(device, n)).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }
}
