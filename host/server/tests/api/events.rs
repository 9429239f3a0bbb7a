//! Following what happens: server-sent events.

use axum::{
    body::{Body, BodyDataStream},
    http::Method,
};
use futures::StreamExt as _;
use interlock_domain::Role;
use interlock_server::{
    Config,
    testing::{Client, TestApp},
};
use serde_json::{Value, json};

/// An event as it comes over the line.
#[derive(Debug, Default, PartialEq)]
struct Event {
    id: Option<u64>,
    kind: Option<String>,
    data: Option<Value>,
}

/// A stream that is read event by event.
struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(client: &Client, path: &str, last: Option<&str>) -> Self {
        let headers: Vec<(&str, &str)> = last.map(|id| ("last-event-id", id)).into_iter().collect();
        let response = client.begin(Method::GET, path, &headers, Body::empty()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; nothing at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let mut found = Event::default();
                for line in event.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => found.id = Some(id.parse().unwrap()),
                        Some(("event", kind)) => found.kind = Some(kind.to_owned()),
                        Some(("data", data)) => found.data = Some(serde_json::from_str(data).unwrap()),
                        _ => {}
                    }
                }
                self.text = rest.to_owned();
                return Some(found);
            }
            let part = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }
}

/// A server whose streams last longer than any test.
async fn lasting(alter: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::configured(|config| {
        config.events.stream_ms_max = 600_000;
        alter(config);
    })
    .await
}

async fn register(client: &Client, id: &str) {
    let device = json!({
        "id": id, "environment": "staging", "model": "x2", "hardware_revision": "r1", "firmware": "1.0",
        "token": format!("token-of-the-pump-{id}"),
    });
    client.post("/devices", device).await.ok();
}

/// How many entries the tenant's log has.
async fn size(app: &TestApp) -> u64 {
    app.app.store.head("mercy").await.unwrap().map_or(0, |head| head.size)
}

#[tokio::test]
async fn whoever_follows_is_told_what_happened_and_what_happens() {
    let app = lasting(|_| {}).await;
    let oda = app.person("Oda", &[Role::Operator, Role::Auditor]).await;
    let mut stream = Stream::open(&oda, "/events?after=first", None).await;
    let before = size(&app).await;
    for index in 0..before {
        let event = stream.next().await.unwrap();
        assert_eq!(event.id, Some(index));
        let data = event.data.unwrap();
        assert_eq!(data["index"], index);
        assert_eq!(data["entry"]["type"], event.kind.unwrap().as_str());
    }
    register(&oda, "a").await;
    app.look_at_logs().await;
    let after = size(&app).await;
    let mut kinds = Vec::new();
    for index in before..after {
        let event = stream.next().await.unwrap();
        assert_eq!(event.id, Some(index));
        kinds.push(event.kind.unwrap());
    }
    assert!(kinds.contains(&"device.registered".to_owned()), "{kinds:?}");

    // Whoever comes back goes on where they were; the header goes before the address.
    let last = (after - 2).to_string();
    let mut again = Stream::open(&oda, "/events?after=first", Some(&last)).await;
    assert_eq!(again.next().await.unwrap().id, Some(after - 1));
    // Without a place it begins with what happens from now on.
    let mut fresh = Stream::open(&oda, "/events", None).await;
    register(&oda, "b").await;
    app.look_at_logs().await;
    assert_eq!(fresh.next().await.unwrap().id, Some(after));
}

#[tokio::test]
async fn only_the_types_that_were_asked_for_are_told_and_the_place_moves_on_all_the_same() {
    let app = lasting(|_| {}).await;
    let oda = app.person("Oda", &[Role::Operator, Role::Auditor]).await;
    register(&oda, "a").await;
    let end = size(&app).await;
    let mut stream = Stream::open(&oda, "/events?after=first&kinds=device.,rollout.", None).await;
    let event = stream.next().await.unwrap();
    assert_eq!(event.kind.as_deref(), Some("device.registered"));
    let mut none = Stream::open(&oda, "/events?after=first&kinds=rollout.", None).await;
    // Nothing is told, but whoever comes back does not begin anew.
    assert_eq!(none.next().await.unwrap(), Event { id: Some(end - 1), kind: None, data: None });
}

#[tokio::test]
async fn a_stream_ends_by_itself_and_when_the_server_stops() {
    let app = TestApp::start().await;
    let oda = app.person("Oda", &[Role::Auditor]).await;
    let mut short = Stream::open(&oda, "/events", None).await;
    assert_eq!(short.next().await, None);

    let app = lasting(|_| {}).await;
    let oda = app.person("Oda", &[Role::Auditor]).await;
    let mut stopped = Stream::open(&oda, "/events", None).await;
    app.end_streams().await;
    assert_eq!(stopped.next().await, None);
}

#[tokio::test]
async fn there_are_so_many_streams_and_a_closed_one_makes_room() {
    let app = lasting(|config| {
        config.events.streams_max = 2;
        config.events.streams_per_account_max = 1;
    })
    .await;
    let oda = app.person("Oda", &[Role::Auditor]).await;
    let ben = app.person("Ben", &[Role::Auditor]).await;
    let eva = app.person("Eva", &[Role::Auditor]).await;
    let first = Stream::open(&oda, "/events", None).await;
    let refused = oda.get("/events").await.problem("busy");
    assert!(refused["detail"].as_str().unwrap().contains("streams_per_account_max"), "{refused}");
    let second = Stream::open(&ben, "/events", None).await;
    let refused = eva.get("/events").await.problem("busy");
    assert!(refused["detail"].as_str().unwrap().contains("streams_max"), "{refused}");
    drop((first, second));
    Stream::open(&oda, "/events", None).await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name() {
    let app = lasting(|_| {}).await;
    let oda = app.person("Oda", &[Role::Auditor]).await;
    assert_eq!(oda.get("/events?after=yesterday").await.problem("invalid")["parameter"], "after");
    assert_eq!(oda.get("/events?kinds=device.,,").await.problem("invalid")["parameter"], "kinds");
    assert_eq!(oda.get("/events?since=1").await.problem("invalid")["parameter"], "since");
    let answer = oda.ask(Method::GET, "/events", &[("last-event-id", "-1")], None).await;
    assert_eq!(answer.problem("bad-header")["header"], "Last-Event-ID");
    app.client("mercy", None).get("/events").await.problem("unauthenticated");
}
