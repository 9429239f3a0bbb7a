//! How grave an advisory is: CVSS base scores in tenths.

use std::str::FromStr as _;

use cvss::Cvss;
use serde_json::Value;

/// The metrics of a base score, which all must be there: without one of them a score would be too low. What else a vector of
/// CVSS 2 or 3 says is about one place and time.
const BASE_2: [&str; 6] = ["AV", "AC", "Au", "C", "I", "A"];
const BASE_3: [&str; 8] = ["AV", "AC", "PR", "UI", "S", "C", "I", "A"];

/// The highest score of the vectors in tenths: 98 is 9.8. Nothing when none can be read.
pub(crate) fn of_vectors<'a>(vectors: impl IntoIterator<Item = &'a str>) -> Option<u32> {
    vectors.into_iter().filter_map(tenths).max()
}

/// The score of one vector: CVSS 2, 3.0, 3.1 or 4.0.
pub(crate) fn tenths(vector: &str) -> Option<u32> {
    let base = match vector.split_once('/')? {
        (version, rest) if version.starts_with("CVSS:3") => format!("{version}/{}", base_of(rest, &BASE_3)?),
        (version, _) if version.starts_with("CVSS:") => vector.to_owned(),
        _ => base_of(vector, &BASE_2)?,
    };
    let score = Cvss::from_str(&base).ok()?.score();
    // From 0.0 to 10.0, so nothing is lost.
    ((0.0..=10.0).contains(&score)).then(|| (score * 10.0).round() as u32)
}

/// The base metrics of a vector, if each stands there once.
fn base_of(metrics: &str, base: &[&str]) -> Option<String> {
    let name = |metric: &&str| base.iter().position(|name| metric.split(':').next() == Some(name));
    let kept: Vec<&str> = metrics.split('/').filter(|metric| name(metric).is_some()).collect();
    let distinct: std::collections::BTreeSet<usize> = kept.iter().filter_map(name).collect();
    (kept.len() == base.len() && distinct.len() == base.len()).then(|| kept.join("/"))
}

/// The highest score of the band that a database names where there is no vector: rather too much than too little.
pub(crate) fn of_word(word: &Value) -> Option<u32> {
    match word.as_str()?.to_ascii_uppercase().as_str() {
        "CRITICAL" => Some(100),
        "HIGH" | "IMPORTANT" => Some(89),
        "MODERATE" | "MEDIUM" => Some(69),
        "LOW" => Some(39),
        "NONE" | "NEGLIGIBLE" | "UNIMPORTANT" => Some(0),
        _ => None,
    }
}

/// `9.8`.
pub(crate) fn shown(tenths: u32) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
