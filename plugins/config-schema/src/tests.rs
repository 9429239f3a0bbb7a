use interlock_plugin_sdk::testing::{self, Evidence, NOON};
use serde_json::json;

use super::*;

fn settings() -> Value {
    json!({ "schemas": {
        "alarm.volume": { "type": "integer", "minimum": 1, "maximum": 10 },
        "alarm.*": { "type": "string", "maxLength": 5 },
        "dose": { "type": "object", "required": ["unit"], "properties": { "unit": { "enum": ["ml", "mg"] } } }
    } })
}

fn with(extra: Value) -> Value {
    let mut settings = settings();
    settings.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    settings
}

fn values(values: Value) -> Change {
    let manifest = json!({ "values": values }).to_string();
    Change { kind: ChangeKind::Config, artifacts: Vec::new(), manifest, ..testing::change() }
}

fn findings(change: &Change, settings: Value) -> Vec<(String, String)> {
    let verdict = testing::evaluate::<super::ConfigSchema>(change, settings, NOON).unwrap();
    verdict.findings.into_iter().map(|finding| (finding.code, finding.subject)).collect()
}

fn finding(code: &str, subject: &str) -> (String, String) {
    (code.into(), subject.into())
}

#[test]
fn values_that_fit_pass() {
    let change = values(json!([
        { "key": "alarm.volume", "before": 3, "after": 10 },
        { "key": "alarm.tone", "after": "chirp" },
        { "key": "dose", "after": { "unit": "ml" } }
    ]));
    assert_eq!(findings(&change, settings()), []);
}

#[test]
fn the_key_itself_beats_the_longest_prefix_and_that_a_shorter_one() {
    let settings = json!({ "schemas": { "*": false, "a.*": { "const": 1 }, "a.b.*": { "const": 2 }, "a.b.c": { "const": 3 } } });
    for (key, fits) in [("a.x", 1), ("a.b.x", 2), ("a.b.c", 3)] {
        for value in 1..=3 {
            let found = findings(&values(json!([{ "key": key, "after": value }])), settings.clone());
            assert_eq!(found.is_empty(), value == fits, "{key} {value}");
        }
    }
    assert_eq!(findings(&values(json!([{ "key": "b", "after": 1 }])), settings)[0].0, "value-invalid");
}

#[test]
fn every_violation_is_named_by_key_and_pointer() {
    let change = values(json!([
        { "key": "alarm.volume", "after": 11 },
        { "key": "dose", "after": { "unit": "litre" } }
    ]));
    let found =
        [finding("value-invalid", "/values/0/after"), finding("value-invalid", "/values/1/after/unit")];
    assert_eq!(findings(&change, settings()), found);
    let verdict = testing::evaluate::<super::ConfigSchema>(&change, settings(), NOON).unwrap();
    let expected = "`dose` does not fit: the value at `/unit` is none of the 2 values of `enum`; \
                    correct it, or `/properties/unit/enum` in the schema of `dose`";
    assert_eq!(verdict.findings[1].message, expected);
}

#[test]
fn more_violations_than_anybody_reads_are_counted() {
    let settings = json!({ "schemas": { "*": { "items": { "type": "string" } } } });
    let change = values(json!([{ "key": "list", "after": (0..50).collect::<Vec<_>>() }]));
    let verdict = testing::evaluate::<super::ConfigSchema>(&change, settings, NOON).unwrap();
    assert_eq!(verdict.findings.len(), judge::VIOLATIONS_SHOWN + 1);
    assert_eq!(verdict.findings[judge::VIOLATIONS_SHOWN].code, "more-findings");
    assert!(verdict.findings[judge::VIOLATIONS_SHOWN].message.contains("30 more places"));
}

#[test]
fn unknown_keys_fail_unless_allowed() {
    let change = values(json!([{ "key": "alarm", "after": 1 }]));
    assert_eq!(findings(&change, settings()), [finding("unknown-key", "/values/0/after")]);
    assert_eq!(findings(&change, with(json!({ "allow_unknown_keys": true }))), []);
}

#[test]
fn a_value_that_is_taken_away_is_told() {
    let change =
        values(json!([{ "key": "dose", "before": 1 }, { "key": "unknown", "before": 1, "after": null }]));
    assert_eq!(findings(&change, settings()), [finding("value-removed", "/values/0/after")]);
}

