//! Doing something by rules that are asked in the same moment: when somebody else was faster, they are asked again.

use interlock_domain::{Actor, Timestamp};
use interlock_store::{StoreError, Write};

use crate::{App, FlowError};

/// How often it is tried anew.
pub(super) const TRIES: usize = 5;

/// Decides and commits. `decide` says what to write and what it comes to, as things stand at that instant; nothing of a try
/// that somebody else overtook stays. Whoever means a revision has to look at it in there.
///
/// The reconciler notes something on a change every now and then, so that this is no fault of whoever asks.
pub(crate) async fn commit_anew<T, Deciding>(
    app: &App,
    who: &Actor,
    decide: impl Fn(Timestamp) -> Deciding,
) -> Result<T, FlowError>
where
    Deciding: Future<Output = Result<(Vec<Write>, T), FlowError>>,
{
    let mut tries = 0;
    loop {
        let now = app.clock.now();
        let (writes, done) = decide(now).await?;
        match app.commit(who, now, writes).await {
            Err(FlowError::Store(StoreError::Conflict { .. })) if tries < TRIES => tries += 1,
            committed => return committed.map(|_| done),
        }
    }
}
