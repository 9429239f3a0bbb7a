//! Writes canonical JSON straight from a value, in one pass and without a tree in between: every entry, decision and
//! manifest goes through here.
//!
//! The library that canonicalises a finished tree is the reference: the tests compare.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;

use serde::ser::{self, Serialize};

use super::{CanonicalError, INTEGER_MAX};

/// The canonical bytes of `value`.
pub(super) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::with_capacity(512);
    value.serialize(&mut Writer { out: &mut out }).map_err(Fault::named)?;
    Ok(out)
}

/// Why there is no canonical form, and where: the steps of the path are put together on the way out, innermost first, so
/// that a sound value pays nothing for them.
#[derive(Debug)]
pub(super) struct Fault {
    reason: Reason,
    path: Vec<String>,
}

#[derive(Debug)]
enum Reason {
    Float(String),
    IntegerTooLarge(String),
    DuplicateKey,
    NotJson(String),
}

impl Fault {
    fn new(reason: Reason) -> Self {
        Self { reason, path: Vec::new() }
    }

    fn not_json(reason: impl Into<String>) -> Self {
        Self::new(Reason::NotJson(reason.into()))
    }

    fn under(mut self, step: &str) -> Self {
        self.path.push(step.replace('~', "~0").replace('/', "~1"));
        self
    }

    fn named(self) -> CanonicalError {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            path.push('/');
            path.push_str(step);
        }
        match self.reason {
            Reason::Float(found) => CanonicalError::Float { path, found },
            Reason::IntegerTooLarge(found) => CanonicalError::IntegerTooLarge { path, found },
            Reason::DuplicateKey => CanonicalError::DuplicateKey { path },
            Reason::NotJson(reason) => CanonicalError::NotJson { reason },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.reason)
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::not_json(text.to_string())
    }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn integer(&mut self, integer: impl fmt::Display + TryInto<i64> + Copy) -> Result<(), Fault> {
        match integer.try_into() {
            Ok(exact) if (-INTEGER_MAX..=INTEGER_MAX).contains(&exact) => {
                let mut text = Digits::default();
                // Nineteen digits and a sign always fit.
                let _ = write!(text, "{exact}");
                self.out.extend_from_slice(text.bytes());
                Ok(())
            }
            _ => Err(Fault::new(Reason::IntegerTooLarge(integer.to_string()))),
        }
    }

    /// Escapes as RFC 8785 §3.2.2.2 does: what must be escaped, in the shortest way, and nothing else.
    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        let bytes = text.as_bytes();
        let mut plain_from = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.out.extend_from_slice(&bytes[plain_from..at]);
            plain_from = at + 1;
            let short = match byte {
                b'"' => b'"',
                b'\\' => b'\\',
                0x08 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                0x0c => b'f',
                b'\r' => b'r',
                _ => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    self.out.extend_from_slice(b"\\u00");
                    self.out.push(HEX[usize::from(byte >> 4)]);
                    self.out.push(HEX[usize::from(byte & 15)]);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', short]);
        }
        self.out.extend_from_slice(&bytes[plain_from..]);
        self.out.push(b'"');
    }
}

/// An integer's text without an allocation.
#[derive(Default)]
struct Digits {
    digits: [u8; 20],
    len: usize,
}

impl Digits {
    fn bytes(&self) -> &[u8] {
        &self.digits[..self.len]
    }
}

impl fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.digits.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

fn float(value: f64, text: String) -> Fault {
    if !value.is_finite() {
        return Fault::not_json(format!("`{text}` is no JSON number"));
    }
    if value.fract() == 0.0 && value.abs() > INTEGER_MAX as f64 {
        return Fault::new(Reason::IntegerTooLarge(text));
    }
    Fault::new(Reason::Float(text))
}

macro_rules! integers {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method(self, value: $type) -> Result<(), Fault> { self.integer(value) })*
    };
}

