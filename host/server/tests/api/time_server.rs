//! A time server that says whatever time a test likes: no real one does.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tokio::net::UdpSocket;

/// Between 1900, where NTP counts from, and 1970, in milliseconds.
const TO_1970_MS: i64 = 2_208_988_800_000;

pub(crate) struct TimeServer {
    pub(crate) address: String,
    now_ms: Arc<AtomicI64>,
    task: tokio::task::JoinHandle<()>,
}

impl TimeServer {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let now_ms = Arc::new(AtomicI64::new(0));
        let says = now_ms.clone();
        let task = tokio::spawn(async move {
            let mut asked = [0; 48];
            while let Ok((_, from)) = socket.recv_from(&mut asked).await {
                let ms = (says.load(Ordering::SeqCst) + TO_1970_MS).cast_unsigned();
                let time = (ms / 1_000) << 32 | ((ms % 1_000) << 32).div_ceil(1_000);
                let mut answer = [0; 48];
                (answer[0], answer[1]) = (0x24, 2);
                answer[24..32].copy_from_slice(&asked[40..48]);
                answer[32..40].copy_from_slice(&time.to_be_bytes());
                answer[40..48].copy_from_slice(&time.to_be_bytes());
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { address, now_ms, task }
    }

    pub(crate) fn says(&self, ms: i64) {
        self.now_ms.store(ms, Ordering::SeqCst);
    }

    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}
