//! How many questions about access a server answers, each on record before it is answered; over a bare server that sends the
//! same JSON back, and over other engines with an equivalent policy. One run, one client, the same processors for all.
//!
//! Prints one JSON object a line. `interlock-access-bench PROGRAM PLUGINS REGO [PART]`, where `REGO` is the server of `tests/rego`
//! and `PART` one of the parts alone: `one`, `rego`, `batch`, `reload`, `million`; with `echo` it is the bare server.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use axum::{Json, Router, routing::post};
use interlock_tests::{
    Person, Server, Setup,
    load::{Hits, Shot},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// How long each figure is measured.
const LASTING: Duration = Duration::from_secs(5);
/// Before what is measured.
const WARMING: Duration = Duration::from_secs(1);
/// As many as the figures of other engines were taken with.
const CONNECTIONS: usize = 32;
/// Questions of one batch.
const BATCH: usize = 100;
/// So many decisions are recorded in one go.
const DECISIONS: u64 = 1_000_000;
/// What Open Policy Agent 1.9.0 answered a second with a six-line policy, and what a bare server sent back there, on a quiet
/// machine with two processors: where no `opa` can be had, its figure is what it would be by this ratio.
const OPA_OF_ECHO: f64 = 19_000.0 / 98_000.0;

/// What is measured, in this order.
const PARTS: [&str; 5] = ["one", "rego", "batch", "reload", "million"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["echo"] => echo().await,
        [program, plugins, rego] => compare(program.into(), plugins.into(), rego.into(), &PARTS).await,
        [program, plugins, rego, part] if PARTS.contains(&part) => {
            compare(program.into(), plugins.into(), rego.into(), &[part]).await
        }
        _ => anyhow::bail!(
            "usage: interlock-access-bench PROGRAM PLUGINS REGO [one|rego|batch|reload|million]"
        ),
    }
}

/// A bare server that sends the same JSON back.
async fn echo() -> anyhow::Result<()> {
    serve(Router::new().route("/", post(|Json(body): Json<Value>| async { Json(body) }))).await
}

async fn serve(router: Router) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| _ = stream.set_nodelay(true)), router)
        .await?;
    Ok(())
}

/// A server of these that runs until it is dropped.
struct Other {
    address: SocketAddr,
    _child: Child,
}

impl Other {
    async fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let address = lines.next_line().await?.context("it said no address")?.parse()?;
        Ok(Self { address, _child: child })
    }

    /// The real one, where it is on the PATH.
    async fn opa(policy: &Path) -> anyhow::Result<Option<Self>> {
        let address: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let started = Command::new("opa")
            .args(["run", "--server", "--log-level", "error", "--addr"])
            .arg(address.to_string())
            .arg(policy)
            .kill_on_drop(true)
            .spawn();
        let child = match started {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            started => started.context("cannot run `opa`")?,
        };
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(Some(Self { address, _child: child }));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("`opa` does not answer")
    }
}

/// So many policies over some actions, in both languages: whoever has the role may do it in the own ward.
struct Policies {
    number: usize,
    actions: usize,
}

impl Policies {
    fn each<'a>(
        &'a self,
        write: impl Fn(usize, String, String) -> String + 'a,
    ) -> impl Iterator<Item = String> + 'a {
        (0..self.number)
            .map(move |n| write(n, format!("a{}", n % self.actions), format!("r{}", n / self.actions)))
    }

    fn write_application(&self, folder: &Path, revision: u64) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        let actions: Vec<String> = (0..self.actions).map(|n| format!("a{n}")).collect();
        let schema = format!(
            "entity User {{ role: String, ward: String }};\nentity Record {{ ward: String }};\n\
             action {} appliesTo {{ principal: User, resource: Record }};\n",
            actions.join(", ")
        );
        let policies = self.each(|n, action, role| {
            format!(
                "@id(\"p{n}\")\n@reason(\"Whoever is {role} may do {action} in the own ward\")\npermit (principal, action == \
                 Action::\"{action}\", resource)\nwhen {{ principal.role == \"{role}\" && principal.ward == resource.ward }};\n"
            )
        });
        let header = format!(
            "name = \"bench\"\nrevision = {revision}\n\n[types]\nuser = \"User\"\nrecord = \"Record\"\n"
        );
        std::fs::write(folder.join("application.toml"), header)?;
        std::fs::write(folder.join("schema.cedarschema"), schema)?;
        std::fs::write(folder.join("bench.cedar"), policies.collect::<String>())?;
        Ok(())
    }

    fn write_rego(&self, file: &Path) -> anyhow::Result<()> {
        let rules = self.each(|_, action, role| {
            format!(
                "allow if {{\n\tinput.action.name == \"{action}\"\n\tinput.subject.properties.role == \"{role}\"\n\t\
                 input.subject.properties.ward == input.resource.properties.ward\n}}\n"
            )
        });
        let text = format!(
            "package bench\n\nimport rego.v1\n\ndefault allow := false\n{}",
            rules.collect::<String>()
        );
        Ok(std::fs::write(file, text)?)
    }

    /// The last role of the first action.
    fn question(&self) -> Value {
        let role = format!("r{}", (self.number - 1) / self.actions);
        json!({
            "subject": { "type": "user", "id": "ana", "properties": { "role": role, "ward": "icu" } },
            "action": { "name": "a0" },
            "resource": { "type": "record", "id": "101", "properties": { "ward": "icu" } },
        })
    }
}

