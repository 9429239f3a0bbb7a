//! Persons who log in at an identity provider: a real one, and one that lies.

mod fake;
mod real;

use std::collections::BTreeMap;

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::{Digest, Role};
use interlock_server::{
    config::OidcProvider,
    testing::{Answer, Client, START_MS, TENANT, TestApp},
};
use reqwest::Url;
use serde_json::{Value, json};

use self::{
    fake::Fake,
    real::{Browser, Provider},
};
use crate::{
    jwt::{Signer, text, token, with_secret},
    people::{account, now},
};

const HERE: &str = "https://gate.mercy.example";
const BACK: &str = "https://gate.mercy.example/v1/login/oidc/clinic/callback";
const BEGIN: &str = "//v1/login/oidc/clinic";
const MINUTE_MS: i64 = 60_000;

/// How a token is made of claims.
type Made<'a> = Box<dyn Fn(&Value) -> String + 'a>;

/// A server at whose door stands a provider.
struct Door {
    app: TestApp,
    admin: Client,
    nobody: Client,
    issuer: String,
}

/// A login that began: where the browser is sent, and what it keeps.
struct Begun {
    address: String,
    cookie: String,
}

async fn door(issuer: &str, more: Value) -> Door {
    // In a file, as an operator has it.
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "between us & them\n").unwrap();
    let mut provider = json!({ "name": "clinic", "tenant": TENANT, "issuer": issuer, "client_id": "interlock",
        "client_secret_file": secret });
    provider.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let provider: OidcProvider = serde_json::from_value(provider).unwrap();
    let app = TestApp::configured(|config| {
        config.server.public_url = HERE.to_owned();
        config.login.oidc = vec![provider];
    })
    .await;
    let admin = app.person("Eva", &[Role::Administrator, Role::Auditor]).await;
    app.person("Ana", &[Role::Viewer]).await;
    let nobody = app.client(TENANT, None);
    Door { app, admin, nobody, issuer: issuer.to_owned() }
}

/// With the real one, which knows Ana as `ana`.
async fn real_door() -> (Door, Provider) {
    let provider = Provider::start(START_MS, BACK);
    let door = door(&provider.issuer, json!({})).await;
    door.link("Ana", "ana").await;
    (door, provider)
}

impl Door {
    async fn link(&self, name: &str, subject: &str) {
        let id = account(&self.admin, name).await["id"].as_str().unwrap().to_owned();
        let link = json!({ "issuer": self.issuer, "subject": subject });
        self.admin.post(&format!("/accounts/{id}/subjects"), link).await.ok();
    }

    async fn try_begin(&self, query: &str) -> Answer {
        self.nobody.ask(Method::GET, &format!("{BEGIN}{query}"), &[], None).await
    }

    async fn begin(&self, query: &str) -> Begun {
        let answer = self.try_begin(query).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.header("set-cookie");
        assert!(
            cookie.starts_with("__Host-interlock-login=")
                && cookie.contains("; Secure; HttpOnly; SameSite=Lax")
        );
        Begun {
            address: answer.header("location").to_owned(),
            cookie: cookie.split(';').next().unwrap().to_owned(),
        }
    }

    /// The browser comes back with this address.
    async fn back(&self, address: &str, cookie: &str) -> Answer {
        let path = address.strip_prefix(HERE).unwrap_or_else(|| panic!("not to us: {address}"));
        self.nobody.ask(Method::GET, &format!("/{path}"), &[("cookie", cookie)], None).await
    }

    /// The whole way.
    async fn log_in(&self, browser: &mut Browser, who: &str) -> Answer {
        let begun = self.begin("").await;
        let back = browser.visit(&begun.address, who).await.unwrap();
        self.back(&back, &begun.cookie).await
    }

    async fn me(&self, cookie: &str) -> Answer {
        self.nobody.ask(Method::GET, "//v1/me", &[("cookie", cookie)], None).await
    }
}

impl Begun {
    fn query(&self) -> BTreeMap<String, String> {
        query(&self.address)
    }

