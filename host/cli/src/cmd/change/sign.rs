//! `interlock change sign` and `interlock change signatures`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::{
    client::{Client, Failure},
    login::secret,
    output::{self, Format},
};

/// What a signature means.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Meaning {
    /// You reviewed it.
    Review,
    /// You approve it.
    Approval,
    /// You take responsibility for it.
    Responsibility,
    /// You refuse it.
    Rejection,
    /// You made it. This approves nothing.
    Authorship,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The change's id.
    id: String,
    /// What you mean.
    #[arg(long, value_enum, default_value = "approval")]
    meaning: Meaning,
    /// Why.
    #[arg(long)]
    reason: String,
    /// The digest that you read; the change's digest of now when absent.
    #[arg(long)]
    digest: Option<String>,
    /// Sign for this stage alone, counted from 0.
    #[arg(long)]
    stage: Option<u32>,
    /// Sign with the roles that this delegation lends to you: `del_…`.
    #[arg(long)]
    delegation: Option<String>,
    /// Your time zone, for display: `Europe/Lisbon`.
    #[arg(long)]
    zone: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Signatures {
    /// The change's id.
    id: String,
    /// Write each signature's envelope into this folder, as `sig_….dsse.json`, the proof that it is in the ledger as
    /// `sig_….tlog-proof` if you may read the ledger, and the server's key as `server.vkey`.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Sign {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let digest = match self.digest {
            Some(digest) => digest,
            None => output::at(&client.get(&format!("/changes/{}", self.id)).await?.body, "/digest"),
        };
        let meaning =
            self.meaning.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
        let mut body = json!({ "digest": digest, "meaning": meaning, "reason": self.reason });
        if let Some(zone) = self.zone {
            body["zone"] = json!(zone);
        }
        if let Some(stage) = self.stage {
            body["stage"] = json!(stage);
        }
        if let Some(delegation) = self.delegation {
            body["delegation"] = json!(delegation);
        }
        let offer = client.post(&format!("/changes/{}/signatures/intent", self.id), &body).await?.body;
        // Not to stdout, which holds the answer alone.
        eprintln!("{}", output::at(&offer, "/view"));
        eprintln!("{}", output::at(&offer, "/intent/sentence"));
        let mut proof = json!({ "sig_id": offer["intent"]["sig_id"], "password": secret("Password")? });
        if offer["two_components"] == json!(true) {
            proof["code"] = json!(secret("Code")?);
        }
        let signed = client.post(&format!("/changes/{}/signatures", self.id), &proof).await?.body;
        let fields = [
            ("id", "/id"),
            ("change", "/change"),
            ("digest", "/digest"),
            ("meaning", "/meaning"),
            ("binding", "/binding"),
            ("signed", "/signed_at"),
            ("in the ledger", "/ledger/level"),
            ("counts when", "/ledger/waits_for"),
        ];
        output::record(&signed, &fields, format)
    }
}

impl Signatures {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let found = client.get(&format!("/changes/{}/signatures", self.id)).await?.body;
        let items: Vec<Value> = found["items"].as_array().cloned().unwrap_or_default();
        if let Some(folder) = &self.out {
            let write = |name: String, text: String| {
                let path = folder.join(name);
                std::fs::write(&path, text).map_err(|error| Failure::file(&path, &error))
            };
            std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
            for item in &items {
                let id: interlock_domain::SignatureId =
                    output::at(item, "/id").parse().map_err(Failure::local)?;
                let envelope = client.bytes(&format!("/signatures/{id}")).await?;
                write(format!("{id}.dsse.json"), String::from_utf8_lossy(&envelope).into_owned())?;
                match client.bytes(&format!("/signatures/{id}/receipt")).await {
                    Ok(proof) => {
                        write(format!("{id}.tlog-proof"), String::from_utf8_lossy(&proof).into_owned())?
                    }
                    Err(Failure::Problem { status: 403, .. }) => {
                        eprintln!(
                            "without the proof that {id} is in the ledger: you may not read the ledger"
                        );
                    }
                    Err(failure) => return Err(failure),
                }
            }
            write("server.vkey".to_owned(), format!("{}\n", output::at(&found, "/key")))?;
        }
        let columns = [
            ("ID", "/id"),
            ("PERSON", "/person"),
            ("MEANING", "/meaning"),
            ("BINDING", "/binding"),
            ("SIGNED", "/signed_at"),
            ("SUPERSEDED", "/superseded"),
        ];
        output::list(&items, &columns, format)
    }
}
