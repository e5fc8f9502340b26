//! Takes a part from the socket: segments are cut, judged, hashed and written while the next ones arrive.
//!
//! Three things go on at once: the connection's task reads and cuts, blocking threads hash, and the blob
//! store writes. Between them are at most a few segments, so a part is never in memory, and a slow disk slows
//! the socket instead of filling it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use blobs::{BlobError, BlobWriter, DIRECT_ALIGN};
use bytes::Bytes;
use envelope::merkle::{self, Node};
use envelope::segment::{SEGMENT_LEN, check_framing};
use proto::Code;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::{Answer, Refusal};
use crate::http::{Pace, Slow};
use crate::stores::StoreError;

/// How much of a part may be in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Segments that wait while the ones before them are hashed and written.
    waiting: usize,
    /// Segments that are hashed together.
    at_once: usize,
}

impl Room {
    /// With what the store holds about 7 MiB, or 5 where many parts come at once.
    pub(super) fn new(is_crowded: bool) -> Self {
        let at_once = merkle::leaves_at_once();
        if is_crowded { Self { waiting: 2, at_once: at_once.min(8) } } else { Self { waiting: 6, at_once } }
    }
}

/// What the last segment of a part must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// One more of the body.
    Inner,
    /// The last of the body.
    Final,
    /// As its framing says: the body's length is not known yet.
    Either,
}

/// What is to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) len: u64,
    pub(super) ending: Ending,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) node: Node,
    /// 32 octets a segment.
    pub(super) leaves: Vec<u8>,
    pub(super) is_final: bool,
}

/// Receives a part into `writer`. After an error the writer is to be dropped, which leaves nothing behind.
pub(super) async fn receive(
    body: &mut Body,
    expected: Expected,
    idle: Duration,
    room: Room,
    writer: &mut dyn BlobWriter,
) -> Answer<Received> {
    let (sender, receiver) = mpsc::channel(room.waiting);
    let (is_final, leaves) = futures::try_join!(
        cut(body, expected, idle, sender),
        hash_and_write(receiver, room.at_once, writer)
    )?;
    let node = merkle::root(&leaves).ok_or_else(|| Refusal::malformed("The part is empty."))?;
    Ok(Received { node, leaves: merkle::nodes_to_bytes(&leaves), is_final })
}

/// Cuts the body into segments and refuses the first that is not framed as one. Says whether the last is final.
async fn cut(
    body: &mut Body,
    expected: Expected,
    idle: Duration,
    segments: mpsc::Sender<Bytes>,
) -> Answer<bool> {
    let buffers = Buffers::default();
    let mut left = expected.len;
    let mut segment = buffers.take();
    let mut is_final = false;
    let mut pace = Pace::new(idle);
    while left > 0 {
        let mut piece = pace.next(body).await.map_err(stopped)?.ok_or_else(broken_off)?;
        if piece.len() as u64 > left {
            return Err(Refusal::malformed("The body is longer than announced."));
        }
        left -= piece.len() as u64;
        while !piece.is_empty() {
            let room = SEGMENT_LEN - segment.len();
            let taken = piece.split_to(room.min(piece.len()));
            segment.push(&taken);
            let is_last = left == 0 && piece.is_empty();
            if segment.len() == SEGMENT_LEN || is_last {
                is_final = judge(segment.segment(), is_last, expected.ending)?;
                let full = std::mem::replace(&mut segment, buffers.take());
                segments.send(buffers.lend(full)).await.map_err(|_| broken_off())?;
            }
        }
    }
    Ok(is_final)
}

/// Why no more of the part comes. Out of a store it is the store that failed, and the part may be there yet.
fn stopped(slow: Slow) -> Refusal {
    match slow {
        Slow::Given(refusal) => refusal,
        Slow::Broken(error) => match of_store(error.into_inner()) {
            Some(error) => StoreError::from(error).into(),
            None => broken_off(),
        },
    }
}

/// The error of a store, if the body came out of one. Each layer of a body wraps it once more.
fn of_store(mut error: BoxError) -> Option<BlobError> {
    loop {
        error = match error.downcast::<BlobError>() {
            Ok(found) => return Some(*found),
            Err(other) => other.downcast::<axum::Error>().ok()?.into_inner(),
        };
    }
}

fn broken_off() -> Refusal {
    Refusal::malformed("The body ended before its announced length.")
}