#[test]
fn a_manifest_without_values_is_a_fault() {
    let change = Change { manifest: "{}".into(), ..values(json!([])) };
    let result = testing::evaluate::<super::ConfigSchema>(&change, settings(), NOON);
    assert!(matches!(result, Err(Fault::Evidence(_))), "{result:?}");
}

#[test]
fn the_configuration_of_a_release_is_validated_where_asked_for() {
    let change = testing::change();
    let digest = &change.artifacts[0].digest;
    assert_eq!(findings(&change, settings()), []);
    let asked = with(json!({ "check_releases": true }));
    assert_eq!(findings(&change, asked.clone()), [finding("configuration-missing", digest)]);
    let attached = |document: Value| {
        let evidence = Evidence::new().json("document", &format!("{digest}/configuration"), document);
        evidence.during(|| findings(&change, asked.clone()))
    };
    assert_eq!(attached(json!({ "alarm.volume": 3 })), []);
    assert_eq!(
        attached(json!({ "alarm.volume": 0, "x": 1 })),
        [finding("value-invalid", digest), finding("unknown-key", digest)]
    );
}

fn problems(schema: Value) -> Vec<(String, String)> {
    let problems = testing::check_settings::<super::ConfigSchema>(json!({ "schemas": { "a": schema } }));
    problems.into_iter().map(|problem| (problem.path, problem.message)).collect()
}

#[test]
fn what_would_not_be_checked_as_it_is_written_is_refused_by_its_path() {
    for (schema, path, words) in [
        (json!(7), "", "an object, `true` or `false`"),
        (json!({ "type": "integr" }), "/type", "one of null, boolean"),
        (json!({ "type": [] }), "/type", "one of null, boolean"),
        (json!({ "maxium": 3 }), "/maxium", "no such keyword"),
        (json!({ "properties": { "x": { "maxium": 3 } } }), "/properties/x/maxium", "no such keyword"),
        (json!({ "properties": { "a/b~": 7 } }), "/properties/a~1b~0", "an object, `true` or `false`"),
        (json!({ "properties": [] }), "/properties", "an object of schemas"),
        (json!({ "pattern": "(" }), "/pattern", "not understood"),
        (json!({ "pattern": "(?=x)" }), "/pattern", "look-around"),
        (json!({ "pattern": "(a)\\1" }), "/pattern", "back-references"),
        (json!({ "pattern": "(((a{99}){99}){99}){99}" }), "/pattern", "not understood"),
        (json!({ "pattern": 7 }), "/pattern", "a text"),
        (json!({ "patternProperties": { "(": true } }), "/patternProperties/(", "not understood"),
        (json!({ "minimum": "3" }), "/minimum", "a whole number"),
        (json!({ "minLength": -1 }), "/minLength", "a whole number from 0"),
        (json!({ "multipleOf": 0 }), "/multipleOf", "above 0"),
        (json!({ "uniqueItems": 1 }), "/uniqueItems", "`true` or `false`"),
        (json!({ "enum": [] }), "/enum", "at least one entry"),
        (json!({ "allOf": {} }), "/allOf", "at least one entry"),
        (json!({ "required": "a" }), "/required", "a list of names"),
        (json!({ "required": [1] }), "/required", "a list of names"),
        (json!({ "dependentRequired": [] }), "/dependentRequired", "an object"),
        (json!({ "format": "email" }), "/format", "write a `pattern`"),
        (json!({ "then": true }), "/then", "without `if`"),
        (json!({ "minContains": 1 }), "/minContains", "without `contains`"),
        (json!({ "items": [true] }), "/items", "`prefixItems`"),
        (json!({ "additionalItems": true }), "/additionalItems", "older draft"),
        (json!({ "dependencies": {} }), "/dependencies", "older draft"),
        (json!({ "$schema": "http://json-schema.org/draft-07/schema#" }), "/$schema", "draft 2020-12"),
        (json!({ "$id": "https://example.com/a" }), "/$id", "stands alone"),
        (json!({ "$dynamicRef": "#a" }), "/$dynamicRef", "stands alone"),
        (json!({ "$ref": 7 }), "/$ref", "a text"),
        (json!({ "$ref": "https://example.com/volume.json" }), "/$ref", "nothing is ever fetched"),
        (json!({ "$ref": "file:///etc/passwd" }), "/$ref", "nothing is ever fetched"),
        (json!({ "$ref": "other.json#/x" }), "/$ref", "nothing is ever fetched"),
        (json!({ "$ref": "#volume" }), "/$ref", "is elsewhere"),
        (json!({ "$ref": "#/%G0" }), "/$ref", "is elsewhere"),
        (json!({ "$ref": "#/$defs/x" }), "/$ref", "no schema at `#/$defs/x`"),
        (json!({ "enum": [{}], "items": { "$ref": "#/enum/0" } }), "/items/$ref", "no schema at `#/enum/0`"),
    ] {
        let found = problems(schema.clone());
        assert_eq!(found.len(), 1, "{schema}: {found:?}");
        assert_eq!(found[0].0, format!("/schemas/a{path}"), "{schema}");
        assert!(found[0].1.contains(words), "{schema}: {found:?}");
    }
}

