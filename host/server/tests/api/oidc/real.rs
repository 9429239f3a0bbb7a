//! The real provider (npm's `oidc-provider`, run by node), and a browser for its pages.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use reqwest::{Url, header, redirect::Policy};

/// A provider on a port of its own. It ends with the test.
pub(crate) struct Provider {
    child: Child,
    pub(crate) issuer: String,
}

/// Where `cargo xtask test` installs it: in the folder `tools` beside the build output.
fn installed() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let dir = target.with_file_name("tools").join("oidc-provider-9.13.3");
    assert!(dir.join("installed").is_file(), "`{}` is not there: run `cargo xtask test` once", dir.display());
    dir
}

impl Provider {
    /// Its clock stands at `now_ms`, and it sends people to `back`.
    pub(crate) fn start(now_ms: i64, back: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/oidc/provider.mjs");
        let mut node = Command::new("node");
        node.arg(script).arg(installed()).arg(now_ms.to_string()).arg(back);
        let mut child = node.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer =
            lines.map_while(Result::ok).find_map(|line| line.strip_prefix("issuer ").map(str::to_owned));
        Self { issuer: issuer.unwrap(), child }
    }

    pub(crate) async fn control(&self, what: &str) {
        let sent = client().post(format!("{}/control", self.issuer)).body(what.to_owned()).send().await;
        assert!(sent.unwrap().status().is_success());
    }

    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap()
}

/// Somebody's browser at the provider.
#[derive(Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Follows the provider's pages, and says there who this is, until it is sent elsewhere: to where. `Err` is the page that
    /// it stays at.
    pub(crate) async fn visit(&mut self, address: &str, who: &str) -> Result<String, String> {
        self.go(address, None, who).await
    }

    /// Says yes on the provider's page that asks whether to log out. The page that it stays at then.
    pub(crate) async fn log_out(&mut self, address: &str) -> String {
        let page = self.go(address, None, "").await.unwrap_err();
        let of = |before: &str| page.split_once(before).unwrap().1.split('"').next().unwrap().to_owned();
        let form = format!("xsrf={}&logout=yes", of("name=\"xsrf\" value=\""));
        self.go(&of("action=\""), Some(form), "").await.unwrap_err()
    }

    async fn go(&mut self, address: &str, mut form: Option<String>, who: &str) -> Result<String, String> {
        let first = Url::parse(address).unwrap();
        let mut at = first.clone();
        for _ in 0..10 {
            let request = match form.take() {
                Some(form) => client()
                    .post(at.clone())
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form),
                None => client().get(at.clone()),
            };
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let response = request.header(header::COOKIE, cookies.join("; ")).send().await.unwrap();
            for set in response.headers().get_all(header::SET_COOKIE) {
                let pair = set.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            match response.headers().get(header::LOCATION) {
                Some(location) => {
                    let next = at.join(location.to_str().unwrap()).unwrap();
                    if next.origin() != first.origin() {
                        return Ok(next.to_string());
                    }
                    at = next;
                }
                None if at.path().starts_with("/interaction/") => form = Some(format!("login={who}&acr=pwd")),
                None => return Err(response.text().await.unwrap()),
            }
        }
        panic!("the provider sends its visitors in circles");
    }
}
