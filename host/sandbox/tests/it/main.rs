//! The sandbox from outside, with components written in WebAssembly text so that each does exactly one wrong thing.

#![expect(unreachable_pub, reason = "one binary: nothing here is reachable from outside")]
#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

mod cache;
mod compiler;
mod evidence;
mod faults;
mod install;
mod limits;
mod replay;
mod support;
mod versions;
mod wasi;
mod worlds;