const SIX: Policies = Policies { number: 6, actions: 2 };
const THOUSAND: Policies = Policies { number: 1_000, actions: 50 };

async fn compare(program: PathBuf, plugins: PathBuf, rego: PathBuf, parts: &[&str]) -> anyhow::Result<()> {
    let files = tempfile::tempdir()?;
    let applications = files.path().join("applications");
    for (tenant, policies) in [("six", &SIX), ("thousand", &THOUSAND)] {
        policies.write_application(&applications.join(tenant), 1)?;
        policies.write_rego(&files.path().join(format!("{tenant}.rego")))?;
    }
    let mut setup = Setup::quick(program, plugins);
    setup.config.push_str(&format!(
        "\n[policies]\napplications_dir = {:?}\n\n[decisions]\nbacklog_bytes_max = 8589934592\n",
        applications.display().to_string()
    ));
    let server = Server::start(setup).await?;
    let mut tenants = Vec::new();
    for (tenant, policies) in [("six", &SIX), ("thousand", &THOUSAND)] {
        let key = server.first_key(tenant, "bench").await?;
        tenants.push(Tenant {
            name: tenant,
            policies,
            key,
            address: server.url.trim_start_matches("http://").parse()?,
        });
    }
    let [six, thousand] = &tenants[..] else { anyhow::bail!("two tenants") };

    let echo = Other::start(Command::new(std::env::current_exe()?).arg("echo")).await?;
    let bare = Shot::post(echo.address, "/", None, &SIX.question().to_string());
    for part in parts {
        match *part {
            "one" => over_echo(&bare, six).await?,
            "rego" => {
                for tenant in [six, thousand] {
                    let file = files.path().join(format!("{}.rego", tenant.name));
                    over_rego(&bare, tenant, &rego, &file).await?;
                }
            }
            "batch" => batches(six).await?,
            "reload" => reload(&server, thousand, &applications).await?,
            _ => a_million(&server, six).await?,
        }
    }
    server.stop().await
}

/// A tenant with an application.
struct Tenant {
    name: &'static str,
    policies: &'static Policies,
    key: String,
    address: SocketAddr,
}

impl Tenant {
    fn shot(&self, path: &str, body: &Value) -> Shot {
        let path = format!("/v1/tenants/{}/access/v1/{path}", self.name);
        Shot::post(self.address, &path, Some(&self.key), &body.to_string())
    }

    async fn question(&self) -> anyhow::Result<Shot> {
        let shot = self.shot("evaluation", &self.policies.question());
        let answer: Value = serde_json::from_str(&shot.once().await?)?;
        ensure!(answer["decision"] == true, "the question is denied: {answer}");
        Ok(shot)
    }
}

async fn flood(shot: &Shot) -> anyhow::Result<Hits> {
    shot.flood(CONNECTIONS, WARMING).await?;
    let hits = shot.flood(CONNECTIONS, LASTING).await?;
    ensure!(hits.bad == 0, "{} of {} were not answered", hits.bad, hits.bad + hits.good);
    Ok(hits)
}

async fn over_echo(bare: &Shot, tenant: &Tenant) -> anyhow::Result<()> {
    let shot = tenant.question().await?;
    let ours = flood(&shot).await?;
    let echo = flood(bare).await?;
    figure("access_a_second", ours.per_second(), "answers", None);
    figure("echo_a_second", echo.per_second(), "answers", None);
    at_least("access_of_echo", ours.per_second() / echo.per_second(), "ratio", 0.6);
    // First, what the flood left for the database comes there: it is of another load than the one that is measured.
    shot.paced(CONNECTIONS, WARMING * 2, ours.per_second() / 2.0).await?;
    let half = shot.paced(CONNECTIONS, LASTING, ours.per_second() / 2.0).await?;
    ensure!(half.bad == 0, "{} were not answered at half the load", half.bad);
    figure("access_p99_at_half_load", half.p99_ms(), "ms", Some(10.0));
    Ok(())
}

