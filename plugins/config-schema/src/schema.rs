//! A JSON Schema as this gate understands it: every subschema under a number, and what it asks under that.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_json::Value;

use crate::format::Format;
use crate::number::Bound;

/// A JSON Schema that was read without objections.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) nodes: Vec<Node>,
}

/// A subschema, by its place among all of the schema.
pub(crate) type Id = usize;

/// The whole schema.
pub(crate) const ROOT: Id = 0;

/// One subschema.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// Its JSON pointer in the schema.
    pub(crate) at: String,
    /// In the order in which they are asked: what is left over comes last.
    pub(crate) rules: Vec<Rule>,
}

/// What a subschema asks of a value.
#[derive(Debug)]
pub(crate) enum Rule {
    /// No value is good: the schema `false`.
    Never,
    Type(BTreeSet<Kind>),
    Enum(Vec<String>),
    Const(String),
    Minimum(Bound),
    Maximum(Bound),
    ExclusiveMinimum(Bound),
    ExclusiveMaximum(Bound),
    MultipleOf(Bound),
    MinLength(usize),
    MaxLength(usize),
    Pattern(Regex),
    Format(Format),
    MinItems(usize),
    MaxItems(usize),
    UniqueItems,
    MinProperties(usize),
    MaxProperties(usize),
    Required(Vec<String>),
    DependentRequired(BTreeMap<String, Vec<String>>),
    PropertyNames(Id),
    Properties {
        named: BTreeMap<String, Id>,
        patterns: Vec<(Regex, Id)>,
        others: Option<Id>,
    },
    Items {
        first: Vec<Id>,
        others: Option<Id>,
    },
    Contains {
        item: Id,
        min: usize,
        max: Option<usize>,
    },
    Reference(Id),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If {
        test: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
    DependentSchemas(BTreeMap<String, Id>),
    UnevaluatedProperties(Id),
    UnevaluatedItems(Id),
}

impl Rule {
    /// The subschemas that are asked about the same value, not about a part of it.
    pub(crate) fn over_the_same(&self) -> Vec<Id> {
        match self {
            Self::Reference(id) | Self::Not(id) => vec![*id],
            Self::AllOf(ids) | Self::AnyOf(ids) | Self::OneOf(ids) => ids.clone(),
            Self::If { test, then, otherwise } => {
                [Some(*test), *then, *otherwise].into_iter().flatten().collect()
            }
            Self::DependentSchemas(ids) => ids.values().copied().collect(),
            _ => Vec::new(),
        }
    }
}

/// The types of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Number, Self::String, Self::Array, Self::Object];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// Whether `value` is of this type. A number without a fraction is an integer, however it is written.
    pub(crate) fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Integer, Value::Number(number)) => {
                !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
            }
            (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_))
            | (Self::Array, Value::Array(_))
            | (Self::Object, Value::Object(_)) => true,
            _ => false,
        }
    }
}