    /// Where a provider would send the browser with this code.
    fn back(&self, code: &str) -> String {
        format!("{BACK}?code={code}&state={}", self.query()["state"])
    }
}

fn query(address: &str) -> BTreeMap<String, String> {
    Url::parse(address).unwrap().query_pairs().into_owned().collect()
}

/// The session's cookie in an answer.
#[track_caller]
fn session(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let ours = all.into_iter().find(|text| text.starts_with("__Host-interlock="));
    let ours = ours.unwrap_or_else(|| panic!("no session: {}", answer.text()));
    assert!(ours.contains("SameSite=Strict"), "{ours}");
    ours.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_logs_in_at_a_real_provider_and_has_a_session_like_any_other() {
    let provider = Provider::start(START_MS, BACK);
    let door = door(&provider.issuer, json!({})).await;
    let mut browser = Browser::default();
    let unlinked = door.log_in(&mut browser, "ana").await.problem("not-linked");
    assert_eq!((&unlinked["issuer"], &unlinked["subject"]), (&json!(provider.issuer), &json!("ana")));
    assert!(unlinked["detail"].as_str().unwrap().contains("interlock account link"), "{unlinked}");
    door.link("Ana", "ana").await;
    let begun = door.begin("?next=/docs").await;
    let back = browser.visit(&begun.address, "ana").await.unwrap();
    let answer = door.back(&back, &begun.cookie).await;
    let cookie = session(&answer);
    assert!(answer.text().contains("content=\"0;url=/docs\""), "{}", answer.text());
    let me = door.me(&cookie).await.ok();
    assert_eq!((&me["actor"]["name"], &me["session"]["proof"]), (&json!("Ana"), &json!("oidc:clinic")));
    // What changes something takes the token as well.
    let alter = |token: &str| {
        let headers = [("cookie", cookie.clone()), ("x-csrf-token", token.to_owned())];
        let nobody = door.nobody.clone();
        async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            nobody.ask(Method::POST, "//v1/logout", &headers, None).await
        }
    };
    alter("").await.problem("cross-site");
    let entries = door.admin.get("/ledger/entries?limit=3").await.ok().to_string();
    assert!(entries.contains("session.begun"), "{entries}");
    door.app.clock.advance(15 * MINUTE_MS);
    door.me(&cookie).await.problem("unauthenticated");
    let other = session(&door.log_in(&mut browser, "ana").await);
    door.app.clock.advance(14 * MINUTE_MS);
    door.me(&other).await.ok();
    let sound = door.admin.post("/ledger/verify", json!({})).await.ok();
    assert_eq!(sound["outcome"], "sound", "{sound:#}");
}

impl Door {
    /// Logs out of the session of a login's answer.
    async fn log_out(&self, logged_in: &Answer) -> Answer {
        let cookie = session(logged_in);
        let token = self.me(&cookie).await.ok()["csrf_token"].as_str().unwrap().to_owned();
        let headers = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str())];
        let out = self.nobody.ask(Method::POST, "//v1/logout", &headers, None).await;
        assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
        self.me(&cookie).await.problem("unauthenticated");
        out
    }
}

#[tokio::test]
async fn whoever_logs_out_is_told_where_to_log_out_at_the_provider_too() {
    let (door, provider) = real_door().await;
    let mut browser = Browser::default();
    let out = door.log_out(&door.log_in(&mut browser, "ana").await).await;
    let address = out.ok()["logout_url"].as_str().unwrap().to_owned();
    assert_eq!(address, format!("{}/session/end?client_id=interlock", provider.issuer));
    // The session there lasts, whoever sits at the browser.
    session(&door.log_in(&mut browser, "ben").await);
    let page = browser.log_out(&address).await;
    assert!(page.contains("Sign-out"), "{page}");
    let other = door.log_in(&mut browser, "ben").await.problem("not-linked");
    assert_eq!(other["subject"], "ben");
}

