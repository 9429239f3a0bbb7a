//! A hospital with a server, people, and emulated pumps: the verbs that stories are told in.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use interlock_domain::{ArtifactStatement, Digest, SignedStatement};
use interlock_emulator::{Behaviour, DeviceSpec, Fleet, FleetOptions};
use interlock_vault::SigningKey;
use serde_json::{Value, json};

use crate::{Person, Server, Setup, text};

/// The tenant of every story.
pub const TENANT: &str = "mercy";
/// What the pumps run.
pub const FIRMWARE: &str = "pump-firmware";
/// Where the pumps stand.
pub const SITES: [&str; 3] = ["north", "south", "lakeside"];
/// A step that takes longer than this went wrong.
const PATIENCE: Duration = Duration::from_secs(120);
/// States in which nothing more happens by itself.
const ENDS: [&str; 5] = ["completed", "rolled_back", "rejected", "cancelled", "expired"];

/// A server, people and pumps. It has no `Debug`, because the pumps hold tokens.
pub struct Hospital {
    /// The server.
    pub server: Server,
    /// Signs firmware.
    pub signer: SigningKey,
    /// Administrator.
    pub ines: Person,
    /// Release manager, who also holds clinical safety.
    pub ana: Person,
    /// Clinical safety.
    pub ben: Person,
    /// Regulatory.
    pub carla: Person,
    /// The pumps, as they were registered.
    pub pumps: Vec<DeviceSpec>,
}

impl Hospital {
    /// Opens a hospital with so many pumps, all registered and none switched on yet. Firmware 1.0.0 is stored.
    pub async fn open(mut setup: Setup, pumps: usize) -> anyhow::Result<Self> {
        let signer = SigningKey::generate()?;
        setup.trusted_keys.push(signer.public_pem());
        let server = Server::start(setup).await?;
        let key = server.first_key(TENANT, "Ines (administrator)").await?;
        let ines = Person::new(&server.url, TENANT, "Ines", key);
        // Ines alone makes nobody an approver: Jonas confirms whom she hires.
        let key = server.first_key(TENANT, "Jonas (administrator)").await?;
        let admins = [&ines, &ines.colleague("Jonas", key)];
        let ana = hire(admins, "Ana (release manager)", &["release_manager", "clinical_safety"]).await?;
        let ben = hire(admins, "Ben (clinical safety)", &["clinical_safety"]).await?;
        let carla = hire(admins, "Carla (regulatory)", &["regulatory"]).await?;
        let pumps = register(&ines, pumps).await?;
        let hospital = Self { server, signer, ines, ana, ben, carla, pumps };
        hospital.push("1.0.0", 1).await?;
        Ok(hospital)
    }

    /// Switches the pumps on: quick ones that misbehave as told.
    pub fn switch_on(&self, behaviours: Vec<Behaviour>) -> anyhow::Result<Fleet> {
        Ok(Fleet::start(FleetOptions {
            devices: self.pumps.clone(),
            poll_ms: Some(500),
            telemetry_ms: Some(500),
            install_ms: 200,
            reboot_ms: 200,
            download: true,
            behaviours,
            ..FleetOptions::new(self.server.url.parse()?, TENANT)
        })?)
    }

    /// Firmware of this version and its signed statement.
    pub fn build(&self, version: &str, release_counter: u64) -> anyhow::Result<(Vec<u8>, SignedStatement)> {
        let content = format!("{FIRMWARE} {version}\n").repeat(4_000).into_bytes();
        let statement = ArtifactStatement {
            v: 1,
            name: FIRMWARE.to_owned(),
            version: version.to_owned(),
            digest: Digest::of(&content),
            size_bytes: content.len() as u64,
            release_counter,
            models: vec!["pump-x2".to_owned()],
            not_before: None,
            expires_at: None,
        };
        Ok((content, self.signer.sign(&statement)?))
    }

    /// Builds, signs and pushes firmware.
    pub async fn push(&self, version: &str, release_counter: u64) -> anyhow::Result<Value> {
        let (content, signed) = self.build(version, release_counter)?;
        self.ana.push(FIRMWARE, version, content, &signed).await
    }

    /// A proposal of this firmware for every pump, in stages that hold for so many seconds.
    pub fn proposal(version: &str, why: &str, hold_secs: u64) -> Value {
        let stages: Vec<Value> = [500, 1_000, 2_500, 5_000, 10_000]
            .into_iter()
            .map(|percent_bp| json!({ "percent_bp": percent_bp, "hold_secs": hold_secs }))
            .collect();
        json!({
            "environment": "production",
            "title": format!("Pump firmware {version}: {why}"),
            "artifacts": [{ "name": FIRMWARE, "version": version }],
            "selector": { "all": true },
            "strategy": { "plugin": "canary", "settings": { "stages": stages } },
            "judge_every_ms": 1_000,
            "silent_after_ms": 30_000,
        })
    }

