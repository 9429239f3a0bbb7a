//! This gate's reading of JSON Schema beside that of `jsonschema`, which passes the official suite but is too large for a
//! plugin: whatever is written, both say the same of every value.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::read::read;

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "ab", "ü/~"]).prop_map(str::to_owned)
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-4_i64..6).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.0, 2.0, -1.5, 1e20, 1e300]).prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        prop::sample::select(vec!["", "a", "ab", "b", "üü", "10.0.0.1"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Keywords that hold no schemas.
fn plain() -> impl Strategy<Value = (String, Value)> {
    let kinds = ["null", "boolean", "integer", "number", "string", "array", "object"];
    let bounded = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    let counted = ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];
    prop_oneof![
        prop::sample::subsequence(kinds.to_vec(), 1..4).prop_map(|kinds| ("type".to_owned(), json!(kinds))),
        (prop::sample::select(bounded.to_vec()), -4_i64..6)
            .prop_map(|(name, bound)| (name.to_owned(), json!(bound))),
        (prop::sample::select(counted.to_vec()), 0_u64..4)
            .prop_map(|(name, count)| (name.to_owned(), json!(count))),
        (1_i64..4).prop_map(|of| ("multipleOf".to_owned(), json!(of))),
        prop::sample::select(vec!["^a", "b$", "a+b", "^$"]).prop_map(|it| ("pattern".to_owned(), json!(it))),
        any::<bool>().prop_map(|unique| ("uniqueItems".to_owned(), json!(unique))),
        prop::collection::vec(names(), 0..3).prop_map(|mut all| {
            all.sort();
            all.dedup();
            ("required".to_owned(), json!(all))
        }),
        (names(), names()).prop_map(|(one, other)| ("dependentRequired".to_owned(), json!({ one: [other] }))),
        prop::collection::vec(values(), 1..3).prop_map(|all| ("enum".to_owned(), json!(all))),
        values().prop_map(|only| ("const".to_owned(), only)),
        prop::sample::select(vec!["#/$defs/a", "#/$defs/b", "#"])
            .prop_map(|it| ("$ref".to_owned(), json!(it))),
    ]
}

fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Value::from),
        6 => prop::collection::vec(plain(), 0..3).prop_map(|all| Value::Object(all.into_iter().collect::<Map<_, _>>())),
    ];
    let nested = leaf.prop_recursive(3, 24, 3, |inner| {
        let one = prop::sample::select(vec![
            "not", "additionalProperties", "items", "contains", "propertyNames", "unevaluatedProperties", "unevaluatedItems",
        ]);
        let list = prop::sample::select(vec!["allOf", "anyOf", "oneOf", "prefixItems"]);
        let keyed = prop::sample::select(vec!["properties", "dependentSchemas"]);
        let keyword = prop_oneof![
            2 => plain().prop_map(|it| vec![it]),
            2 => (one, inner.clone()).prop_map(|(name, it)| vec![(name.to_owned(), it)]),
            2 => (list, prop::collection::vec(inner.clone(), 1..4)).prop_map(|(name, it)| vec![(name.to_owned(), json!(it))]),
            2 => (keyed, names(), inner.clone()).prop_map(|(name, key, it)| vec![(name.to_owned(), json!({ key: it }))]),
            1 => inner.clone().prop_map(|it| vec![("patternProperties".to_owned(), json!({ "^a": it }))]),
            1 => (inner.clone(), 0_u64..3, 0_u64..3).prop_map(|(it, min, max)| {
                [("contains", it), ("minContains", json!(min)), ("maxContains", json!(max))].map(|(name, it)| (name.to_owned(), it)).to_vec()
            }),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(test, then, otherwise)| {
                [("if", test), ("then", then), ("else", otherwise)].map(|(name, it)| (name.to_owned(), it)).to_vec()
            }),
        ];
        prop::collection::vec(keyword, 1..4)
            .prop_map(|all| Value::Object(all.into_iter().flatten().collect::<Map<_, _>>()))
    });
    (nested.clone(), nested.clone(), nested).prop_map(|(root, a, b)| match root {
        Value::Object(mut root) => {
            root.insert("$defs".to_owned(), json!({ "a": a, "b": b }));
            Value::Object(root)
        }
        whole => whole,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn what_fits_here_fits_there(schema in schemas(), values in prop::collection::vec(values(), 6)) {
        let there = jsonschema::draft202012::new(&schema).unwrap();
        // What leads back to itself is refused here and cut short there.
        if let Ok(here) = read(&schema) {
            for value in values {
                let judgement = here.judge(&value).unwrap();
                prop_assert_eq!(judgement.count == 0, there.is_valid(&value), "{} against {}: {:?}", value, schema, judgement);
                prop_assert_eq!(judgement.count == 0, judgement.violations.is_empty());
            }
        }
    }

    #[test]
    fn a_schema_that_is_read_is_one(schema in values()) {
        if read(&schema).is_ok() {
            prop_assert!(jsonschema::meta::is_valid(&schema), "{}", schema);
        }
    }
}