#[tokio::test]
async fn nobody_is_sent_to_log_out_where_the_provider_has_no_safe_page_for_it() {
    let key = Signer::rsa("one");
    for page in [Value::Null, json!("javascript:alert(1)"), json!("http://192.0.2.1/end")] {
        let fake = Fake::start(&key).await;
        fake.document.lock().unwrap()["end_session_endpoint"] = page.clone();
        let door = door(&fake.issuer, json!({})).await;
        door.link("Ana", "ana").await;
        let begun = door.begin("").await;
        fake.says(&key.sign_with(|header| header["typ"] = json!("JWT"), &claims(&fake, &begun)));
        let out = door.log_out(&door.back(&begun.back("code"), &begun.cookie).await).await;
        assert_eq!((out.status.as_u16(), out.text()), (204, String::new()), "{page}");
    }
}

#[tokio::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_was_sent() {
    let (door, _provider) = real_door().await;
    let mut browser = Browser::default();
    let (ours, theirs) = (door.begin("").await, door.begin("").await);
    let back = browser.visit(&ours.address, "ana").await.unwrap();
    let state = &ours.query()["state"];
    door.back(&back, "").await.problem("provider-refused");
    door.back(&back, &theirs.cookie).await.problem("provider-refused");
    let twice = format!("{}; {}", ours.cookie, theirs.cookie);
    door.back(&back, &twice).await.problem("provider-refused");
    for wrong in [String::new(), "x".to_owned(), theirs.query()["state"].clone()] {
        door.back(&back.replace(state, &wrong), &ours.cookie).await.problem("provider-refused");
    }
    let elsewhere = back.replace("/clinic/", "/ward/");
    door.back(&elsewhere, &ours.cookie).await.problem("not-found");
    session(&door.back(&back, &ours.cookie).await);
    door.back(&back, &ours.cookie).await.problem("provider-refused");
    // The code was given back: another login does not take it.
    let again = back.replace(state, &theirs.query()["state"]);
    let refused = door.back(&again, &theirs.cookie).await.problem("provider-refused");
    assert!(refused["detail"].as_str().unwrap().contains("invalid_grant"), "{refused}");
}

#[tokio::test]
async fn a_login_that_waited_too_long_is_over() {
    let (door, _provider) = real_door().await;
    let begun = door.begin("").await;
    let back = Browser::default().visit(&begun.address, "ana").await.unwrap();
    door.app.clock.advance(5 * MINUTE_MS);
    door.back(&back, &begun.cookie).await.problem("provider-refused");
}

#[tokio::test]
async fn a_code_of_another_client_or_of_another_challenge_is_not_taken() {
    let (door, provider) = real_door().await;
    for (ours, others) in
        [("client_id=interlock", "client_id=other"), ("code_challenge=", "code_challenge=A")]
    {
        let begun = door.begin("").await;
        // A challenge has 43 characters: one is put before, the last one goes.
        let mut address = begun.address.replacen(ours, others, 1);
        if ours == "code_challenge=" {
            let whole = begun.query()["code_challenge"].clone();
            address = begun.address.replace(&whole, &format!("A{}", &whole[..42]));
        }
        let back = Browser::default().visit(&address, "ana").await.unwrap();
        let refused = door.back(&back, &begun.cookie).await.problem("provider-refused");
        assert!(refused["detail"].as_str().unwrap().contains("invalid_grant"), "{refused}");
    }
    // Without the verifier nobody gets anything for a code.
    let begun = door.begin("").await;
    let back = Browser::default().visit(&begun.address, "ana").await.unwrap();
    let form = format!("grant_type=authorization_code&code={}&redirect_uri={BACK}", query(&back)["code"]);
    let basic = STANDARD.encode("interlock:between%20us%20%26%20them");
    let request = real::client().post(format!("{}/token", provider.issuer)).body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.header("authorization", format!("Basic {basic}")).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("invalid_grant"));
}

