//! `interlock plugin replay`

use std::{collections::HashMap, fs, path::PathBuf, sync::Arc};

use clap::Args;
use indicatif::ProgressBar;
use interlock_domain::Timestamp;
use interlock_ledger::Digest;
use interlock_sandbox::Plugin;
use interlock_workshop::{NOON, Otherwise, Recorded, Replay as Replayed, Shown, alike, replay};
use serde_json::{Value, json};

use super::{
    component, decisions, json,
    place::{self, Place},
    size, time,
};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A decision's id, or a file that `interlock decision show ID --output json` wrote.
    #[arg(value_name = "DECISION|FILE", required_unless_present = "since", conflicts_with = "since")]
    decision: Option<String>,
    /// Ask this plugin instead of the component that decided: a file, a name or digest of the server's plugins, or where one is
    /// published.
    #[arg(long, value_name = "FILE|NAME|DIGEST|REFERENCE")]
    plugin: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Ask with these settings instead of the recorded ones. JSON.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Evidence for what the record does not hold: a file as in a case, or a folder with a folder for each source and a file
    /// for each key.
    #[arg(long, value_name = "DIR|FILE")]
    evidence: Option<PathBuf>,
    /// Every decision of the plugin since then: `7d`, `12h`, or a time.
    #[arg(long, value_name = "TIME", value_parser = decisions::since)]
    since: Option<Timestamp>,
    /// With --since: the plugin whose decisions they are; that of --plugin's own name when absent.
    #[arg(long, value_name = "NAME", requires = "since", value_parser = crate::cmd::decision::plugin_name)]
    gate: Option<String>,
    /// With --since: at most so many decisions, the newest.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Exit code 1 when an answer is another.
    #[arg(long)]
    fail_on_change: bool,
}

impl Replay {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let otherwise = self.otherwise()?;
        let mut asked = Asked::new(connection, &self.place, self.plugin.as_deref()).await?;
        match (&self.decision, self.since) {
            (Some(named), _) => {
                let recorded = decisions::decision(connection, named).await?;
                let plugin = asked.for_record(&recorded).await?;
                let replayed = replay(&plugin, &recorded, &otherwise).await;
                show(&replayed, &plugin, format)?;
                Ok(self.outcome(&[replayed]))
            }
            (None, Some(since)) => self.all(&mut asked, &otherwise, since, format).await,
            (None, None) => Err(Failure::Usage("give a decision, or --since".to_owned())),
        }
    }

    async fn all(
        &self,
        asked: &mut Asked<'_>,
        otherwise: &Otherwise,
        since: Timestamp,
        format: Format,
    ) -> Result<Outcome, Failure> {
        let own = asked.plugin.as_ref().map(|plugin| plugin.description().name.clone());
        let name = self.gate.clone().or(own).ok_or_else(|| {
            Failure::Usage(
                "whose decisions? give --plugin to try one, or --gate NAME to repeat what was decided"
                    .to_owned(),
            )
        })?;
        let client = asked.connection.client()?;
        let mut recorded = decisions::OfPlugin::since(client, &name, since, self.limit as usize);
        // It draws nothing where there is no terminal.
        let bar = ProgressBar::no_length().with_message(format!("decisions of {name}"));
        let mut replays = Vec::new();
        loop {
            let some = recorded.next().await?;
            if some.is_empty() {
                break;
            }
            for recorded in &some {
                let plugin = asked.for_record(recorded).await?;
                replays.push(replay(&plugin, recorded, otherwise).await);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        show_all(&name, since, &replays, recorded.is_cut(), format)?;
        Ok(self.outcome(&replays))
    }

    fn otherwise(&self) -> Result<Otherwise, Failure> {
        let settings = self.settings.as_ref().map(|file| {
            let text = fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
            serde_json::from_str(&text)
                .map_err(|error| Failure::Usage(format!("`{}` is not valid JSON: {error}", file.display())))
        });
        let evidence = self.evidence.as_ref().map(|path| Shown::read(path, NOON).map_err(Failure::local));
        Ok(Otherwise { settings: settings.transpose()?, evidence: evidence.transpose()? })
    }

    /// What was decided has to come out again; what a change of plugin or settings does is only told, unless the caller
    /// minds.
    fn outcome(&self, replays: &[Replayed]) -> Outcome {
        let (mut refused, mut unverified) = (false, false);
        for replayed in replays {
            match (&replayed.impossible, &replayed.not_reproduced) {
                (Some(_), _) => unverified = true,
                (None, Some(differences)) => refused |= !differences.is_empty(),
                (None, None) => refused |= self.fail_on_change && replayed.is_changed(),
            }
        }
        if refused {
            Outcome::Refused
        } else if unverified && (self.decision.is_some() || self.fail_on_change) {
            Outcome::Unverified
        } else {
            Outcome::Done
        }
    }
}

/// Who is asked: one plugin, or for each decision the component that made it.
struct Asked<'a> {
    connection: &'a Connection,
    plugin: Option<Arc<Plugin>>,
    fetched: HashMap<Digest, Arc<Plugin>>,
}

