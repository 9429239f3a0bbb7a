//! Reads a JSON Schema (draft 2020-12) and objects to everything that would not be judged as it is written.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use crate::format::Format;
use crate::number::{self, Bound};
use crate::schema::{Id, Kind, Node, ROOT, Rule, Schema};

/// More subschemas than this are refused.
pub(crate) const SUBSCHEMAS_MAX: usize = 5_000;
/// More subschemas than this over one and the same value are refused: each may ask the next.
pub(crate) const OVER_ONE_MAX: usize = 64;
/// How large a compiled pattern may be.
const PATTERN_BYTES_MAX: usize = 256 << 10;
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Where in a schema something is wrong, as a JSON pointer, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Objection {
    pub(crate) at: String,
    pub(crate) why: String,
}

/// The schema, or all that is wrong with it.
pub(crate) fn read(written: &Value) -> Result<Schema, Vec<Objection>> {
    let mut reader = Reader::default();
    reader.subschema(written, String::new());
    reader.resolve();
    if reader.objections.is_empty() {
        reader.refuse_towers();
    }
    if reader.objections.is_empty() {
        Ok(Schema { nodes: reader.nodes })
    } else {
        reader.objections.truncate(OBJECTIONS_MAX);
        Err(reader.objections)
    }
}

/// More objections to one schema help nobody.
const OBJECTIONS_MAX: usize = 20;

#[derive(Default)]
struct Reader {
    nodes: Vec<Node>,
    by_pointer: BTreeMap<String, Id>,
    /// Subschemas that point elsewhere: which, which of its rules, and where to.
    references: Vec<(Id, String)>,
    objections: Vec<Objection>,
}

impl Reader {
    fn object_to(&mut self, at: impl Into<String>, why: impl Into<String>) {
        self.objections.push(Objection { at: at.into(), why: why.into() });
    }

    /// Notes the subschema under `at`, with all that is in it.
    fn subschema(&mut self, written: &Value, at: String) -> Id {
        let id = self.nodes.len();
        if id >= SUBSCHEMAS_MAX {
            if id == SUBSCHEMAS_MAX {
                self.object_to("", format!("it has more than {SUBSCHEMAS_MAX} subschemas; split it up"));
                self.nodes.push(Node::default());
            }
            return ROOT;
        }
        self.nodes.push(Node { at: at.clone(), rules: Vec::new() });
        self.by_pointer.insert(at.clone(), id);
        let rules = match written {
            Value::Bool(true) => Vec::new(),
            Value::Bool(false) => vec![Rule::Never],
            Value::Object(keywords) => self.keywords(id, keywords, &at),
            _ => {
                self.object_to(at, "a schema is an object, `true` or `false`");
                return id;
            }
        };
        if let Some(node) = self.nodes.get_mut(id) {
            node.rules.extend(rules);
        }
        id
    }

