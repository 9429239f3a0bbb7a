//! Sources outside: connectors and Prometheus, what was looked up lately, and who failed last.

#[cfg(all(test, feature = "testing"))]
mod told;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use futures::StreamExt as _;
use interlock_domain::{TenantId, Timestamp, in_address};
use interlock_sandbox::{Document, EvidenceAnswer, Refusal};
use reqwest::{Client, StatusCode, Url, header};

use crate::config::{Bound, Config, ConfigError, Connector, HeaderValue, Prometheus, masked};

/// Where a key goes in a connector's address.
const PLACE: &str = "{key}";
/// Longer keys are no ids.
const KEY_BYTES_MAX: usize = 512;

/// What an answer that is kept weighs beside its content and its key.
const ENTRY_BYTES: usize = 512;
/// Shorter values of headers may stand in an answer by chance.
const SECRET_BYTES_MIN: usize = 8;

/// What is needed to look outside.
#[derive(Debug)]
pub(crate) struct Sources {
    client: Client,
    connectors: BTreeMap<String, Ready>,
    prometheus: Option<Url>,
    cache: Mutex<Cache>,
    failures: Mutex<BTreeMap<(TenantId, String), Failure>>,
    failing_ms: i64,
}

/// A look-up that failed.
#[derive(Debug)]
struct Failure {
    reason: String,
    at: Timestamp,
}

/// A form to be posted to an address that the operator chose, or that whoever the operator chose named.
pub(crate) struct Form {
    pub(crate) url: Url,
    pub(crate) body: String,
    /// `Basic …`.
    pub(crate) authorization: Option<String>,
}

/// A connector whose headers are at hand. It never shows them.
struct Ready {
    url: String,
    headers: header::HeaderMap,
    /// What must not come back: each with the name of its header.
    secrets: Vec<(String, String)>,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("url", &masked(&self.url)).finish_non_exhaustive()
    }
}

/// What was looked up, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Whose answer it is; empty when the source tells everybody the same.
    pub(crate) scope: String,
    pub(crate) source: String,
    pub(crate) key: String,
}

#[derive(Debug, Default)]
struct Cache {
    kept: HashMap<Place, (Timestamp, Document)>,
    order: VecDeque<Place>,
    bytes: usize,
    bytes_max: usize,
}

