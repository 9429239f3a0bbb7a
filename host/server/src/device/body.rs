//! What devices send: JSON objects of limited size. What the protocol does not know is ignored; what cannot be read is
//! refused and logged.

use std::{borrow::Cow, fmt, marker::PhantomData, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequest, OriginalUri, Request},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};
use tracing::warn;

use super::error::DdiError;
use crate::App;

/// Something that a device says.
pub(super) trait Message: Sized {
    /// Reads it from a body.
    fn read(body: &[u8]) -> Result<Self, DdiError>;
}

/// The body of a request as a message. Its media type is not looked at: not every client sends one.
pub(super) struct Said<M>(pub(super) M);

impl<M: Message> FromRequest<Arc<App>> for Said<M> {
    type Rejection = DdiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, DdiError> {
        let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
        let path = uri.path().to_owned();
        let bytes = collect(request.into_body(), app.config.devices.body_bytes_max).await;
        bytes.and_then(|bytes| M::read(&bytes)).map(Said).inspect_err(|error| {
            metrics::counter!("device_messages_refused_total").increment(1);
            warn!(path, %error, "a device's message was refused");
        })
    }
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, DdiError> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(DdiError::too_large(bytes_max)),
        Err(_) => Err(DdiError::unreadable("it broke off")),
    }
}

/// A `T` from a JSON object.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, DdiError> {
    // Bytes that are no text would pass unseen in fields that are ignored.
    let text = std::str::from_utf8(body).map_err(DdiError::unreadable)?;
    serde_json::from_str::<Object<T>>(text).map(|object| object.0).map_err(DdiError::unreadable)
}

/// A `T` from a JSON object and from nothing else: serde would take an array for a struct too, and what is no
/// feedback could be read as one.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Object)
    }
}

/// One of the words of an enum, from a JSON string and from nothing else, for the same reason.
pub(super) fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    T::deserialize(text.into_owned().into_deserializer())
}
