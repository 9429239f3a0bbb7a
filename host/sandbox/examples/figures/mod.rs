//! What the measuring programs share: the change that they ask about, and how a figure is printed.

use std::time::Duration;

use interlock_sandbox::types::{Artifact, Change, ChangeKind, Group, Population, RollbackTarget};

/// The `now` of every question.
pub const NOW: u64 = 1_750_000_000_000;

/// One figure: `name value unit bound holds`.
pub struct Line {
    pub name: String,
    /// Absent when there is nothing to measure.
    pub value: Option<f64>,
    pub unit: &'static str,
    /// The highest value that is good.
    pub bound: Option<f64>,
}

impl Line {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str, bound: Option<f64>) -> Self {
        Self { name: name.into(), value: Some(value), unit, bound }
    }

    pub fn holds(&self) -> bool {
        self.bound.is_none_or(|bound| self.value.is_some_and(|value| value <= bound))
    }

    pub fn print(&self, json: bool) {
        let Self { name, value, unit, bound } = self;
        let holds = self.holds();
        if json {
            let line = serde_json::json!({"name": name, "value": value, "unit": unit, "bound": bound, "holds": holds});
            println!("{line}");
        } else {
            let bound = bound.map_or("-".to_owned(), |bound| format!("<={bound}"));
            let value = value.map_or("not-built".to_owned(), |value| format!("{value:.2}"));
            println!("{name} {value} {unit} {bound} {holds}");
        }
    }
}

/// The value below which this share of the samples lies, in microseconds.
pub fn percentile_us(samples: &mut [Duration], share: f64) -> f64 {
    samples.sort_unstable();
    let index = (samples.len() as f64 * share) as usize;
    samples.get(index.min(samples.len() - 1)).map_or(f64::NAN, Duration::as_secs_f64) * 1e6
}

/// Of the size that a release to three sites has.
pub fn change() -> Change {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let artifact = |name: &str| Artifact {
        name: name.into(),
        version: "2.1.0".into(),
        digest: digest("a"),
        size_bytes: 8_388_608,
    };
    let group = |name: &str, size| Group { name: name.into(), size };
    Change {
        id: "chg_01981f5e7a3c7d4e8f60718293a4b5c6".into(),
        tenant: "acme".into(),
        environment: "production".into(),
        kind: ChangeKind::Release,
        digest: digest("b"),
        title: "Pump firmware 2.1.0".into(),
        author: "usr_01981f5e7a3c7d4e8f60718293a4b5c7".into(),
        proposed_at: NOW - 3_600_000,
        artifacts: vec![artifact("pump-firmware"), artifact("pump-application")],
        population: Population {
            size: 200,
            digest: digest("c"),
            groups: vec![group("site-a", 80), group("site-b", 70), group("site-c", 50)],
        },
        rollback: vec![RollbackTarget { version: "2.0.3".into(), artifact: Some(digest("d")), targets: 200 }],
        manifest: r#"{"kind":"release","artifacts":[],"strategy":{"name":"canary"}}"#.into(),
    }
}
