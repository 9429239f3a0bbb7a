//! From columns back to the domain's types.

use serde::{
    Deserialize,
    de::{
        DeserializeOwned,
        value::{Error, StrDeserializer},
    },
};

use crate::StoreError;

/// A row whose JSON `body` is all of it.
pub(crate) fn body<T: DeserializeOwned>(what: &'static str, id: &str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::corrupt(what, id, error))
}

/// Rows of id and body.
pub(crate) fn bodies<T: DeserializeOwned>(
    what: &'static str,
    rows: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(|(id, text)| body(what, &id, &text)).collect()
}

/// A word that the domain serialises as text: a state, an id, a digest.
pub(crate) fn word<T: for<'de> Deserialize<'de>>(
    what: &'static str,
    id: &str,
    text: &str,
) -> Result<T, StoreError> {
    T::deserialize(StrDeserializer::<Error>::new(text)).map_err(|error| StoreError::corrupt(what, id, error))
}

/// A revision or count as a column holds it.
pub(crate) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A revision or count from a column.
pub(crate) fn number(column: i64) -> u64 {
    u64::try_from(column).unwrap_or_default()
}
