//! Checks the whole log: every leaf, every batch, every head and its signature; what is wrong is named.

use std::collections::{HashMap, HashSet};
use std::fmt;

use db::{Audit, Batch, DbError, StoredEvent};
use envelope::audit::{GENESIS, Head};
use envelope::ed25519::{PublicKey, Signature};
use envelope::ids::EventId;
use envelope::merkle::{self, Node};

use super::Known;

const PAGE: u32 = 1_000;

/// What a check of the whole log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Batches that were checked.
    pub batches: u64,
    /// Events in them.
    pub events: u64,
    /// Events behind the last batch, which nothing protects yet.
    pub unsealed: u64,
    /// The newest head.
    pub newest: Option<Head>,
    /// What is wrong, in the order of the log; nothing if all is well.
    pub faults: Vec<Fault>,
}

/// Something that is wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An event that is not as it was sealed, or was added.
    Changed {
        /// Its number.
        n: u64,
        /// Its id.
        id: EventId,
        /// The batch in whose place it stands.
        batch: u64,
    },
    /// An event that was sealed and is not there.
    Removed {
        /// The batch that holds it.
        batch: u64,
        /// Which of that batch's events, from 1.
        place: u64,
    },
    /// An event that stands in another place than it was sealed in.
    Reordered {
        /// Its number now.
        n: u64,
        /// Its id.
        id: EventId,
        /// The batch that holds it.
        batch: u64,
    },
    /// A batch whose own row is not as it was signed.
    BatchChanged {
        /// Its number.
        batch: u64,
    },
    /// A head whose signature is not by this server's key.
    Signature {
        /// The number of its batch.
        batch: u64,
    },
    /// Batches that are not there.
    BatchesRemoved {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// The log ends before a head that somebody has seen.
    Cut {
        /// What was seen.
        known: Head,
        /// Where the log ends.
        newest: Option<Head>,
    },
    /// The log goes another way than somebody has seen.
    Rewritten {
        /// What was seen.
        known: Head,
    },
    /// No batch has a head that somebody has seen: the log was cut or rewritten.
    Unknown {
        /// The hash that was seen.
        hash: Node,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { n, id, batch } => {
                write!(f, "event {n} ({id}) in batch {batch} was changed, or added after sealing")
            }
            Self::Removed { batch, place } => {
                write!(f, "event {place} of batch {batch} was changed or removed")
            }
            Self::Reordered { n, id, batch } => {
                write!(f, "event {n} ({id}) of batch {batch} was moved to another place")
            }
            Self::BatchChanged { batch } => write!(f, "the row of batch {batch} was changed"),
            Self::Signature { batch } => {
                write!(f, "the head of batch {batch} is not signed by this server's key")
            }
            Self::BatchesRemoved { first, last } if first == last => write!(f, "batch {first} was removed"),
            Self::BatchesRemoved { first, last } => write!(f, "batches {first} to {last} were removed"),
            Self::Cut { known, newest: Some(newest) } => write!(
                f,
                "the end of the log was cut: batch {} was seen before, and it ends at batch {}",
                known.seq, newest.seq
            ),
            Self::Cut { known, newest: None } => {
                write!(
                    f,
                    "the end of the log was cut: batch {} was seen before, and nothing is left",
                    known.seq
                )
            }
            Self::Rewritten { known } => {
                write!(f, "the log was rewritten: batch {} has another head than was seen before", known.seq)
            }
            Self::Unknown { hash } => {
                write!(f, "the log was cut or rewritten: no batch has the head {hash} that was seen before")
            }
        }
    }
}

/// Reads the whole log and checks it. What is appended meanwhile does no harm.
pub(super) async fn check(
    db: &dyn Audit,
    key: &PublicKey,
    known: Option<Known>,
) -> Result<Findings, DbError> {
    let mut findings = Findings::default();
    // The batches first: an event that is sealed meanwhile counts as not sealed, and not as one too many.
    let mut walk = Walk { key, seq: 0, last_n: 0, head: GENESIS, known, is_met: false };
    let mut batches = Vec::new();
    loop {
        let page = db.batches_from(batches.last().map_or(0, |last: &Batch| last.link.seq + 1), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        batches.extend(page);
        if is_last {
            break;
        }
    }
    for batch in &batches {
        walk.step(db, batch, &mut findings).await?;
    }
    let mut unsealed = db.events_after(walk.last_n, PAGE).await?;
    while let Some(last) = unsealed.last() {
        findings.unsealed += unsealed.len() as u64;
        unsealed = db.events_after(last.n, PAGE).await?;
    }
    walk.compare(&mut findings);
    Ok(findings)
}

/// How far the check has come.
struct Walk<'a> {
    key: &'a PublicKey,
    seq: u64,
    last_n: u64,
    head: Node,
    known: Option<Known>,
    /// Whether the known head was met.
    is_met: bool,
}

