//! The real SWUpdate client, with CMS-signed images that are made here, from proposal to verified and back.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use interlock_domain::{ArtifactStatement, Digest};
use interlock_tests::{Hospital, TENANT, text};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
};

use crate::program;

const FIRMWARE: &str = "ward-pump-firmware";
const DEVICE: &str = "swupdate-1";
const TOKEN: &str = "the-token-of-the-real-client";
/// A step that takes longer than this went wrong.
const PATIENCE: Duration = Duration::from_secs(90);

/// A pump with a raw partition, which is a file, and a key that its images must be signed with.
struct Pump {
    folder: tempfile::TempDir,
}

/// SWUpdate on the pump, from one start to the next.
struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

/// How SWUpdate confirms what it did before it was restarted.
#[derive(Clone, Copy)]
enum Confirm {
    Nothing,
    Success,
}

impl Pump {
    fn new() -> Self {
        let pump = Self { folder: tempfile::tempdir().unwrap() };
        pump.make_key("maker");
        std::fs::write(pump.partition(), "").unwrap();
        pump
    }

    fn partition(&self) -> PathBuf {
        self.path("partition.bin")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A self-signed certificate for signing images.
    fn make_key(&self, who: &str) {
        run(
            self.folder.path(),
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                &format!("/CN={who}"),
                "-addext",
                "extendedKeyUsage=emailProtection",
                "-addext",
                "keyUsage=digitalSignature",
                "-keyout",
                &format!("{who}.key"),
                "-out",
                &format!("{who}.pem"),
            ],
        );
    }

    /// An update image: what to do, its signature, and the content, in this order.
    fn image(&self, version: &str, content: &[u8], signer: &str) -> Vec<u8> {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        let at = folder.path();
        std::fs::write(at.join("firmware.bin"), content).unwrap();
        let description = format!(
            r#"software = {{
                version = "{version}";
                hardware-compatibility: [ "1.0" ];
                images: ( {{
                    filename = "firmware.bin"; type = "raw"; device = "{}"; sha256 = "{}";
                }} );
            }}"#,
            self.partition().display(),
            Digest::of(content).to_hex()
        );
        std::fs::write(at.join("sw-description"), description).unwrap();
        let (key, certificate) = (self.path(&format!("{signer}.key")), self.path(&format!("{signer}.pem")));
        let signed_with = [
            "-inkey",
            key.to_str().unwrap(),
            "-signer",
            certificate.to_str().unwrap(),
            "-out",
            "sw-description.sig",
        ];
        let how = ["cms", "-sign", "-in", "sw-description", "-outform", "DER", "-nosmimecap", "-binary"];
        run(at, "openssl", &[&how[..], &signed_with[..]].concat());
        let pack = "printf 'sw-description\nsw-description.sig\nfirmware.bin\n' | cpio --quiet -o -H crc > image.swu";
        run(at, "sh", &["-c", pack]);
        std::fs::read(at.join("image.swu")).unwrap()
    }

    /// Switches the pump on: it runs this version, and says so when it is asked.
    fn boot(&self, server: &str, version: &str, confirm: Confirm) -> Running {
        let config = format!(
            "globals : {{ verbose = true; }};\n\
             identify : ( {{ name = \"firmware_version\"; value = \"{version}\"; }} );\n"
        );
        std::fs::write(self.path("swupdate.cfg"), config).unwrap();
        let confirm = match confirm {
            Confirm::Nothing => "0",
            Confirm::Success => "2",
        };
        let hawkbit = format!("-t {TENANT} -u {server} -i {DEVICE} -k {TOKEN} -c {confirm}");
        let mut child = Command::new("swupdate")
            .args(["-v", "-f", "swupdate.cfg", "-k", "maker.pem", "-H", "board:1.0", "-u", &hawkbit])
            .current_dir(self.folder.path())
            // Its sockets lie there: two of them on one machine must not meet.
            .env("TMPDIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("SWUpdate starts; install Debian's `swupdate`");
        let said = Arc::<Mutex<String>>::default();
        listen(child.stdout.take().unwrap(), said.clone());
        listen(child.stderr.take().unwrap(), said.clone());
        Running { child, said }
    }
}

