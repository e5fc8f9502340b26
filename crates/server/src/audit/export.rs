//! The whole log as lines of JSON: the key, then each batch behind its events, then what is not sealed yet.

use std::io::Write;

use db::{Audit, Batch, StoredEvent};
use envelope::audit::{Head, Link};
use envelope::ed25519::PublicKey;
use envelope::ids::{EventId, FileId, UserId};
use envelope::merkle::Node;
use proto::B64;
use serde::Serialize;

use super::LogError;

const PAGE: u32 = 1_000;

/// One line.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Key {
        key: B64,
    },
    Event {
        n: u64,
        id: EventId,
        at: i64,
        kind: &'a str,
        actor: UserId,
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<UserId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<FileId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        other: Option<UserId>,
        /// Personal fields as they rest; whoever checks the chain needs them, and cannot read them.
        sealed: B64,
        leaf: Node,
    },
    Batch {
        #[serde(flatten)]
        link: Link,
        head: Head,
        signature: B64,
    },
}

/// Writes all of it, and gives the newest head.
pub(super) async fn export(
    db: &dyn Audit,
    key: &PublicKey,
    out: &mut (dyn Write + Send),
) -> Result<Option<Head>, LogError> {
    write(out, &Line::Key { key: B64(key.as_bytes().to_vec()) })?;
    let (mut next, mut last_n, mut newest) = (0, 0, None);
    loop {
        let batches = db.batches_from(next, PAGE).await?;
        for batch in &batches {
            last_n = events(db, last_n, Some(batch.last_n), out).await?;
            let head = head_of(batch);
            write(out, &Line::Batch { link: batch.link, head, signature: B64(batch.signature.to_vec()) })?;
            (next, last_n, newest) = (batch.link.seq + 1, last_n.max(batch.last_n), Some(head));
        }
        if batches.len() < PAGE as usize {
            break;
        }
    }
    events(db, last_n, None, out).await?;
    out.flush()?;
    Ok(newest)
}

/// Writes the events above a number, up to another or all; gives the number of the last.
async fn events(
    db: &dyn Audit,
    mut after: u64,
    last: Option<u64>,
    out: &mut (dyn Write + Send),
) -> Result<u64, LogError> {
    loop {
        let page = db.events_after(after, PAGE).await?;
        if page.is_empty() {
            return Ok(after);
        }
        for event in &page {
            if last.is_some_and(|last| event.n > last) {
                return Ok(after);
            }
            write(out, &line_of(event))?;
            after = event.n;
        }
    }
}

fn line_of(event: &StoredEvent) -> Line<'_> {
    Line::Event {
        n: event.n,
        id: event.id,
        at: event.at.0,
        kind: &event.kind,
        actor: event.actor,
        owner: event.owner,
        file_id: event.file_id,
        other: event.other,
        sealed: B64(event.sealed.clone()),
        leaf: event.as_hashed().leaf(),
    }
}

fn head_of(batch: &Batch) -> Head {
    Head { seq: batch.link.seq, hash: Node::from_bytes(*batch.head.as_bytes()) }
}

fn write(out: &mut (dyn Write + Send), line: &Line<'_>) -> Result<(), LogError> {
    let mut text = serde_json::to_vec(line).map_err(std::io::Error::from)?;
    text.push(b'\n');
    Ok(out.write_all(&text)?)
}
