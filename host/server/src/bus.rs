//! The bus: short notes from one replica to the others, over Redis pub/sub.
//!
//! **Invariant:** a note only makes something happen sooner. Whoever misses one finds out by itself: the reconciler
//! looks at every live change at each tick, and a revoked key is looked up again within seconds. So nothing waits for
//! the bus, a note that cannot be sent is dropped, and losing Redis loses nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use interlock_domain::KeyId;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::App;

/// Most notes that wait to be sent.
const WAITING_MAX: usize = 1_024;
/// How long to wait before the first try to connect again; doubled up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(200);
/// The longest wait between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What replicas tell each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub(crate) enum Note {
    /// Something happened that a reconciler may act on.
    Wake,
    /// This key was revoked.
    KeyRevoked {
        /// Which.
        key: KeyId,
    },
}

/// A note and who sent it, so that nobody acts on their own.
#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    from: String,
    #[serde(flatten)]
    note: Note,
}

/// One replica's end of the bus.
#[derive(Debug)]
pub(crate) struct Bus {
    line: Option<Line>,
}

#[derive(Debug)]
struct Line {
    client: redis::Client,
    channel: String,
    /// This replica.
    name: String,
    outbox: mpsc::Sender<Note>,
    waiting: Mutex<mpsc::Receiver<Note>>,
    connected: Arc<AtomicBool>,
}

impl Bus {
    /// A bus to nobody when there is no address. Connects later: Redis may come after this server. All replicas with one
    /// `origin` share a channel.
    pub(crate) fn open(url: &str, origin: &str, name: String) -> Result<Self, redis::RedisError> {
        if url.is_empty() {
            return Ok(Self { line: None });
        }
        let client = redis::Client::open(url)?;
        let (outbox, waiting) = mpsc::channel(WAITING_MAX);
        let channel = format!("interlock:{origin}");
        let (waiting, connected) = (Mutex::new(waiting), Arc::default());
        Ok(Self { line: Some(Line { client, channel, name, outbox, waiting, connected }) })
    }

    /// Tells the other replicas, if there are any to be told.
    pub(crate) fn tell(&self, note: Note) {
        if let Some(line) = &self.line
            && line.connected.load(Ordering::Relaxed)
            && line.outbox.try_send(note).is_err()
        {
            metrics::counter!("bus_notes_dropped_total").increment(1);
        }
    }

    /// Whether notes get through just now; `None` when no bus is configured.
    pub(crate) fn connected(&self) -> Option<bool> {
        self.line.as_ref().map(|line| line.connected.load(Ordering::Relaxed))
    }
}

/// Sends and receives until it is told to stop, and connects again whenever Redis comes back.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let Some(line) = &app.bus.line else { return };
    let mut pause = PAUSE;
    while !stop.is_cancelled() {
        let error = match stop.run_until_cancelled(line.stay(&app)).await {
            None => return,
            Some(error) => error,
        };
        if line.connected.swap(false, Ordering::Relaxed) {
            warn!(%error, "Redis is gone; replicas find out by themselves what happened, a little later");
            pause = PAUSE;
        } else {
            debug!(%error, "Redis cannot be reached");
        }
        metrics::gauge!("bus_connected").set(0.0);
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

impl Line {
    /// Connects and stays until that breaks.
    async fn stay(&self, app: &App) -> redis::RedisError {
        match self.talk(app).await {
            Ok(()) => redis::RedisError::from((redis::ErrorKind::Io, "the connection ended")),
            Err(error) => error,
        }
    }

    async fn talk(&self, app: &App) -> Result<(), redis::RedisError> {
        let mut listening = self.client.get_async_pubsub().await?;
        listening.subscribe(&self.channel).await?;
        let mut sending = self.client.get_multiplexed_async_connection().await?;
        let mut letters = listening.into_on_message();
        let mut waiting = self.waiting.lock().await;
        // What waits is from before the connection broke: the others have found out by now.
        while waiting.try_recv().is_ok() {}
        self.connected.store(true, Ordering::Relaxed);
        metrics::gauge!("bus_connected").set(1.0);
        info!(channel = self.channel, "connected to the other replicas over Redis");
        // Notes may have been missed meanwhile.
        app.woken_from_afar();
        loop {
            tokio::select! {
                letter = letters.next() => match letter {
                    Some(letter) => self.read(app, letter.get_payload_bytes()),
                    None => return Ok(()),
                },
                Some(note) = waiting.recv() => {
                    let letter = Letter { from: self.name.clone(), note };
                    let letter = serde_json::to_vec(&letter).unwrap_or_default();
                    redis::cmd("PUBLISH").arg(&self.channel).arg(letter).exec_async(&mut sending).await?;
                }
            }
        }
    }

    fn read(&self, app: &App, letter: &[u8]) {
        match serde_json::from_slice::<Letter>(letter) {
            Ok(letter) if letter.from == self.name => {}
            Ok(letter) => match letter.note {
                Note::Wake => app.woken_from_afar(),
                Note::KeyRevoked { key } => app.keys.forget(&key),
            },
            // A newer replica may say what this one does not know.
            Err(error) => debug!(%error, "a note on the bus was not understood"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_its_sender_and_what_happened() {
        let key: KeyId = KeyId::new(uuid::Uuid::from_u128(7));
        let letter = Letter { from: "replica-a".to_owned(), note: Note::KeyRevoked { key: key.clone() } };
        let text = serde_json::to_value(&letter).unwrap();
        assert_eq!(text, serde_json::json!({ "from": "replica-a", "note": "key_revoked", "key": key }));
    }

    #[test]
    fn without_an_address_there_is_nobody_to_tell() {
        let bus = Bus::open("", "origin", "a".to_owned()).unwrap();
        bus.tell(Note::Wake);
        assert_eq!(bus.connected(), None);
        assert!(Bus::open("not an address", "origin", "a".to_owned()).is_err());
    }
}
