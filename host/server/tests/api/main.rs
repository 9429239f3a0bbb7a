//! The HTTP API through the whole router, on a real store, under a clock that stands still.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

mod accounts;
mod advisories;
mod artifacts;
mod auth;
mod authzen;
mod bodies;
mod bundle;
mod changes;
mod decisions;
mod devices;
mod document;
mod engines;
mod esign;
mod gates;
mod idempotency;
mod keys;
mod ledger;
mod limits;
mod lists;
mod login;
mod ops;
mod people;
mod policies;
mod problems;
mod pulled;
mod replicas;
mod rosters;
mod serving;
mod signatures;
mod tenants;
