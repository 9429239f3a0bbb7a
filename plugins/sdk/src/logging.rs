//! Lines for the operator's log. Each costs a host call and the volume is limited, so say what a verdict cannot.

pub use crate::bindings::interlock::plugin::logging::Level;

/// Detail for whoever looks into one decision.
pub fn debug(message: &str) {
    log(Level::Debug, message);
}

/// Something worth knowing.
pub fn info(message: &str) {
    log(Level::Info, message);
}

/// Something that somebody should look at.
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// Something that went wrong.
pub fn error(message: &str) {
    log(Level::Error, message);
}

fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::interlock::plugin::logging::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}