#[tokio::test]
async fn keys_may_be_others_at_the_next_login() {
    let (door, provider) = real_door().await;
    session(&door.log_in(&mut Browser::default(), "ana").await);
    provider.control("rotate=1").await;
    // Nobody has the provider asked for its keys more often than this.
    let refused = door.log_in(&mut Browser::default(), "ana").await.problem("provider-refused");
    assert!(refused["detail"].as_str().unwrap().contains("does not publish"), "{refused}");
    door.app.clock.advance(MINUTE_MS);
    provider.control(&format!("now={}", now(&door.app))).await;
    session(&door.log_in(&mut Browser::default(), "ana").await);
}

#[tokio::test]
async fn while_the_provider_is_away_nobody_logs_in_there_and_the_answer_says_so() {
    let (door, mut provider) = real_door().await;
    let begun = door.begin("").await;
    let back = Browser::default().visit(&begun.address, "ana").await.unwrap();
    provider.stop();
    let away = door.back(&back, &begun.cookie).await.problem("issuer-unreachable");
    assert!(away["detail"].as_str().unwrap().contains(&provider.issuer), "{away}");
    // What it said of itself counts for twenty minutes, and then nobody is sent there any more.
    door.app.clock.advance(11 * MINUTE_MS);
    door.begin("").await;
    door.app.clock.advance(9 * MINUTE_MS);
    door.try_begin("").await.problem("issuer-unreachable");
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let (door, provider) = real_door().await;
    for next in ["https://evil.test/", "//evil.test", "/%5Cevil.test", "evil"] {
        let refused = door.try_begin(&format!("?next={next}")).await.problem("invalid");
        assert_eq!(refused["parameter"], "next", "{next}");
    }
    door.try_begin("?naxt=/").await.problem("invalid");
    // The provider sends nobody to another page than ours either.
    let begun = door.begin("").await;
    let address = begun.address.replace("gate.mercy.example", "evil.test");
    assert_ne!(address, begun.address);
    let page = Browser::default().visit(&address, "ana").await.unwrap_err();
    assert!(page.contains("redirect_uri"), "{page}");
    assert!(begun.address.starts_with(&provider.issuer), "{}", begun.address);
}

#[tokio::test]
async fn a_program_takes_over_the_login_that_was_made_for_it() {
    let (door, _provider) = real_door().await;
    let challenge = |verifier: &str| text(Digest::of(verifier).as_bytes());
    for bad in
        ["?port=1", "?challenge=x", "?port=0&challenge=x", "?port=1&challenge=x", "?port=70000&challenge=x"]
    {
        door.try_begin(bad).await.problem("invalid");
    }
    let begun = door.begin(&format!("?port=49152&challenge={}", challenge("mine"))).await;
    let back = Browser::default().visit(&begun.address, "ana").await.unwrap();
    let page = door.back(&back, &begun.cookie).await;
    let html = page.text();
    let mut all = page.headers.get_all("set-cookie").iter();
    assert!(all.all(|cookie| !cookie.to_str().unwrap().starts_with("__Host-interlock=")));
    assert!(html.contains("<b>Ana</b>"), "{html}");
    let code = html.split_once("http://127.0.0.1:49152/?code=").unwrap().1.split('"').next().unwrap();
    let take = async |verifier: &str| {
        let body = json!({ "code": code, "verifier": verifier });
        door.nobody.ask(Method::POST, "//v1/login/handed", &[], Some(body)).await
    };
    take("another's").await.problem("provider-refused");
    let taken = take("mine").await;
    let cookie = taken.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(taken.ok()["name"], "Ana");
    door.me(&cookie).await.ok();
    take("mine").await.problem("provider-refused");
    door.back(&back, &begun.cookie).await.problem("provider-refused");
}

#[tokio::test]
async fn a_deactivated_account_is_not_logged_in() {
    let (door, _provider) = real_door().await;
    let cookie = session(&door.log_in(&mut Browser::default(), "ana").await);
    let id = account(&door.admin, "Ana").await["id"].as_str().unwrap().to_owned();
    door.admin.post(&format!("/accounts/{id}/deactivate"), json!({ "reason": "left" })).await.ok();
    door.me(&cookie).await.problem("unauthenticated");
    door.log_in(&mut Browser::default(), "ana").await.problem("not-linked");
}

