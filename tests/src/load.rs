//! A load generator for one HTTP/1.1 endpoint: as little work for each request as there can be, since it shares its
//! processors with what it measures.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// Longer answers are not expected.
const ANSWER_MAX: usize = 1 << 20;

/// What is asked again and again.
#[derive(Debug, Clone)]
pub struct Shot {
    address: SocketAddr,
    request: Vec<u8>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Hits {
    /// Answers with status 200.
    pub good: u64,
    /// All others.
    pub bad: u64,
    /// How long it took.
    pub took: Duration,
    /// Of each answer, in microseconds.
    pub micros: Histogram<u64>,
}

impl Shot {
    /// A POST of JSON.
    pub fn post(address: SocketAddr, path: &str, key: Option<&str>, body: &str) -> Self {
        let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\n{key}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { address, request: request.into_bytes() }
    }

    /// The body of one answer.
    pub async fn once(&self) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let mut buffer = Vec::new();
        stream.write_all(&self.request).await?;
        let (good, length) = answer(&mut stream, &mut buffer).await?;
        let body = String::from_utf8_lossy(&buffer[buffer.len() - length..]).into_owned();
        ensure!(good, "not answered with 200: {}", String::from_utf8_lossy(&buffer));
        Ok(body)
    }

    /// As fast as answers come, over so many connections.
    pub async fn flood(&self, connections: usize, lasting: Duration) -> anyhow::Result<Hits> {
        self.fire(connections, lasting, None).await
    }

    /// So many a second over all connections. The time of an answer counts from when its question was due.
    pub async fn paced(
        &self,
        connections: usize,
        lasting: Duration,
        per_second: f64,
    ) -> anyhow::Result<Hits> {
        let every = Duration::from_secs_f64(connections as f64 / per_second.max(1.0));
        self.fire(connections, lasting, Some(every)).await
    }

    async fn fire(
        &self,
        connections: usize,
        lasting: Duration,
        every: Option<Duration>,
    ) -> anyhow::Result<Hits> {
        let begun = Instant::now();
        let mut each = JoinSet::new();
        for number in 0..connections {
            // Not all at the same instant.
            let offset = every.map(|every| every.mul_f64(number as f64 / connections as f64));
            each.spawn(shooter(self.clone(), begun, lasting, every, offset.unwrap_or_default()));
        }
        let mut all = Hits { good: 0, bad: 0, took: Duration::ZERO, micros: histogram()? };
        while let Some(hits) = each.join_next().await {
            let hits = hits??;
            all.good += hits.good;
            all.bad += hits.bad;
            all.micros.add(&hits.micros)?;
        }
        all.took = begun.elapsed();
        Ok(all)
    }
}

impl Hits {
    /// Good answers a second.
    pub fn per_second(&self) -> f64 {
        self.good as f64 / self.took.as_secs_f64()
    }

    /// The time that 99 of 100 answers did not exceed, in milliseconds.
    pub fn p99_ms(&self) -> f64 {
        self.micros.value_at_quantile(0.99) as f64 / 1e3
    }
}

async fn shooter(
    shot: Shot,
    begun: Instant,
    lasting: Duration,
    every: Option<Duration>,
    offset: Duration,
) -> anyhow::Result<Hits> {
    let mut stream = TcpStream::connect(shot.address).await?;
    stream.set_nodelay(true)?;
    let mut hits = Hits { good: 0, bad: 0, took: Duration::ZERO, micros: histogram()? };
    let mut buffer = Vec::with_capacity(16 << 10);
    let mut due = begun + offset;
    while begun.elapsed() < lasting {
        match every {
            Some(every) => {
                tokio::time::sleep_until(due.into()).await;
                due += every;
            }
            None => due = Instant::now(),
        }
        let asked = every.map_or(due, |every| due - every);
        stream.write_all(&shot.request).await?;
        let (good, _) = answer(&mut stream, &mut buffer).await?;
        hits.micros.record(u64::try_from(asked.elapsed().as_micros())?.max(1))?;
        if good {
            hits.good += 1;
        } else {
            hits.bad += 1;
        }
    }
    Ok(hits)
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

/// Reads one answer: whether its status is 200, and how long its body is.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<(bool, usize)> {
    buffer.clear();
    let mut whole = None;
    loop {
        if whole.is_none()
            && let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let length = length(&buffer[..head])?;
            ensure!(length <= ANSWER_MAX, "an answer of {length} bytes");
            whole = Some((head + 4 + length, length));
        }
        if let Some((whole, length)) = whole
            && buffer.len() >= whole
        {
            return Ok((buffer.starts_with(b"HTTP/1.1 200"), length));
        }
        if stream.read_buf(buffer).await? == 0 {
            bail!("the server hung up after {} bytes", buffer.len());
        }
    }
}

fn length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?;
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    Ok(line.context("an answer without a length")?.trim().parse()?)
}
