//! The poll: what is there to do? One query, one link or none.

use std::sync::Arc;

use axum::{Json, extract::State};
use interlock_domain::Digest;
use serde::Serialize;

use super::{auth::Claim, error::DdiError, home::Home};
use crate::{App, flow::poll};

#[derive(Serialize)]
pub(super) struct Base {
    config: Config,
    #[serde(rename = "_links")]
    links: Links,
}

#[derive(Serialize)]
struct Config {
    polling: Polling,
}

#[derive(Serialize)]
struct Polling {
    sleep: String,
}

/// At most one of them.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Links {
    #[serde(skip_serializing_if = "Option::is_none")]
    config_data: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_base: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_action: Option<Link>,
}

#[derive(Serialize)]
struct Link {
    href: String,
}

/// `GET` base.
pub(super) async fn poll(
    State(app): State<Arc<App>>,
    claim: Claim,
    home: Home,
) -> Result<Json<Base>, DdiError> {
    let (device, live) = claim.look(&app).await?;
    let links = Links::to(&poll::poll(&device, live.as_ref()), &home);
    let polling = Polling { sleep: sleep(app.config.devices.poll_ms) };
    Ok(Json(Base { config: Config { polling }, links }))
}

impl Links {
    fn to(poll: &poll::Poll, home: &Home) -> Links {
        let link = |href| Some(Link { href });
        match poll {
            poll::Poll::Nothing => Links::default(),
            poll::Poll::Report => Links { config_data: link(home.at("configData")), ..Links::default() },
            poll::Poll::Deploy { action, artifact } => {
                let href = home.at(format_args!("deploymentBase/{action}?c={}", change_token(artifact)));
                Links { deployment_base: link(href), ..Links::default() }
            }
            // No query: SWUpdate makes the address of its answer by putting `/feedback` behind this one.
            poll::Poll::Cancel { action } => Links {
                cancel_action: link(home.at(format_args!("cancelAction/{action}"))),
                ..Links::default()
            },
        }
    }
}

/// Changes when the deployment does. An action never changes what it brings, so its artifact says it all.
fn change_token(artifact: &Digest) -> i32 {
    let [a, b, c, d, ..] = *artifact.as_bytes();
    i32::from_be_bytes([a, b, c, d])
}

/// `HH:MM:SS`, at least a second: SWUpdate would poll without pause at zero.
fn sleep(poll_ms: u64) -> String {
    let seconds = (poll_ms / 1_000).max(1);
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polling_interval_is_written_in_whole_seconds_and_never_zero() {
        for (poll_ms, text) in [
            (0, "00:00:01"),
            (999, "00:00:01"),
            (1_999, "00:00:01"),
            (300_000, "00:05:00"),
            (86_399_000, "23:59:59"),
        ] {
            assert_eq!(sleep(poll_ms), text);
        }
    }
}