#[test]
fn every_objection_is_told_up_to_a_number() {
    let wrong: serde_json::Map<String, Value> = (0..30).map(|n| (format!("k{n}"), json!(1))).collect();
    assert_eq!(problems(Value::Object(wrong)).len(), 20);
}

#[test]
fn notes_and_the_draft_itself_are_no_objection() {
    let notes = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "t", "description": "d", "default": 1,
        "examples": [1], "deprecated": true, "readOnly": true, "writeOnly": false, "$comment": "c", "x-unit": "ml"
    });
    assert_eq!(problems(notes), []);
}

#[test]
fn keys_that_are_no_keys_are_refused_by_their_path() {
    for (pattern, path) in [("a/b*", "/schemas/a~1b*"), ("a.*.b", "/schemas/a.*.b"), (" ", "/schemas/ ")] {
        let settings = json!({ "schemas": { pattern: {} } });
        let problems = testing::check_settings::<super::ConfigSchema>(settings);
        assert_eq!(problems.len(), 1, "{pattern}: {problems:?}");
        assert_eq!(problems[0].path, path);
    }
}

#[test]
fn a_configuration_that_says_something_twice_is_a_fault() {
    let change = testing::change();
    let asked = with(json!({ "check_releases": true }));
    for text in [
        "{\"dose\":{},\"dose\":{}}",
        "{\"dose\":[{\"unit\":\"ml\",\"unit\":\"litre\"}]}",
        "[]",
        "7",
        "{\"dose\":",
    ] {
        let key = format!("{}/configuration", change.artifacts[0].digest);
        let evidence = Evidence::new().json("document", &key, text);
        let result =
            evidence.during(|| testing::evaluate::<super::ConfigSchema>(&change, asked.clone(), NOON));
        assert!(matches!(result, Err(Fault::Evidence(_))), "{text}: {result:?}");
    }
}

#[test]
fn one_to_five_hundred_schemas_are_taken() {
    let many = |count: usize| {
        let schemas: serde_json::Map<String, Value> =
            (0..count).map(|n| (format!("k{n}"), json!({ "type": "string" }))).collect();
        let problems = testing::check_settings::<super::ConfigSchema>(json!({ "schemas": schemas }));
        problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert_eq!(many(0), ["/schemas"]);
    assert!(many(1).is_empty());
    assert!(many(500).is_empty());
    assert_eq!(many(501), ["/schemas"]);
}

#[test]
fn a_schema_that_asks_itself_about_the_same_value_is_refused() {
    for cycle in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "not": { "$ref": "#" } }),
        json!({ "if": { "$ref": "#" } }),
        json!({ "dependentSchemas": { "x": { "$ref": "#" } } }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "anyOf": [{ "$ref": "#/$defs/a" }] } } }),
    ] {
        let found = problems(cycle.clone());
        assert!(found[0].1.contains("never ends"), "{cycle}: {found:?}");
    }
}

/// `levels` schemas, each of which refers twice to the next about the same value.
fn doubling(levels: usize) -> Value {
    let mut defs: serde_json::Map<String, Value> = (0..levels)
        .map(|n| {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            (format!("d{n}"), json!({ "allOf": [next, next] }))
        })
        .collect();
    defs.insert(format!("d{levels}"), json!({ "type": "string" }));
    json!({ "$ref": "#/$defs/d0", "$defs": defs })
}