/// Over Open Policy Agent where there is one; over regorus behind the same bare server for the record; and over what Open
/// Policy Agent would answer by its published ratio to a bare server.
async fn over_rego(bare: &Shot, tenant: &Tenant, rego: &Path, policy: &Path) -> anyhow::Result<()> {
    let named = |what: &str| format!("{what}_{}_policies", tenant.policies.number);
    let input = json!({ "input": tenant.policies.question() }).to_string();
    let path = "/v1/data/bench/allow";
    let regorus = Other::start(Command::new(rego).arg(policy)).await?;
    let shot_at_it = Shot::post(regorus.address, path, None, &input);
    let said: Value = serde_json::from_str(&shot_at_it.once().await?)?;
    ensure!(said["result"] == true, "regorus denies: {said}");
    let theirs = flood(&shot_at_it).await?;
    let shot = tenant.question().await?;
    let ours = flood(&shot).await?;
    figure(&named("access_over_regorus"), ours.per_second() / theirs.per_second(), "ratio", None);
    figure(&named("access_p99_over_regorus"), ours.p99_ms() / theirs.p99_ms(), "ratio", None);
    if let Some(opa) = Other::opa(policy).await? {
        let opa = flood(&Shot::post(opa.address, path, None, &input)).await?;
        at_least(&named("access_over_opa"), ours.per_second() / opa.per_second(), "ratio", 2.5);
        figure(&named("access_p99_over_opa"), ours.p99_ms() / opa.p99_ms(), "ratio", Some(0.5));
    } else {
        let echo = flood(bare).await?;
        let opa = echo.per_second() * OPA_OF_ECHO;
        at_least(&named("access_over_opa_as_published"), ours.per_second() / opa, "ratio", 2.5);
    }
    Ok(())
}

async fn batches(tenant: &Tenant) -> anyhow::Result<()> {
    let one = flood(&tenant.question().await?).await?;
    let question = tenant.policies.question();
    // As the gateways' suites ask: one subject and action, many resources.
    let resources: Vec<Value> = (0..BATCH)
        .map(|n| json!({ "resource": { "type": "record", "id": n.to_string(), "properties": { "ward": "icu" } } }))
        .collect();
    let batch =
        json!({ "subject": question["subject"], "action": question["action"], "evaluations": resources });
    let many = flood(&tenant.shot("evaluations", &batch)).await?;
    let cheaper = many.per_second() * BATCH as f64 / one.per_second();
    at_least("access_in_a_batch_cheaper", cheaper, "times", 8.0);
    Ok(())
}

async fn reload(server: &Server, tenant: &Tenant, applications: &Path) -> anyhow::Result<()> {
    let shot = tenant.question().await?;
    let quiet = shot.paced(CONNECTIONS, LASTING, 2_000.0).await?;
    let during = tokio::spawn({
        let shot = shot.clone();
        async move { shot.paced(CONNECTIONS, LASTING, 2_000.0).await }
    });
    let person = Person::new(&server.url, tenant.name, "bench", tenant.key.clone());
    let mut took = Vec::new();
    for revision in 2..6 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        tenant.policies.write_application(&applications.join(tenant.name), revision)?;
        let begun = Instant::now();
        person.post("/application/reload", &json!({})).await?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let during = during.await??;
    figure("reload_of_1000_policies", took[took.len() / 2], "ms", Some(100.0));
    figure("access_failed_during_reloads", during.bad as f64, "answers", Some(0.0));
    figure("access_p99_during_reloads_over_quiet", during.p99_ms() / quiet.p99_ms(), "ratio", None);
    Ok(())
}

/// Until all of them are in the database.
async fn a_million(server: &Server, tenant: &Tenant) -> anyhow::Result<()> {
    let shot = tenant.question().await?;
    let resident = || resident_mb(server);
    let (begun, mut recorded, mut early) = (Instant::now(), 0, None);
    while recorded < DECISIONS {
        recorded += shot.flood(CONNECTIONS, Duration::from_secs(2)).await?.good;
        if early.is_none() && recorded >= DECISIONS / 5 {
            early = Some(resident()?);
        }
    }
    while backlog(server).await? > 0.0 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    at_least(
        "decisions_recorded_a_second",
        recorded as f64 / begun.elapsed().as_secs_f64(),
        "decisions",
        5_000.0,
    );
    let early = early.context("nothing was recorded")?;
    figure("resident_after_a_million_decisions_over_a_fifth", resident()? / early, "ratio", Some(1.5));
    Ok(())
}

async fn backlog(server: &Server) -> anyhow::Result<f64> {
    let text = reqwest::get(format!("{}/metrics", server.url)).await?.text().await?;
    let line = text.lines().find_map(|line| line.strip_prefix("decision_journal_backlog_bytes "));
    Ok(line.context("no backlog in the metrics")?.parse()?)
}

/// Resident memory of the server's process (proc(5), `VmRSS`).
fn resident_mb(server: &Server) -> anyhow::Result<f64> {
    let pid = server.pid().context("the server does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kb * 1_024.0 / 1e6)
}

fn figure(name: &str, value: f64, unit: &str, bound: Option<f64>) {
    let holds = bound.is_none_or(|bound| value <= bound);
    println!("{}", json!({ "name": name, "value": value, "unit": unit, "bound": bound, "holds": holds }));
}

/// A figure whose bound is the least that it may be.
fn at_least(name: &str, value: f64, unit: &str, bound: f64) {
    let unit = format!("{unit}-at-least");
    println!(
        "{}",
        json!({ "name": name, "value": value, "unit": unit, "bound": bound, "holds": value >= bound })
    );
}
