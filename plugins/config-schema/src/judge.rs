//! A value against a schema: where it does not fit, and why, without repeating it.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::number::{self, compare};
use crate::read::below;
use crate::schema::{Id, Kind, Node, ROOT, Rule, Schema};

/// More violations than this of one value are counted and not spelt out.
pub(crate) const VIOLATIONS_SHOWN: usize = 20;
/// How often one value may be compared with one rule: schemas can be written that double it with every line.
pub(crate) const STEPS_MAX: usize = 300_000;
/// How many schemas may be in the middle of being asked: recursive ones follow the value down.
pub(crate) const DEPTH_MAX: usize = 250;
/// How many characters of a text are as much work as one rule.
const CHARACTERS_OF_A_STEP: usize = 16;

/// Where a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The JSON pointer in the value.
    pub(crate) at: String,
    /// The JSON pointer in the schema.
    pub(crate) rule: String,
    /// What is wrong, to be said of the value.
    pub(crate) why: String,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The first of them.
    pub(crate) violations: Vec<Violation>,
    /// How many there are.
    pub(crate) count: usize,
}

/// The value cannot be judged: why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unjudged {
    TooDeep,
    TooMuch,
}

impl Schema {
    /// All that is wrong with `value`.
    pub(crate) fn judge(&self, value: &Value) -> Result<Judgement, Unjudged> {
        let mut judge = Judge {
            schema: self,
            judgement: Judgement::default(),
            path: Vec::new(),
            trying: 0,
            steps: 0,
            depth: 0,
        };
        judge.ask(ROOT, value)?;
        Ok(judge.judgement)
    }
}

struct Judge<'a> {
    schema: &'a Schema,
    judgement: Judgement,
    path: Vec<String>,
    /// Above 0 while it is only asked whether something fits.
    trying: usize,
    steps: usize,
    depth: usize,
}

/// Which members and items of a value some schema spoke about.
#[derive(Default)]
struct Seen {
    members: BTreeSet<String>,
    items: BTreeSet<usize>,
}

impl Seen {
    fn and(&mut self, other: Seen) {
        self.members.extend(other.members);
        self.items.extend(other.items);
    }
}

