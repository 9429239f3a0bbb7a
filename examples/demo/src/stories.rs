//! The four stories.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use interlock_emulator::{Behaviour, Effect, Fleet};
use interlock_tests::{FIRMWARE, Hospital, Person, SITES, Setup, TENANT, text};
use serde_json::{Value, json};

const PUMPS: usize = 200;
/// A story that takes longer than this went wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that the stories need.
pub(crate) struct Stage {
    hospital: Hospital,
    fleet: Fleet,
    first_change: Option<String>,
}

impl Stage {
    /// Server, people, pumps, and the firmware that they run.
    pub(crate) async fn set(program: &Path, plugins: &Path) -> anyhow::Result<Self> {
        let hospital = Hospital::open(Setup::quick(program, plugins), PUMPS).await?;
        println!("The server runs at {0} (interactive API page: {0}/docs).", hospital.server.url);
        let fleet = hospital.switch_on(vec![Behaviour {
            version: Some("2.1.0".to_owned()),
            site: None,
            share_bp: 10_000,
            effect: Effect::ErrorRate(0.2),
        }])?;
        hospital.everybody_on(&fleet, "1.0.0").await?;
        println!("{PUMPS} pumps at {} poll it, all on firmware 1.0.0.\n", SITES.join(", "));
        Ok(Self { hospital, fleet, first_change: None })
    }

    /// Held until both approvers sign, then all the way through the canary.
    pub(crate) async fn a_good_release(&mut self) -> anyhow::Result<()> {
        title(1, "a good release");
        self.hospital.push("2.0.0", 2).await?;
        let id = self.propose("2.0.0", "occlusion alarm 200 ms faster").await?;
        self.first_change = Some(id.clone());
        self.why_not(&id).await?;
        self.approve(&self.hospital.ben, &id).await?;
        self.why_not(&id).await?;
        self.approve(&self.hospital.carla, &id).await?;
        self.watch(&id, "completed").await?;
        self.hospital.everybody_on(&self.fleet, "2.0.0").await?;
        println!("  => every pump reports 2.0.0.\n");
        Ok(())
    }

    /// Fails health at 5 % and comes back by itself.
    pub(crate) async fn a_bad_release(&mut self) -> anyhow::Result<()> {
        title(2, "a bad release");
        self.hospital.push("2.1.0", 3).await?;
        let id = self.propose("2.1.0", "new motor control").await?;
        self.approve(&self.hospital.ben, &id).await?;
        self.approve(&self.hospital.carla, &id).await?;
        let change = self.watch(&id, "rolled_back").await?;
        println!("  it came back by itself: {}", text(&change, "/rollback/reason"));
        let back = change.pointer("/progress/rolled_back").and_then(Value::as_u64).unwrap_or(0);
        let stages = change.pointer("/rollout/stages").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!(stages == 1, "it should have been stopped at the first stage, not after {stages}");
        ensure!(back == 10, "5 % of {PUMPS} pumps are 10, but {back} were rolled back");
        self.hospital.everybody_on(&self.fleet, "2.0.0").await?;
        let spared = PUMPS as u64 - back;
        println!(
            "  => {back} pumps (5 %) were touched; each reports 2.0.0 again. The other {spared} never saw it.\n"
        );
        Ok(())
    }

    /// The content is not what was signed.
    pub(crate) async fn a_tampered_artifact(&mut self) -> anyhow::Result<()> {
        title(3, "a tampered artifact");
        let (mut content, signed) = self.hospital.build("2.2.0", 4)?;
        content[1_000] ^= 1;
        self.hospital.ana.push(FIRMWARE, "2.2.0", content, &signed).await?;
        println!("  one bit of 2.2.0 was flipped after it was signed");
        let id = self.propose("2.2.0", "looks harmless").await?;
        let change = self.hospital.wait(&id, &["rejected"]).await?;
        for gate in change["gates"].as_array().into_iter().flatten() {
            for finding in gate.pointer("/verdict/findings").and_then(Value::as_array).into_iter().flatten() {
                println!("  gate {}: {}", text(gate, "/plugin/name"), text(finding, "/message"));
            }
        }
        println!("  => {}; nobody was even asked to approve it.\n", text(&change, "/note"));
        Ok(())
    }

    /// Four eyes are two persons.
    pub(crate) async fn an_author_who_approves(&mut self) -> anyhow::Result<()> {
        title(4, "an author who approves the own change");
        self.hospital.push("2.3.0", 5).await?;
        let id = self.propose("2.3.0", "tiny fix, no need to bother anybody").await?;
        let change = self.hospital.wait(&id, &["approving"]).await?;
        let body = json!({ "digest": change["digest"], "reason": "I tested it myself" });
        match self.hospital.ana.try_post(&format!("/changes/{id}/approve"), &body).await? {
            Ok(_) => bail!("Ana approved her own change"),
            Err(refused) => {
                println!(
                    "  Ana, who also holds clinical_safety, approves: {} {}",
                    refused.status, refused.title
                );
                println!("    {}", refused.detail);
            }
        }
        let because = json!({ "reason": "will ask Ben and Carla" });
        self.hospital.ana.post(&format!("/changes/{id}/cancel"), &because).await?;
        println!("  => refused, and on record. Ana withdrew the change.\n");
        Ok(())
    }

