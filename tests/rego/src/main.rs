//! A policy in Rego behind the protocol of Open Policy Agent: `POST /v1/data/bench/allow` with `{"input": …}`.
//!
//! `interlock-rego FILE` prints where it listens. The engine is regorus, in the process; Open Policy Agent itself is in no registry of
//! crates.

use std::sync::Arc;

use anyhow::Context as _;
use axum::{Json, Router, routing::post, serve::ListenerExt as _};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let file = std::env::args().nth(1).context("usage: interlock-rego FILE")?;
    let mut engine = regorus::Engine::new();
    engine.add_policy("bench.rego".to_owned(), std::fs::read_to_string(file)?)?;
    // What it prepares at the first question, each copy has then.
    engine.set_input(regorus::Value::from(json!({})));
    engine.eval_rule("data.bench.allow".to_owned())?;
    let engine = Arc::new(engine);
    let answer = move |Json(mut body): Json<Value>| {
        let engine = Arc::clone(&engine);
        async move {
            let mut engine = regorus::Engine::clone(&engine);
            engine.set_input(regorus::Value::from(body["input"].take()));
            let allowed = engine.eval_rule("data.bench.allow".to_owned()).ok();
            Json(json!({ "result": allowed == Some(regorus::Value::from(true)) }))
        }
    };
    let router = Router::new().route("/v1/data/bench/allow", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener.tap_io(|stream| _ = stream.set_nodelay(true)), router).await?;
    Ok(())
}
