//! Asking before something that cannot be taken back.

use crate::failure::Failure;

/// Whether to ask.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Confirm {
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

impl Confirm {
    /// Asks, unless told not to: `approve this change`. On stderr, because stdout holds the answer alone.
    pub(crate) fn ask(self, what: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        eprint!("{what}? [y/N] ");
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).map_err(Failure::local)? == 0 {
            return Err(Failure::Usage(
                "nobody is there to answer; give --yes to do it without asking".to_owned(),
            ));
        }
        match line.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::Refused(format!("you did not say yes, so nothing was done: not to {what}"))),
        }
    }
}
