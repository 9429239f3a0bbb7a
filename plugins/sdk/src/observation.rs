//! Finding what the host measured.

use crate::{Fault, Observation};

impl Observation {
    /// The answer to the query `id` among `observations`. A query that the host left open is a fault, which is a deny.
    pub fn of<'a>(observations: &'a [Self], id: &str) -> Result<&'a Self, Fault> {
        observations
            .iter()
            .find(|observation| observation.query.id == id)
            .ok_or_else(|| Fault::Evidence(format!("the host did not answer the query `{id}`")))
    }
}