impl Running {
    /// Waits until SWUpdate has said this since it was started.
    async fn says(&self, words: &str) {
        let began = Instant::now();
        while !self.log().contains(words) {
            assert!(began.elapsed() < PATIENCE, "SWUpdate never said `{words}`:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Forgets what was said so far.
    fn listen_anew(&self) {
        self.said.lock().unwrap().clear();
    }

    /// Takes its power away.
    async fn off(mut self) {
        self.child.kill().await.unwrap();
    }

    fn log(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

/// Writes down what is said until nobody speaks any more.
fn listen(voice: impl AsyncRead + Send + Unpin + 'static, said: Arc<Mutex<String>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(voice).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            *said.lock().unwrap() += &(line + "\n");
        }
    });
}

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let done = std::process::Command::new(program).args(arguments).current_dir(folder).output();
    let done = done.unwrap_or_else(|error| panic!("`{program}` does not start: {error}; is it installed?"));
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A hospital with one pump that is real software.
async fn hospital() -> Hospital {
    let hospital = Hospital::open(program::quick(), 0).await.unwrap();
    let pump = json!({
        "id": DEVICE, "environment": "production", "model": "pump-x2", "site": "north", "token": TOKEN
    });
    hospital.ines.post("/devices", &pump).await.unwrap();
    hospital
}

/// Pushes an image with the maker's statement that the gate wants; the client wants its own signature inside.
async fn push(hospital: &Hospital, version: &str, release_counter: u64, image: Vec<u8>) {
    let statement = ArtifactStatement {
        v: 1,
        name: FIRMWARE.to_owned(),
        version: version.to_owned(),
        digest: Digest::of(&image),
        size_bytes: image.len() as u64,
        release_counter,
        models: vec!["pump-x2".to_owned()],
        not_before: None,
        expires_at: None,
    };
    let signed = hospital.signer.sign(&statement).unwrap();
    hospital.ana.push(FIRMWARE, version, image, &signed).await.unwrap();
}

/// Ana proposes; Ben and Carla approve.
async fn release(hospital: &Hospital, version: &str) -> String {
    let proposal = json!({
        "environment": "production",
        "title": format!("Pump firmware {version}, for a real client"),
        "artifacts": [{ "name": FIRMWARE, "version": version }],
        "selector": { "devices": [DEVICE] },
        "strategy": { "plugin": "direct" },
        "judge_every_ms": 1_000,
        "silent_after_ms": 120_000,
    });
    let id = hospital.propose(&proposal).await.unwrap();
    for who in [&hospital.ben, &hospital.carla] {
        hospital.approve(who, &id).await.unwrap();
    }
    id
}

/// Waits until the pump has reported this version.
async fn reports(hospital: &Hospital, running: &Running, version: &str) {
    let began = Instant::now();
    loop {
        let device = hospital.ana.get(&format!("/devices/{DEVICE}")).await.unwrap();
        if text(&device, "/firmware") == version {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "it does not report {version}: {device}\n{}", running.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the pump's assignment is in this state, and returns it.
async fn target(hospital: &Hospital, id: &str, state: &str) -> Value {
    let began = Instant::now();
    loop {
        let targets = hospital.ana.get(&format!("/changes/{id}/assignments")).await.unwrap();
        if text(&targets, "/items/0/state") == state {
            return targets["items"][0].clone();
        }
        assert!(began.elapsed() < PATIENCE, "the target does not become {state}: {targets}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn content(version: &str) -> Vec<u8> {
    format!("{FIRMWARE} {version}\n").repeat(20_000).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn swupdate_installs_a_release_and_is_verified_and_brought_back() {
    let hospital = hospital().await;
    let server = hospital.server.url.clone();
    let pump = Pump::new();
    push(&hospital, "1.0.0", 1, pump.image("1.0.0", &content("1.0.0"), "maker")).await;
    push(&hospital, "2.0.0", 2, pump.image("2.0.0", &content("2.0.0"), "maker")).await;

    let running = pump.boot(&server, "1.0.0", Confirm::Nothing);
    reports(&hospital, &running, "1.0.0").await;

    let id = release(&hospital, "2.0.0").await;
    running.says("SWUPDATE successful").await;
    target(&hospital, &id, "installing").await;
    assert!(std::fs::read(pump.partition()).unwrap().starts_with(&content("2.0.0")));

    // It reboots into what it installed, confirms, and is asked what it runs.
    running.off().await;
    let running = pump.boot(&server, "2.0.0", Confirm::Success);
    let change = hospital.wait(&id, &["completed"]).await.unwrap();
    assert_eq!(change.pointer("/progress/verified"), Some(&json!(1)), "{change}");
    reports(&hospital, &running, "2.0.0").await;

    // And back, under an action of its own.
    running.listen_anew();
    let why = json!({ "reason": "the occlusion alarm is late" });
    hospital.ben.post(&format!("/changes/{id}/rollback"), &why).await.unwrap();
    running.says("SWUPDATE successful").await;
    assert!(std::fs::read(pump.partition()).unwrap().starts_with(&content("1.0.0")));
    running.off().await;
    let running = pump.boot(&server, "1.0.0", Confirm::Success);
    hospital.wait(&id, &["rolled_back"]).await.unwrap();
    reports(&hospital, &running, "1.0.0").await;
    target(&hospital, &id, "rolled_back").await;
    running.off().await;

    hospital.verify_ledger().await.unwrap();
    hospital.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_swupdate_refuses_is_a_failure_and_the_release_goes_back() {
    let hospital = hospital().await;
    let pump = Pump::new();
    pump.make_key("stranger");
    push(&hospital, "1.0.0", 1, pump.image("1.0.0", &content("1.0.0"), "maker")).await;
    push(&hospital, "2.0.0", 2, pump.image("2.0.0", &content("2.0.0"), "stranger")).await;
    let running = pump.boot(&hospital.server.url, "1.0.0", Confirm::Nothing);
    reports(&hospital, &running, "1.0.0").await;

    let id = release(&hospital, "2.0.0").await;
    let change = hospital.wait(&id, &["completed", "rolled_back"]).await.unwrap();
    assert_eq!(text(&change, "/state"), "rolled_back", "{change}\n{}", running.log());
    running.says("SWUPDATE failed").await;
    target(&hospital, &id, "rolled_back").await;
    assert!(std::fs::read(pump.partition()).unwrap().is_empty(), "it was installed all the same");
    running.off().await;
    hospital.server.stop().await.unwrap();
}
