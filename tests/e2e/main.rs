//! End to end: the real program, real databases, real clients.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod another_day;
mod architecture;
mod compile;
mod demo;
mod from_git;
mod kill;
mod manifests;
mod pace;
mod program;
mod readme;
mod refusals;
mod replay;
mod swupdate;
mod transcript;
