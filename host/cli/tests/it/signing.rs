//! A person at a terminal: invited, enrolled, logged in, signing; and a signature verified without the server. Against a real
//! server under a clock that the test sets.

use std::{net::SocketAddr, process::Stdio};

use interlock_domain::Role;
use interlock_server::testing::{TENANT, TestApp, built_plugins};
use interlock_vault::login::{STEP_MS, code_at, step_at, testing::secret_in};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command};

const PASSWORD: &str = "a lamp beside the window";

struct World {
    app: TestApp,
    url: String,
    home: tempfile::TempDir,
    _task: tokio::task::JoinSet<()>,
}

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl World {
    async fn start() -> Self {
        let app = TestApp::configured(|config| {
            config.login.password_memory_kib = 64;
            config.login.plain_http = true;
            config.plugins.dir = built_plugins();
            config.plugins.cache_dir = built_plugins().with_file_name("interlock-plugins-compiled");
            config.gates.clear();
        })
        .await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = app.router().into_make_service_with_connect_info::<SocketAddr>();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { app, url, home: tempfile::tempdir().unwrap(), _task: task }
    }

    /// Runs the program as the person whose home this is. `said` is what they type.
    async fn run(&self, arguments: &[&str], said: &str) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_interlock"))
            .args(["--server", &self.url, "--tenant", TENANT, "--output", "json"])
            .args(arguments)
            .env_remove("INTERLOCK_KEY")
            .env("INTERLOCK_SESSION_FILE", self.path("session.json"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(said.as_bytes()).await.unwrap();
        let done = child.wait_with_output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { code: done.status.code().unwrap(), stdout: text(&done.stdout), stderr: text(&done.stderr) }
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    fn code(&self, secret: &[u8]) -> String {
        use interlock_server::Clock as _;
        self.app.clock.advance(STEP_MS);
        code_at(secret, step_at(self.app.clock.now().as_millis()))
    }
}

impl Run {
    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_person_enrols_logs_in_signs_and_anybody_verifies_it_without_a_server() {
    let world = World::start().await;
    let app = &world.app;
    let (eva, ines) =
        (app.person("Eva", &[Role::Administrator]).await, app.person("Ines", &[Role::Administrator]).await);
    app.person("Ana Sousa", &[Role::ClinicalSafety]).await;
    let accounts = eva.get("/accounts?limit=200").await.ok();
    let ana =
        accounts["items"].as_array().unwrap().iter().find(|account| account["name"] == "Ana Sousa").unwrap();
    let ana = ana["id"].as_str().unwrap();
    let invitation = eva.post(&format!("/accounts/{ana}/enrolment"), json!({})).await.ok();
    let accounts = ines.get("/accounts?limit=200").await.ok();
    let held = accounts["items"].as_array().unwrap().iter().find(|account| account["id"] == ana).unwrap();
    let read = json!({ "digest": held["hold"]["digest"] });
    ines.post(&format!("/accounts/{ana}/confirm"), read).await.ok();
    let code = invitation["code"].as_str().unwrap();

    // What the app needs is shown before its code is asked for, so the two halves are typed apart: the program is stopped
    // after the first, and the second begins anew with what the API offers.
    let shown = world.run(&["enrol"], &format!("{code}\n{PASSWORD}\n{PASSWORD}\n000000\n")).await;
    assert_eq!(shown.code, 1, "{}", shown.stderr);
    assert!(shown.stderr.contains("otpauth://totp/Interlock:Ana%20Sousa?secret="), "{}", shown.stderr);
    let nobody = app.client(TENANT, None);
    let open = json!({ "tenant": TENANT, "code": code });
    let offer = nobody.ask(axum::http::Method::POST, "//v1/enrolments", &[], Some(open)).await.ok();
    let secret = secret_in(offer["otpauth"].as_str().unwrap());
    let set = json!({
        "tenant": TENANT, "code": code, "challenge": offer["challenge"], "password": PASSWORD,
        "totp_code": world.code(&secret),
    });
    nobody.ask(axum::http::Method::POST, "//v1/enrolments/complete", &[], Some(set)).await.ok();
    app.clock.advance(24 * 3_600_000);

    assert_eq!(world.run(&["me"], "").await.code, 2, "nobody is logged in");
    let wrong = world
        .run(&["login", "Ana Sousa"], &format!("another lamp entirely\n{}\n", world.code(&secret)))
        .await;
    assert_eq!(wrong.code, 1);
    let answer = world.run(&["login", "Ana Sousa"], &format!("{PASSWORD}\n{}\n", world.code(&secret))).await;
    assert_eq!(answer.ok()["name"], "Ana Sousa");
    let kept = std::fs::read_to_string(world.path("session.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    for hidden in [&kept["csrf"], &kept["cookie"]] {
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(!said.contains(hidden.as_str().unwrap()), "{said}");
    }
    assert_eq!(world.run(&["me"], "").await.ok()["actor"]["name"], "Ana Sousa");

    let manager = app.person("Mia", &[Role::ReleaseManager]).await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let pump = json!([{ "id": "pump-1", "environment": "production", "model": "x2" }]);
    admin.post("/devices:import", pump).await.ok();
    manager.push("fw", "2.0", b"content", None).await.ok();
    let mut changes = Vec::new();
    for title in ["One", "Two"] {
        let proposal = json!({
            "environment": "production", "title": title, "artifacts": [{ "name": "fw", "version": "2.0" }],
            "selector": { "model": "x2" }, "strategy": { "plugin": "direct" },
        });
        changes.push(manager.post("/changes", proposal).await.ok()["id"].as_str().unwrap().to_owned());
    }
    app.reconcile().await;
    let sign = ["change", "sign", &changes[0], "--reason", "bench results attached"];
    let signed = world.run(&sign, &format!("{PASSWORD}\n{}\n", world.code(&secret))).await;
    let id = signed.ok()["id"].as_str().unwrap().to_owned();
    assert!(signed.stderr.contains("I approve this change as it is shown here."), "{}", signed.stderr);

    let out = world.path("export");
    world.run(&["change", "signatures", &changes[0], "--out", &out], "").await.ok();
    for (change, file) in [(&changes[0], "one.json"), (&changes[1], "two.json")] {
        let shown = world.run(&["change", "show", change], "").await;
        shown.ok();
        std::fs::write(world.path(file), shown.stdout).unwrap();
    }
    assert_eq!(world.run(&["logout"], "").await.code, 0);
    assert_eq!(world.run(&["me"], "").await.code, 2, "the session is gone");

    let (envelope, key) = (format!("{out}/{id}.dsse.json"), format!("{out}/server.vkey"));
    let (one, two) = (world.path("one.json"), world.path("two.json"));
    let verify = |change: &str| {
        let words = ["signature", "verify", &envelope, "--server-key", &key, "--change", change];
        words.map(str::to_owned)
    };
    let away = async |words: [String; 7]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_interlock"));
        program
            .args(["--server", "http://127.0.0.1:1", "--output", "json"])
            .args(words)
            .output()
            .await
            .unwrap()
    };
    let sound = away(verify(&one)).await;
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stderr));
    let said: Value = serde_json::from_slice(&sound.stdout).unwrap();
    assert_eq!((&said["name"], &said["binding"]), (&json!("Ana Sousa"), &json!("server")));
    let copied = away(verify(&two)).await;
    assert_eq!(copied.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&copied.stderr).contains("copied from another record"));
    let text = std::fs::read_to_string(&one).unwrap();
    std::fs::write(&one, text.replace("\"title\": \"One\"", "\"title\": \"Won\"")).unwrap();
    let altered = away(verify(&one)).await;
    assert_eq!(altered.status.code(), Some(3), "the manifest's digest is worked out anew");
}
