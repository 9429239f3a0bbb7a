//! How far this machine's clock is from the true time, as a time server says (SNTP, RFC 5905).
//!
//! **Invariant:** with a time server configured, what is signed is signed under a clock that is known to be right; not known counts
//! as wrong.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use interlock_domain::Timestamp;
use tokio::{net::UdpSocket, sync::Mutex};
use tracing::{info, warn};

use crate::{Clock, FlowError, config::TimeServer};

/// Between 1900, where NTP counts from, and 1970, in seconds.
const TO_1970_S: i64 = 2_208_988_800;
/// A question and its answer without extensions.
const PACKET_BYTES: usize = 48;
/// A client that speaks version 4.
const CLIENT_V4: u8 = 0x23;
/// How much longer what was measured last counts while the time server does not answer.
const STALE: u64 = 10;

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct TrueTime {
    config: TimeServer,
    last: Mutex<Last>,
    /// What was said of it last.
    is_off: AtomicBool,
}

#[derive(Debug, Default)]
struct Last {
    measured: Option<(i64, Timestamp)>,
    tried: Option<Timestamp>,
}

impl TrueTime {
    pub(crate) fn new(config: &TimeServer) -> Self {
        Self { config: config.clone(), last: Mutex::default(), is_off: AtomicBool::new(false) }
    }

    /// Keeps whether the clock is off; true when that was otherwise before.
    pub(crate) fn turns(&self, is_off: bool) -> bool {
        self.is_off.swap(is_off, Ordering::Relaxed) != is_off
    }

    /// What was measured last, however long ago.
    pub(crate) async fn measured(&self) -> Option<i64> {
        self.last.lock().await.measured.map(|(offset, _)| offset)
    }

    /// How far the true time is ahead of this clock, in milliseconds; nothing where no time server is configured. Refused when that
    /// is too far, or not known.
    pub(crate) async fn offset(&self, clock: &dyn Clock) -> Result<Option<i64>, FlowError> {
        let (server, most) = (&self.config.address, self.config.offset_ms_max);
        if server.is_empty() {
            return Ok(None);
        }
        let now = clock.now();
        let mut last = self.last.lock().await;
        let since = |at: Timestamp| now.millis_since(at).unsigned_abs();
        let age = last.measured.map_or(u64::MAX, |(_, at)| since(at));
        let again = last.tried.is_none_or(|tried| since(tried) >= self.config.timeout_ms);
        if age >= self.config.check_ms && again {
            last.tried = Some(now);
            let limit = Duration::from_millis(self.config.timeout_ms);
            let asked = tokio::time::timeout(limit, ask(server, clock)).await;
            match asked.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
                Ok(offset) => {
                    info!(server, offset_ms = offset, "the clock was compared with the time server's");
                    metrics::gauge!("clock_offset_ms").set(offset as f64);
                    last.measured = Some((offset, now));
                }
                Err(reason) => warn!(server, reason, "the time server cannot be asked"),
            }
        }
        let held = self.config.check_ms.saturating_mul(STALE);
        let Some((offset, _)) = last.measured.filter(|(_, at)| since(*at) < held) else {
            return Err(FlowError::ClockOff(format!(
                "whether this server's clock is right is not known: the time server `{server}` does not answer; have whoever runs \
                 this server look at it, then sign again"
            )));
        };
        if offset.unsigned_abs() > most {
            return Err(FlowError::ClockOff(format!(
                "this server's clock is off by {offset} ms, and nothing is signed when it is off by more than {most} ms; have whoever \
                 runs this server set it right, then sign again"
            )));
        }
        Ok(Some(offset))
    }
}