#[test]
fn a_schema_that_doubles_the_work_with_every_line_ends_in_a_finding() {
    let change = values(json!([{ "key": "a", "after": "x" }]));
    let settings = |levels| json!({ "schemas": { "a": doubling(levels) } });
    assert_eq!(findings(&change, settings(10)), []);
    assert_eq!(findings(&change, settings(20)), [finding("value-unjudged", "/values/0/after")]);
    // Beyond that too many lie over one another: each level is two, the list's entry and what it refers to.
    assert!(problems(doubling(31)).is_empty());
    assert!(problems(doubling(32))[0].1.contains("more than 64 schemas lie over one another"));
}

#[test]
fn a_value_that_nests_too_deeply_for_a_recursive_schema_ends_in_a_finding() {
    let settings = json!({ "schemas": { "tree": { "items": { "$ref": "#" } } } });
    // Each level of the value takes two schemas: that of the items and what it refers to.
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let judged =
        |levels| findings(&values(json!([{ "key": "tree", "after": nested(levels) }])), settings.clone());
    assert_eq!(judged(100), []);
    let schemas = Schemas::new;
    let read: Settings = serde_json::from_value(settings.clone()).unwrap();
    let mut schemas = schemas(&read);
    let schema = schemas.schema("tree").unwrap();
    assert_eq!(schema.judge(&nested(124)).unwrap().count, 0);
    assert_eq!(schema.judge(&nested(125)), Err(Unjudged::TooDeep));
}

#[test]
fn a_pattern_that_others_backtrack_over_is_matched_in_linear_time() {
    let settings = json!({ "schemas": { "a": { "pattern": "^(a+)+$" } } });
    let change = |length| values(json!([{ "key": "a", "after": format!("{}!", "a".repeat(length)) }]));
    assert_eq!(findings(&change(5_000), settings.clone()), [finding("value-invalid", "/values/0/after")]);
    assert_eq!(findings(&change(1_000_000), settings), [finding("value-unjudged", "/values/0/after")]);
}

#[test]
fn a_huge_schema_is_refused_and_one_at_the_limit_is_taken() {
    let of = |count: usize| json!({ "prefixItems": vec![json!({}); count] });
    assert_eq!(problems(of(read::SUBSCHEMAS_MAX - 1)), []);
    assert!(problems(of(read::SUBSCHEMAS_MAX))[0].1.contains("more than 5000 subschemas"));
}

#[test]
fn more_findings_than_a_plugin_may_say_are_counted() {
    let change = |count: usize| values(json!(vec![json!({ "key": "dose", "after": {} }); count]));
    assert_eq!(findings(&change(FINDINGS_MAX), settings()).len(), FINDINGS_MAX);
    let found = findings(&change(FINDINGS_MAX + 1), settings());
    assert_eq!(found.last(), Some(&finding("more-findings", "")));
}

