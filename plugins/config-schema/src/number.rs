//! Numbers of values against whole numbers of schemas, exactly.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// A limit in a schema: settings hold no fractions.
pub(crate) type Bound = i128;

/// Where floats of `i128` still have room on both sides.
const FLOAT_MAX: f64 = 1e30;

/// How `number` stands to `bound`.
pub(crate) fn compare(number: &Number, bound: Bound) -> Ordering {
    if let Some(whole) = whole(number) {
        return whole.cmp(&bound);
    }
    let float = number.as_f64().unwrap_or(f64::NAN);
    if float.abs() >= FLOAT_MAX {
        return if float > 0.0 { Ordering::Greater } else { Ordering::Less };
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "below 1e30 it fits, and the fraction is compared next"
    )]
    let truncated = float.trunc() as i128;
    truncated.cmp(&bound).then(float.fract().total_cmp(&0.0))
}

/// Whether `number` is a multiple of `bound`, which is above zero.
pub(crate) fn is_multiple(number: &Number, bound: Bound) -> bool {
    match whole(number) {
        Some(whole) => whole.checked_rem(bound) == Some(0),
        #[expect(clippy::cast_precision_loss, reason = "a number beyond 64 bits is itself no more exact")]
        None => number.as_f64().is_some_and(|float| float % (bound as f64) == 0.0),
    }
}

/// The number, if it is whole and within 64 bits.
pub(crate) fn whole(number: &Number) -> Option<Bound> {
    number.as_i64().map(Bound::from).or_else(|| number.as_u64().map(Bound::from))
}

/// A text that two values share exactly when JSON Schema calls them equal: `1` and `1.0` are, and the order of members does not count.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "below 1e30 it fits, and has no fraction")]
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < FLOAT_MAX => {
                text.push_str(&(float as i128).to_string());
            }
            _ => text.push_str(&number.to_string()),
        },
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, member) in members {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(member, text);
                text.push(',');
            }
            text.push('}');
        }
        _ => text.push_str(&value.to_string()),
    }
}
