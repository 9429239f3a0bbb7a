use std::cmp::Ordering;

use interlock_plugin_sdk::testing::{self, Evidence, NOON};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use serde_json::{Value, json};

use super::*;
use crate::purl::Purl;
use crate::version::Scheme;

const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";

/// Components of CycloneDX by purl.
fn bom(purls: &[&str]) -> Value {
    let components: Vec<Value> =
        purls.iter().map(|purl| json!({ "type": "library", "name": purl, "purl": purl })).collect();
    json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "components": components })
}

fn advisory(id: &str, name: &str, kind: &str, fixed: &str) -> Value {
    json!({
        "id": id, "published": "2026-02-01T00:00:00Z",
        "severity": [{ "type": "CVSS_V3", "score": CRITICAL }],
        "affected": [{
            "package": { "ecosystem": "x", "name": name },
            "ranges": [{ "type": kind, "events": [{ "introduced": "0" }, { "fixed": fixed }] }]
        }]
    })
}

fn evaluate(bom: impl ToString, advisories: Value, settings: Value) -> Result<Verdict, Fault> {
    evaluate_as_of("2026-03-02T00:00:00Z", bom, advisories, settings)
}

fn evaluate_as_of(
    as_of: &str,
    bom: impl ToString,
    advisories: Value,
    settings: Value,
) -> Result<Verdict, Fault> {
    let change = testing::change();
    let key = format!("{}/sbom", change.artifacts[0].digest);
    let purls: Vec<&str> = advisories.as_object().unwrap().keys().map(String::as_str).collect();
    let answer = json!({ "as_of": as_of, "advisories": advisories });
    let evidence = Evidence::new().json("document", &key, bom).json("advisory", &purls.join("\n"), answer);
    evidence.during(|| testing::evaluate::<super::SbomVulnerabilities>(&change, settings, NOON))
}

fn codes(bom: impl ToString, advisories: Value, settings: Value) -> Vec<String> {
    evaluate(bom, advisories, settings).unwrap().findings.into_iter().map(|finding| finding.code).collect()
}

/// What one npm package gets with one advisory that `altered` is laid over.
fn one(version: &str, altered: Value, settings: Value) -> Verdict {
    let mut record = advisory("CVE-2026-1", "left-pad", "SEMVER", "1.3.1");
    record.as_object_mut().unwrap().extend(altered.as_object().unwrap().clone());
    let bom = bom(&[&format!("pkg:npm/left-pad@{version}")]);
    evaluate(bom, json!({ "pkg:npm/left-pad": [record] }), settings).unwrap()
}

fn one_code(version: &str, altered: Value, settings: Value) -> String {
    one(version, altered, settings).findings.first().map(|finding| finding.code.clone()).unwrap_or_default()
}

#[test]
fn a_finding_names_package_version_advisory_score_and_fix() {
    let verdict = one("1.3.0", json!({ "aliases": ["GHSA-1"] }), json!({}));
    assert_eq!(verdict.outcome, Outcome::Fail);
    let message = "`pkg:npm/left-pad` 1.3.0 has CVE-2026-1 (GHSA-1), score 9.8; bring it to 1.3.1 or later";
    assert_eq!(verdict.findings[0].message, message);
    assert_eq!(one("1.3.1", json!({}), json!({})), Verdict::pass());
}

#[test]
fn scores_deny_warn_or_are_told() {
    let outcome = |settings| {
        let verdict = one("1.0.0", json!({}), settings);
        (verdict.outcome, verdict.findings.len())
    };
    assert_eq!(outcome(json!({ "deny_score_tenths": 98 })), (Outcome::Fail, 1));
    assert_eq!(outcome(json!({ "deny_score_tenths": 99 })), (Outcome::Warn, 1));
    assert_eq!(outcome(json!({ "deny_score_tenths": 100, "warn_score_tenths": 99 })), (Outcome::Pass, 1));
}

/// Scores that FIRST and NVD publish for these vectors.
#[test]
fn published_vectors_have_their_published_scores() {
    for (vector, tenths) in [
        (CRITICAL, 98),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 75),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 78),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 61),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 31),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:N", 59),
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 68),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0),
        ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 64),
        // What is not of the base score does not count.
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:U", 98),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 93),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 100),
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", 75),
    ] {
        assert_eq!(score::tenths(vector), Some(tenths), "{vector}");
    }
    for vector in [
        "",
        "9.8",
        "CVSS:3.1",
        "CVSS:3.1/AV:N",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/I:H",
        "AV:N/AC:L/Au:N/C:P/I:P",
        "CVSS:5.0/AV:N",
        "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    ] {
        assert_eq!(score::tenths(vector), None, "{vector}");
    }
}