#[test]
fn each_rule_is_named_by_its_place_in_the_schema() {
    let schema = json!({
        "type": "object",
        "properties": {
            "n": { "minimum": 2, "exclusiveMaximum": 5, "multipleOf": 2 },
            "s": { "minLength": 2, "maxLength": 3, "pattern": "^a", "format": "ipv4" },
            "l": { "minItems": 2, "maxItems": 3, "uniqueItems": true, "contains": { "const": 1 }, "items": { "$ref": "#/$defs/whole" } },
            "o": { "required": ["p"], "maxProperties": 1, "propertyNames": { "maxLength": 1 }, "dependentRequired": { "q": ["r"] } },
            "v": { "oneOf": [{ "type": "integer" }, { "minimum": 0 }] },
            "w": { "anyOf": [{ "type": "null" }], "not": { "const": 7 } },
            "m": { "maxContains": 1, "contains": { "type": "integer" } }
        },
        "additionalProperties": false,
        "$defs": { "whole": { "type": "integer" } }
    });
    let read = read::read(&schema).unwrap();
    for (value, at, rule) in [
        (json!([]), "", "/type"),
        (json!({ "x": 1 }), "/x", "/additionalProperties"),
        (json!({ "n": 0 }), "/n", "/properties/n/minimum"),
        (json!({ "n": 6 }), "/n", "/properties/n/exclusiveMaximum"),
        (json!({ "n": 3 }), "/n", "/properties/n/multipleOf"),
        (json!({ "s": "a" }), "/s", "/properties/s/minLength"),
        (json!({ "l": [1, 1] }), "/l", "/properties/l/uniqueItems"),
        (json!({ "l": [2, 3] }), "/l", "/properties/l/contains"),
        (json!({ "l": [1, "x"] }), "/l/1", "/$defs/whole/type"),
        (json!({ "o": {} }), "/o", "/properties/o/required"),
        (json!({ "o": { "p": 1, "q": 1 } }), "/o", "/properties/o/dependentRequired"),
        (json!({ "o": { "p": 1, "qq": 1 } }), "/o", "/properties/o/maxProperties"),
        (json!({ "v": 1 }), "/v", "/properties/v/oneOf"),
        (json!({ "w": 7 }), "/w", "/properties/w/anyOf"),
        (json!({ "w": 7 }), "/w", "/properties/w/not"),
        (json!({ "m": [1, 2] }), "/m", "/properties/m/maxContains"),
    ] {
        let judgement = read.judge(&value).unwrap();
        let named = judgement
            .violations
            .iter()
            .any(|violation| (violation.at.as_str(), violation.rule.as_str()) == (at, rule));
        assert!(named, "{value}: {judgement:?}");
    }
}

#[test]
fn formats_are_checked() {
    for (format, good, bad) in [
        (
            "date-time",
            vec!["2026-03-02T12:00:00Z", "1937-01-01t12:00:27.87+00:20", "0001-01-01T00:00:00z"],
            vec![
                "2026-03-02",
                "2026-03-02T12:00Z",
                "2026-03-02T12:00:00",
                "2026-02-30T12:00:00Z",
                "2026-03-02 12:00:00Z",
                "ü026-03-02T12:00:00Z",
                "",
            ],
        ),
        ("ipv4", vec!["10.0.0.1"], vec!["10.0.0", "010.0.0.1", "::1"]),
        ("ipv6", vec!["::1"], vec!["10.0.0.1", "fe80::1%eth0"]),
        (
            "uuid",
            vec!["0193470d-5c5a-7f3e-8a6b-2f8d9c1e4a72"],
            vec!["0193470d5c5a7f3e8a6b2f8d9c1e4a72", "x193470d-5c5a-7f3e-8a6b-2f8d9c1e4a72"],
        ),
    ] {
        let schema = read::read(&json!({ "format": format })).unwrap();
        for text in good {
            assert_eq!(schema.judge(&json!(text)).unwrap().count, 0, "{format} {text}");
        }
        for text in bad {
            assert_eq!(schema.judge(&json!(text)).unwrap().count, 1, "{format} {text}");
        }
        assert_eq!(schema.judge(&json!(7)).unwrap().count, 0, "only texts have a format");
    }
}

#[test]
fn numbers_are_compared_exactly() {
    for (schema, value, fits) in [
        (json!({ "maximum": 9_007_199_254_740_993_i64 }), json!(9_007_199_254_740_992_i64), true),
        (json!({ "maximum": 9_007_199_254_740_992_i64 }), json!(9_007_199_254_740_993_i64), false),
        (json!({ "maximum": u64::MAX }), json!(1.9e19), false),
        (json!({ "minimum": 1 }), json!(0.999), false),
        (json!({ "minimum": -1 }), json!(-1.001), false),
        (json!({ "exclusiveMinimum": 1 }), json!(1.001), true),
        (json!({ "minimum": 1 }), json!(-1e300), false),
        (json!({ "type": "integer" }), json!(2.0), true),
        (json!({ "type": "integer" }), json!(2.5), false),
        (json!({ "const": 2 }), json!(2.0), true),
        (json!({ "multipleOf": 3 }), json!(4.5), false),
    ] {
        assert_eq!(read::read(&schema).unwrap().judge(&value).unwrap().count == 0, fits, "{value} {schema}");
    }
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<super::ConfigSchema>(example), []);
}
