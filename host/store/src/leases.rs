//! Leases: who acts. A paused holder is no danger, because every commit under a lease checks its token.

/// A lease that was held when it was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Rises with every new holder.
    pub token: i64,
}