#[test]
fn without_a_vector_the_word_of_the_database_counts_and_without_a_word_it_is_unknown() {
    let none = json!({ "severity": [] });
    assert_eq!(one_code("1.0.0", none.clone(), json!({})), "vulnerability-score-unknown");
    assert_eq!(one("1.0.0", none.clone(), json!({})).outcome, Outcome::Warn);
    assert_eq!(one("1.0.0", none, json!({ "unknown_score": "fail" })).outcome, Outcome::Fail);
    for (word, outcome) in [
        ("CRITICAL", Outcome::Fail),
        ("high", Outcome::Fail),
        ("MODERATE", Outcome::Warn),
        ("LOW", Outcome::Pass),
    ] {
        let altered = json!({ "severity": [], "database_specific": { "severity": word } });
        assert_eq!(one("1.0.0", altered, json!({})).outcome, outcome, "{word}");
    }
}

#[test]
fn known_exploited_fails_whatever_its_score() {
    let low = json!({ "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N" }], "aliases": ["CVE-9"] });
    assert_eq!(one("1.0.0", low.clone(), json!({})).outcome, Outcome::Pass);
    assert_eq!(
        one_code("1.0.0", low.clone(), json!({ "known_exploited": ["cve-9"] })),
        "vulnerability-exploited"
    );
    let mut flagged = low;
    flagged["database_specific"] = json!({ "known_exploited": true });
    assert_eq!(one_code("1.0.0", flagged.clone(), json!({})), "vulnerability-exploited");
    assert_eq!(one_code("1.0.0", flagged, json!({ "deny_known_exploited": false })), "vulnerability");
}

#[test]
fn age_counts_in_days_since_it_was_published() {
    let middling = |published: &str| json!({ "published": published, "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N" }] });
    let days = json!({ "deny_age_days": 30 });
    assert_eq!(one_code("1.0.0", middling("2026-01-31T12:00:00Z"), days.clone()), "vulnerability-old");
    assert_eq!(one_code("1.0.0", middling("2026-01-31T12:00:01Z"), days), "vulnerability");
    assert_eq!(one_code("1.0.0", middling("2020-01-01T00:00:00Z"), json!({})), "vulnerability");
}