fn claims(fake: &Fake, begun: &Begun) -> Value {
    let seconds = START_MS / 1_000;
    json!({ "iss": fake.issuer, "aud": "interlock", "sub": "ana", "iat": seconds, "exp": seconds + 600,
        "nonce": begun.query()["nonce"], "acr": "pwd" })
}

#[tokio::test]
async fn tokens_that_no_provider_makes_log_nobody_in() {
    let (key, other) = (Signer::rsa("one"), Signer::rsa("one"));
    let fake = Fake::start(&key).await;
    let door = door(&fake.issuer, json!({})).await;
    door.link("Ana", "ana").await;
    let sign = |claims: &Value| key.sign_with(|header| header["typ"] = json!("JWT"), claims);
    let begun = door.begin("").await;
    fake.says(&sign(&claims(&fake, &begun)));
    session(&door.back(&begun.back("code"), &begun.cookie).await);
    let (authorization, form) = fake.asked.lock().unwrap().clone();
    assert_eq!(authorization, format!("Basic {}", STANDARD.encode("interlock:between%20us%20%26%20them")));
    let form = query(&format!("http://x/?{form}"));
    assert_eq!(text(Digest::of(&form["code_verifier"]).as_bytes()), begun.query()["code_challenge"]);
    assert_eq!((form["redirect_uri"].as_str(), form["code"].as_str()), (BACK, "code"));
    let secret = key.published().to_string();
    let altered = |claim: &'static str, value: Value| {
        move |claims: &Value| {
            let mut claims = claims.clone();
            claims[claim] = value.clone();
            sign(&claims)
        }
    };
    let cases: Vec<(&str, Made<'_>)> = vec![
        ("algorithm", Box::new(|claims| token(&json!({ "alg": "none" }), claims, |_| Vec::new()))),
        ("algorithm", Box::new(|claims| with_secret(secret.as_bytes(), &json!({ "alg": "HS256" }), claims))),
        ("signature", Box::new(|claims| other.sign_with(|header| header["typ"] = json!("JWT"), claims))),
        ("does not publish", Box::new(|claims| key.sign_with(|header| header["kid"] = json!("two"), claims))),
        ("crit", Box::new(|claims| key.sign_with(|header| header["crit"] = json!(["x"]), claims))),
        ("typ", Box::new(|claims| key.sign_with(|_| {}, claims))),
        ("cannot be read", Box::new(|_| "no.token".to_owned())),
        ("aud", Box::new(altered("aud", json!("other")))),
        ("aud", Box::new(altered("aud", json!(["interlock", "other"])))),
        ("azp", Box::new(altered("azp", json!("other")))),
        ("another issuer", Box::new(altered("iss", json!("https://idp.evil.test")))),
        ("nonce", Box::new(altered("nonce", json!("another")))),
        ("nonce", Box::new(altered("nonce", Value::Null))),
        ("at_hash", Box::new(altered("at_hash", json!("another")))),
        ("expired", Box::new(altered("exp", json!(START_MS / 1_000 - 31)))),
        ("nbf", Box::new(altered("nbf", json!(START_MS / 1_000 + 31)))),
        ("`sub`", Box::new(altered("sub", Value::Null))),
    ];
    for (said, made) in cases {
        let begun = door.begin("").await;
        fake.says(&made(&claims(&fake, &begun)));
        let refused = door.back(&begun.back("code"), &begun.cookie).await.problem("provider-refused");
        assert!(refused["detail"].as_str().unwrap().contains(said), "{said}: {refused}");
    }
}

