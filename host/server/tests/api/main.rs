//! The HTTP API through the whole router, on a real store, under a clock that stands still.

mod artifacts;
mod auth;
mod bodies;
mod changes;
mod devices;
mod document;
mod idempotency;
mod keys;
mod ledger;
mod lists;
mod ops;
mod problems;
mod serving;
mod tenants;
