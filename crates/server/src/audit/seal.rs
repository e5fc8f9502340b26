//! Seals events into the hash chain, batch by batch; one sealer among all servers, by lease.

use db::{AppendBatchAnswer, Digest, Lease, NewBatch, StoredEvent};
use envelope::audit::{GENESIS, Link};
use envelope::merkle::{self, Node};

use crate::database::in_time;
use crate::jobs::JobError;
use crate::state::App;

/// Events in one batch, at most.
const BATCH: u32 = 1_000;

/// Whether there is something to seal.
pub(crate) async fn is_due(app: &App) -> Result<bool, JobError> {
    let sealed = in_time(app.db.newest_batch()).await?.map_or(0, |newest| newest.last_n);
    Ok(!in_time(app.db.events_after(sealed, 1)).await?.is_empty())
}

/// Seals all that is there.
pub(crate) async fn run(app: &App, lease: &Lease) -> Result<(), JobError> {
    loop {
        let newest = in_time(app.db.newest_batch()).await?;
        let (seq, last_n, previous) = newest.map_or((0, 0, GENESIS), |newest| {
            (newest.link.seq, newest.last_n, Node::from_bytes(*newest.head.as_bytes()))
        });
        let events = in_time(app.db.events_after(last_n, BATCH)).await?;
        let Some(batch) = batch(app, seq + 1, &previous, &events) else { return Ok(()) };
        match in_time(app.db.append_batch(batch, lease, app.time())).await? {
            AppendBatchAnswer::Appended => {}
            // Another server is at it.
            AppendBatchAnswer::NotHeld | AppendBatchAnswer::Conflict => return Ok(()),
        }
    }
}

fn batch(app: &App, seq: u64, previous: &Node, events: &[StoredEvent]) -> Option<NewBatch> {
    let last = events.last()?;
    let leaves: Vec<Node> = events.iter().map(|event| event.as_hashed().leaf()).collect();
    let link = Link {
        seq,
        digest: merkle::root(&leaves)?,
        count: u32::try_from(leaves.len()).ok()?,
        last_time: last.at.0,
    };
    let head = link.head(previous);
    Some(NewBatch {
        last_n: last.n,
        link,
        previous: Digest::from_bytes(*previous.as_bytes()),
        head: Digest::from_bytes(*head.hash.as_bytes()),
        signature: app.keys.sign_head(&head),
        leaves: merkle::nodes_to_bytes(&leaves),
    })
}