#[test]
fn a_waiver_counts_until_it_expires_and_then_says_so() {
    let waiver = |altered: Value| {
        let mut waiver = json!({ "id": "GHSA-1", "owner": "bea", "reason": "not reachable", "expires": "2026-03-02T12:00:01Z" });
        waiver.as_object_mut().unwrap().extend(altered.as_object().unwrap().clone());
        let verdict = one("1.0.0", json!({ "aliases": ["ghsa-1"] }), json!({ "waivers": [waiver] }));
        verdict.findings.into_iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(waiver(json!({})), ["vulnerability-waived"]);
    assert_eq!(waiver(json!({ "expires": "2026-03-02T12:00:00Z" })), ["vulnerability", "waiver-expired"]);
    assert_eq!(waiver(json!({ "purl": "pkg:npm/left-pad@1.0.0" })), ["vulnerability-waived"]);
    assert_eq!(waiver(json!({ "purl": "pkg:npm/left-pad" })), ["vulnerability-waived"]);
    assert_eq!(waiver(json!({ "purl": "pkg:npm/left-pad@1.0.1" })), ["vulnerability"]);
    assert_eq!(waiver(json!({ "id": "CVE-2" })), ["vulnerability"]);
}

#[test]
fn advisories_of_several_databases_about_one_thing_are_one_finding() {
    let mut ghsa = advisory("GHSA-1", "left-pad", "SEMVER", "1.3.1");
    ghsa["aliases"] = json!(["CVE-1"]);
    ghsa["severity"] = json!([]);
    let plain = advisory("CVE-1", "left-pad", "SEMVER", "1.3.1");
    let mut link = advisory("SNYK-1", "left-pad", "SEMVER", "1.3.1");
    link["aliases"] = json!(["CVE-2", "CVE-1"]);
    let other = advisory("CVE-2", "left-pad", "SEMVER", "1.3.1");
    let advisories = json!({ "pkg:npm/left-pad": [ghsa, other, plain, link] });
    let verdict = evaluate(bom(&["pkg:npm/left-pad@1.0.0"]), advisories, json!({})).unwrap();
    assert_eq!(verdict.findings.len(), 1, "{verdict:?}");
    assert!(verdict.findings[0].message.contains("score 9.8"));
}

#[test]
fn withdrawn_advisories_and_other_packages_do_not_count() {
    assert_eq!(one_code("1.0.0", json!({ "withdrawn": "2026-02-02T00:00:00Z" }), json!({})), "");
    assert_eq!(
        one_code(
            "1.0.0",
            json!({ "affected": [{ "package": { "ecosystem": "npm", "name": "right-pad" } }] }),
            json!({})
        ),
        ""
    );
    let by_purl = json!({ "affected": [{ "package": { "ecosystem": "npm", "name": "left-pad", "purl": "pkg:npm/left-pad2" } }] });
    assert_eq!(one_code("1.0.0", by_purl, json!({})), "");
}

#[test]
fn ranges_are_read_as_osv_says() {
    let hit = |version: &str, events: Value| {
        let affected = json!({ "affected": [{ "ranges": [{ "type": "SEMVER", "events": events }] }] });
        !one_code(version, affected, json!({})).is_empty()
    };
    let twice =
        json!([{ "introduced": "2.0.0" }, { "fixed": "2.1.0" }, { "introduced": "0" }, { "fixed": "1.5.0" }]);
    for (version, expected) in [
        ("1.4.9", true),
        ("1.5.0", false),
        ("2.0.0-rc.1", false),
        ("2.0.0", true),
        ("2.1.0-rc.1", true),
        ("2.1.0", false),
    ] {
        assert_eq!(hit(version, twice.clone()), expected, "{version}");
    }
    let last = json!([{ "introduced": "1.0.0" }, { "last_affected": "1.2.0" }]);
    for (version, expected) in [("0.9.0", false), ("1.2.0", true), ("1.2.1", false)] {
        assert_eq!(hit(version, last.clone()), expected, "{version}");
    }
    let limited = json!([{ "introduced": "0" }, { "limit": "3.0.0" }]);
    assert!(hit("2.9.9", limited.clone()) && !hit("3.0.0", limited));
    assert!(!hit("1.0.0", json!([])));
}

#[test]
fn the_fix_is_the_lowest_version_above() {
    let affected = json!({ "affected": [{ "ranges": [{ "type": "SEMVER", "events": [
        { "introduced": "0" }, { "fixed": "1.5.0" }, { "introduced": "2.0.0" }, { "fixed": "2.10.0" }
    ] }] }] });
    let verdict = one("2.9.0", affected, json!({}));
    assert!(verdict.findings[0].message.ends_with("bring it to 2.10.0 or later"), "{verdict:?}");
    let none = json!({ "affected": [{ "versions": ["1.0.0"] }] });
    assert!(one("1.0.0", none, json!({})).findings[0].message.contains("no fixed version is known"));
}

#[test]
fn versions_that_cannot_be_ordered_are_looked_for_in_the_list_and_told() {
    let maven = |version: &str| {
        let mut record = advisory("CVE-1", "org.apache:log4j", "ECOSYSTEM", "2.0");
        record["affected"][0]["versions"] = json!(["1.0", "1.1"]);
        codes(
            bom(&[&format!("pkg:maven/org.apache/log4j@{version}")]),
            json!({ "pkg:maven/org.apache/log4j": [record] }),
            json!({}),
        )
    };
    assert_eq!(maven("1.1"), ["vulnerability"]);
    assert_eq!(maven("1.2"), ["version-scheme-unknown"]);
    assert_eq!(one_code("not-a-version", json!({}), json!({})), "version-scheme-unknown");
}

#[test]
fn a_component_of_unknown_version_counts_as_affected() {
    let found = codes(
        bom(&["pkg:npm/left-pad"]),
        json!({ "pkg:npm/left-pad": [advisory("CVE-1", "left-pad", "SEMVER", "1.0.0")] }),
        json!({}),
    );
    assert_eq!(found, ["vulnerability"]);
}

#[test]
fn a_distribution_release_is_told_apart() {
    let mut record = advisory("DSA-1", "openssl", "ECOSYSTEM", "3.0.11-1");
    record["affected"][0]["package"]["ecosystem"] = json!("Debian:12");
    let found = |distro: &str| {
        let purl = format!("pkg:deb/debian/openssl@3.0.9-1?arch=source{distro}");
        codes(bom(&[&purl]), json!({ "pkg:deb/debian/openssl": [record.clone()] }), json!({})).len()
    };
    assert_eq!(
        [found("&distro=debian-12"), found("&distro=debian-12.4"), found("&distro=debian-11"), found("")],
        [1, 1, 0, 1]
    );
}

#[test]
fn nested_components_and_both_formats_are_read() {
    let nested = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6",
        "metadata": { "component": { "type": "firmware", "name": "pump", "components": [{ "type": "library", "name": "a", "purl": "pkg:npm/a@1.0.0" }] } },
        "components": [
            { "type": "framework", "name": "b", "version": "1.0.0", "purl": "pkg:npm/b", "components": [
                { "type": "library", "name": "c", "purl": "pkg:npm/%40s/c@1.0.0", "components": [{ "type": "library", "name": "blob" }] }
            ] },
            { "type": "file", "name": "README" }
        ]
    });
    let spdx = json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "documentDescribes": ["SPDXRef-pump"],
        "relationships": [{ "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-pump" }],
        "packages": [
            { "SPDXID": "SPDXRef-pump", "name": "pump" },
            { "SPDXID": "SPDXRef-a", "name": "a", "versionInfo": "1.0.0", "externalRefs": [
                { "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:npm/a" },
                { "referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:a:a:1:*:*:*:*:*:*:*" }
            ] },
            { "SPDXID": "SPDXRef-b", "name": "b", "externalRefs": [{ "referenceType": "purl", "referenceLocator": "pkg:npm/b@1.0.0" }] },
            { "SPDXID": "SPDXRef-c", "name": "c", "externalRefs": [{ "referenceType": "purl", "referenceLocator": "pkg:npm/@s/c@1.0.0" }] },
            { "SPDXID": "SPDXRef-blob", "name": "blob" }
        ]
    });
    let advisories = json!({
        "pkg:npm/%40s/c": [advisory("CVE-3", "@s/c", "SEMVER", "2.0.0")],
        "pkg:npm/a": [advisory("CVE-1", "a", "SEMVER", "2.0.0")],
        "pkg:npm/b": [advisory("CVE-2", "b", "SEMVER", "2.0.0")],
    });
    for bom in [nested, spdx] {
        let found = codes(bom, advisories.clone(), json!({}));
        assert_eq!(found, ["component-without-purl", "vulnerability", "vulnerability", "vulnerability"]);
    }
}