    /// The ledger verified, one decision replayed.
    pub(crate) async fn the_record(&self) -> anyhow::Result<()> {
        println!("The record");
        let verified = self.hospital.verify_ledger().await?;
        println!(
            "  ledger: {} entries re-hashed, {} changes rebuilt from them, root {}: sound",
            text(&verified, "/entries"),
            text(&verified, "/changes_rebuilt"),
            text(&verified, "/root")
        );
        let id = self.first_change.as_deref().context("the first story was not told")?;
        let ana = &self.hospital.ana;
        let gate = self.gate_decision(id).await?;
        let replayed = ana.post(&format!("/decisions/{}/replay", text(&gate, "/id")), &json!({})).await?;
        ensure!(replayed["identical"] == json!(true), "the replay differs: {replayed}");
        println!(
            "  decision {} of gate {} replayed: identical output, {} fuel then and now\n",
            text(&gate, "/id"),
            text(&gate, "/subject/name"),
            text(&replayed, "/fuel/0")
        );
        Ok(())
    }

    /// Stops everything.
    pub(crate) async fn strike(self) -> anyhow::Result<()> {
        let snapshot = self.fleet.stop().await;
        ensure!(snapshot.failed_polls == 0, "{} polls failed", snapshot.failed_polls);
        println!("All four stories told: {} polls, none failed.", snapshot.polls);
        self.hospital.server.stop().await
    }

    /// Leaves it running until somebody presses Ctrl-C.
    pub(crate) async fn stay(self) -> anyhow::Result<()> {
        let (url, key) = (&self.hospital.server.url, &self.hospital.ana.key);
        println!("The server and the pumps go on until you press Ctrl-C. Try, in another terminal:");
        println!("  export INTERLOCK_URL={url} INTERLOCK_TENANT={TENANT} INTERLOCK_KEY={key}");
        println!("  interlock change list");
        println!("  interlock change explain {}", self.first_change.as_deref().unwrap_or("<id>"));
        tokio::signal::ctrl_c().await?;
        self.strike().await
    }

    async fn propose(&self, version: &str, why: &str) -> anyhow::Result<String> {
        let id = self.hospital.propose(&Hospital::proposal(version, why, 1)).await?;
        println!("  Ana proposes {version} to {PUMPS} pumps in 5 stages: {id}");
        println!("    digest {}", text(&self.hospital.change(&id).await?, "/digest"));
        Ok(id)
    }

    async fn approve(&self, who: &Person, id: &str) -> anyhow::Result<()> {
        self.hospital.approve(who, id).await?;
        println!("  {} approves the digest", who.name);
        Ok(())
    }

    /// Waits until the policies have held the change, and says why.
    async fn why_not(&self, id: &str) -> anyhow::Result<()> {
        self.hospital.until(id, |change| !change["hold"].is_null()).await?;
        let why = self.hospital.ana.get(&format!("/changes/{id}/explain")).await?;
        println!("  why not? {}", text(&why, "/summary"));
        for reason in why.pointer("/next/reasons").and_then(Value::as_array).into_iter().flatten() {
            println!("    policy: {}", reason.as_str().unwrap_or_default());
        }
        Ok(())
    }

    async fn gate_decision(&self, id: &str) -> anyhow::Result<Value> {
        let mut path = format!("/decisions?change={id}&limit=200");
        loop {
            let page = self.hospital.ana.get(&path).await?;
            let mut items = page["items"].as_array().into_iter().flatten();
            if let Some(gate) = items.find(|decision| text(decision, "/subject/function") == "evaluate") {
                return Ok(gate.clone());
            }
            let cursor = page["next_cursor"].as_str().context("no gate decision is on record")?;
            path = format!("/decisions?change={id}&limit=200&cursor={cursor}");
        }
    }

    /// Follows a change to its end, and says what happens.
    async fn watch(&self, id: &str, end: &str) -> anyhow::Result<Value> {
        let (mut stage, mut state) = (0, String::new());
        let began = Instant::now();
        loop {
            let change = self.hospital.change(id).await?;
            let stages = change.pointer("/rollout/stages").and_then(Value::as_array).map_or(0, Vec::len);
            while stage < stages {
                println!(
                    "  stage {}: {}",
                    stage + 1,
                    text(&change, &format!("/manifest/strategy/plan/{stage}/name"))
                );
                stage += 1;
            }
            let now = text(&change, "/state");
            if now != state {
                println!("  {}", now.replace('_', " "));
                state.clone_from(&now);
            }
            if now == end {
                return Ok(change);
            }
            let ended = ["completed", "rolled_back", "rejected", "cancelled", "expired", "paused"];
            ensure!(!ended.contains(&now.as_str()), "the change ended as {now}, not as {end}: {change}");
            ensure!(began.elapsed() < PATIENCE, "the change did not end as {end} in time: {change}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn title(number: u32, what: &str) {
    println!("Story {number}: {what}");
}
