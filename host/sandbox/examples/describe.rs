//! Installs components and prints what they say of themselves.
//!
//! ```text
//! cargo run -p interlock-sandbox --example describe -- PLUGIN.wasm …
//! ```

use std::time::Instant;

use interlock_sandbox::{Limits, Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let sandbox = Sandbox::new(Limits::default(), None)?;
    println!("instances from a pool: {}", sandbox.pooled());
    for path in std::env::args().skip(1) {
        let wasm = std::fs::read(&path)?;
        let start = Instant::now();
        match sandbox.install(wasm).await {
            Ok(plugin) => {
                let description = plugin.description();
                println!("{} {} ({})", description.name, description.version, plugin.kind());
                println!("  {}", description.summary);
                println!("  digest    {}", plugin.digest());
                println!("  evidence  {:?}", description.evidence_sources);
                println!("  installed in {:?}", start.elapsed());
            }
            Err(error) => println!("{path}: {error}"),
        }
    }
    Ok(())
}
