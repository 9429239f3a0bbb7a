//! From advisories to findings.

use interlock_plugin_sdk::prelude::*;
use interlock_plugin_sdk::{MILLIS_OF_DAY, read_instant};

use crate::osv::{Match, Record};
use crate::purl::Purl;
use crate::sbom::Component;
use crate::score;
use crate::settings::{Settings, UnknownScore, Waiver};

/// A vulnerability of one component, joined from all advisories that are about it.
#[derive(Clone, Debug)]
pub(crate) struct Vulnerability {
    /// Ids and aliases; the first is shown.
    ids: Vec<String>,
    score: Option<u32>,
    exploited: bool,
    published: Option<Instant>,
    fixed: Option<String>,
}

/// The vulnerabilities of `component`, and how many advisories could not be judged.
pub(crate) fn vulnerabilities(
    component: &Component,
    records: &[Record],
    settings: &Settings,
) -> (Vec<Vulnerability>, usize) {
    let (mut found, mut unknown) = (Vec::<Vulnerability>::new(), 0);
    for record in records.iter().filter(|record| record.withdrawn.is_none()) {
        match record.matches(component) {
            Match::No => {}
            Match::Unknown => unknown += 1,
            Match::Yes { vectors, fixed } => {
                let mut joined = Vulnerability::new(record, &vectors, fixed, settings);
                // Advisories of several databases about one thing are one thing, also when a third one links two others.
                found.retain(|known| !joined.absorbs(known));
                found.push(joined);
            }
        }
    }
    (found, unknown)
}

impl Vulnerability {
    fn new(record: &Record, vectors: &[String], fixed: Option<String>, settings: &Settings) -> Self {
        let ids: Vec<String> = [&record.id].into_iter().chain(&record.aliases).cloned().collect();
        let specific = record.database_specific.clone().unwrap_or_default();
        let all = record
            .severity
            .iter()
            .map(|severity| severity.score.as_str())
            .chain(vectors.iter().map(String::as_str));
        let score = score::of_vectors(all).or_else(|| score::of_word(specific.severity.as_ref()?));
        let listed = ids
            .iter()
            .any(|id| settings.known_exploited.iter().any(|listed| listed.eq_ignore_ascii_case(id)));
        let published = record.published.as_deref().and_then(read_instant);
        Self { ids, score, exploited: specific.known_exploited || listed, published, fixed }
    }

    /// Takes over what `other` knows when both are the same.
    fn absorbs(&mut self, other: &Self) -> bool {
        if !other.ids.iter().any(|id| self.is(id)) {
            return false;
        }
        let mut ids = other.ids.clone();
        ids.extend(self.ids.iter().filter(|id| !other.is(id)).cloned());
        self.ids = ids;
        self.score = self.score.max(other.score);
        self.exploited |= other.exploited;
        self.published = [self.published, other.published].into_iter().flatten().min();
        self.fixed = other.fixed.clone().or_else(|| self.fixed.take());
        true
    }

    fn is(&self, id: &str) -> bool {
        self.ids.iter().any(|own| own.eq_ignore_ascii_case(id))
    }

    /// The findings on this vulnerability of `component`.
    pub(crate) fn findings(&self, component: &Component, settings: &Settings, now: Instant) -> Vec<Finding> {
        let (code, severity) = self.weight(settings, now);
        let waivers: Vec<&Waiver> = settings
            .waivers
            .iter()
            .filter(|waiver| self.is(&waiver.id) && waiver.is_for(component))
            .collect();
        if severity > Severity::Info
            && let Some(waiver) = waivers.iter().find(|waiver| waiver.is_in_force(now))
        {
            let Waiver { owner, reason, expires, .. } = waiver;
            let message = format!("{}; waived by {owner} until {expires}: {reason}", self.said(component));
            return vec![self.finding(Severity::Info, "vulnerability-waived", message, component)];
        }
        let remedy = match &self.fixed {
            Some(fixed) => format!("bring it to {fixed} or later"),
            None => "no fixed version is known: replace it, or have somebody answer for it with a waiver"
                .to_owned(),
        };
        let mut findings =
            vec![self.finding(severity, code, format!("{}; {remedy}", self.said(component)), component)];
        if severity > Severity::Info {
            findings.extend(waivers.iter().map(|Waiver { owner, expires, .. }| {
                let message = format!(
                    "the waiver of {} by {owner} expired at {expires} and does not count; renew or remove it",
                    self.ids[0]
                );
                self.finding(Severity::Warning, "waiver-expired", message, component)
            }));
        }
        findings
    }

    fn weight(&self, settings: &Settings, now: Instant) -> (&'static str, Severity) {
        let warns = self.score.is_none_or(|score| score >= settings.warn_score_tenths);
        let age_days = self.published.map(|published| now.saturating_sub(published) / MILLIS_OF_DAY);
        let old =
            settings.deny_age_days.is_some_and(|days| age_days.is_some_and(|age| age >= u64::from(days)));
        match self.score {
            _ if self.exploited && settings.deny_known_exploited => {
                ("vulnerability-exploited", Severity::Critical)
            }
            Some(score) if score >= settings.deny_score_tenths => ("vulnerability", Severity::Critical),
            _ if warns && old => ("vulnerability-old", Severity::Critical),
            Some(_) if warns => ("vulnerability", Severity::Warning),
            Some(_) => ("vulnerability", Severity::Info),
            None if settings.unknown_score == UnknownScore::Fail => {
                ("vulnerability-score-unknown", Severity::Critical)
            }
            None => ("vulnerability-score-unknown", Severity::Warning),
        }
    }

    /// `log4j-core 2.14.1 has CVE-2021-44228 (GHSA-…), score 10.0, known to be exploited`.
    fn said(&self, component: &Component) -> String {
        let (first, others) =
            self.ids.split_first().map_or(("", &[][..]), |(first, others)| (first.as_str(), others));
        let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
        let score =
            self.score.map_or("score unknown".to_owned(), |tenths| format!("score {}", score::shown(tenths)));
        let exploited = if self.exploited { ", known to be exploited" } else { "" };
        let version = if component.version.is_empty() { "of unknown version" } else { &component.version };
        format!("`{}` {version} has {first}{others}, {score}{exploited}", component.purl.package)
    }

    fn finding(&self, severity: Severity, code: &str, message: String, component: &Component) -> Finding {
        Finding::new(severity, code, message).about(&component.purl.package)
    }
}

impl Waiver {
    fn is_in_force(&self, now: Instant) -> bool {
        read_instant(&self.expires).is_some_and(|expires| now < expires)
    }

    fn is_for(&self, component: &Component) -> bool {
        let Some(purl) = &self.purl else { return true };
        Purl::read(purl).is_some_and(|purl| {
            purl.package == component.purl.package
                && (purl.version.is_empty() || purl.version == component.version)
        })
    }
}