#[test]
fn packages_are_asked_for_in_batches() {
    let purls: Vec<String> = (0..BATCH + 1).map(|number| format!("pkg:npm/p{number:03}@1.0.0")).collect();
    let bom = bom(&purls.iter().map(String::as_str).collect::<Vec<_>>());
    let names: Vec<&str> = purls.iter().map(|purl| purl.split('@').next().unwrap()).collect();
    let change = testing::change();
    let answer = |advisories: Value| json!({ "as_of": "2026-03-02T00:00:00Z", "advisories": advisories });
    let last = json!({ "pkg:npm/p256": [advisory("CVE-1", "p256", "SEMVER", "2.0.0")] });
    let evidence = Evidence::new()
        .json("document", &format!("{}/sbom", change.artifacts[0].digest), bom)
        .json("advisory", &names[..BATCH].join("\n"), answer(json!({})))
        .json("advisory", names[BATCH], answer(last));
    let verdict = evidence
        .during(|| testing::evaluate::<super::SbomVulnerabilities>(&change, json!({}), NOON))
        .unwrap();
    assert_eq!(verdict.findings.len(), 1, "{verdict:?}");
}

#[test]
fn old_advisories_fail() {
    let bom = bom(&["pkg:npm/left-pad@9.0.0"]);
    let at = |as_of: &str| evaluate_as_of(as_of, &bom, json!({ "pkg:npm/left-pad": [] }), json!({}));
    assert_eq!(at("2026-02-28T12:00:00Z"), Ok(Verdict::pass()));
    assert_eq!(at("2026-02-28T11:59:59Z").unwrap().findings[0].code, "advisories-stale");
    assert!(matches!(at("yesterday"), Err(Fault::Evidence(_))));
}

