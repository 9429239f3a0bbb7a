//! `interlock fleet`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use interlock_emulator::{Behaviour, DeviceSpec, Effect, FleetOptions, Snapshot};
use serde_json::json;

use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Fleet {
    /// Emulate devices that speak the device protocol over HTTP, until interrupted or for a given time.
    Emulate(Emulate),
}

#[derive(Debug, Args)]
pub(crate) struct Emulate {
    /// The server.
    #[arg(long, env = "INTERLOCK_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Whose devices they are.
    #[arg(long = "of", env = "INTERLOCK_TENANT", default_value = "default")]
    tenant: String,
    /// How many devices; they are called PREFIX-0001 and so on.
    #[arg(long, short = 'n', default_value_t = 10)]
    devices: u32,
    /// What their names begin with.
    #[arg(long, default_value = "pump")]
    prefix: String,
    /// A file with one `ID TOKEN` a line, instead of --devices.
    #[arg(long)]
    tokens: Option<PathBuf>,
    /// The tenant's gateway token, for devices without a token of their own.
    #[arg(long, env = "INTERLOCK_GATEWAY_TOKEN", hide_env_values = true)]
    gateway_token: Option<String>,
    /// The firmware that they start with.
    #[arg(long, default_value = "1.0.0")]
    version: String,
    /// Where they stand, in turn; may be repeated.
    #[arg(long = "site", default_values = ["north"])]
    sites: Vec<String>,
    /// How often each polls, in milliseconds; as often as the server says when absent.
    #[arg(long)]
    poll_ms: Option<u64>,
    /// How often each sends measurements, in milliseconds.
    #[arg(long)]
    telemetry_ms: Option<u64>,
    /// How long an installation takes.
    #[arg(long, default_value_t = 500)]
    install_ms: u64,
    /// How long a restart takes.
    #[arg(long, default_value_t = 500)]
    reboot_ms: u64,
    /// Do not download artifacts.
    #[arg(long)]
    no_download: bool,
    /// EFFECT[=VALUE][:PERCENT][@VERSION]; may be repeated.
    ///
    /// `latency=900:20@2.0.0` slows 20 % of the devices that run 2.0.0.
    ///
    /// While they install the version:
    ///   fail-install        the installation fails, and they say so
    ///   fail-download       the download fails, and they say so
    ///   lie                 they say success and keep the old version
    ///   reboots-after=MS    they say success, and reboot into it only so much later
    ///   rejects-cancel      told to stop, they say that it is too late and go on
    ///   silent              from when they fetch it they are heard of no more
    /// While they run it:
    ///   latency=MS          they measure about this latency
    ///   error-rate=RATIO    they measure about this share of errors
    ///   health-only         they report their health without a version
    ///   silent              they are never heard of
    #[arg(long = "behaviour", value_parser = behaviour, verbatim_doc_comment)]
    behaviours: Vec<Behaviour>,
    /// Everything that is left to chance hangs on it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
}

const EFFECTS: &str = "fail-install, fail-download, silent, lie, latency=MS, error-rate=RATIO, reboots-after=MS, \
                       rejects-cancel, health-only";

fn behaviour(text: &str) -> Result<Behaviour, String> {
    let (rest, version) = match text.split_once('@') {
        Some((rest, version)) => (rest, Some(version.to_owned())),
        None => (text, None),
    };
    let (effect, percent) = match rest.split_once(':') {
        Some((effect, percent)) => {
            (effect, percent.parse::<f64>().map_err(|_| format!("`{percent}` is no percentage"))?)
        }
        None => (rest, 100.0),
    };
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("`{percent}` is not between 0 and 100"));
    }
    let (name, value) = match effect.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (effect, None),
    };
    let number = || {
        let value = value.ok_or_else(|| format!("`{name}` needs a value: `{name}=…`"))?;
        value.parse::<f64>().map_err(|_| format!("`{value}` is no number"))
    };
    let effect = match name {
        "fail-install" => Effect::FailInstall,
        "fail-download" => Effect::FailDownload,
        "silent" => Effect::Silent,
        "lie" => Effect::LieAboutSuccess,
        "latency" => Effect::SlowLatencyMs(number()? as u64),
        "error-rate" => Effect::ErrorRate(number()?),
        "reboots-after" => Effect::RebootsAfterMs(number()? as u64),
        "rejects-cancel" => Effect::RejectsCancelWhileInstalling,
        "health-only" => Effect::ReportsHealthOnly,
        other => return Err(format!("`{other}` is no effect: {EFFECTS}")),
    };
    Ok(Behaviour { version, site: None, share_bp: (percent * 100.0).round() as u32, effect })
}

