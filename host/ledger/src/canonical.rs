//! Canonical JSON: RFC 8785 (JCS), narrowed to what two programs in two languages always agree on.
//!
//! JCS writes every number as an IEEE double, so `9007199254740993` silently becomes `…992`; and most parsers keep
//! the last of two duplicate keys. Both would let one digest stand for two readings. Hence: no floats, no integer
//! beyond ±(2^53−1), no duplicate key. What needs more goes into a string.

mod write;

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// The largest integer that a JSON number carries exactly everywhere: 2^53 − 1.
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// Why a value has no canonical form, or some bytes are not strict JSON.
///
/// Each `path` is a JSON pointer (RFC 6901); the empty pointer is the whole document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// A number with a fraction or an exponent.
    #[error(
        "`{found}` at `{path}` is not an integer: write ratios in basis points and measurements as strings"
    )]
    Float {
        /// Where.
        path: String,
        /// The number as read.
        found: String,
    },
    /// An integer that a double cannot hold exactly.
    #[error("integer `{found}` at `{path}` lies beyond ±(2^53−1): write it as a string")]
    IntegerTooLarge {
        /// Where.
        path: String,
        /// The number as read.
        found: String,
    },
    /// One object names the same key twice.
    #[error("key `{path}` stands twice in its object: leave one of them out")]
    DuplicateKey {
        /// The pointer of the key itself.
        path: String,
    },
    /// The bytes are not JSON at all.
    #[error("not valid JSON: {reason}")]
    Malformed {
        /// What the parser said, with line and column.
        reason: String,
    },
    /// The value cannot be written as JSON, such as a map whose keys are not strings, or a NaN.
    #[error("cannot be written as JSON: {reason}")]
    NotJson {
        /// What the serialiser said.
        reason: String,
    },
}

/// The RFC 8785 bytes of `value`.
///
/// # Errors
/// When the value holds a float, an integer beyond ±[`INTEGER_MAX`] or a key twice, or is no JSON.
pub fn to_canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    write::write(value)
}

/// Parses JSON that has exactly one reading: what [`to_canonical`] would accept, in any order and spacing.
///
/// # Errors
/// When the bytes are no JSON, or hold a float, an integer beyond ±[`INTEGER_MAX`] or a duplicate key.
pub fn parse_strict(bytes: &[u8]) -> Result<Value, CanonicalError> {
    parse(bytes, true)
}

/// Parses JSON without duplicate keys. Numbers may be anything: this is for what comes from others and is not hashed as it is.
///
/// # Errors
/// When the bytes are no JSON, or hold a duplicate key.
pub fn parse_unique(bytes: &[u8]) -> Result<Value, CanonicalError> {
    parse(bytes, false)
}

fn parse(bytes: &[u8], integers_only: bool) -> Result<Value, CanonicalError> {
    let fault = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    Strict { path: &Path::Root, fault: &fault, integers_only }
        .deserialize(&mut json)
        .and_then(|value| json.end().map(|()| value))
        .map_err(|e| fault.take().unwrap_or_else(|| CanonicalError::Malformed { reason: e.to_string() }))
}

fn exact(number: &Number, path: &Path<'_>) -> Result<(), CanonicalError> {
    let found = || number.to_string();
    match (number.as_i64(), number.is_u64(), number.as_f64()) {
        (Some(integer), ..) if integer.unsigned_abs() <= INTEGER_MAX.unsigned_abs() => Ok(()),
        (Some(_), ..) | (None, true, _) => {
            Err(CanonicalError::IntegerTooLarge { path: path.to_string(), found: found() })
        }
        // The parser hands integers beyond u64 over as doubles.
        (None, false, Some(float)) if float.fract() == 0.0 && float.abs() > INTEGER_MAX as f64 => {
            Err(CanonicalError::IntegerTooLarge { path: path.to_string(), found: found() })
        }
        _ => Err(CanonicalError::Float { path: path.to_string(), found: found() }),
    }
}

