//! Tells cargo that the embedded migrations are input.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