impl<'a> Asked<'a> {
    async fn new(connection: &'a Connection, place: &Place, named: Option<&str>) -> Result<Self, Failure> {
        let plugin = match named {
            Some(named) => {
                // A digest alone is one of the server's.
                let published = place::is_reference(named) && named.parse::<Digest>().is_err();
                let wasm = if published {
                    place.fetch(named).await?.wasm
                } else {
                    component::component(connection, named).await?
                };
                Some(component::ready(wasm, named).await?)
            }
            None => None,
        };
        Ok(Self { connection, plugin, fetched: HashMap::new() })
    }

    async fn for_record(&mut self, recorded: &Recorded) -> Result<Arc<Plugin>, Failure> {
        let digest = recorded.record.plugin;
        if let Some(plugin) = self.plugin.as_ref().or_else(|| self.fetched.get(&digest)) {
            return Ok(Arc::clone(plugin));
        }
        let fetched = component::download(&self.connection.client()?, &digest).await.map_err(|failure| match failure {
            Failure::Problem { .. } => Failure::Refused(format!(
                "the component that decided, `{}` `{digest}`, is not to be had from the server: {failure}\n  if you \
                 have it in a file, give --plugin FILE",
                recorded.plugin
            )),
            other => other,
        })?;
        let plugin = component::ready(fetched, &digest.to_string()).await?;
        self.fetched.insert(digest, Arc::clone(&plugin));
        Ok(plugin)
    }
}

fn show(replayed: &Replayed, plugin: &Plugin, format: Format) -> Result<(), Failure> {
    let mut body = json(replayed)?;
    body["changed"] = replayed.is_changed().into();
    if format != Format::Table {
        return output::value(&body, format);
    }
    let description = plugin.description();
    let same = replayed.recorded == replayed.asked;
    let now = if same {
        "the same".to_owned()
    } else {
        format!("{} {} {}", description.name, description.version, replayed.asked)
    };
    body["now"] = now.into();
    body["outcome"] = replayed.outcome().into();
    let fields = [
        ("decision", "/decision"),
        ("change", "/change"),
        ("made", "/at"),
        ("asked", "/function"),
        ("recorded", "/recorded"),
        ("now", "/now"),
        ("outcome", "/outcome"),
    ];
    say!("{}", output::lines(&body, &fields));
    differences(replayed)?;
    for lookup in &replayed.not_held {
        sayln!(
            "\nnot in the record: `{}` of `{}`; it was not asked for then. Give it with --evidence.",
            lookup.key,
            lookup.source
        );
    }
    if let Some(reason) = &replayed.impossible {
        sayln!("\nnot asked: {reason}");
        return Ok(());
    }
    let (before, after) = (replayed.cost.before, replayed.cost.after);
    sayln!("\nfuel    {}", then_now(before.fuel, after.fuel, |fuel| fuel.to_string()));
    sayln!("memory  {}", then_now(before.memory_bytes_peak, after.memory_bytes_peak, size));
    sayln!("time    {} -> {}", time(before.elapsed_us), time(after.elapsed_us));
    for note in &replayed.notes {
        sayln!("note: {note}");
    }
    match replayed.not_reproduced.as_deref() {
        Some([]) => sayln!("\nidentical: answer, fuel, look-ups and logs are as recorded"),
        Some(differences) => {
            sayln!("\nnot as recorded:");
            for difference in differences {
                sayln!("  {difference}");
            }
        }
        None if replayed.is_changed() => sayln!("\nthe answer is another"),
        None => sayln!("\nthe answer is the same"),
    }
    Ok(())
}

