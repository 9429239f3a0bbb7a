//! `interlock login`, `logout`, `me`, `password`, `sessions` and `enrol`: what a person does for themselves.

use clap::Args;
use reqwest::{
    Method,
    header::{self, HeaderMap},
};
use serde_json::{Value, json};

use crate::{
    browser::Waiting,
    client::{Connection, Failure},
    login::{Session, secret},
    output::{self, Format, Outcome},
};

/// Log in with your password and a code. Asks for both, or reads them from standard input, one a line.
///
/// With `--oidc` log in at your organisation's identity provider: open the address that is shown in a browser on this machine.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Your account's name.
    #[arg(required_unless_present = "oidc")]
    name: Option<String>,
    /// Give a recovery code in place of the app's code.
    #[arg(long)]
    recovery: bool,
    /// Log in at this identity provider, by its name in the server's configuration.
    #[arg(long, value_name = "PROVIDER", conflicts_with_all = ["name", "recovery"])]
    oidc: Option<String>,
}

/// Log out.
#[derive(Debug, Args)]
pub(crate) struct Logout {}

/// Show who you are to the server.
#[derive(Debug, Args)]
pub(crate) struct Me {}

/// Set another password. Asks for the one of now, a code, and the new one twice; every other session ends.
#[derive(Debug, Args)]
pub(crate) struct Password {}

/// Show where you are logged in, or end one of those sessions.
#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// End this one: `ses_…`.
    #[arg(long, value_name = "SESSION")]
    end: Option<String>,
}

/// Follow an invitation: set your password, and the app that shows codes.
#[derive(Debug, Args)]
pub(crate) struct Enrol {}

const FIELDS: &[output::Column] = &[
    ("name", "/actor/name"),
    ("account", "/actor/account"),
    ("person", "/actor/person"),
    ("tenant", "/actor/tenant"),
    ("by", "/actor/auth"),
    ("session until", "/session/ends_at"),
    ("password and passkeys set", "/means_changed_at"),
    ("handed out by", "/actor/hold/by"),
    ("confirmed by", "/actor/hold/confirmed_by"),
    ("held until", "/actor/hold/until"),
];

impl Login {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let (headers, body) = match &self.oidc {
            Some(provider) => in_browser(connection, provider).await?,
            None => self.by_password(connection).await?,
        };
        keep(connection, &headers, &body)?;
        let fields = [("name", "/name"), ("session", "/session/id"), ("until", "/session/ends_at")];
        // The token that goes with the session is for this program, not for a log of what it printed.
        let shown = json!({ "name": body["name"], "session": body["session"] });
        output::record(&shown, &fields, format)?;
        Ok(Outcome::Done)
    }

    async fn by_password(self, connection: &Connection) -> Result<(HeaderMap, Value), Failure> {
        let password = secret("Password")?;
        let second = secret(if self.recovery { "Recovery code" } else { "Code" })?;
        let name = if self.recovery { "recovery_code" } else { "code" };
        let mut body = json!({ "tenant": connection.tenant, "name": self.name, "password": password });
        body[name] = json!(second);
        let nobody = connection.nobody()?;
        nobody.open(Method::POST, "/v1/login", Some(&body)).await
    }
}

async fn in_browser(connection: &Connection, provider: &str) -> Result<(HeaderMap, Value), Failure> {
    let waiting = Waiting::begin().await?;
    // Not to stdout, which holds the answer alone.
    eprintln!("Open this in a browser on this machine, and go on when it shows {}:", waiting.word());
    eprintln!("\n    {}\n", waiting.address(&connection.address(), provider));
    let code = waiting.code().await?;
    let body = json!({ "code": code, "verifier": waiting.verifier });
    connection.nobody()?.open(Method::POST, "/v1/login/handed", Some(&body)).await
}

/// Keeps the session that an answer brings.
fn keep(connection: &Connection, headers: &HeaderMap, body: &Value) -> Result<(), Failure> {
    let cookie = headers.get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
    let cookie = cookie.and_then(|text| text.split(';').next());
    let csrf = body["csrf_token"].as_str();
    let (Some(cookie), Some(csrf)) = (cookie, csrf) else {
        return Err(Failure::Unreachable("the server gave no session; is the address right?".to_owned()));
    };
    // An identity provider is of one tenant, whichever was named here: a session is kept for the one that it is of.
    let Some(tenant) = body["account"]["tenant"].as_str() else {
        let detail = "the server does not say of which tenant the session is; is it of this version?";
        return Err(Failure::Unreachable(detail.to_owned()));
    };
    if tenant != connection.tenant {
        eprintln!(
            "You are logged in at `{tenant}`, not at `{}`: give `--tenant {tenant}` with what you do.",
            connection.tenant
        );
    }
    let session = Session {
        server: connection.address(),
        tenant: tenant.to_owned(),
        cookie: cookie.to_owned(),
        csrf: csrf.to_owned(),
    };
    session.keep()
}