#[tokio::test]
async fn an_answer_of_another_provider_than_the_one_that_was_asked_is_refused() {
    let key = Signer::ed25519("one");
    let fake = Fake::start(&key).await;
    fake.document.lock().unwrap()["authorization_response_iss_parameter_supported"] = json!(true);
    let door = door(&fake.issuer, json!({ "algorithms": ["EdDSA"] })).await;
    door.link("Ana", "ana").await;
    let begun = door.begin("").await;
    fake.says(&key.sign_with(|header| header["typ"] = json!("JWT"), &claims(&fake, &begun)));
    let back = begun.back("code");
    for iss in ["", "&iss=https%3A%2F%2Fidp.evil.test"] {
        let refused = door.back(&format!("{back}{iss}"), &begun.cookie).await.problem("provider-refused");
        assert!(refused["detail"].as_str().unwrap().contains("another provider"), "{refused}");
    }
    let denied = format!("{BACK}?error=access_denied&state={}&iss={}", begun.query()["state"], fake.issuer);
    let refused = door.back(&denied, &begun.cookie).await.problem("provider-refused");
    assert!(refused["detail"].as_str().unwrap().contains("access_denied"), "{refused}");
    session(&door.back(&format!("{back}&iss={}", fake.issuer), &begun.cookie).await);
}

#[tokio::test]
async fn what_a_provider_says_of_itself_is_its_own_and_within_bounds() {
    let key = Signer::rsa("one");
    let fake = Fake::start(&key).await;
    let good = fake.document.lock().unwrap().clone();
    let door = door(&fake.issuer, json!({})).await;
    door.link("Ana", "ana").await;
    for (claim, value) in [
        ("issuer", json!("https://idp.evil.test")),
        ("token_endpoint", json!("http://192.0.2.1/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("jwks_uri", json!("file:///etc/keys")),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("authorization_endpoint", json!("x".repeat(300_000))),
    ] {
        fake.document.lock().unwrap()[claim] = value;
        door.try_begin("").await.problem("issuer-unreachable");
        *fake.document.lock().unwrap() = good.clone();
        // Not asked again at once.
        door.try_begin("").await.problem("issuer-unreachable");
        door.app.clock.advance(5_000);
    }
    let begun = door.begin("").await;
    let elsewhere = format!("{}/keys", fake.issuer);
    let long = "x".repeat(300_000);
    for (status, location, body) in
        [(302, elsewhere.as_str(), "{}"), (500, "", "{}"), (200, "", "no json"), (200, "", long.as_str())]
    {
        fake.answers(status, location, body);
        door.back(&begun.back("code"), &begun.cookie).await.problem("issuer-unreachable");
    }
    fake.answers(200, "", "{}");
    door.back(&begun.back("code"), &begun.cookie).await.problem("provider-refused");
}

#[tokio::test]
async fn how_well_somebody_proved_who_they_are_there_may_matter() {
    let key = Signer::rsa("one");
    let fake = Fake::start(&key).await;
    let door = door(&fake.issuer, json!({ "acr": ["mfa", "phr"] })).await;
    door.link("Ana", "ana").await;
    let begun = door.begin("").await;
    assert_eq!(begun.query()["acr_values"], "mfa phr");
    let mut said = claims(&fake, &begun);
    let sign = |claims: &Value| key.sign_with(|header| header["typ"] = json!("JWT"), claims);
    fake.says(&sign(&said));
    let weak = door.back(&begun.back("code"), &begun.cookie).await.problem("provider-refused");
    assert!(weak["detail"].as_str().unwrap().contains("too weak"), "{weak}");
    said["acr"] = json!("phr");
    fake.says(&sign(&said));
    session(&door.back(&begun.back("code"), &begun.cookie).await);
}

#[tokio::test]
async fn whoever_logged_in_by_a_name_is_logged_out_when_it_is_taken_away() {
    let (door, _provider) = real_door().await;
    let cookie = session(&door.log_in(&mut Browser::default(), "ana").await);
    door.me(&cookie).await.ok();
    let id = account(&door.admin, "Ana").await["id"].as_str().unwrap().to_owned();
    let names = door.admin.get(&format!("/accounts/{id}/subjects")).await.ok();
    let name = names["items"][0]["id"].as_str().unwrap().to_owned();
    door.admin.ask(Method::DELETE, &format!("/subjects/{name}"), &[], None).await.ok();
    door.me(&cookie).await.problem("unauthenticated");
}