impl Sources {
    /// Reads what the configuration says, and refuses what could send a key elsewhere.
    pub(crate) fn open(config: &Config) -> Result<Self, ConfigError> {
        let evidence = &config.evidence;
        let client = Client::builder()
            // An answer that sends us elsewhere is no answer: the operator chose the address.
            .redirect(reqwest::redirect::Policy::none())
            // No timeout here: whoever asks waits no longer than the source's own limit, and says which that was.
            .user_agent(concat!("interlock/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| senseless("evidence", error.to_string()))?;
        let mut connectors = BTreeMap::new();
        for (name, connector) in &evidence.http {
            connectors.insert(format!("http.{name}"), ready(name, connector)?);
        }
        let prometheus = match evidence.prometheus.url.as_str() {
            "" => None,
            url => {
                let base = url.trim_end_matches('/');
                let url = Url::parse(&format!("{base}/api/v1/query"))
                    .map_err(|error| senseless("evidence.prometheus.url", error.to_string()))?;
                Some(url)
            }
        };
        for entry in evidence.calendars.values().flatten() {
            for time in [&entry.from, &entry.to] {
                time.parse::<Timestamp>().map_err(|_| {
                    senseless("evidence.calendars", format!("`{time}` is no RFC 3339 time in UTC"))
                })?;
            }
        }
        let cache = Cache { bytes_max: evidence.cache_bytes_max, ..Cache::default() };
        Ok(Self {
            client,
            connectors,
            prometheus,
            cache: Mutex::new(cache),
            failures: Mutex::default(),
            failing_ms: i64::try_from(evidence.failing_ms).unwrap_or(i64::MAX),
        })
    }

    /// The sources that failed a tenant the last time it asked, with the reason. One that nobody asked again for
    /// `evidence.failing_ms` is no longer known to fail.
    pub(crate) fn failures(&self, tenant: &TenantId, now: Timestamp) -> BTreeMap<String, String> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant =
            failures.iter().filter(|((whose, _), failure)| whose == tenant && self.lasts(failure, now));
        of_tenant.map(|((_, source), failure)| (source.clone(), failure.reason.clone())).collect()
    }

    /// How many sources fail, each counted once a tenant.
    pub(crate) fn failing(&self, now: Timestamp) -> usize {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.values().filter(|failure| self.lasts(failure, now)).count()
    }

    /// Remembers how a source answered a tenant.
    pub(crate) fn heard(&self, tenant: &TenantId, source: &str, answer: &EvidenceAnswer, now: Timestamp) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, failure| self.lasts(failure, now));
        let place = (tenant.clone(), source.to_owned());
        match answer {
            EvidenceAnswer::Refused(Refusal::Unavailable(reason)) => {
                failures.insert(place, Failure { reason: reason.clone(), at: now });
            }
            _ => _ = failures.remove(&place),
        }
    }

    fn lasts(&self, failure: &Failure, now: Timestamp) -> bool {
        now.millis_since(failure.at) < self.failing_ms
    }

    /// What was looked up there not longer than `cache_ms` ago.
    pub(crate) fn kept(&self, place: &Place, cache_ms: u64, now: Timestamp) -> Option<Document> {
        let document = self.cache().fresh(place, cache_ms, now)?;
        metrics::counter!("evidence_cache_hits_total", "source" => place.source.clone()).increment(1);
        Some(document)
    }

    /// Keeps what was looked up.
    pub(crate) fn keep(&self, place: Place, now: Timestamp, document: Document) {
        self.cache().put(place, now, document);
    }

    /// Asks a connector. Dropped when the time of the look-up is over.
    pub(crate) async fn connector(
        &self,
        source: &str,
        key: &str,
        bytes_max: &Bound,
        now: Timestamp,
    ) -> EvidenceAnswer {
        let Some(connector) = self.connectors.get(source) else {
            return unavailable(format!(
                "the operator configured no connector `{source}`: add `[evidence.{source}]` with its `url`"
            ));
        };
        // A segment of dots alone would climb out of its place, also when it is encoded.
        if key.is_empty() || key.len() > KEY_BYTES_MAX || key.bytes().all(|byte| byte == b'.') {
            return EvidenceAnswer::Refused(Refusal::NotFound);
        }
        let url = connector.url.replace(PLACE, &in_address(key));
        let request = self.client.get(url).headers(connector.headers.clone());
        self.fetched(source, request, bytes_max, &connector.secrets, now).await
    }

    /// Asks Prometheus a query that the operator wrote.
    pub(crate) async fn prometheus(
        &self,
        name: &str,
        config: &Prometheus,
        bytes_max: &Bound,
        now: Timestamp,
    ) -> EvidenceAnswer {
        let Some(url) = &self.prometheus else {
            return unavailable(
                "the operator configured no Prometheus: set `evidence.prometheus.url`".to_owned(),
            );
        };
        let Some(query) = config.queries.get(name) else { return EvidenceAnswer::Refused(Refusal::NotFound) };
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("query", query).append_pair("time", &now.to_string());
        self.fetched("prometheus", self.client.get(url), bytes_max, &[], now).await
    }

    /// A document from an address that the operator chose; never one that somebody else named.
    pub(crate) async fn document(
        &self,
        url: Url,
        bytes_max: u64,
        timeout_ms: u64,
    ) -> Result<Vec<u8>, String> {
        let request = self.client.get(url).header(header::ACCEPT, "application/json");
        let (status, content) = self.answer(request, bytes_max, timeout_ms).await?;
        if status.is_success() { Ok(content) } else { Err(format!("it answered {status}")) }
    }

    /// What is answered to a form, within these bounds.
    pub(crate) async fn post(
        &self,
        form: Form,
        bytes_max: u64,
        timeout_ms: u64,
    ) -> Result<(StatusCode, Vec<u8>), String> {
        let mut request = self.client.post(form.url).header(header::ACCEPT, "application/json");
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(text) = form.authorization {
            let mut value = header::HeaderValue::try_from(text).map_err(|error| error.to_string())?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        self.answer(request.body(form.body), bytes_max, timeout_ms).await
    }

    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
        bytes_max: u64,
        timeout_ms: u64,
    ) -> Result<(StatusCode, Vec<u8>), String> {
        let broken = |error: reqwest::Error| root_cause(&error.without_url());
        let timeout = std::time::Duration::from_millis(timeout_ms);
        let response = request.timeout(timeout).send().await.map_err(broken)?;
        let status = response.status();
        let (mut content, mut parts) = (Vec::new(), response.bytes_stream());
        while let Some(part) = parts.next().await {
            content.extend_from_slice(&part.map_err(broken)?);
            if content.len() as u64 > bytes_max {
                return Err(format!("its answer has more than {bytes_max} bytes"));
            }
        }
        Ok((status, content))
    }

    async fn fetched(
        &self,
        source: &str,
        request: reqwest::RequestBuilder,
        bytes_max: &Bound,
        secrets: &[(String, String)],
        now: Timestamp,
    ) -> EvidenceAnswer {
        let response = match request.header(header::ACCEPT, "application/json").send().await {
            Ok(response) => response,
            // Without its address: a key may be in it, and a password in its beginning.
            Err(error) => {
                return unavailable(format!(
                    "`{source}` cannot be asked: {}",
                    root_cause(&error.without_url())
                ));
            }
        };
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return EvidenceAnswer::Refused(Refusal::NotFound),
            status if status.is_redirection() => {
                return unavailable(format!(
                    "`{source}` answered {status}; it is not followed elsewhere: correct its `url`"
                ));
            }
            status => return unavailable(format!("`{source}` answered {status}")),
        }
        let mut content = Vec::new();
        let mut parts = response.bytes_stream();
        while let Some(part) = parts.next().await {
            match part {
                Ok(part) => content.extend_from_slice(&part),
                Err(error) => {
                    return unavailable(format!(
                        "`{source}` broke off: {}",
                        root_cause(&error.without_url())
                    ));
                }
            }
            if content.len() as u64 > bytes_max.most {
                return unavailable(format!(
                    "the answer of `{source}` has more than the {} bytes of `{}`",
                    bytes_max.most, bytes_max.key
                ));
            }
        }
        if serde_json::from_slice::<serde::de::IgnoredAny>(&content).is_err() {
            return unavailable(format!("`{source}` did not answer with JSON"));
        }
        // What a plugin is told is recorded for ever and shown to whoever may read decisions.
        let text = String::from_utf8_lossy(&content);
        if let Some((header, _)) = secrets.iter().find(|(_, secret)| text.contains(secret)) {
            return unavailable(format!(
                "the answer of `{source}` repeats the value of the header `{header}`, which must not be recorded: have \
                 the system there not do so"
            ));
        }
        EvidenceAnswer::Found(Document::new(
            "application/json",
            content,
            u64::try_from(now.as_millis()).unwrap_or_default(),
        ))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn fresh(&self, place: &Place, cache_ms: u64, now: Timestamp) -> Option<Document> {
        let (at, document) = self.kept.get(place)?;
        let age = u64::try_from(now.millis_since(*at)).ok()?;
        (age < cache_ms).then(|| document.clone())
    }

    fn put(&mut self, place: Place, now: Timestamp, document: Document) {
        let bytes = weight(&place, &document);
        if bytes > self.bytes_max {
            return;
        }
        self.bytes += bytes;
        match self.kept.insert(place.clone(), (now, document)) {
            Some((_, before)) => self.bytes -= weight(&place, &before),
            None => self.order.push_back(place),
        }
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some((_, gone)) = self.kept.remove(&oldest) {
                self.bytes -= weight(&oldest, &gone);
            }
        }
    }
}