impl Walk<'_> {
    async fn step(&mut self, db: &dyn Audit, batch: &Batch, findings: &mut Findings) -> Result<(), DbError> {
        let (seq, faults) = (batch.link.seq, &mut findings.faults);
        let follows = seq == self.seq + 1;
        if !follows {
            faults.push(Fault::BatchesRemoved { first: self.seq + 1, last: seq.saturating_sub(1) });
        }
        let head = Head { seq, hash: Node::from_bytes(*batch.head.as_bytes()) };
        let leaves = db.leaves_of_batch(seq).await?.unwrap_or_default();
        let leaves = merkle::parse_nodes(&leaves).unwrap_or_default();
        let holds = merkle::root(&leaves) == Some(batch.link.digest)
            && leaves.len() as u64 == u64::from(batch.link.count);
        // Behind a gap nobody can tell what the head stood on; its signature still counts.
        let stands = !follows || batch.link.head(&self.head) == head;
        if !holds || !stands {
            faults.push(Fault::BatchChanged { batch: seq });
        } else if head.verify(self.key, &Signature::from_bytes(batch.signature)).is_err() {
            faults.push(Fault::Signature { batch: seq });
        }
        let mut events = between(db, self.last_n, batch.last_n).await?;
        findings.events += events.len() as u64;
        if !follows {
            // Those before belong to the batches that are not there.
            events.drain(..events.len().saturating_sub(leaves.len()));
        }
        if holds {
            compare(seq, &leaves, &events, faults);
        }
        self.meet(&head);
        findings.batches += 1;
        findings.newest = Some(head);
        (self.seq, self.last_n, self.head) = (seq, batch.last_n, head.hash);
        Ok(())
    }

    fn meet(&mut self, head: &Head) {
        self.is_met |= match &self.known {
            Some(Known::Head(known)) => known == head,
            Some(Known::Hash(hash)) => *hash == head.hash,
            None => false,
        };
    }

    /// Whether what somebody has seen is part of the log.
    fn compare(&self, findings: &mut Findings) {
        let newest = findings.newest;
        match self.known {
            Some(Known::Head(known)) if !self.is_met => {
                let is_cut = newest.is_none_or(|newest| newest.seq < known.seq);
                let fault = if is_cut { Fault::Cut { known, newest } } else { Fault::Rewritten { known } };
                findings.faults.push(fault);
            }
            Some(Known::Hash(hash)) if !self.is_met => findings.faults.push(Fault::Unknown { hash }),
            _ => {}
        }
    }
}

/// The events above `after`, up to `last`.
async fn between(db: &dyn Audit, after: u64, last: u64) -> Result<Vec<StoredEvent>, DbError> {
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let page = db.events_after(events.last().map_or(after, |event| event.n), PAGE).await?;
        let (all, whole) = (page.len(), page.len() == PAGE as usize);
        events.extend(page.into_iter().filter(|event| event.n <= last));
        let beyond = events.last().is_some_and(|event| event.n >= last);
        if all == 0 || !whole || beyond {
            return Ok(events);
        }
    }
}

/// Names how the events of a batch differ from the leaves that were sealed.
fn compare(batch: u64, leaves: &[Node], events: &[StoredEvent], faults: &mut Vec<Fault>) {
    let places: HashMap<Node, usize> =
        leaves.iter().enumerate().map(|(place, leaf)| (*leaf, place)).collect();
    let mut met = HashSet::new();
    let mut strangers = Vec::new();
    // The places of those that are as they were, in the order in which they stand now.
    let mut standing = Vec::new();
    for (position, event) in events.iter().enumerate() {
        match places.get(&event.as_hashed().leaf()) {
            Some(place) if met.insert(*place) => standing.push((*place, event)),
            _ => strangers.push((position, event)),
        }
    }
    let mut in_order: Vec<usize> = standing.iter().map(|(place, _)| *place).collect();
    in_order.sort_unstable();
    let moved = standing.iter().zip(in_order).filter(|((place, _), expected)| place != expected);
    faults.extend(moved.map(|((_, event), _)| Fault::Reordered { n: event.n, id: event.id, batch }));
    // A changed row leaves its place empty: told once, as a change.
    let explained: HashSet<usize> = if events.len() == leaves.len() {
        strangers.iter().map(|(position, _)| *position).collect()
    } else {
        HashSet::new()
    };
    faults.extend(strangers.iter().map(|(_, event)| Fault::Changed { n: event.n, id: event.id, batch }));
    let missing = (0..leaves.len()).filter(|place| !met.contains(place) && !explained.contains(place));
    faults.extend(missing.map(|place| Fault::Removed { batch, place: place as u64 + 1 }));
}
