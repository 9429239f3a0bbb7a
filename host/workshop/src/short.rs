//! Fields that may be written in short: a text or a number where a record has one thing to say.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};

/// A record with a short form. Not an untagged enum: that would lose the path of a field that does not fit.
pub(crate) trait Shorthand: DeserializeOwned {
    /// What may be written, for whoever wrote something else.
    const EXPECTED: &'static str;

    /// The record that a text stands for.
    fn from_text(_text: &str) -> Result<Self, String> {
        Err(format!("expected {}", Self::EXPECTED))
    }

    /// The record that a number stands for.
    fn from_number(_number: f64) -> Result<Self, String> {
        Err(format!("expected {}", Self::EXPECTED))
    }
}

/// A record that was perhaps written in short.
#[derive(Debug, Clone)]
pub(crate) struct Short<T>(pub(crate) T);

impl<'de, T: Shorthand> Deserialize<'de> for Short<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ShortVisitor(PhantomData)).map(Short)
    }
}

struct ShortVisitor<T>(PhantomData<T>);

impl<'de, T: Shorthand> Visitor<'de> for ShortVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::from_number(number).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        // What is measured is far below what f64 counts exactly.
        T::from_number(number as f64).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::from_number(number as f64).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
