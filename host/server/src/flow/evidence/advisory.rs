//! Source `advisory`: what the imported advisories say of packages.

use std::collections::BTreeMap;

use interlock_domain::{TenantId, Timestamp};
use interlock_sandbox::{Document, EvidenceAnswer, Refusal};
use interlock_store::{AdvisoriesFound, StoreError};

use crate::{
    App,
    flow::{advisory::purl, convert::instant},
};

/// Most packages in one look-up.
const PACKAGES_MAX: usize = 256;

/// Looks packages up: purls without version and qualifiers, one a line. Packages without advisories are left out.
pub(super) async fn look_up(app: &App, tenant: &TenantId, key: &str, now: Timestamp) -> EvidenceAnswer {
    match answer(app, tenant, key).await {
        Ok(content) => EvidenceAnswer::Found(Document::new("application/json", content, instant(now))),
        Err(why) => EvidenceAnswer::Refused(Refusal::Unavailable(why)),
    }
}

async fn answer(app: &App, tenant: &TenantId, key: &str) -> Result<Vec<u8>, String> {
    let mut asked: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let lines: Vec<&str> = key.lines().collect();
    if lines.is_empty() || lines.len() > PACKAGES_MAX {
        let count = lines.len();
        return Err(format!("`advisory` is asked for 1 to {PACKAGES_MAX} packages at once, not {count}"));
    }
    for line in lines {
        let package = purl::package(line).filter(|_| purl::is_plain(line)).ok_or_else(|| {
            let shown: String = line.chars().take(200).collect();
            format!("`{shown}` is no purl without version and qualifiers, such as `pkg:npm/left-pad`")
        })?;
        let spellings = asked.entry(package).or_default();
        if !spellings.contains(&line) {
            spellings.push(line);
        }
    }
    let failed = |error: StoreError| error.to_string();
    let complete = app.store.advisory_ecosystems(tenant).await.map_err(failed)?;
    let as_of = as_of(&complete, asked.keys().map(String::as_str))?;
    let packages: Vec<String> = asked.keys().cloned().collect();
    let bytes_max = app.config.plugins.limits.evidence_bytes_max;
    let rows = match app.store.advisories_of(tenant, &packages, bytes_max).await.map_err(failed)? {
        AdvisoriesFound::Rows(rows) => rows,
        AdvisoriesFound::TooLarge { bytes } => {
            return Err(format!(
                "the advisories of these {} packages have {bytes} bytes and may have {bytes_max}; ask for fewer at once",
                packages.len()
            ));
        }
    };
    let mut by_package: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (package, body) in &rows {
        by_package.entry(package).or_default().push(body);
    }
    // The records are JSON already: put together, not read and written again.
    let mut advisories = Vec::new();
    for (package, records) in by_package {
        for spelling in asked.get(package).into_iter().flatten() {
            advisories.push(format!("{}:[{}]", serde_json::Value::from(*spelling), records.join(",")));
        }
    }
    Ok(format!("{{\"as_of\":\"{as_of}\",\"advisories\":{{{}}}}}", advisories.join(",")).into_bytes())
}

