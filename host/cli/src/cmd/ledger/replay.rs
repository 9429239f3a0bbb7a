//! Recorded decisions, made again: by the plugin or bundle of then, on the evidence of then. And every change, rebuilt.

use clap::Args;
use serde_json::{Value, json};

use super::{showing, trust::Found};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Only decisions about this change.
    #[arg(long, value_name = "ID")]
    change: Option<String>,
    /// Most decisions that are made again, the newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000)]
    limit: usize,
}

impl Replay {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let path =
            self.change.as_ref().map_or("/decisions".to_owned(), |id| format!("/decisions?change={id}"));
        let (mut replayed, mut differ, mut cursor) = (0_usize, Vec::new(), None::<String>);
        let done = std::sync::atomic::AtomicUsize::new(0);
        let work = async {
            // One part at a time: what is held here does not grow with the log.
            loop {
                let (part, next) =
                    client.part(&path, (self.limit - replayed).min(200), cursor.as_deref()).await?;
                for decision in &part {
                    let id = output::at(decision, "/id");
                    let again = client.post(&format!("/decisions/{id}/replay"), &json!({})).await?.body;
                    if again.get("identical").and_then(Value::as_bool) != Some(true) {
                        differ.push(json!({ "decision": id, "differences": again.get("differences") }));
                    }
                    replayed += 1;
                    done.store(replayed, std::sync::atomic::Ordering::Relaxed);
                }
                cursor = next;
                if cursor.is_none() || replayed >= self.limit {
                    break;
                }
            }
            client.post("/ledger/verify", &json!({})).await
        };
        let verified = showing(work, format, |bar| {
            let done = done.load(std::sync::atomic::Ordering::Relaxed);
            bar.set_message(format!("{done} decisions made again"));
        });
        let verified = verified.await?.body;
        // A decision that comes out otherwise shows that something is not what it was; which, the findings say.
        let found = if differ.is_empty() { Found::of(&verified) } else { Found::Tampered };
        let body = json!({
            "outcome": found.word(),
            "decisions": replayed,
            "differ": differ,
            "changes_rebuilt": verified.get("changes_rebuilt"),
            "findings": verified.get("findings"),
        });
        let fields = [
            ("outcome", "/outcome"),
            ("decisions made again", "/decisions"),
            ("changes rebuilt", "/changes_rebuilt"),
        ];
        output::record(&body, &fields, format)?;
        if format == Format::Table {
            for item in &differ {
                sayln!("{}: {}", output::at(item, "/decision"), output::at(item, "/differences"));
            }
            super::findings(&verified);
        }
        Ok(found.outcome())
    }
}