    fn keywords(&mut self, id: Id, keywords: &Map<String, Value>, at: &str) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut last = Vec::new();
        for (keyword, value) in keywords {
            let at = below(at, keyword);
            match keyword.as_str() {
                "unevaluatedProperties" => last.push(Rule::UnevaluatedProperties(self.subschema(value, at))),
                "unevaluatedItems" => last.push(Rule::UnevaluatedItems(self.subschema(value, at))),
                "$ref" => self.reference(id, value, &at),
                "$defs" | "definitions" => {
                    self.members(value, &at);
                }
                _ => rules.extend(self.keyword(keyword, value, &at)),
            }
        }
        rules.extend(self.properties(keywords, at));
        rules.extend(self.items(keywords, at));
        rules.extend(self.contains(keywords, at));
        rules.extend(self.branches(keywords, at));
        rules.extend(last);
        rules
    }

    /// The keywords that stand for themselves.
    fn keyword(&mut self, keyword: &str, value: &Value, at: &str) -> Option<Rule> {
        match keyword {
            "type" => self.types(value, at).map(Rule::Type),
            "enum" => self.list(value, at).map(|all| Rule::Enum(all.iter().map(number::canonical).collect())),
            "const" => Some(Rule::Const(number::canonical(value))),
            "minimum" => self.bound(value, at).map(Rule::Minimum),
            "maximum" => self.bound(value, at).map(Rule::Maximum),
            "exclusiveMinimum" => self.bound(value, at).map(Rule::ExclusiveMinimum),
            "exclusiveMaximum" => self.bound(value, at).map(Rule::ExclusiveMaximum),
            "multipleOf" => {
                let bound = self.bound(value, at)?;
                if bound <= 0 {
                    self.object_to(at, "this is a number above 0");
                    return None;
                }
                Some(Rule::MultipleOf(bound))
            }
            "minLength" => self.count(value, at).map(Rule::MinLength),
            "maxLength" => self.count(value, at).map(Rule::MaxLength),
            "minItems" => self.count(value, at).map(Rule::MinItems),
            "maxItems" => self.count(value, at).map(Rule::MaxItems),
            "minProperties" => self.count(value, at).map(Rule::MinProperties),
            "maxProperties" => self.count(value, at).map(Rule::MaxProperties),
            "uniqueItems" => match value {
                Value::Bool(unique) => unique.then_some(Rule::UniqueItems),
                _ => self.refuse(at, "this is `true` or `false`"),
            },
            "pattern" => {
                let written = value.as_str();
                match written {
                    Some(written) => self.pattern(written, at).map(Rule::Pattern),
                    None => self.refuse(at, "this is a text"),
                }
            }
            "format" => self.format(value, at),
            "required" => self.names(value, at).map(Rule::Required),
            "dependentRequired" => {
                let Value::Object(members) = value else { return self.refuse(at, "this is an object") };
                let names = members
                    .iter()
                    .filter_map(|(name, names)| Some((name.clone(), self.names(names, &below(at, name))?)));
                Some(Rule::DependentRequired(names.collect()))
            }
            "propertyNames" => Some(Rule::PropertyNames(self.subschema(value, at.to_owned()))),
            "allOf" => self.subschemas(value, at).map(Rule::AllOf),
            "anyOf" => self.subschemas(value, at).map(Rule::AnyOf),
            "oneOf" => self.subschemas(value, at).map(Rule::OneOf),
            "not" => Some(Rule::Not(self.subschema(value, at.to_owned()))),
            "dependentSchemas" => self.members(value, at).map(Rule::DependentSchemas),
            "$schema" => {
                if value.as_str().map(|draft| draft.trim_end_matches('#')) != Some(DRAFT) {
                    self.object_to(at, format!("this gate knows draft 2020-12, `{DRAFT}`, and no other"));
                }
                None
            }
            other => {
                self.other(other, at);
                None
            }
        }
    }

    /// Keywords that are read elsewhere, that say nothing about values, and that are none.
    fn other(&mut self, keyword: &str, at: &str) {
        match keyword {
            "properties" | "patternProperties" | "additionalProperties" | "prefixItems" | "items" | "contains"
            | "minContains" | "maxContains" | "if" | "then" | "else" => {}
            "title" | "description" | "default" | "examples" | "deprecated" | "readOnly" | "writeOnly"
            | "$comment" | "contentEncoding" | "contentMediaType" | "contentSchema" => {}
            "$id" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef" | "$recursiveAnchor" | "$vocabulary" => {
                self.object_to(at, "a schema stands alone here: leave this out, put what others use under `$defs` and refer to `#/$defs/NAME`");
            }
            "dependencies" => self.object_to(at, "this is of an older draft; write `dependentRequired` or `dependentSchemas`"),
            "additionalItems" => self.object_to(at, "this is of an older draft; write `prefixItems` and `items`"),
            note if note.starts_with("x-") => {}
            _ => self.object_to(at, "JSON Schema has no such keyword, so nothing would be checked; correct it, or begin it with `x-` if it is a note"),
        }
    }

    fn refuse<T>(&mut self, at: &str, why: &str) -> Option<T> {
        self.object_to(at, why);
        None
    }

    fn types(&mut self, value: &Value, at: &str) -> Option<BTreeSet<Kind>> {
        let names = match value {
            Value::Array(names) if !names.is_empty() => names.iter().collect(),
            other => vec![other],
        };
        let known = |name: &&Value| Kind::ALL.into_iter().find(|kind| name.as_str() == Some(kind.name()));
        let kinds: Option<BTreeSet<Kind>> = names.iter().map(known).collect();
        if kinds.is_none() {
            let all = Kind::ALL.map(Kind::name).join(", ");
            self.object_to(at, format!("this is one of {all}, or a list of them"));
        }
        kinds
    }

    fn format(&mut self, value: &Value, at: &str) -> Option<Rule> {
        let found = Format::ALL.into_iter().find(|format| value.as_str() == Some(format.name()));
        if found.is_none() {
            let all = Format::ALL.map(Format::name).join(", ");
            self.object_to(
                at,
                format!("the formats that are checked are {all}; write a `pattern` for others"),
            );
        }
        found.map(Rule::Format)
    }

    fn list<'a>(&mut self, value: &'a Value, at: &str) -> Option<&'a Vec<Value>> {
        match value {
            Value::Array(list) if !list.is_empty() => Some(list),
            _ => self.refuse(at, "this is a list with at least one entry"),
        }
    }

    fn names(&mut self, value: &Value, at: &str) -> Option<Vec<String>> {
        let names = value.as_array().and_then(|names| {
            names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        names.or_else(|| self.refuse(at, "this is a list of names"))
    }

    fn bound(&mut self, value: &Value, at: &str) -> Option<Bound> {
        let bound = match value {
            Value::Number(number) => number::whole(number),
            _ => None,
        };
        bound.or_else(|| self.refuse(at, "this is a whole number"))
    }

    fn count(&mut self, value: &Value, at: &str) -> Option<usize> {
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        count.or_else(|| self.refuse(at, "this is a whole number from 0"))
    }

    /// Matched in linear time, whatever is written.
    fn pattern(&mut self, written: &str, at: &str) -> Option<Regex> {
        match RegexBuilder::new(written).size_limit(PATTERN_BYTES_MAX).build() {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                self.object_to(
                    at,
                    format!("this pattern is not understood ({why}); write it without look-around, back-references and `\\p`"),
                );
                None
            }
        }
    }

    fn members(&mut self, value: &Value, at: &str) -> Option<BTreeMap<String, Id>> {
        let Value::Object(members) = value else { return self.refuse(at, "this is an object of schemas") };
        Some(
            members
                .iter()
                .map(|(name, value)| (name.clone(), self.subschema(value, below(at, name))))
                .collect(),
        )
    }

    fn subschemas(&mut self, value: &Value, at: &str) -> Option<Vec<Id>> {
        let list = self.list(value, at)?;
        let ids = list.iter().enumerate();
        Some(ids.map(|(index, value)| self.subschema(value, format!("{at}/{index}"))).collect())
    }

    fn one(&mut self, keywords: &Map<String, Value>, at: &str, keyword: &str) -> Option<Id> {
        keywords.get(keyword).map(|value| self.subschema(value, below(at, keyword)))
    }

    fn properties(&mut self, keywords: &Map<String, Value>, at: &str) -> Option<Rule> {
        let named =
            keywords.get("properties").and_then(|value| self.members(value, &below(at, "properties")));
        let pointer = below(at, "patternProperties");
        let by_pattern = keywords.get("patternProperties").and_then(|value| self.members(value, &pointer));
        let others = self.one(keywords, at, "additionalProperties");
        if named.is_none() && by_pattern.is_none() && others.is_none() {
            return None;
        }
        let by_pattern = by_pattern.unwrap_or_default().into_iter();
        let patterns = by_pattern
            .filter_map(|(written, id)| Some((self.pattern(&written, &below(&pointer, &written))?, id)));
        let patterns = patterns.collect();
        Some(Rule::Properties { named: named.unwrap_or_default(), patterns, others })
    }

    fn items(&mut self, keywords: &Map<String, Value>, at: &str) -> Option<Rule> {
        let first =
            keywords.get("prefixItems").and_then(|value| self.subschemas(value, &below(at, "prefixItems")));
        let others = match keywords.get("items") {
            Some(Value::Array(_)) => {
                self.refuse(&below(at, "items"), "this is one schema; write `prefixItems` for a list of them")
            }
            _ => self.one(keywords, at, "items"),
        };
        if first.is_none() && others.is_none() {
            return None;
        }
        Some(Rule::Items { first: first.unwrap_or_default(), others })
    }

    fn contains(&mut self, keywords: &Map<String, Value>, at: &str) -> Option<Rule> {
        let mut limit = |keyword: &str| match keywords.get(keyword) {
            Some(value) => self.count(value, &below(at, keyword)),
            None => None,
        };
        let (min, max) = (limit("minContains").unwrap_or(1), limit("maxContains"));
        let Some(item) = self.one(keywords, at, "contains") else {
            self.alone(keywords, at, &["minContains", "maxContains"], "contains");
            return None;
        };
        Some(Rule::Contains { item, min, max })
    }

    fn branches(&mut self, keywords: &Map<String, Value>, at: &str) -> Option<Rule> {
        let (then, otherwise) = (self.one(keywords, at, "then"), self.one(keywords, at, "else"));
        let Some(test) = self.one(keywords, at, "if") else {
            self.alone(keywords, at, &["then", "else"], "if");
            return None;
        };
        Some(Rule::If { test, then, otherwise })
    }

    /// Objects to keywords that say nothing without `partner`.
    fn alone(&mut self, keywords: &Map<String, Value>, at: &str, alone: &[&str], partner: &str) {
        for keyword in alone.iter().filter(|keyword| keywords.contains_key(**keyword)) {
            self.object_to(below(at, keyword), format!("this says nothing without `{partner}` beside it"));
        }
    }

    fn reference(&mut self, id: Id, value: &Value, at: &str) {
        let Some(target) = value.as_str() else {
            return self.object_to(at, "this is a text: `#/$defs/NAME`");
        };
        match target.strip_prefix('#').and_then(decoded) {
            Some(pointer) if pointer.is_empty() || pointer.starts_with('/') => {
                self.references.push((id, pointer));
            }
            _ => self.object_to(
                at,
                format!("`{target}` is elsewhere, and nothing is ever fetched; put it under `$defs` and refer to `#/$defs/NAME`"),
            ),
        }
    }

    fn resolve(&mut self) {
        for (id, pointer) in std::mem::take(&mut self.references) {
            let target = self.by_pointer.get(&pointer).copied();
            match (target, self.nodes.get_mut(id)) {
                // First, as `unevaluatedProperties` must come after it.
                (Some(target), Some(node)) => node.rules.insert(0, Rule::Reference(target)),
                (_, node) => {
                    let at = node.map(|node| below(&node.at, "$ref")).unwrap_or_default();
                    self.object_to(at, format!("there is no schema at `#{pointer}` in this one"));
                }
            }
        }
    }

    /// Refuses subschemas that ask themselves about one and the same value, which would never end, and too many over one another.
    fn refuse_towers(&mut self) {
        let mut heights = vec![Height::Unknown; self.nodes.len()];
        for id in 0..self.nodes.len() {
            if let Err(objection) = self.height(id, 0, &mut heights) {
                self.objections.push(objection);
                return;
            }
        }
    }

    fn height(&self, id: Id, below_it: usize, heights: &mut Vec<Height>) -> Result<usize, Objection> {
        let Some(node) = self.nodes.get(id) else { return Ok(0) };
        let object_to = |why: String| Err(Objection { at: node.at.clone(), why });
        match heights.get(id) {
            Some(Height::Known(height)) => return Ok(*height),
            Some(Height::Beginning) => {
                return object_to(
                    "it leads back to itself about the same value, which never ends; refer to it below `properties` or `items`".to_owned(),
                );
            }
            _ => {}
        }
        let too_high =
            || object_to(format!("more than {OVER_ONE_MAX} schemas lie over one another; simplify it"));
        if below_it > OVER_ONE_MAX {
            return too_high();
        }
        set(heights, id, Height::Beginning);
        let mut height = 0;
        for next in node.rules.iter().flat_map(Rule::over_the_same) {
            height = height.max(1 + self.height(next, below_it + 1, heights)?);
        }
        if height > OVER_ONE_MAX {
            return too_high();
        }
        set(heights, id, Height::Known(height));
        Ok(height)
    }
}

#[derive(Clone, Copy)]
enum Height {
    Unknown,
    Beginning,
    Known(usize),
}

fn set(heights: &mut [Height], id: Id, height: Height) {
    if let Some(place) = heights.get_mut(id) {
        *place = height;
    }
}

/// The pointer of `name` in what `at` points to.
pub(crate) fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A fragment of a URI without its escapes.
fn decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit(rest.next()?)? * 16 + digit(rest.next()?)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
