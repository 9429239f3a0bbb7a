//! The HTTP API through the whole router, on a real store, under a clock that stands still.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

mod accounts;
mod advisories;
mod approvals;
mod artifacts;
mod auth;
mod authzen;
mod bodies;
mod break_glass;
mod bundle;
mod changes;
mod decisions;
mod delegations;
mod devices;
mod document;
mod engines;
mod esign;
mod events;
mod gates;
mod house;
mod idempotency;
mod jwt;
mod keys;
mod ledger;
mod limits;
mod lists;
mod login;
mod oidc;
mod ops;
mod people;
mod policies;
mod problems;
mod pulled;
mod replicas;
mod rosters;
mod serving;
mod signatures;
mod signed;
mod sinks;
mod sync;
mod tamper;
mod tenants;
mod time_server;
mod tlog;
mod witness;