#[test]
fn a_bill_that_is_missing_empty_or_unreadable_fails() {
    let verdict =
        testing::evaluate::<super::SbomVulnerabilities>(&testing::change(), json!({}), NOON).unwrap();
    assert_eq!(verdict.findings[0].code, "sbom-missing");
    for (bom, code) in [
        (bom(&[]), "sbom-empty"),
        (json!({}), "sbom-malformed"),
        (json!({ "bomFormat": "CycloneDX", "specVersion": "1.3" }), "sbom-malformed"),
        (json!({ "spdxVersion": "SPDX-3.0" }), "sbom-malformed"),
        (
            json!({ "spdxVersion": "SPDX-2.3", "bomFormat": "CycloneDX", "specVersion": "1.5" }),
            "sbom-malformed",
        ),
        (json!([]), "sbom-malformed"),
    ] {
        assert_eq!(codes(&bom, json!({}), json!({})), [code], "{bom}");
    }
}

#[test]
fn missing_advisories_are_a_fault() {
    let change = testing::change();
    let evidence = Evidence::new().json(
        "document",
        &format!("{}/sbom", change.artifacts[0].digest),
        bom(&["pkg:npm/a@1.0.0"]),
    );
    let found = evidence.during(|| testing::evaluate::<super::SbomVulnerabilities>(&change, json!({}), NOON));
    assert!(matches!(found, Err(Fault::Evidence(_))), "{found:?}");
}

#[test]
fn the_gravest_findings_are_shown_and_the_rest_counted() {
    let mut records: Vec<Value> = (0..FINDINGS_MAX + 5)
        .map(|number| advisory(&format!("CVE-{number}"), "a", "SEMVER", "2.0.0"))
        .collect();
    records[FINDINGS_MAX + 4]["database_specific"] = json!({ "known_exploited": true });
    records[0]["severity"] = json!([]);
    let verdict = evaluate(bom(&["pkg:npm/a@1.0.0"]), json!({ "pkg:npm/a": records }), json!({})).unwrap();
    assert_eq!(verdict.findings.len(), FINDINGS_MAX + 1);
    assert!(verdict.findings.iter().all(|finding| finding.code != "vulnerability-score-unknown"));
}

#[test]
fn purls_are_read_and_spelt_canonically() {
    for (text, package, version) in [
        ("pkg:npm/%40angular/core@17.0.0?x=y#z", "pkg:npm/%40angular/core", "17.0.0"),
        ("pkg:npm/@angular/core@17.0.0", "pkg:npm/%40angular/core", "17.0.0"),
        ("pkg:npm/@angular/core", "pkg:npm/%40angular/core", ""),
        ("pkg:PyPI/Ruamel_Yaml@1", "pkg:pypi/ruamel-yaml", "1"),
        ("pkg:deb/debian/dpkg@1%3A1.2~rc1%2Bb1?arch=amd64", "pkg:deb/debian/dpkg", "1:1.2~rc1+b1"),
        ("pkg:golang/golang.org/x/net@v0.1.0", "pkg:golang/golang.org/x/net", "v0.1.0"),
    ] {
        let purl = Purl::read(text).unwrap();
        assert_eq!((purl.package.as_str(), purl.version.as_str()), (package, version), "{text}");
    }
    for text in ["", "npm/a", "pkg:", "pkg:npm", "pkg:npm/", "pkg:/a", "pkg:npm/a\nb"] {
        assert_eq!(Purl::read(text), None, "{text:?}");
    }
}

fn ascending(scheme: Scheme, versions: &[&str]) {
    for (index, one) in versions.iter().enumerate() {
        for (other, two) in versions.iter().enumerate() {
            assert_eq!(scheme.compare(one, two), Some(index.cmp(&other)), "{one} and {two}");
        }
    }
}