/// Whether a segment is the body's last; a segment that is neither that nor an inner one is not sealed.
fn judge(segment: &[u8], is_last: bool, ending: Ending) -> Answer<bool> {
    let is_final = match (is_last, ending) {
        (false, _) | (true, Ending::Inner) => false,
        (true, Ending::Final) => true,
        (true, Ending::Either) => check_framing(segment, false).is_err(),
    };
    match check_framing(segment, is_final) {
        Ok(()) => Ok(is_final),
        Err(_) => Err(Refusal::new(
            Code::NotSealed,
            "The content is not framed as sealed segments. Only sealed files are taken here.",
        )),
    }
}

async fn hash_and_write(
    mut segments: mpsc::Receiver<Bytes>,
    at_once: usize,
    writer: &mut dyn BlobWriter,
) -> Answer<Vec<Node>> {
    let mut leaves = Vec::new();
    loop {
        let arrived = run_of(&mut segments, at_once).await;
        if arrived.is_empty() {
            return Ok(leaves);
        }
        let run = arrived.clone();
        let hashed = spawn_blocking(move || {
            let segments: Vec<&[u8]> = run.iter().map(AsRef::as_ref).collect();
            merkle::leaves(&segments)
        });
        for segment in arrived {
            writer.write(segment).await?;
        }
        leaves.extend(hashed.await.map_err(Refusal::internal)?);
    }
}

/// As many segments as are hashed together in one go; fewer only at the end.
async fn run_of(segments: &mut mpsc::Receiver<Bytes>, at_once: usize) -> Vec<Bytes> {
    let mut run = Vec::with_capacity(at_once);
    while run.len() < at_once {
        let room = at_once - run.len();
        if segments.recv_many(&mut run, room).await == 0 {
            break;
        }
    }
    run
}

/// Buffers of one transfer: each is filled, lent out, and comes back when the last reader is done with it.
#[derive(Clone, Default)]
struct Buffers(Arc<Mutex<Vec<Filling>>>);

impl Buffers {
    fn take(&self) -> Filling {
        let spare = self.0.lock().unwrap_or_else(|poison| poison.into_inner()).pop();
        spare.unwrap_or_else(Filling::with_room)
    }

    fn lend(&self, filled: Filling) -> Bytes {
        Bytes::from_owner(Lent { filled, home: self.clone() })
    }
}

/// One segment's worth of memory that begins at a page's edge, so that the blob store need not copy it.
#[derive(Default)]
struct Filling {
    room: Vec<u8>,
    /// Where the segment begins.
    from: usize,
}

impl Filling {
    fn with_room() -> Self {
        let mut room: Vec<u8> = Vec::with_capacity(SEGMENT_LEN + DIRECT_ALIGN);
        let from = room.as_ptr().align_offset(DIRECT_ALIGN).min(DIRECT_ALIGN);
        room.resize(from, 0);
        Self { room, from }
    }

    fn len(&self) -> usize {
        self.room.len() - self.from
    }

    fn push(&mut self, bytes: &[u8]) {
        self.room.extend_from_slice(bytes);
    }

    fn segment(&self) -> &[u8] {
        &self.room[self.from..]
    }
}

struct Lent {
    filled: Filling,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.filled.segment()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut back = std::mem::take(&mut self.filled);
        back.room.truncate(back.from);
        self.home.0.lock().unwrap_or_else(|poison| poison.into_inner()).push(back);
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    async fn told(failing: Body) -> Refusal {
        let mut body = failing;
        match Pace::new(Duration::from_secs(30)).next(&mut body).await {
            Err(slow) => stopped(slow),
            Ok(piece) => panic!("{piece:?}"),
        }
    }

    #[tokio::test]
    async fn a_store_that_fails_is_said_to_be_away_and_a_sender_who_stops_to_have_stopped() {
        let away = BlobError::Unavailable(std::io::Error::other("the bucket is away"));
        let of_store = told(Body::from_stream(stream::iter([Err::<Bytes, _>(away)]))).await;
        assert_eq!(of_store.code, Code::Unavailable);
        let torn = std::io::Error::other("torn");
        let of_sender = told(Body::from_stream(stream::iter([Err::<Bytes, _>(torn)]))).await;
        assert_eq!(of_sender.code, Code::Malformed);
    }
}