impl Logout {
    pub(crate) async fn run(self, connection: &Connection) -> Result<Outcome, Failure> {
        let there = match connection.session_client()? {
            Some(client) => client.open(Method::POST, "/v1/logout", Some(&json!({}))).await,
            None => Ok((HeaderMap::new(), Value::Null)),
        };
        Session::forget()?;
        match there {
            Ok((_, body)) => {
                if let Some(address) = body["logout_url"].as_str() {
                    eprintln!("You are still logged in at the identity provider; to log out there, open:");
                    eprintln!("\n    {address}\n");
                }
                Ok(Outcome::Done)
            }
            // Over already: so it was.
            Err(Failure::Problem { status: 401, .. }) => Ok(Outcome::Done),
            Err(failure) => Err(failure),
        }
    }
}

impl Me {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let (_, mut body) = connection.client()?.open(Method::GET, "/v1/me", None).await?;
        if let Some(fields) = body.as_object_mut() {
            fields.remove("csrf_token");
        }
        output::record(&body, FIELDS, format)?;
        Ok(Outcome::Done)
    }
}

impl Password {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.session_client()?.ok_or_else(|| {
            Failure::Usage("you are not logged in: `interlock login`, then set another password".to_owned())
        })?;
        let password = secret("Password")?;
        let code = secret("Code")?;
        let new = secret("The new password, of 12 to 128 characters")?;
        if secret("Once more")? != new {
            return Err(Failure::Usage("the two new passwords differ; nothing was set".to_owned()));
        }
        let body = json!({ "password": password, "code": code, "new_password": new });
        let (headers, body) = client.open(Method::POST, "/v1/me/password", Some(&body)).await?;
        keep(connection, &headers, &body)?;
        let shown = json!({ "name": body["name"], "session": body["session"] });
        output::record(&shown, &[("name", "/name"), ("session", "/session/id")], format)?;
        Ok(Outcome::Done)
    }
}

impl Sessions {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        if let Some(id) = &self.end {
            client.delete(&format!("/sessions/{id}")).await?;
            return Ok(Outcome::Done);
        }
        let sessions = client.get("/sessions").await?.body;
        let columns = [
            ("SESSION", "/id"),
            ("BY", "/proof"),
            ("FROM", "/peer"),
            ("SINCE", "/created_at"),
            ("LAST USED", "/seen_at"),
            ("UNTIL", "/ends_at"),
        ];
        let items: Vec<Value> = sessions["items"].as_array().cloned().unwrap_or_default();
        output::list(&items, &columns, format)?;
        Ok(Outcome::Done)
    }
}

impl Enrol {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let nobody = connection.nobody()?;
        let code = secret("Invitation")?;
        let body = json!({ "tenant": connection.tenant, "code": code });
        let (_, offer) = nobody.open(Method::POST, "/v1/enrolments", Some(&body)).await?;
        // Not to stdout, which holds the answer alone.
        eprintln!("Welcome, {}. Add this to your authenticator app:", output::at(&offer, "/name"));
        eprintln!("\n    {}\n", output::at(&offer, "/otpauth"));
        let password = secret("A password of 12 to 128 characters")?;
        if secret("Once more")? != password {
            return Err(Failure::Usage("the two passwords differ; nothing was set".to_owned()));
        }
        let shown = secret("The code that the app shows")?;
        let set = json!({
            "tenant": connection.tenant, "code": code, "challenge": offer["challenge"], "password": password,
            "totp_code": shown,
        });
        let (_, done) = nobody.open(Method::POST, "/v1/enrolments/complete", Some(&set)).await?;
        eprintln!(
            "It is set. Keep these codes where nobody finds them; each logs you in once without the app:"
        );
        show(&done, format)?;
        Ok(Outcome::Done)
    }
}

fn show(done: &Value, format: Format) -> Result<(), Failure> {
    if format != Format::Table {
        return output::value(done, format);
    }
    for code in done["recovery_codes"].as_array().into_iter().flatten() {
        sayln!("{}", code.as_str().unwrap_or_default());
    }
    Ok(())
}