#[test]
fn versions_are_in_the_order_of_their_ecosystem() {
    // deb-version(7), and what dpkg's own tests compare.
    ascending(
        Scheme::Debian,
        &[
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0a",
            "0.9",
            "1.0~beta1",
            "1.0~rc1-1",
            "1.0",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0-2",
            "1.0-10",
            "1.0a",
            "1.0+b",
            "1.0.1",
            "1.2",
            "1.10",
            "1:0.1",
            "2:0",
        ],
    );
    assert_eq!(Scheme::Debian.compare("1.0a", "1.0+b"), Some(Ordering::Less));
    assert_eq!(Scheme::Debian.compare("1.00", "1.0"), Some(Ordering::Equal));
    assert_eq!(Scheme::Debian.compare("1.0", "0:1.0-0"), Some(Ordering::Equal));
    assert_eq!(Scheme::Debian.compare("a:1", "1"), None);
    // The order that PEP 440 gives.
    ascending(
        Scheme::Pep440,
        &[
            "1.dev0",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1!0.1",
        ],
    );
    for (one, two) in [
        ("1.0", "v1"),
        ("1.0.alpha-1", "1a1"),
        ("1.0-1", "1.0.post1"),
        ("1.0c1", "1rc1"),
        ("1.0.RC.1", "1rc1"),
        ("1.0-r4", "1.post4"),
        ("1.0+ubuntu_1", "1+ubuntu.1"),
        ("1a", "1a0"),
    ] {
        assert_eq!(Scheme::Pep440.compare(one, two), Some(Ordering::Equal), "{one} and {two}");
    }
    for text in ["", "one", "1.", "1.0x", "1..0", "1.0+", "1.0a1a2", "2004d", "99999999999999999999"] {
        assert_eq!(Scheme::Pep440.compare(text, text), None, "{text}");
    }
    ascending(
        Scheme::Semantic,
        &["0.0.0-0", "v0.1", "1.0.0-alpha.1", "1.0.0-rc.1", "1", "1.0.1+build", "1.2", "1.10.0"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_order_of_versions_turns_round_and_carries_over(
        one in "[0-9a-z.~+:-]{0,12}", two in "[0-9a-z.~+:-]{0,12}", three in "[0-9a-z.~+:-]{0,12}"
    ) {
        for scheme in [Scheme::Debian, Scheme::Pep440, Scheme::Semantic] {
            let order = scheme.compare(&one, &two);
            prop_assert_eq!(order, scheme.compare(&two, &one).map(Ordering::reverse));
            if order == Some(Ordering::Less) && scheme.compare(&two, &three) == Some(Ordering::Less) {
                prop_assert_eq!(scheme.compare(&one, &three), Some(Ordering::Less));
            }
        }
    }

    #[test]
    fn any_bill_gets_an_answer(text in ".{0,200}") {
        let _ = Purl::read(&text);
        let codes = codes(text, json!({}), json!({}));
        prop_assert_eq!(codes, ["sbom-malformed"]);
    }
}

#[test]
fn settings_are_refused_by_their_path() {
    let waiver = json!({ "id": "CVE-1", "owner": "bea", "reason": "r", "expires": "2026-06-30" });
    let with = |field: &str, value: &str| {
        let mut waiver = waiver.clone();
        waiver[field] = value.into();
        json!({ "waivers": [waiver] })
    };
    let mut cases = vec![
        (json!({ "deny_score_tenths": 101 }), "/deny_score_tenths".to_owned()),
        (json!({ "warn_score_tenths": 71 }), "/warn_score_tenths".to_owned()),
        (json!({ "as_of_max_age_hours": 0 }), "/as_of_max_age_hours".to_owned()),
    ];
    cases.extend(
        ["id", "owner", "reason", "expires", "purl"]
            .map(|field| (with(field, " "), format!("/waivers/0/{field}"))),
    );
    for (settings, path) in cases {
        let problems = testing::check_settings::<super::SbomVulnerabilities>(&settings);
        assert_eq!(
            problems.iter().map(|problem| problem.path.clone()).collect::<Vec<_>>(),
            [path],
            "{settings}"
        );
    }
    for field in ["owner", "expires"] {
        let mut without = waiver.clone();
        without.as_object_mut().unwrap().remove(field);
        let problems = testing::check_settings::<super::SbomVulnerabilities>(json!({ "waivers": [without] }));
        assert!(problems[0].message.contains(field), "{problems:?}");
    }
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<super::SbomVulnerabilities>(example), []);
}