impl Fleet {
    pub(crate) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let Fleet::Emulate(emulate) = self;
        emulate.run(format).await
    }
}

impl Emulate {
    async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let seconds = self.seconds;
        let options = self.options()?;
        let bar = if format == Format::Table { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let mut last = None;
        let fleet = interlock_emulator::run(options, |snapshot| {
            bar.set_message(line(snapshot));
            bar.tick();
            last = Some(snapshot.clone());
        });
        let time_is_up = async {
            match seconds {
                Some(seconds) => tokio::time::sleep(std::time::Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Err(error) = fleet => return Err(Failure::local(error)),
            () = time_is_up => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        bar.finish_and_clear();
        let Some(snapshot) = last else { return Ok(Outcome::Done) };
        let body = json!({
            "polls": snapshot.polls,
            "failed_polls": snapshot.failed_polls,
            "poll_p50_ms": snapshot.poll_p50_ms,
            "poll_p99_ms": snapshot.poll_p99_ms,
            "installs": snapshot.installs,
            "failures": snapshot.failures,
            "by_version": snapshot.by_version,
        });
        let fields = [
            ("polls", "/polls"),
            ("failed polls", "/failed_polls"),
            ("poll p50 ms", "/poll_p50_ms"),
            ("poll p99 ms", "/poll_p99_ms"),
            ("installs", "/installs"),
            ("failures", "/failures"),
            ("versions", "/by_version"),
        ];
        output::record(&body, &fields, format)?;
        Ok(Outcome::Done)
    }

    fn options(self) -> Result<FleetOptions, Failure> {
        let server = self.url.parse().map_err(|error| Failure::Usage(format!("`{}`: {error}", self.url)))?;
        let named: Vec<(String, Option<String>)> = match &self.tokens {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| Failure::file(file, &error))?
                .lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(id, token)| (id.to_owned(), Some(token.trim().to_owned())))
                .collect(),
            None => (1..=self.devices).map(|n| (format!("{}-{n:04}", self.prefix), None)).collect(),
        };
        let devices = named
            .into_iter()
            .zip(self.sites.iter().cycle())
            .map(|((id, token), site)| DeviceSpec {
                id,
                token,
                version: self.version.clone(),
                site: site.clone(),
            })
            .collect();
        Ok(FleetOptions {
            server,
            tenant: self.tenant,
            devices,
            gateway_token: self.gateway_token,
            poll_ms: self.poll_ms,
            telemetry_ms: self.telemetry_ms,
            behaviours: self.behaviours,
            install_ms: self.install_ms,
            reboot_ms: self.reboot_ms,
            download: !self.no_download,
            seed: self.seed,
        })
    }
}

fn line(snapshot: &Snapshot) -> String {
    let versions: Vec<String> =
        snapshot.by_version.iter().map(|(version, count)| format!("{count} on {version}")).collect();
    format!(
        "{} polls ({} failed, p99 {:.1} ms), {} installed, {} failed; {}",
        snapshot.polls,
        snapshot.failed_polls,
        snapshot.poll_p99_ms,
        snapshot.installs,
        snapshot.failures,
        versions.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_is_read_with_share_and_version() {
        let read = behaviour("latency=900:20@2.0.0").unwrap();
        assert_eq!(read.effect, Effect::SlowLatencyMs(900));
        assert_eq!((read.share_bp, read.version.as_deref()), (2_000, Some("2.0.0")));
    }

    #[test]
    fn every_effect_that_is_listed_is_read_and_explained() {
        let help = Emulate::augment_args(clap::Command::new("emulate")).render_long_help().to_string();
        for effect in EFFECTS.split(", ") {
            assert!(help.contains(&format!("  {effect}  ")), "`{effect}` is not explained in:\n{help}");
            let text = effect.replace("=MS", "=900").replace("=RATIO", "=0.5");
            behaviour(&text).unwrap_or_else(|error| panic!("{effect}: {error}"));
        }
        assert_eq!(behaviour("reboots-after=900").unwrap().effect, Effect::RebootsAfterMs(900));
        assert_eq!(behaviour("rejects-cancel").unwrap().effect, Effect::RejectsCancelWhileInstalling);
        assert_eq!(behaviour("health-only").unwrap().effect, Effect::ReportsHealthOnly);
    }

    #[test]
    fn an_unknown_effect_is_refused_with_the_known_ones() {
        assert!(behaviour("explode").unwrap_err().contains("fail-install"));
        assert!(behaviour("silent:140").unwrap_err().contains("between 0 and 100"));
    }
}