/// Many small answers under long keys weigh too.
fn weight(Place { scope, source, key }: &Place, document: &Document) -> usize {
    document.content.len() + 2 * (scope.len() + source.len() + key.len()) + ENTRY_BYTES
}

fn ready(name: &str, connector: &Connector) -> Result<Ready, ConfigError> {
    let refuse = |detail: String| senseless("evidence.http", format!("connector `{name}`: {detail}"));
    if connector.url.matches(PLACE).count() != 1 {
        return Err(refuse(format!("`url` must hold {PLACE} exactly once")));
    }
    let url = Url::parse(&connector.url.replace(PLACE, "x")).map_err(|error| refuse(error.to_string()))?;
    // In the host, a key could choose who is asked.
    let before = connector.url.split(PLACE).next().unwrap_or_default();
    let after_host = before.splitn(4, '/').nth(3).is_some() || before.contains('?');
    if !matches!(url.scheme(), "http" | "https") || !after_host {
        return Err(refuse(format!("`url` must be http or https with {PLACE} in its path or query")));
    }
    let (mut headers, mut secrets) = (header::HeaderMap::new(), Vec::new());
    for (header, value) in &connector.headers {
        let text = match value {
            HeaderValue::Plain(text) => text.clone(),
            HeaderValue::File(path) => std::fs::read_to_string(path)
                .map_err(|error| refuse(format!("header `{header}`: `{}`: {error}", path.display())))?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
            HeaderValue::Env(variable) => std::env::var(variable)
                .map_err(|_| refuse(format!("header `{header}`: there is no variable `{variable}`")))?,
        };
        if !matches!(value, HeaderValue::Plain(_)) {
            secrets.extend(told_by(&text).map(|secret| (header.clone(), secret)));
        }
        let name = header.parse::<header::HeaderName>().map_err(|error| refuse(error.to_string()))?;
        let mut value = header::HeaderValue::from_str(&text)
            .map_err(|_| refuse(format!("the value of header `{header}` cannot be sent")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(Ready { url: connector.url.clone(), headers, secrets })
}

/// By what a secret is known again: all of it, and what follows its scheme (`Bearer …`); as it is, and as JSON writes it.
fn told_by(value: &str) -> impl Iterator<Item = String> {
    let last = value.rsplit(' ').next().unwrap_or(value);
    let plain = [value, last].map(str::to_owned);
    let written = plain.clone().map(|text| serde_json::Value::String(text).to_string());
    let written = written.map(|text| text.trim_matches('"').to_owned());
    let mut all: Vec<String> = plain.into_iter().chain(written).collect();
    all.retain(|text| text.len() >= SECRET_BYTES_MIN);
    all.sort_unstable();
    all.dedup();
    all.into_iter()
}

/// The answer of a source that has none to give.
pub(crate) fn unavailable(reason: String) -> EvidenceAnswer {
    EvidenceAnswer::Refused(Refusal::Unavailable(reason))
}

fn senseless(key: &'static str, detail: String) -> ConfigError {
    ConfigError::Senseless { key, detail }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(url: &str) -> Connector {
        Connector { url: url.to_owned(), ..Connector::default() }
    }

    #[test]
    fn a_key_stays_in_its_place() {
        assert_eq!(in_address("CHG-12_a.b~c"), "CHG-12_a.b~c");
        assert_eq!(in_address("../x?a=b#c\n/ü"), "..%2Fx%3Fa%3Db%23c%0A%2F%C3%BC");
    }

    #[test]
    fn an_address_without_exactly_one_place_behind_the_host_is_refused() {
        for url in [
            "https://tickets.local/api",
            "https://{key}/api",
            "https://{key}.tickets.local/api",
            "https://user:{key}@tickets.local/api",
            "https://tickets.local/{key}/{key}",
            "file:///etc/{key}",
            "tickets.local/{key}",
        ] {
            assert!(ready("ticket", &connector(url)).is_err(), "{url}");
        }
        for url in ["https://tickets.local/api/{key}", "http://127.0.0.1:1/q?id={key}&x=1"] {
            assert!(ready("ticket", &connector(url)).is_ok(), "{url}");
        }
    }

    #[test]
    fn an_answer_is_good_until_its_time_is_over_and_the_oldest_make_room() {
        let at = Timestamp::from_millis;
        let place =
            |key: &str| Place { scope: String::new(), source: "http.ticket".to_owned(), key: key.to_owned() };
        let document = |text: &str| Document::new("application/json", text, 0);
        let one = weight(&place("a"), &document("12345"));
        let mut cache = Cache { bytes_max: 2 * one, ..Cache::default() };
        cache.put(place("a"), at(1_000), document("12345"));
        assert!(cache.fresh(&place("a"), 500, at(1_499)).is_some());
        assert!(cache.fresh(&place("a"), 500, at(1_500)).is_none());
        cache.put(place("b"), at(1_000), document("12345"));
        cache.put(place("c"), at(1_000), document("1"));
        assert!(cache.fresh(&place("a"), 500, at(1_000)).is_none());
        assert!(cache.fresh(&place("b"), 500, at(1_000)).is_some());
        cache.put(place("d"), at(1_000), document(&"x".repeat(2 * one)));
        assert!(cache.fresh(&place("d"), 500, at(1_000)).is_none());
        cache.put(place("c"), at(2_000), document("12345"));
        assert_eq!((cache.bytes, cache.kept.len()), (2 * one, 2), "what is fetched anew counts once");
    }
}