impl Judge<'_> {
    fn ask(&mut self, id: Id, value: &Value) -> Result<Seen, Unjudged> {
        let mut seen = Seen::default();
        let Some(node) = self.schema.nodes.get(id) else { return Ok(seen) };
        if self.depth >= DEPTH_MAX {
            return Err(Unjudged::TooDeep);
        }
        self.depth += 1;
        self.work(1)?;
        for rule in &node.rules {
            self.work(1)?;
            self.rule(node, rule, value, &mut seen)?;
        }
        self.depth -= 1;
        Ok(seen)
    }

    fn work(&mut self, steps: usize) -> Result<(), Unjudged> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > STEPS_MAX { Err(Unjudged::TooMuch) } else { Ok(()) }
    }

    /// What it saw, if `value` fits.
    fn fits(&mut self, id: Id, value: &Value) -> Result<Option<Seen>, Unjudged> {
        let before = self.judgement.count;
        self.trying += 1;
        let seen = self.ask(id, value)?;
        self.trying -= 1;
        let fits = self.judgement.count == before;
        self.judgement.count = before;
        Ok(fits.then_some(seen))
    }

    /// Asks `id` about a part of the value.
    fn inside(&mut self, name: &str, id: Id, part: &Value) -> Result<(), Unjudged> {
        self.path.push(name.to_owned());
        self.ask(id, part)?;
        self.path.pop();
        Ok(())
    }

    /// Notes a violation of `keyword`, unless all is `well`.
    fn hold(&mut self, node: &Node, keyword: &str, well: bool, why: impl FnOnce() -> String) {
        if well {
            return;
        }
        self.judgement.count += 1;
        if self.trying == 0 && self.judgement.violations.len() < VIOLATIONS_SHOWN {
            let at = self.path.iter().fold(String::new(), |at, name| below(&at, name));
            let rule = if keyword.is_empty() { node.at.clone() } else { below(&node.at, keyword) };
            self.judgement.violations.push(Violation { at, rule, why: why() });
        }
    }

    fn rule(&mut self, node: &Node, rule: &Rule, value: &Value, seen: &mut Seen) -> Result<(), Unjudged> {
        match rule {
            Rule::Never => self.hold(node, "", false, || "may not be there".to_owned()),
            Rule::Type(kinds) => {
                let well = kinds.iter().any(|kind| kind.holds(value));
                self.hold(node, "type", well, || format!("is not of type {}", names(kinds)));
            }
            Rule::Enum(all) => {
                self.work(all.len() + size(value))?;
                let well = all.contains(&number::canonical(value));
                self.hold(node, "enum", well, || format!("is none of the {} values of `enum`", all.len()));
            }
            Rule::Const(only) => {
                self.work(size(value))?;
                let well = *only == number::canonical(value);
                self.hold(node, "const", well, || "is not the value of `const`".to_owned());
            }
            Rule::Reference(id) => seen.and(self.ask(*id, value)?),
            Rule::AllOf(ids) => {
                for id in ids {
                    seen.and(self.ask(*id, value)?);
                }
            }
            Rule::AnyOf(ids) => self.any_of(node, ids, value, seen)?,
            Rule::OneOf(ids) => self.one_of(node, ids, value, seen)?,
            Rule::Not(id) => {
                let well = self.fits(*id, value)?.is_none();
                self.hold(node, "not", well, || "fits what `not` excludes".to_owned());
            }
            Rule::If { test, then, otherwise } => {
                let passed = self.fits(*test, value)?;
                let next = if passed.is_some() { then } else { otherwise };
                seen.and(passed.unwrap_or_default());
                if let Some(id) = next {
                    seen.and(self.ask(*id, value)?);
                }
            }
            _ => match value {
                Value::Number(number) => self.number(node, rule, number),
                Value::String(text) => self.text(node, rule, text)?,
                Value::Array(items) => self.items(node, rule, items, seen)?,
                Value::Object(members) => self.members(node, rule, value, members, seen)?,
                Value::Null | Value::Bool(_) => {}
            },
        }
        Ok(())
    }

    fn any_of(&mut self, node: &Node, ids: &[Id], value: &Value, seen: &mut Seen) -> Result<(), Unjudged> {
        let mut well = false;
        for id in ids {
            if let Some(here) = self.fits(*id, value)? {
                well = true;
                seen.and(here);
            }
        }
        self.hold(node, "anyOf", well, || format!("fits none of the {} schemas of `anyOf`", ids.len()));
        Ok(())
    }

    fn one_of(&mut self, node: &Node, ids: &[Id], value: &Value, seen: &mut Seen) -> Result<(), Unjudged> {
        let mut fitting = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            if let Some(here) = self.fits(*id, value)? {
                fitting.push(index.to_string());
                seen.and(here);
            }
        }
        self.hold(node, "oneOf", fitting.len() == 1, || match fitting.as_slice() {
            [] => format!("fits none of the {} schemas of `oneOf`", ids.len()),
            more => format!("fits several schemas of `oneOf`: {}", more.join(", ")),
        });
        Ok(())
    }

    fn number(&mut self, node: &Node, rule: &Rule, number: &serde_json::Number) {
        let against = |bound| compare(number, bound);
        match rule {
            Rule::Minimum(least) => {
                let well = against(*least) != Ordering::Less;
                self.hold(node, "minimum", well, || format!("is below {least}"));
            }
            Rule::Maximum(most) => {
                let well = against(*most) != Ordering::Greater;
                self.hold(node, "maximum", well, || format!("is above {most}"));
            }
            Rule::ExclusiveMinimum(least) => {
                let well = against(*least) == Ordering::Greater;
                self.hold(node, "exclusiveMinimum", well, || format!("is not above {least}"));
            }
            Rule::ExclusiveMaximum(most) => {
                let well = against(*most) == Ordering::Less;
                self.hold(node, "exclusiveMaximum", well, || format!("is not below {most}"));
            }
            Rule::MultipleOf(of) => {
                let well = number::is_multiple(number, *of);
                self.hold(node, "multipleOf", well, || format!("is no multiple of {of}"));
            }
            _ => {}
        }
    }

    fn text(&mut self, node: &Node, rule: &Rule, text: &str) -> Result<(), Unjudged> {
        self.work(text.len() / CHARACTERS_OF_A_STEP)?;
        match rule {
            Rule::MinLength(least) => {
                let well = text.chars().count() >= *least;
                self.hold(node, "minLength", well, || format!("is shorter than {least} characters"));
            }
            Rule::MaxLength(most) => {
                let well = text.chars().count() <= *most;
                self.hold(node, "maxLength", well, || format!("is longer than {most} characters"));
            }
            Rule::Pattern(pattern) => {
                self.work(text.len().saturating_mul(pattern.as_str().len()) / CHARACTERS_OF_A_STEP)?;
                let well = pattern.is_match(text);
                self.hold(node, "pattern", well, || format!("does not match `{pattern}`"));
            }
            Rule::Format(format) => {
                let well = format.fits(text);
                self.hold(node, "format", well, || format!("is no {}", format.name()));
            }
            _ => {}
        }
        Ok(())
    }

    fn items(&mut self, node: &Node, rule: &Rule, items: &[Value], seen: &mut Seen) -> Result<(), Unjudged> {
        match rule {
            Rule::MinItems(least) => {
                let well = items.len() >= *least;
                self.hold(node, "minItems", well, || format!("has fewer than {least} items"));
            }
            Rule::MaxItems(most) => {
                let well = items.len() <= *most;
                self.hold(node, "maxItems", well, || format!("has more than {most} items"));
            }
            Rule::UniqueItems => {
                self.work(items.iter().map(size).sum())?;
                let mut all = BTreeSet::new();
                let well = items.iter().all(|item| all.insert(number::canonical(item)));
                self.hold(node, "uniqueItems", well, || "has two items that are equal".to_owned());
            }
            Rule::Items { first, others } => {
                for (index, item) in items.iter().enumerate() {
                    if let Some(id) = first.get(index).or(others.as_ref()) {
                        seen.items.insert(index);
                        self.inside(&index.to_string(), *id, item)?;
                    }
                }
            }
            Rule::Contains { item: id, min, max } => {
                let mut count = 0;
                for (index, item) in items.iter().enumerate() {
                    if self.fits(*id, item)?.is_some() {
                        seen.items.insert(index);
                        count += 1;
                    }
                }
                let few = if *min == 1 { "contains" } else { "minContains" };
                self.hold(node, few, count >= *min, || {
                    format!("has fewer than {min} items as `contains` asks")
                });
                let well = max.is_none_or(|max| count <= max);
                self.hold(node, "maxContains", well, || "has too many items as `contains` asks".to_owned());
            }
            Rule::UnevaluatedItems(id) => {
                for (index, item) in items.iter().enumerate() {
                    if seen.items.insert(index) {
                        self.inside(&index.to_string(), *id, item)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn members(
        &mut self,
        node: &Node,
        rule: &Rule,
        value: &Value,
        members: &Map<String, Value>,
        seen: &mut Seen,
    ) -> Result<(), Unjudged> {
        match rule {
            Rule::MinProperties(least) => {
                let well = members.len() >= *least;
                self.hold(node, "minProperties", well, || format!("has fewer than {least} members"));
            }
            Rule::MaxProperties(most) => {
                let well = members.len() <= *most;
                self.hold(node, "maxProperties", well, || format!("has more than {most} members"));
            }
            Rule::Required(names) => {
                self.work(names.len())?;
                for name in names {
                    let well = members.contains_key(name);
                    self.hold(node, "required", well, || format!("lacks `{name}`"));
                }
            }
            Rule::DependentRequired(all) => {
                for (name, needed) in all.iter().filter(|(name, _)| members.contains_key(*name)) {
                    self.work(needed.len())?;
                    for needed in needed {
                        let well = members.contains_key(needed);
                        self.hold(node, "dependentRequired", well, || {
                            format!("has `{name}` and lacks `{needed}`")
                        });
                    }
                }
            }
            Rule::DependentSchemas(all) => {
                for (_, id) in all.iter().filter(|(name, _)| members.contains_key(*name)) {
                    seen.and(self.ask(*id, value)?);
                }
            }
            Rule::PropertyNames(id) => {
                for name in members.keys() {
                    let well = self.fits(*id, &Value::from(name.as_str()))?.is_some();
                    self.path.push(name.clone());
                    self.hold(node, "propertyNames", well, || "has a name that may not be".to_owned());
                    self.path.pop();
                }
            }
            Rule::Properties { named, patterns, others } => {
                for (name, member) in members {
                    let mut ids: Vec<Id> = named.get(name).copied().into_iter().collect();
                    for (pattern, id) in patterns {
                        self.work(
                            1 + name.len().saturating_mul(pattern.as_str().len()) / CHARACTERS_OF_A_STEP,
                        )?;
                        ids.extend(pattern.is_match(name).then_some(*id));
                    }
                    if ids.is_empty() {
                        ids.extend(*others);
                    }
                    for id in ids {
                        seen.members.insert(name.clone());
                        self.inside(name, id, member)?;
                    }
                }
            }
            Rule::UnevaluatedProperties(id) => {
                for (name, member) in members {
                    if seen.members.insert(name.clone()) {
                        self.inside(name, *id, member)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn names(kinds: &BTreeSet<Kind>) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")
}

/// How much work it is to read a value through, in rules.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / CHARACTERS_OF_A_STEP,
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => {
            1 + members
                .iter()
                .map(|(name, member)| 1 + name.len() / CHARACTERS_OF_A_STEP + size(member))
                .sum::<usize>()
        }
        _ => 1,
    }
}
