//! Root search by Brent's method.
//!
//! R. P. Brent, *Algorithms for Minimization Without Derivatives* (1973), chapter 4, in the form in which R's `uniroot`
//! has it: bisection that interpolates where that is safe. The function here is a staircase, so the root is the step at
//! which it changes sign.

/// What R asks of `uniroot` for the limits of `wilcox.test`: roots are this exact, in the unit of the samples.
pub(crate) const TOLERANCE: f64 = 1e-4;
/// Bisection alone needs about a thousand steps for the widest interval of all.
const STEPS_MAX: usize = 1_100;

/// An argument and the function's value there.
#[derive(Clone, Copy)]
struct Point {
    at: f64,
    value: f64,
}

/// Where `function` changes sign between `from` and `to`, where its signs differ.
pub(crate) fn root(function: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let point = |at| Point { at, value: function(at) };
    let (mut previous, mut best) = (point(from), point(to));
    if previous.value == 0.0 {
        return from;
    }
    // The sign of `opposite` differs from that of `best`: the root lies between them.
    let mut opposite = previous;
    for _ in 0..STEPS_MAX {
        let last_step = best.at - previous.at;
        if opposite.value.abs() < best.value.abs() {
            (previous, best, opposite) = (best, opposite, best);
        }
        let tolerance = 2.0 * f64::EPSILON * best.at.abs() + TOLERANCE / 2.0;
        let half = (opposite.at - best.at) / 2.0;
        if half.abs() <= tolerance || best.value == 0.0 {
            break;
        }
        let promising = last_step.abs() >= tolerance && previous.value.abs() > best.value.abs();
        let step = promising
            .then(|| interpolated(previous, best, opposite, last_step, tolerance))
            .flatten()
            .unwrap_or(half);
        let step = if step.abs() < tolerance { tolerance.copysign(step) } else { step };
        previous = best;
        best = point(best.at + step);
        if (best.value > 0.0) == (opposite.value > 0.0) {
            opposite = previous;
        }
    }
    best.at
}

/// The step that interpolation proposes, or nothing when halving is safer: when it would leave three quarters of the
/// interval, or is not at least twice as short as the step before.
fn interpolated(
    previous: Point,
    best: Point,
    opposite: Point,
    last_step: f64,
    tolerance: f64,
) -> Option<f64> {
    let width = opposite.at - best.at;
    let s = best.value / previous.value;
    let (p, q) = if previous.at == opposite.at {
        // A line through two points.
        (width * s, 1.0 - s)
    } else {
        // An inverse parabola through three.
        let (r, t) = (best.value / opposite.value, previous.value / opposite.value);
        let p = s * (width * t * (t - r) - (best.at - previous.at) * (r - 1.0));
        (p, (t - 1.0) * (r - 1.0) * (s - 1.0))
    };
    let (p, q) = if p > 0.0 { (p, -q) } else { (-p, q) };
    let inside = p < 0.75 * width * q - (tolerance * q).abs() / 2.0;
    (inside && p < (last_step * q / 2.0).abs()).then_some(p / q)
}
