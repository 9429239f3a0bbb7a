//! `interlock plugin bench`

use std::path::PathBuf;

use clap::Args;
use interlock_workshop::{Mismatch, Suite, bench};

use super::{json, load, size, time};
use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The component.
    file: PathBuf,
    /// A file of cases.
    cases: PathBuf,
    /// The name of the case; the first one when absent.
    #[arg(long = "case", value_name = "NAME")]
    name: Option<String>,
    /// How often it is asked, after some calls that do not count.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
}

impl Bench {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let suite = Suite::read(&self.cases).map_err(Failure::local)?;
        let case = match &self.name {
            Some(name) => suite.case(name),
            None => suite.cases.first(),
        };
        let case = case.ok_or_else(|| {
            let names: Vec<String> = suite.cases.iter().map(|case| format!("`{}`", case.name)).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Failure::Usage(format!("`{}` has no such case; it has: {names}", suite.file))
        })?;
        let plugin = load(&self.file).await?;
        let measured = bench(&plugin, &case.input, case.function(&plugin), self.runs)
            .await
            .map_err(|Mismatch(why)| Failure::Refused(format!("case `{}`: {why}", case.name)))?;
        if format != Format::Table {
            output::value(&json(&measured)?, format)?;
        } else {
            sayln!("case    {}", case.name);
            sayln!("runs    {}", measured.runs);
            sayln!("p50     {}", time(measured.p50_us));
            sayln!("p99     {}", time(measured.p99_us));
            sayln!("max     {}", time(measured.max_us));
            sayln!("fuel    {}", measured.fuel);
            sayln!("memory  {}", size(measured.memory_bytes_peak));
        }
        if measured.fuel_constant {
            return Ok(Outcome::Done);
        }
        eprintln!(
            "interlock: the runs used different amounts of fuel, so the plugin is no function of its input"
        );
        Ok(Outcome::Unverified)
    }
}
