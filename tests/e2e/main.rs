//! End to end: the real program, real databases, real clients.

mod architecture;
mod demo;
mod kill;
mod program;
mod refusals;
mod swupdate;
