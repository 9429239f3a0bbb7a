//! What a SIEM is told: a real rsyslog on the loopback, over TCP and TLS; and receivers that misbehave, which are fakes.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener as StdListener},
    path::Path,
    process::{Child, Command, Stdio},
};

use interlock_domain::Role;
use interlock_server::{
    Config,
    config::{Begin, Sink},
    testing::{Client, TestApp},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

/// A running rsyslog; what it received lies in a file, a line a message.
struct Rsyslog {
    folder: TempDir,
    port: u16,
    child: Child,
}

/// One message as rsyslog read it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    severity: String,
    host: String,
    app: String,
    id: String,
    data: String,
    text: String,
}

impl Message {
    /// A parameter of the structured data.
    fn fact(&self, name: &str) -> &str {
        let after = self.data.split_once(&format!(" {name}=\"")).map(|(_, after)| after);
        after.and_then(|after| after.split_once('"')).map_or("", |(value, _)| value)
    }

    fn idx(&self) -> u64 {
        self.fact("idx").parse().unwrap()
    }
}

impl Rsyslog {
    async fn start(tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let dir = folder.path().display().to_string();
        let driver = if tls {
            certificates(folder.path());
            format!(
                "global(defaultNetstreamDriver=\"ossl\" defaultNetstreamDriverCAFile=\"{dir}/ca.pem\" \
                 defaultNetstreamDriverCertFile=\"{dir}/server.pem\" defaultNetstreamDriverKeyFile=\"{dir}/server.key\")\n\
                 module(load=\"imtcp\" streamDriver.name=\"ossl\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\")\n"
            )
        } else {
            "module(load=\"imtcp\")\n".to_owned()
        };
        // Nothing waits in a queue: once a connection is closed, all that came over it is in the file.
        let config = format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"64k\")\nmain_queue(queue.type=\"Direct\")\n{driver}\
             template(name=\"fields\" type=\"string\" string=\"%syslogseverity%\\t%hostname%\\t%app-name%\\t%msgid%\\t\
             %structured-data%\\t%msg%\\n\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             action(type=\"omfile\" file=\"{dir}/received\" template=\"fields\")\n"
        );
        fs::write(folder.path().join("rsyslog.conf"), config).unwrap();
        let child = Command::new("/usr/sbin/rsyslogd")
            .arg("-n")
            .arg("-f")
            .arg(folder.path().join("rsyslog.conf"))
            .arg("-i")
            .arg(folder.path().join("pid"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("said")).unwrap())
            .spawn()
            .unwrap();
        let mut started = Self { folder, port, child };
        started.wait().await;
        started
    }

    /// Until it listens.
    async fn wait(&mut self) {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_err() {
            let ended = self.child.try_wait().unwrap();
            let said = fs::read_to_string(self.folder.path().join("said")).unwrap();
            assert!(ended.is_none(), "rsyslog ended: {said}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    fn received(&self) -> Vec<Message> {
        let text = fs::read_to_string(self.folder.path().join("received")).unwrap_or_default();
        let message = |line: &str| {
            let mut fields = line.splitn(6, '\t').map(str::to_owned);
            let mut next = || fields.next().unwrap();
            Message { severity: next(), host: next(), app: next(), id: next(), data: next(), text: next() }
        };
        text.lines().map(message).collect()
    }

    /// The messages of a log that stand for an entry, as the places of their entries.
    fn places(&self, log: &str) -> Vec<u64> {
        let of_log = self.received().into_iter().filter(|message| message.fact("log") == log);
        of_log.filter(|message| message.fact("part").is_empty()).map(|message| message.idx()).collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate for 127.0.0.1 and whoever signed it, and another one that signed nothing.
fn certificates(dir: &Path) {
    let openssl = |arguments: &str| {
        let done = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("{made} -keyout ca.key -out ca.pem -subj /CN=ca"));
    openssl(&format!("{made} -keyout other.key -out other.pem -subj /CN=other"));
    openssl(&format!(
        "{made} -keyout server.key -out server.pem -subj /CN=server -CA ca.pem -CAkey ca.key -addext \
         subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
    ));
}

fn sink(url: String) -> Sink {
    serde_json::from_value(json!({ "name": "siem", "url": url, "timeout_ms": 5_000 })).unwrap()
}

async fn told(sink: Sink) -> (TestApp, Client) {
    let app = TestApp::configured(|config| config.sinks = vec![sink]).await;
    let oda = app.person("Oda", &[Role::Operator, Role::Auditor]).await;
    register(&oda, "a").await;
    (app, oda)
}

async fn register(client: &Client, id: &str) {
    let device = json!({
        "id": id, "environment": "staging", "model": "x2", "hardware_revision": "r1", "firmware": "1.0",
        "token": format!("token-of-the-pump-{id}"),
    });
    client.post("/devices", device).await.ok();
}

async fn all_of(app: &TestApp, log: &str) -> Vec<u64> {
    (0..app.app.store.head(log).await.unwrap().map_or(0, |head| head.size)).collect()
}

async fn ready(app: &TestApp) -> Value {
    app.client("mercy", None).get("//ready").await.json()["checks"]["sinks"].clone()
}

#[tokio::test]
async fn a_siem_is_told_all_that_happened_in_order_and_once() {
    let rsyslog = Rsyslog::start(false).await;
    let (app, oda) = told(sink(format!("tcp://127.0.0.1:{}", rsyslog.port))).await;
    app.tell_sinks().await;
    for log in ["mercy", "system"] {
        assert_eq!(rsyslog.places(log), all_of(&app, log).await, "{log}");
    }
    let found = rsyslog.received();
    let registered = found.iter().find(|message| message.id == "device.registered").unwrap();
    assert_eq!((registered.host.as_str(), registered.app.as_str()), ("interlock", "interlock"));
    assert_eq!(registered.severity, "6");
    assert_eq!(registered.fact("object"), "a");
    let row = app.app.store.entry("mercy", registered.idx()).await.unwrap().unwrap();
    let hash: String = row.leaf_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(registered.fact("leaf_hash"), hash, "so that it can be proved");
    assert!(
        registered.text.ends_with(&format!("device.registered device a by {}", registered.fact("account")))
    );

    app.tell_sinks().await;
    assert_eq!(rsyslog.received().len(), found.len(), "nothing is told twice");
    register(&oda, "b").await;
    app.tell_sinks().await;
    assert_eq!(rsyslog.places("mercy"), all_of(&app, "mercy").await);
    assert_eq!(ready(&app).await["each"][0]["behind"], 0);
}

#[tokio::test]
async fn over_tls_it_is_told_to_whom_the_certificate_names_and_to_nobody_else() {
    let rsyslog = Rsyslog::start(true).await;
    let url = format!("tls://127.0.0.1:{}", rsyslog.port);
    let trusting = |file: &str| Sink { ca_file: rsyslog.folder.path().join(file), ..sink(url.clone()) };
    let (app, _) = told(trusting("ca.pem")).await;
    app.tell_sinks().await;
    assert_eq!(rsyslog.places("mercy"), all_of(&app, "mercy").await);
    let before = rsyslog.received().len();

    let (app, _) = told(trusting("other.pem")).await;
    app.tell_sinks().await;
    assert_eq!(rsyslog.received().len(), before);
    let detail = ready(&app).await["each"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("not whom we trust"), "{detail}");
}

#[tokio::test]
async fn only_the_logs_and_types_that_it_wants_are_told_from_where_it_begins() {
    let rsyslog = Rsyslog::start(false).await;
    let wanted = Sink {
        logs: vec!["mercy".to_owned()],
        kinds: vec!["device.".to_owned()],
        begin: Begin::Now,
        ..sink(format!("tcp://127.0.0.1:{}", rsyslog.port))
    };
    let (app, oda) = told(wanted).await;
    app.tell_sinks().await;
    assert_eq!(rsyslog.received(), [], "what was before is not told");
    register(&oda, "b").await;
    app.tell_sinks().await;
    let found = rsyslog.received();
    let kinds: Vec<_> = found.iter().map(|message| (message.id.as_str(), message.fact("object"))).collect();
    assert_eq!(kinds, [("device.registered", "b")]);
}

#[tokio::test]
async fn what_the_receiver_may_not_have_read_is_told_again() {
    // It takes everything, says nothing of it and hangs up as if it had been shot.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shot = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 64];
        stream.read_exact(&mut some).await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    let (app, _) = told(sink(format!("tcp://127.0.0.1:{port}"))).await;
    app.tell_sinks().await;
    shot.await.unwrap();
    assert!(app.app.store.sink_cursors("siem").await.unwrap().values().all(|next| *next == 0));
    let how = ready(&app).await;
    assert_eq!((&how["status"], &how["each"][0]["status"]), (&json!("degraded"), &json!("degraded")));

    // It is put back up, at the same place.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let whole = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    });
    app.tell_sinks().await;
    let text = whole.await.unwrap();
    assert!(text.contains("log=\"mercy\" idx=\"0\""), "from the beginning: {text}");
    assert_eq!(ready(&app).await["status"], "ok");
}

#[tokio::test]
async fn one_that_never_closes_is_not_believed_and_keeps_no_other_waiting() {
    let rsyslog = Rsyslog::start(false).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = Sink {
        name: "hangs".to_owned(),
        timeout_ms: 50,
        ..sink(format!("tcp://{}", listener.local_addr().unwrap()))
    };
    let well = sink(format!("tcp://127.0.0.1:{}", rsyslog.port));
    let app = TestApp::configured(|config| config.sinks = vec![hangs, well]).await;
    app.person("Oda", &[Role::Operator]).await;
    app.tell_sinks().await;
    assert_eq!(rsyslog.places("mercy"), all_of(&app, "mercy").await);
    let how = ready(&app).await;
    let detail = how["each"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("confirm = \"written\""), "{detail}");
    assert_eq!(how["each"][1]["status"], "ok");
    assert!(app.app.store.sink_cursors("hangs").await.unwrap().values().all(|next| *next == 0));
}

#[tokio::test]
async fn one_replica_at_a_time_tells() {
    let rsyslog = Rsyslog::start(false).await;
    let (app, _) = told(sink(format!("tcp://127.0.0.1:{}", rsyslog.port))).await;
    let now = app.app.clock.now();
    app.app.store.acquire("sink/siem", "another replica", 60_000, now).await.unwrap().unwrap();
    app.tell_sinks().await;
    assert_eq!(rsyslog.received(), []);
    app.clock.advance(60_000);
    app.tell_sinks().await;
    assert_eq!(rsyslog.places("mercy"), all_of(&app, "mercy").await);
}

#[tokio::test]
async fn answers_to_other_programs_are_told_one_by_one() {
    let rsyslog = Rsyslog::start(false).await;
    let folder = tempfile::tempdir().unwrap();
    let application = folder.path().join("mercy");
    fs::create_dir_all(&application).unwrap();
    fs::write(
        application.join("application.toml"),
        "name = \"records\"\nrevision = 1\n\n[types]\nuser = \"User\"\nrecord = \"Record\"\n",
    )
    .unwrap();
    fs::write(
        application.join("schema.cedarschema"),
        "entity User, Record;\naction read appliesTo { principal: User, resource: Record };\n",
    )
    .unwrap();
    fs::write(
        application.join("records.cedar"),
        "@id(\"records.ana\")\n@reason(\"Ana reads\")\npermit (principal == User::\"ana\", action, resource);\n",
    )
    .unwrap();
    let app = TestApp::configured(|config| {
        config.policies.applications_dir = folder.path().to_owned();
        config.sinks = vec![sink(format!("tcp://127.0.0.1:{}", rsyslog.port))];
    })
    .await;
    let oda = app.person("Oda", &[Role::Operator, Role::Auditor]).await;
    for subject in ["ana", "eve"] {
        let question = json!({
            "subject": { "type": "user", "id": subject }, "action": { "name": "read" },
            "resource": { "type": "record", "id": "101" },
        });
        oda.post("/access/v1/evaluation", question).await.ok();
    }
    // Whoever asks for decisions is told of all; so they are in the database.
    assert_eq!(oda.get("/decisions?limit=2").await.ok()["items"].as_array().unwrap().len(), 2);
    app.tell_sinks().await;
    let found = rsyslog.received();
    let answers: Vec<_> = found.iter().filter(|message| message.id == "decision.access").collect();
    let said: Vec<_> = answers
        .iter()
        .map(|one| (one.fact("person"), one.fact("object"), one.fact("outcome"), one.severity.as_str()))
        .collect();
    assert_eq!(said, [("user:ana", "101", "allow", "6"), ("user:eve", "101", "deny", "5")]);
    assert_eq!(answers.iter().map(|one| one.fact("part")).collect::<Vec<_>>(), ["0", "1"]);
}

#[tokio::test]
async fn sinks_that_could_tell_nobody_anything_are_refused() {
    let table = [
        (json!({ "url": "udp://siem:514" }), "tcp:// or tls://"),
        (json!({ "url": "tcp://siem" }), "needs a port"),
        (json!({ "url": "tls://siem" }), "ca_file"),
        (json!({ "name": "first" }), "two have this name"),
        (json!({ "timeout_ms": 0 }), "timeout_ms"),
        (json!({ "client_key_file": "key" }), "go together"),
    ];
    for (altered, expected) in table {
        let mut one = json!({ "name": "siem", "url": "tcp://siem:514" });
        one.as_object_mut().unwrap().extend(altered.as_object().unwrap().clone());
        let first = json!({ "name": "first", "url": "tcp://other:514" });
        let sinks = serde_json::from_value(json!([first, one])).unwrap();
        let said = Config { sinks, ..Config::default() }.checked().unwrap_err().to_string();
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