    /// Ana proposes. Returns the change's id.
    pub async fn propose(&self, proposal: &Value) -> anyhow::Result<String> {
        Ok(text(&self.ana.post("/changes", proposal).await?, "/id"))
    }

    /// Somebody approves the digest as it is, once the gates have passed it.
    pub async fn approve(&self, who: &Person, id: &str) -> anyhow::Result<()> {
        let change = self.wait(id, &["approving"]).await?;
        let body = json!({ "digest": change["digest"], "meaning": "approval", "reason": "reviewed the test report" });
        who.post(&format!("/changes/{id}/approve"), &body).await?;
        Ok(())
    }

    /// The change as it is.
    pub async fn change(&self, id: &str) -> anyhow::Result<Value> {
        self.ana.get(&format!("/changes/{id}")).await
    }

    /// Waits until the change is in one of these states.
    pub async fn wait(&self, id: &str, states: &[&str]) -> anyhow::Result<Value> {
        self.until(id, |change| states.contains(&text(change, "/state").as_str())).await
    }

    /// Waits until the change looks like this. A server that is being restarted is waited for.
    pub async fn until(&self, id: &str, looks_like: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let change = self.change(id).await;
            match change {
                Ok(change) if looks_like(&change) => return Ok(change),
                Ok(change) if ENDS.contains(&text(&change, "/state").as_str()) => {
                    bail!("the change ended as {}: {change}", text(&change, "/state"))
                }
                Ok(change) => ensure!(began.elapsed() < PATIENCE, "the change does not get there: {change}"),
                Err(error) => ensure!(began.elapsed() < PATIENCE, "the change cannot be read: {error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every pump runs this version: really, and as the server knows it.
    pub async fn everybody_on(&self, fleet: &Fleet, version: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let there = self.pumps_on(version).await?;
            let really = fleet.snapshot().by_version.get(version).copied().unwrap_or(0);
            if there == self.pumps.len() && really == self.pumps.len() {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "only {there} pumps report {version} ({really} run it)");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How many pumps report this version.
    pub async fn pumps_on(&self, version: &str) -> anyhow::Result<usize> {
        let mut on = 0;
        let mut path = "/devices?limit=200".to_owned();
        loop {
            let page = self.ana.get(&path).await?;
            let items = page["items"].as_array().context("no devices")?;
            on += items.iter().filter(|device| text(device, "/firmware") == version).count();
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/devices?limit=200&cursor={cursor}"),
                None => return Ok(on),
            }
        }
    }

    /// Has the server verify its ledger; it must be sound.
    pub async fn verify_ledger(&self) -> anyhow::Result<Value> {
        let verified = self.ana.post("/ledger/verify", &json!({})).await?;
        ensure!(verified["sound"] == json!(true), "the ledger is not sound: {}", verified["findings"]);
        Ok(verified)
    }
}

async fn hire([ines, jonas]: [&Person; 2], name: &str, roles: &[&str]) -> anyhow::Result<Person> {
    let roles: Vec<Value> = roles.iter().chain(&["auditor"]).map(|role| json!({ "role": role })).collect();
    let body = json!({
        "name": name,
        "kind": "user",
        "roles": roles,
        "scopes": ["read", "write"],
        "expires_in_ms": 86_400_000,
    });
    let made = ines.post("/keys", &body).await?;
    // Whom one administrator alone may make, nobody confirms.
    if made["hold"].is_object() {
        let read = json!({ "digest": made["hold"]["digest"] });
        jonas.post(&format!("/accounts/{}/confirm", text(&made, "/account")), &read).await?;
    }
    Ok(ines.colleague(name, text(&made, "/key")))
}

async fn register(ines: &Person, pumps: usize) -> anyhow::Result<Vec<DeviceSpec>> {
    let devices: Vec<DeviceSpec> = (1..=pumps)
        .map(|number| DeviceSpec {
            id: format!("pump-{number:03}"),
            token: Some(format!("token-of-pump-number-{number:03}")),
            version: "1.0.0".to_owned(),
            site: SITES[number % SITES.len()].to_owned(),
        })
        .collect();
    for part in devices.chunks(1_000) {
        let registrations: Vec<Value> = part
            .iter()
            .map(|device| {
                json!({
                    "id": device.id,
                    "environment": "production",
                    "model": "pump-x2",
                    "site": device.site,
                    "token": device.token,
                })
            })
            .collect();
        ines.post("/devices:import", &Value::Array(registrations)).await?;
    }
    Ok(devices)
}
