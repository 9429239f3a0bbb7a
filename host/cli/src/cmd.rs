//! One file per noun.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod advisory;
pub(crate) mod artifact;
pub(crate) mod bundle;
pub(crate) mod change;
pub(crate) mod decision;
pub(crate) mod delegation;
pub(crate) mod device;
pub(crate) mod fleet;
pub(crate) mod gate;
pub(crate) mod incident;
pub(crate) mod key;
pub(crate) mod ledger;
pub(crate) mod person;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod serve;
pub(crate) mod signature;
pub(crate) mod status;
