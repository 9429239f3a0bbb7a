//! `interlock change watch`: a line whenever something moves, until the change ends or gets where it is waited for.

use std::{
    io::{IsTerminal as _, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{FIELDS, State, sheet::progress_line};
use crate::{
    client::{Client, Failure},
    output::{self, Format, Outcome},
};

/// How often the server is asked.
const EVERY: Duration = Duration::from_millis(500);
/// Nothing more happens by itself after these.
const ENDS: [&str; 5] = ["completed", "rolled_back", "rejected", "cancelled", "expired"];

pub(super) async fn watch(
    client: &Client,
    id: &str,
    until: &[State],
    format: Format,
) -> Result<Outcome, Failure> {
    let progress = Progress::new();
    let mut last = String::new();
    loop {
        let change = client.get(&format!("/changes/{id}")).await?.body;
        let state = output::at(&change, "/state");
        let line = format!("{state}: {}", progress_line(&change));
        if line != last {
            progress.say(&line);
            last = line;
        }
        let there = until.iter().any(|wanted| wanted.0.as_str() == state);
        if there || ENDS.contains(&state.as_str()) {
            progress.end();
            output::record(&change, FIELDS, format)?;
            // Whoever waits for another state did not get it, not even by completion.
            let good = there || (until.is_empty() && state == "completed");
            return Ok(if good { Outcome::Done } else { Outcome::Refused });
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Lines on stderr, so that stdout holds the change alone; on a terminal with a spinner below them.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new() -> Self {
        // A bar draws nothing where there is no terminal, its lines included: a log would stay empty.
        if !stderr().is_terminal() {
            return Self(None);
        }
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
        let bar =
            ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(Some(bar))
    }

    fn say(&self, line: &str) {
        match &self.0 {
            Some(bar) => {
                bar.println(line);
                bar.set_message(line.to_owned());
            }
            None => eprintln!("{line}"),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