/// As of when the advisories of all these packages are complete: of the ecosystem that waits the longest.
fn as_of<'a>(
    complete: &BTreeMap<String, Timestamp>,
    packages: impl Iterator<Item = &'a str>,
) -> Result<Timestamp, String> {
    let mut oldest: Option<Timestamp> = None;
    for ecosystem in packages.map(purl::ecosystem) {
        match complete.get(ecosystem) {
            Some(as_of) => oldest = Some(oldest.map_or(*as_of, |oldest| oldest.min(*as_of))),
            None if purl::is_unpublished(ecosystem) => {}
            None => {
                return Err(format!(
                    "this tenant has no complete advisories of `{ecosystem}`; import them with `interlock advisory import`"
                ));
            }
        }
    }
    oldest.or_else(|| complete.values().min().copied()).ok_or_else(|| {
        "this tenant has no complete advisories; import them with `interlock advisory import`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use interlock_domain::Role;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{TENANT, TestApp};

    const AS_OF: &str = "2026-11-20T06:00:00.000Z";

    fn record(id: &str, purl: &str) -> Value {
        json!({ "id": id, "modified": "2026-11-02T08:30:00Z", "affected": [{
            "package": { "ecosystem": "npm", "name": "x", "purl": purl },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }] }],
        }]})
    }

    async fn with(records: Value) -> TestApp {
        let app = TestApp::start().await;
        let oda = app.person("Oda", &[Role::Operator]).await;
        oda.post("/advisories:import", json!({ "records": records, "as_of": AS_OF })).await.ok();
        app
    }

    async fn told(app: &TestApp, tenant: &str, key: &str) -> Result<Value, String> {
        let now = Timestamp::from_millis(0);
        match look_up(&app.app, &tenant.parse().unwrap(), key, now).await {
            EvidenceAnswer::Found(document) => Ok(serde_json::from_slice(&document.content).unwrap()),
            EvidenceAnswer::Refused(Refusal::Unavailable(why)) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn packages_are_told_under_the_names_they_were_asked_for() {
        let records =
            json!([record("A-1", "pkg:npm/%40s/c"), record("A-2", "pkg:npm/b"), record("A-3", "pkg:npm/b")]);
        let app = with(records).await;
        let told =
            told(&app, TENANT, "pkg:npm/@s/c\npkg:npm/%40s/c\npkg:npm/b\npkg:npm/quiet").await.unwrap();
        assert_eq!(told["as_of"], AS_OF);
        let ids = |purl: &str| -> Vec<Value> {
            told["advisories"][purl].as_array().unwrap().iter().map(|record| record["id"].clone()).collect()
        };
        assert_eq!((ids("pkg:npm/@s/c"), ids("pkg:npm/%40s/c")), (vec![json!("A-1")], vec![json!("A-1")]));
        assert_eq!(ids("pkg:npm/b"), ["A-2", "A-3"]);
        assert_eq!(told["advisories"].as_object().unwrap().len(), 3, "nothing is said of what nobody knows");
    }

    #[tokio::test]
    async fn two_hundred_and_fifty_six_packages_are_told_and_one_more_is_refused() {
        let app = with(json!([record("A-1", "pkg:npm/p255")])).await;
        let purls = |count: usize| (0..count).map(|n| format!("pkg:npm/p{n}")).collect::<Vec<_>>().join("\n");
        let told_of = told(&app, TENANT, &purls(256)).await.unwrap();
        assert_eq!(told_of["advisories"]["pkg:npm/p255"][0]["id"], "A-1");
        assert!(told(&app, TENANT, &purls(257)).await.unwrap_err().contains("257"));
        assert!(told(&app, TENANT, "").await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_plain_purl_is_refused() {
        let app = with(json!([record("A-1", "pkg:npm/a")])).await;
        for key in
            ["left-pad", "pkg:npm/a@1.0.0", "pkg:npm/a?x=y", "pkg:npm/a\n\npkg:npm/b", "pkg:npm/a\r\n\u{0}"]
        {
            assert!(told(&app, TENANT, key).await.unwrap_err().contains("is no purl"), "{key:?}");
        }
    }

    #[tokio::test]
    async fn a_tenant_without_advisories_is_told_to_import_some_and_never_sees_those_of_another() {
        let app = with(json!([record("A-1", "pkg:npm/a")])).await;
        let why = told(&app, "grace", "pkg:npm/a").await.unwrap_err();
        assert!(why.contains("interlock advisory import"), "{why}");
    }

    #[tokio::test]
    async fn an_ecosystem_is_told_as_of_when_it_was_complete_and_none_vouches_for_another() {
        let app = with(json!([record("A-1", "pkg:npm/a")])).await;
        let why = told(&app, TENANT, "pkg:npm/a\npkg:deb/debian/xz-utils").await.unwrap_err();
        assert!(why.contains("`deb/debian`"), "{why}");
        let older = "2026-11-19T06:00:00.000Z";
        let ola = app.person("Ola", &[Role::Operator]).await;
        let records = json!([record("D-1", "pkg:deb/debian/xz-utils")]);
        ola.post("/advisories:import", json!({ "records": records, "as_of": older })).await.ok();
        for (key, as_of) in [
            ("pkg:npm/a\npkg:deb/debian/xz-utils", older),
            ("pkg:npm/a", AS_OF),
            ("pkg:npm/a\npkg:generic/busybox", AS_OF),
            ("pkg:generic/busybox", older),
        ] {
            assert_eq!(told(&app, TENANT, key).await.unwrap()["as_of"], as_of, "{key}");
        }
        assert!(told(&app, TENANT, "pkg:deb/ubuntu/xz-utils").await.unwrap_err().contains("`deb/ubuntu`"));
    }

    #[tokio::test]
    async fn an_answer_larger_than_a_call_may_hold_is_refused_with_both_sizes() {
        let app = TestApp::configured(|config| config.plugins.limits.evidence_bytes_max = 100).await;
        let oda = app.person("Oda", &[Role::Operator]).await;
        let records = json!([record("A-1", "pkg:npm/a")]);
        oda.post("/advisories:import", json!({ "records": records, "as_of": AS_OF })).await.ok();
        let why = told(&app, TENANT, "pkg:npm/a").await.unwrap_err();
        assert!(why.contains("may have 100"), "{why}");
    }
}
