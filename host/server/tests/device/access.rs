//! Who may speak.

use axum::http::Method;
use serde_json::json;

use crate::world::{PUMP, World, base, token_hash, token_of};

const GATEWAY: &str = "the-token-of-the-gateway";

async fn with_gateway() -> World {
    World::configured(|config| {
        let devices = &mut config.devices;
        devices.gateway_token_sha256.insert("mercy".parse().unwrap(), token_hash(GATEWAY));
    })
    .await
}

async fn status(world: &World, path: &str, authorization: &str) -> u16 {
    let headers = [("authorization", authorization)];
    world.send(Method::GET, path, &headers, "").await.status.as_u16()
}

#[tokio::test]
async fn only_the_right_token_in_the_right_form_is_let_in() {
    let world = with_gateway().await;
    world.register("other", Some("1.0")).await;
    let pump = base(PUMP);
    let (good, other) = (token_of(PUMP), token_of("other"));
    for (path, authorization, expected) in [
        (pump.as_str(), format!("TargetToken {good}"), 200),
        (&pump, format!("GatewayToken {GATEWAY}"), 200),
        (&pump, format!("TargetToken {other}"), 401),
        (&pump, format!("TargetToken {GATEWAY}"), 401),
        (&pump, format!("GatewayToken {good}"), 401),
        (&pump, format!("targettoken {good}"), 401),
        (&pump, format!("TargetToken  {good}"), 401),
        (&pump, format!("TargetToken {good} "), 401),
        (&pump, format!("TargetToken {}", good.to_uppercase()), 401),
        (&pump, format!("TargetToken {}", token_hash(&good)), 401),
        (&pump, format!("Bearer {good}"), 401),
        (&pump, "TargetToken".to_owned(), 401),
        (&pump, String::new(), 401),
        (&base("nobody"), format!("TargetToken {good}"), 401),
        ("/clinic/controller/v1/pump-1", format!("TargetToken {good}"), 401),
        ("/clinic/controller/v1/pump-1", format!("GatewayToken {GATEWAY}"), 401),
        ("/MERCY/controller/v1/pump-1", format!("TargetToken {good}"), 401),
        ("/mercy/controller/v1/pump%2F1", format!("GatewayToken {GATEWAY}"), 401),
        ("/mercy/controller/v1/%ff", format!("GatewayToken {GATEWAY}"), 401),
    ] {
        assert_eq!(status(&world, path, &authorization).await, expected, "{path} {authorization}");
    }
}

#[tokio::test]
async fn every_refusal_looks_the_same() {
    let world = with_gateway().await;
    world.register("old", Some("1.0")).await;
    world.retire("old").await;
    let refusal = async |device: &str, authorization: &str| {
        let answer = world.send(Method::GET, &base(device), &[("authorization", authorization)], "").await;
        (answer.status, answer.json(), answer.header("www-authenticate").to_owned())
    };
    let first = refusal(PUMP, "TargetToken wrong").await;
    assert_eq!(first.1["errorCode"], "hawkbit.server.error.client.unauthorized");
    assert_eq!(refusal("nobody", "TargetToken wrong").await, first);
    assert_eq!(refusal("old", &format!("TargetToken {}", token_of("old"))).await, first);
    assert_eq!(refusal("old", &format!("GatewayToken {GATEWAY}")).await, first);
    assert_eq!(refusal(PUMP, "nonsense").await, first);
}

#[tokio::test]
async fn every_path_asks_who_speaks_before_it_reads_anything() {
    let world = World::new().await;
    let module = "0".repeat(64);
    for (method, path) in [
        (Method::GET, "".to_owned()),
        (Method::PUT, "/configData".to_owned()),
        (Method::GET, "/deploymentBase/2".to_owned()),
        (Method::POST, "/deploymentBase/2/feedback".to_owned()),
        (Method::GET, "/cancelAction/2".to_owned()),
        (Method::POST, "/cancelAction/2/feedback".to_owned()),
        (Method::PUT, "/installedBase".to_owned()),
        (Method::GET, "/installedBase/2".to_owned()),
        (Method::GET, "/confirmationBase".to_owned()),
        (Method::POST, "/confirmationBase/activateAutoConfirm".to_owned()),
        (Method::POST, "/confirmationBase/deactivateAutoConfirm".to_owned()),
        (Method::GET, format!("/softwaremodules/{module}/artifacts")),
        (Method::GET, format!("/softwaremodules/{module}/artifacts/x.swu")),
        (Method::HEAD, format!("/softwaremodules/{module}/artifacts/x.swu")),
        (Method::POST, "/telemetry".to_owned()),
    ] {
        let path = format!("{}{path}", base(PUMP));
        let answer = world.send(method.clone(), &path, &[], "no JSON").await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn a_gateway_registers_a_device_that_nobody_registered() {
    let world = with_gateway().await;
    let authorization = format!("GatewayToken {GATEWAY}");
    let headers = [("authorization", authorization.as_str())];
    let polled = world.send(Method::GET, &base("behind-1"), &headers, "").await.ok();
    let href = "http://ddi.test/mercy/controller/v1/behind-1/configData";
    assert_eq!(polled["_links"], json!({"configData": {"href": href}}));
    let device = world.stored("behind-1").await.unwrap();
    assert_eq!((device.environment.as_str(), device.model.as_str()), ("unassigned", "unknown"));
    assert_eq!(device.token_sha256, None, "only the gateway may speak for it");
    assert_eq!(status(&world, &base("behind-1"), "TargetToken x").await, 401);

    let body = json!({"data": {"firmware_version": "1.0"}}).to_string();
    let path = format!("{}/configData", base("behind-1"));
    world.send(Method::PUT, &path, &headers, body).await.ok();
    assert_eq!(world.stored("behind-1").await.unwrap().firmware.as_deref(), Some("1.0"));
}

#[tokio::test]
async fn a_device_that_polls_twice_at_once_is_registered_once() {
    let world = with_gateway().await;
    let authorization = format!("GatewayToken {GATEWAY}");
    let headers = [("authorization", authorization.as_str())];
    let path = base("behind-2");
    let poll = || world.send(Method::GET, &path, &headers, "");
    let (a, b, c) = tokio::join!(poll(), poll(), poll());
    assert_eq!([a.status.as_u16(), b.status.as_u16(), c.status.as_u16()], [200; 3]);
    assert_eq!(world.stored("behind-2").await.unwrap().revision, 1);
}
