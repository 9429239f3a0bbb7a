//! The statistics, against reference values.
//!
//! Where scipy is named, the values come from scipy 1.17.1: `stats.rankdata` and `stats.tiecorrect` give z for a shift (which at 0
//! has the p-value of `stats.mannwhitneyu(x, y, method="asymptotic")`), and `optimize.brentq` with a tolerance of 1e-12 its
//! roots. Ours are within 1e-4 of them because that is the tolerance of the root search.

use proptest::prelude::*;

use super::{CONTROL, SLOW};
use crate::brent;
use crate::mann_whitney::{QUANTILE_98, Shift, shift, superiority, z};
use crate::samples;
use crate::settings::MetricSettings;

/// The upper 2.5 % point of the standard normal distribution.
const QUANTILE_95: f64 = 1.959_963_984_540_054;

/// The permeability constants of the human chorioamnion at term and earlier (M. Hollander, D. A. Wolfe, *Nonparametric
/// Statistical Methods*, 1973, p. 69), the example of R's `wilcox.test`. Sorted here.
const AT_TERM: [f64; 10] = [0.73, 0.80, 0.83, 1.04, 1.38, 1.45, 1.46, 1.64, 1.89, 1.91];
const EARLIER: [f64; 5] = [0.74, 0.88, 0.90, 1.15, 1.21];

/// The limits are these, to the tolerance of the root search.
fn limits(treatment: &[f64], control: &[f64], quantile: f64, low: f64, high: f64) -> Shift {
    let shift = shift(treatment, control, quantile).unwrap();
    close(shift.low, low);
    close(shift.high, high);
    shift
}

fn close(ours: f64, reference: f64) {
    assert!((ours - reference).abs() <= brent::TOLERANCE, "{ours} is not {reference}");
}

fn metric(settings: serde_json::Value) -> MetricSettings {
    serde_json::from_value(settings).unwrap()
}

#[test]
fn z_has_the_continuity_correction() {
    // By hand: U is 35 of 50 (R prints W = 35), sigma is sqrt(50 / 12 * 16), and z is (35 - 25 - 0.5) / sigma. scipy says
    // the same, and p = 0.24462360512698333.
    assert!((z(&AT_TERM, &EARLIER, 0.0) - 1.163_507_627_822_009_6).abs() < 1e-12);
    assert!((superiority(&AT_TERM, &EARLIER) - 0.7).abs() < 1e-12);
}

#[test]
fn z_is_corrected_for_ties() {
    // scipy: U = 117.5, p = 0.0001631196395218042.
    assert!((z(&SLOW, &CONTROL, 0.0) - 3.770_195_618_267_041_7).abs() < 1e-12);
    assert!((z(&CONTROL, &SLOW, 0.0) + 3.770_195_618_267_041_7).abs() < 1e-12);
    assert!((superiority(&SLOW, &CONTROL) - 117.5 / 120.0).abs() < 1e-12);
}

#[test]
fn no_difference_has_no_z() {
    assert_eq!(z(&CONTROL, &CONTROL, 0.0), 0.0);
    assert_eq!(z(&[1.0, 1.0], &[1.0], 0.0), 0.0);
}

#[test]
fn limits_and_estimate_are_those_of_scipy() {
    close(limits(&SLOW, &CONTROL, QUANTILE_98, 8.0, 22.0).estimate, 16.0);
    limits(&AT_TERM, &EARLIER, QUANTILE_95, -0.15, 0.76);
    let estimate = limits(&AT_TERM, &EARLIER, QUANTILE_98, -0.32, 0.99).estimate;
    // z is 0 between the 25th and the 26th of the 50 differences, 0.30 and 0.31: any of these is an estimate.
    assert!((0.299..=0.311).contains(&estimate), "{estimate}");
}