/// Where we are, as a list that lives on the stack: the text is made only when something is wrong.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(parent, key) => write!(f, "{parent}/{}", key.replace('~', "~0").replace('/', "~1")),
            Path::Index(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// Builds a [`Value`], leaving the reason of a refusal in `fault`: serde's own errors carry only text.
#[derive(Clone, Copy)]
struct Strict<'a> {
    path: &'a Path<'a>,
    fault: &'a RefCell<Option<CanonicalError>>,
    integers_only: bool,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(self, error: CanonicalError) -> E {
        let text = E::custom(&error);
        self.fault.replace(Some(error));
        text
    }

    fn number<E: serde::de::Error>(self, number: Number) -> Result<Value, E> {
        match exact(&number, self.path) {
            _ if !self.integers_only => Ok(Value::Number(number)),
            Ok(()) => Ok(Value::Number(number)),
            Err(error) => Err(self.refuse(error)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without floats")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.number(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.number(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => self.number(number),
            None => Err(E::custom("number out of range")),
        }
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            seq.next_element_seed(Strict { path: &Path::Index(self.path, items.len()), ..self })?
        {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = Path::Key(self.path, &key);
            if fields.contains_key(&key) {
                return Err(self.refuse(CanonicalError::DuplicateKey { path: path.to_string() }));
            }
            let value = map.next_value_seed(Strict { path: &path, fault: self.fault, ..self })?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn canonical(value: Value) -> String {
        String::from_utf8(to_canonical(&value).unwrap()).unwrap()
    }

    fn refusal(text: &str) -> String {
        parse_strict(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_hashed_may_hold_any_number_and_still_no_key_twice() {
        let text = r#"{"a": 0.5, "b": [18446744073709551615], "c": {"d": 1e300}}"#;
        assert_eq!(parse_unique(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        let error = parse_unique(br#"{"a": 0.5, "b": {"c": 1, "c": 2}}"#).unwrap_err();
        assert_eq!(error, CanonicalError::DuplicateKey { path: "/b/c".to_owned() });
    }

    #[test]
    fn keys_are_sorted_by_utf16_and_spacing_is_dropped() {
        assert_eq!(
            canonical(json!({"b": [1, -2], "a": {"z": null, "y": true}})),
            r#"{"a":{"y":true,"z":null},"b":[1,-2]}"#
        );
        // RFC 8785 §3.2.3: U+1F600 is a surrogate pair in UTF-16 and so sorts before U+FB33.
        assert_eq!(canonical(json!({"\u{fb33}": 1, "\u{1f600}": 2})), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
        assert_eq!(
            canonical(json!("\u{0}\u{8}\t\n\u{c}\r\"\\/\u{7f}é")),
            "\"\\u0000\\b\\t\\n\\f\\r\\\"\\\\/\u{7f}é\""
        );
    }

    #[test]
    fn every_shape_that_serde_knows_is_written_as_the_reference_writes_it() {
        #[derive(Serialize)]
        enum Kind {
            Unit,
            Wrapped(u8),
            Pair(i8, &'static str),
            Record { z: bool, a: Option<()> },
        }
        #[derive(Serialize)]
        struct Wrapper(char);
        #[derive(Serialize)]
        struct Nothing;
        let numbered = std::collections::BTreeMap::from([(10, "ten"), (9, "nine")]);
        let all = (
            [Kind::Unit, Kind::Wrapped(7), Kind::Pair(-1, "x"), Kind::Record { z: true, a: Some(()) }],
            (Wrapper('é'), Nothing, Some("s"), numbered, -5i128, u128::from(7u8)),
            serde_json::json!({"b": {}, "a": []}),
        );
        assert_eq!(to_canonical(&all).unwrap(), serde_json_canonicalizer::to_vec(&all).unwrap());
        let keyed = std::collections::BTreeMap::from([((1, 2), "a tuple is no key")]);
        assert!(matches!(to_canonical(&keyed), Err(CanonicalError::NotJson { .. })));
    }

    #[test]
    fn a_key_that_is_written_twice_is_refused() {
        #[derive(Serialize)]
        struct Inner {
            a: u8,
        }
        #[derive(Serialize)]
        struct Outer {
            #[serde(flatten)]
            first: Inner,
            #[serde(flatten)]
            second: Inner,
        }
        let twice = to_canonical(&[Outer { first: Inner { a: 1 }, second: Inner { a: 2 } }]);
        assert_eq!(twice, Err(CanonicalError::DuplicateKey { path: "/0/a".to_owned() }));
    }

    fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-INTEGER_MAX..=INTEGER_MAX).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        /// The library that canonicalises finished trees is the reference.
        #[test]
        fn any_value_is_written_as_the_reference_writes_it(value in any_json()) {
            let ours = to_canonical(&value).unwrap();
            proptest::prop_assert_eq!(&ours, &serde_json_canonicalizer::to_vec(&value).unwrap());
            proptest::prop_assert_eq!(parse_strict(&ours).unwrap(), value);
        }
    }

    #[test]
    fn floats_are_refused_by_path() {
        let error = to_canonical(&json!({"a/b": [{"c~d": 0.5}]})).unwrap_err();
        assert_eq!(error, CanonicalError::Float { path: "/a~1b/0/c~0d".into(), found: "0.5".into() });
        assert!(matches!(to_canonical(&1.0), Err(CanonicalError::Float { path, .. }) if path.is_empty()));
    }

    #[test]
    fn a_nan_does_not_become_null() {
        assert!(matches!(to_canonical(&f64::NAN), Err(CanonicalError::NotJson { .. })));
        let nested = std::collections::BTreeMap::from([("a", Some((1, [f32::INFINITY])))]);
        assert_eq!(
            to_canonical(&nested).unwrap_err().to_string(),
            "cannot be written as JSON: `inf` is no JSON number"
        );
    }

    #[test]
    fn integers_are_exact_up_to_the_bound_and_refused_beyond() {
        assert_eq!(canonical(json!([INTEGER_MAX, -INTEGER_MAX])), "[9007199254740991,-9007199254740991]");
        for beyond in [json!(INTEGER_MAX + 1), json!(-INTEGER_MAX - 1), json!(u64::MAX), json!(i64::MIN)] {
            assert!(matches!(to_canonical(&beyond), Err(CanonicalError::IntegerTooLarge { .. })), "{beyond}");
        }
        assert_eq!(
            refusal(r#"{"n":9007199254740993}"#),
            "integer `9007199254740993` at `/n` lies beyond ±(2^53−1): write it as a string"
        );
        assert!(refusal("18446744073709551616").starts_with("integer"));
    }

    #[test]
    fn strict_parsing_refuses_what_has_two_readings() {
        assert_eq!(
            refusal(r#"{"a":{"b":1,"b":1}}"#),
            "key `/a/b` stands twice in its object: leave one of them out"
        );
        assert!(refusal(r#"{"a":1,"\u0061":2}"#).contains("`/a` stands twice"));
        assert!(refusal("[1,1e2]").contains("`/1` is not an integer"));
        assert!(refusal("-0").contains("is not an integer"));
        for malformed in ["", "{", "[1,]", "{} {}", "\"\\ud800\"", "1e400", "nul", "\"\u{1}\""] {
            assert!(refusal(malformed).starts_with("not valid JSON"), "{malformed}");
        }
        assert!(refusal(&"[".repeat(200)).starts_with("not valid JSON"));
        assert!(parse_strict(b"\"\xff\"").is_err());
    }

    #[test]
    fn strict_parsing_keeps_the_value() {
        let value = json!({"a": [1, -1, "é", null, true, {}], "b": {"c": []}});
        assert_eq!(parse_strict(value.to_string().as_bytes()), Ok(value));
    }
}