impl<'a, 'w> ser::Serializer for &'w mut Writer<'a> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = List<'a, 'w>;
    type SerializeTuple = List<'a, 'w>;
    type SerializeTupleStruct = List<'a, 'w>;
    type SerializeTupleVariant = List<'a, 'w>;
    type SerializeMap = Fields<'a, 'w>;
    type SerializeStruct = Fields<'a, 'w>;
    type SerializeStructVariant = Fields<'a, 'w>;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    }

    fn serialize_bool(self, value: bool) -> Result<(), Fault> {
        self.push(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Fault> {
        Err(float(value.into(), format!("{value:?}")))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Fault> {
        Err(float(value, format!("{value:?}")))
    }

    fn serialize_char(self, value: char) -> Result<(), Fault> {
        self.string(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Fault> {
        self.string(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), Fault> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Fault> {
        self.push("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Fault> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Fault> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        let mut fields = Fields::begin(self, 0);
        fields.field(variant.into(), value)?;
        fields.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a, 'w>, Fault> {
        Ok(List::begin(self, 0))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a, 'w>, Fault> {
        Ok(List::begin(self, 0))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a, 'w>, Fault> {
        Ok(List::begin(self, 0))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a, 'w>, Fault> {
        self.open(variant);
        Ok(List::begin(self, 1))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Fields<'a, 'w>, Fault> {
        Ok(Fields::begin(self, len.unwrap_or(0)))
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Fields<'a, 'w>, Fault> {
        Ok(Fields::begin(self, len))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Fields<'a, 'w>, Fault> {
        self.open(variant);
        let mut fields = Fields::begin(self, len);
        fields.closing = 1;
        Ok(fields)
    }
}

impl Writer<'_> {
    /// Opens the object around the content of a variant.
    fn open(&mut self, variant: &str) {
        self.push("{");
        self.string(variant);
        self.push(":");
    }
}

/// An array that is being written.
struct List<'a, 'w> {
    writer: &'w mut Writer<'a>,
    next: usize,
    /// How many objects around it end with it.
    closing: usize,
}

impl<'a, 'w> List<'a, 'w> {
    fn begin(writer: &'w mut Writer<'a>, closing: usize) -> Self {
        writer.push("[");
        Self { writer, next: 0, closing }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        if self.next > 0 {
            self.writer.push(",");
        }
        value.serialize(&mut *self.writer).map_err(|fault| fault.under(&self.next.to_string()))?;
        self.next += 1;
        Ok(())
    }

    fn close(self) -> Result<(), Fault> {
        self.writer.push("]");
        self.writer.out.resize(self.writer.out.len() + self.closing, b'}');
        Ok(())
    }
}

macro_rules! list {
    ($($trait:ident::$method:ident),*) => {$(
        impl ser::$trait for List<'_, '_> {
            type Ok = ();
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.item(value)
            }

            fn end(self) -> Result<(), Fault> {
                self.close()
            }
        }
    )*};
}

list!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// An object that is being written: fields as they come, put in order at the end.
struct Fields<'a, 'w> {
    writer: &'w mut Writer<'a>,
    /// Where the first field begins.
    from: usize,
    /// Each field's name, and where it stands as `"name":value`.
    written: Vec<(Cow<'static, str>, Range<usize>)>,
    /// The name of the value that comes next, in a map.
    name: Option<Cow<'static, str>>,
    /// How many objects around it end with it.
    closing: usize,
}

impl<'a, 'w> Fields<'a, 'w> {
    fn begin(writer: &'w mut Writer<'a>, len: usize) -> Self {
        writer.push("{");
        let from = writer.out.len();
        Self { writer, from, written: Vec::with_capacity(len), name: None, closing: 0 }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: Cow<'static, str>, value: &T) -> Result<(), Fault> {
        // The comma belongs to whatever stands before the field in the end.
        if !self.written.is_empty() {
            self.writer.push(",");
        }
        let start = self.writer.out.len();
        self.writer.string(&name);
        self.writer.push(":");
        value.serialize(&mut *self.writer).map_err(|fault| fault.under(&name))?;
        self.written.push((name, start..self.writer.out.len()));
        Ok(())
    }

    fn close(mut self) -> Result<(), Fault> {
        let ordered = self.written.is_sorted_by(|(a, _), (b, _)| utf16(a, b).is_lt());
        if !ordered {
            self.written.sort_by(|(a, _), (b, _)| utf16(a, b));
            if let Some(pair) = self.written.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(Fault::new(Reason::DuplicateKey).under(&pair[0].0));
            }
            let out = &mut *self.writer.out;
            let unordered = out.split_off(self.from);
            for (nth, (_, field)) in self.written.iter().enumerate() {
                if nth > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(&unordered[field.start - self.from..field.end - self.from]);
            }
        }
        self.writer.out.resize(self.writer.out.len() + 1 + self.closing, b'}');
        Ok(())
    }
}

/// The order of RFC 8785 §3.2.3. UTF-8 and UTF-16 order text alike but for what UTF-16 writes as surrogate pairs.
fn utf16(a: &str, b: &str) -> std::cmp::Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

impl ser::SerializeMap for Fields<'_, '_> {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        // Whatever JSON lets be a key becomes a string there; whatever does not is refused there.
        let key = serde_json::to_value(KeyOf(key)).map_err(|error| Fault::not_json(error.to_string()))?;
        self.name = key.as_object().and_then(|keyed| keyed.keys().next().cloned()).map(Cow::Owned);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let name = self.name.take().ok_or_else(|| Fault::not_json("a value without a key"))?;
        self.field(name, value)
    }

    fn end(self) -> Result<(), Fault> {
        self.close()
    }
}

/// An object with this one key.
struct KeyOf<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Serialize for KeyOf<'_, T> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &())?;
        map.end()
    }
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Fields<'_, '_> {
            type Ok = ();
            type Error = Fault;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Fault> {
                self.field(name.into(), value)
            }

            fn end(self) -> Result<(), Fault> {
                self.close()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);