#[test]
fn kayentas_own_example_comes_out() {
    // The first vector of Kayenta's test of its Mann-Whitney: limits 6 and 39, estimate 22.5, at 95 %. scipy agrees, also at
    // 98 %, where even the widest shift of so few samples is not significant and the limits are those of the data.
    let (treatment, control) = ([10.0, 20.0, 30.0, 40.0], [1.0, 2.0, 3.0, 4.0]);
    for quantile in [QUANTILE_95, QUANTILE_98] {
        // z is 0 from the 8th of the 16 differences to the 9th, 19 to 26; both searches land in the middle.
        close(limits(&treatment, &control, quantile, 6.0, 39.0).estimate, 22.5);
    }
}

#[test]
fn samples_without_any_variance_have_no_shift() {
    assert_eq!(shift(&[5.0], &[3.0], QUANTILE_98), None);
    assert_eq!(shift(&[5.0, 5.0], &[0.0, 0.0, 0.0], QUANTILE_98), None);
    assert_eq!(shift(&[], &[1.0], QUANTILE_98), None);
    assert_eq!(shift(&[-f64::MAX, f64::MAX], &[-f64::MAX, f64::MAX], QUANTILE_98), None);
}

#[test]
fn brent_finds_roots_and_steps() {
    close(brent::root(|x| 2.0 - x * x, 0.0, 2.0), 2f64.sqrt());
    close(brent::root(|x| 1.0 - x.exp(), -30.0, 3.0), 0.0);
    close(brent::root(|x| if x < 0.123 { 1.0 } else { -1.0 }, -1e6, 1e6), 0.123);
    assert_eq!(brent::root(|x| -x, 0.0, 5.0), 0.0);
    assert_eq!(brent::root(|x| 5.0 - x, 0.0, 5.0), 5.0);
}

#[test]
fn percentiles_are_numpys() {
    // numpy.percentile([1, 2, 3, 4, 10], [1, 25, 75, 99]) is [1.04, 2, 4, 9.76].
    let sorted = [1.0, 2.0, 3.0, 4.0, 10.0];
    for (share, expected) in [(0.01, 1.04), (0.25, 2.0), (0.75, 4.0), (0.99, 9.76), (1.0, 10.0)] {
        assert!((samples::percentile(&sorted, share).unwrap() - expected).abs() < 1e-12);
    }
    assert_eq!(samples::percentile(&[], 0.5), None);
}

#[test]
fn outliers_are_kept_unless_asked_otherwise() {
    // Quartiles of 1 to 100 with one 10000: 26 and 76, so the upper fence is 76 + 3 * 50 = 226; the 99th percentile is 100.
    let raw: Vec<f64> = (1..=100).map(f64::from).chain([10_000.0]).collect();
    let kept = |outliers| {
        let metric = metric(serde_json::json!({ "name": "x", "outlier_strategy": outliers }));
        samples::prepare(&raw, &metric, 1_000).len()
    };
    assert_eq!((kept("keep"), kept("remove")), (101, 100));
}

#[test]
fn what_is_not_a_number_is_left_out_or_zero() {
    let raw = [f64::NAN, 2.0, f64::INFINITY, 1.0, -1e16];
    let prepared = |strategy| {
        let metric = metric(serde_json::json!({ "name": "x", "nan_strategy": strategy }));
        samples::prepare(&raw, &metric, 1_000)
    };
    assert_eq!(prepared("remove"), [1.0, 2.0]);
    assert_eq!(prepared("replace"), [0.0, 0.0, 0.0, 1.0, 2.0]);
}

#[test]
fn many_samples_are_thinned_evenly() {
    let raw: Vec<f64> = (0..100).map(f64::from).collect();
    let thinned = samples::prepare(&raw, &metric(serde_json::json!({ "name": "x" })), 10);
    assert_eq!(thinned, (0..10).map(|tenth| f64::from(tenth * 10)).collect::<Vec<_>>());
}

