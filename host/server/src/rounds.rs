//! Work that is done again and again for as long as the server runs.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Does a round, and another one after each pause, until it is told to stop. A round that is under way is ended, not cut off.
pub(crate) async fn rounds<F: Future<Output = ()>>(
    stop: &CancellationToken,
    pause: Duration,
    round: impl Fn() -> F,
) {
    while !stop.is_cancelled() {
        round().await;
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}