/// Asks once: how far the server's time is ahead.
async fn ask(server: &str, clock: &dyn Clock) -> Result<i64, String> {
    let said = |error: std::io::Error| error.to_string();
    let to = tokio::net::lookup_host(server).await.map_err(said)?.next().ok_or("it has no address")?;
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from).await.map_err(said)?;
    // From now on only what comes from there is heard.
    socket.connect(to).await.map_err(said)?;
    let mut asked = [0u8; PACKET_BYTES];
    asked[0] = CLIENT_V4;
    // Not the time but a number that nobody else knows, so that nobody else can answer.
    aws_lc_rs::rand::fill(&mut asked[40..]).map_err(|_| "the machine gave no random bytes".to_owned())?;
    let sent = clock.now();
    socket.send(&asked).await.map_err(said)?;
    let mut answer = [0u8; PACKET_BYTES];
    let length = socket.recv(&mut answer).await.map_err(said)?;
    let received = clock.now();
    if length < PACKET_BYTES {
        return Err("its answer is too short".to_owned());
    }
    offset(&asked, &answer, sent, received)
}

/// What an answer comes to.
fn offset(
    asked: &[u8; PACKET_BYTES],
    answer: &[u8; PACKET_BYTES],
    sent: Timestamp,
    received: Timestamp,
) -> Result<i64, String> {
    let (leap, mode, stratum) = (answer[0] >> 6, answer[0] & 7, answer[1]);
    if mode != 4 || answer[24..32] != asked[40..48] {
        return Err("its answer is to another question".to_owned());
    }
    if leap == 3 || !(1..16).contains(&stratum) {
        return Err("it does not know the time itself".to_owned());
    }
    let there = |at: usize, near: Timestamp| {
        let mut bytes = [0u8; 8];
        bytes.copy_from_slice(&answer[at..at + 8]);
        ahead_of(near, u64::from_be_bytes(bytes))
    };
    Ok((there(32, sent) + there(40, received)) / 2)
}

/// How many milliseconds an NTP timestamp is ahead of a time, whichever era it is of.
fn ahead_of(time: Timestamp, ntp: u64) -> i64 {
    let here_s = time.as_millis().div_euclid(1_000) + TO_1970_S;
    // Its seconds start anew every 136 years: the nearest are meant.
    let seconds = ((ntp >> 32) as u32).wrapping_sub(here_s as u32).cast_signed();
    let millis = (((ntp & 0xffff_ffff) * 1_000) >> 32) as i64;
    i64::from(seconds) * 1_000 + millis - time.as_millis().rem_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ntp(ms: i64) -> u64 {
        let seconds = ((ms.div_euclid(1_000) + TO_1970_S) as u64) & 0xffff_ffff;
        // Rounded up, as the fraction has no exact milliseconds.
        seconds << 32 | ((ms.rem_euclid(1_000) as u64) << 32).div_ceil(1_000)
    }

    #[test]
    fn the_nearest_era_is_meant() {
        // 2036-02-07T06:28:16Z is second 0 of the next era.
        let turn = 2_085_978_496_000;
        for (time, ahead) in
            [(turn - 500, 0), (turn - 500, 1_500), (turn + 100, -2_001), (1_795_197_600_123, 999), (0, -1)]
        {
            assert_eq!(ahead_of(Timestamp::from_millis(time), ntp(time + ahead)), ahead, "{time}");
        }
    }

    #[test]
    fn only_an_answer_to_this_question_of_somebody_who_knows_the_time_counts() {
        let mut asked = [0u8; PACKET_BYTES];
        asked[40..].copy_from_slice(b"question");
        let mut good = [0u8; PACKET_BYTES];
        (good[0], good[1]) = (0x24, 2);
        good[24..32].copy_from_slice(b"question");
        good[32..40].copy_from_slice(&ntp(10_100).to_be_bytes());
        good[40..48].copy_from_slice(&ntp(10_300).to_be_bytes());
        let at = Timestamp::from_millis;
        let found = |answer: &[u8; PACKET_BYTES]| offset(&asked, answer, at(10_000), at(10_400));
        assert_eq!(found(&good), Ok(0));
        for (place, byte) in [(0, 0x23), (0, 0xe4), (1, 0), (1, 16), (24, b'x')] {
            let mut bad = good;
            bad[place] = byte;
            assert!(found(&bad).is_err(), "{place}");
        }
    }
}