fn differences(replayed: &Replayed) -> Result<(), Failure> {
    let rows: Vec<Value> = replayed
        .differences
        .iter()
        .map(|difference| {
            let what = format!("{} {}", difference.thing, difference.name);
            json!({ "change": difference.change.as_str(), "what": what, "subject": difference.subject,
                "before": difference.before, "after": difference.after })
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        ("IS", "/change"),
        ("WHAT", "/what"),
        ("SUBJECT", "/subject"),
        ("BEFORE", "/before"),
        ("NOW", "/after"),
    ];
    sayln!("\n{}", output::rows(&rows, &columns).trim_end());
    Ok(())
}

/// `10678`, or `10678 -> 14363 (+34.5 %)`
fn then_now(before: u64, after: u64, shown: impl Fn(u64) -> String) -> String {
    if before == after {
        return shown(after);
    }
    let (more, sign) = if after > before { (after - before, '+') } else { (before - after, '-') };
    let tenths = more.saturating_mul(1000).checked_div(before);
    let percent =
        tenths.map(|tenths| format!(" ({sign}{}.{} %)", tenths / 10, tenths % 10)).unwrap_or_default();
    format!("{} -> {}{percent}", shown(before), shown(after))
}

fn show_all(
    name: &str,
    since: Timestamp,
    replays: &[Replayed],
    cut: bool,
    format: Format,
) -> Result<(), Failure> {
    let count = |is: &dyn Fn(&Replayed) -> bool| replays.iter().filter(|replayed| is(replayed)).count();
    let not_asked = count(&|replayed| replayed.impossible.is_some());
    let changed = count(&|replayed| replayed.impossible.is_none() && replayed.is_changed());
    let not_held = count(&|replayed| !replayed.not_held.is_empty());
    let not_reproduced = count(&|replayed| replayed.impossible.is_none() && !replayed.is_reproduced());
    let groups = alike(replays);
    if format != Format::Table {
        let body = json!({
            "plugin": name, "since": since, "replayed": replays.len(), "same": replays.len() - changed - not_asked,
            "changed": changed, "not_asked": not_asked, "not_reproduced": not_reproduced, "evidence_not_held": not_held,
            "cut_at_limit": cut, "groups": json(&groups)?, "replays": json(&replays)?,
        });
        return output::value(&body, format);
    }
    for group in &groups {
        sayln!("{} times: {}", group.decisions.len(), group.what.join(", "));
        let rows: Vec<Value> = replays
            .iter()
            .filter(|replayed| group.decisions.contains(&replayed.decision))
            .map(|replayed| {
                json!({ "decision": replayed.decision, "made": replayed.at, "change": replayed.change,
                    "function": replayed.function, "outcome": replayed.outcome() })
            })
            .collect();
        let columns = [
            ("DECISION", "/decision"),
            ("MADE", "/made"),
            ("CHANGE", "/change"),
            ("FUNCTION", "/function"),
            ("OUTCOME", "/outcome"),
        ];
        sayln!("{}\n", output::rows(&rows, &columns).trim_end());
    }
    if replays.is_empty() {
        sayln!(
            "`{name}` decided nothing since {since}: `interlock decision list --plugin {name}` shows what it did before"
        );
        return Ok(());
    }
    let same = replays.len() - changed - not_asked;
    sayln!(
        "{} decisions of {name} since {since}: {same} the same, {changed} changed, {not_asked} not asked",
        replays.len()
    );
    if not_reproduced > 0 {
        sayln!("{not_reproduced} did not come out as recorded, although nothing else was asked");
    }
    if not_held > 0 {
        sayln!(
            "{not_held} asked for evidence that their record does not hold: replay one alone to see which"
        );
    }
    if cut {
        sayln!("there may be more: --limit stopped here");
    }
    Ok(())
}