#[test]
fn constants_are_spread_around_their_value() {
    let spread = samples::spread(&[100.0; 1000]);
    let mean = samples::mean(&spread);
    let variance = spread.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 1000.0;
    assert!((mean - 100.0).abs() < 1e-9, "{mean}");
    assert!((variance.sqrt() - 1e-3).abs() < 1e-8, "{variance}");
    assert!(spread.is_sorted());
    assert_eq!(samples::spread(&[7.0]), [7.0]);
}

fn sorted(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-1_000.0..1_000.0f64, len).prop_map(|mut samples| {
        samples.sort_unstable_by(f64::total_cmp);
        samples
    })
}

proptest! {
    #[test]
    fn treatment_and_control_are_mirror_images(treatment in sorted(2..30), control in sorted(2..30)) {
        let there = shift(&treatment, &control, QUANTILE_98).unwrap();
        let back = shift(&control, &treatment, QUANTILE_98).unwrap();
        prop_assert!((there.low + back.high).abs() < 3e-4, "{there:?} {back:?}");
        prop_assert!((there.high + back.low).abs() < 3e-4, "{there:?} {back:?}");
        prop_assert!((z(&treatment, &control, 0.0) + z(&control, &treatment, 0.0)).abs() < 1e-9);
    }

    #[test]
    fn a_shifted_treatment_has_shifted_limits(
        treatment in sorted(2..30),
        control in sorted(2..30),
        by in -500.0..500.0f64,
    ) {
        let moved: Vec<f64> = treatment.iter().map(|sample| sample + by).collect();
        let before = shift(&treatment, &control, QUANTILE_98).unwrap();
        let after = shift(&moved, &control, QUANTILE_98).unwrap();
        prop_assert!((before.low + by - after.low).abs() < 3e-4, "{before:?} {after:?}");
        prop_assert!((before.high + by - after.high).abs() < 3e-4, "{before:?} {after:?}");
    }

    /// The limits are order statistics of the differences, so a search that went astray would show.
    #[test]
    fn limits_are_differences_of_two_samples(treatment in sorted(2..30), control in sorted(2..30)) {
        let Shift { low, high, estimate } = shift(&treatment, &control, QUANTILE_98).unwrap();
        for limit in [low, high] {
            let differences = treatment.iter().flat_map(|x| control.iter().map(move |y| x - y));
            let nearest = differences.map(|difference| (difference - limit).abs()).fold(f64::MAX, f64::min);
            prop_assert!(nearest < 2e-4, "{limit} is {nearest} away from the next difference");
        }
        prop_assert!(low <= estimate + 2e-4 && estimate <= high + 2e-4);
    }

    /// Walking through both samples gives the ranks that sorting them together would.
    #[test]
    fn ranks_are_those_of_counting_pairs(
        treatment in proptest::collection::vec(0..9i32, 1..20),
        control in proptest::collection::vec(0..9i32, 1..20),
    ) {
        let pairs = treatment.iter().flat_map(|x| control.iter().map(move |y| (x, y)));
        let won: f64 = pairs.map(|(x, y)| match x.cmp(y) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        }).sum();
        let prepared = |samples: &[i32]| {
            let mut samples: Vec<f64> = samples.iter().copied().map(f64::from).collect();
            samples.sort_unstable_by(f64::total_cmp);
            samples
        };
        let pairs = (treatment.len() * control.len()) as f64;
        prop_assert!((superiority(&prepared(&treatment), &prepared(&control)) * pairs - won).abs() < 1e-9);
    }

    /// Whatever devices report, there is an answer.
    #[test]
    fn no_samples_upset_the_comparison(
        treatment in proptest::collection::vec(any::<f64>(), 0..20),
        control in proptest::collection::vec(any::<f64>(), 0..20),
    ) {
        let metric = metric(serde_json::json!({ "name": "x", "outlier_strategy": "remove" }));
        let prepare = |raw: &[f64]| samples::prepare(raw, &metric, 1_000);
        crate::classify::classify(&metric, &prepare(&treatment), &prepare(&control));
    }
}
