//! `PUT /uploads/{file_id}/parts/{n}`: takes one part, and answers when it is durable and recorded.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use blobs::BlobWriter;
use db::{Digest, NewPart, PartAnswer, Upload, UploadState};
use envelope::merkle::Node;
use envelope::segment::MAX_PARTS;
use envelope::{BodyShape, PartShape};
use proto::{Code, FileId, PartRecord};

use super::receive::{Ending, Expected, Received, Room, receive};
use crate::auth::Caller;
use crate::database::in_time;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, reply, single};
use crate::places::On;
use crate::state::App;
use crate::stores::Place;

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Fields((file_id, n)): Fields<(FileId, u32)>,
    headers: HeaderMap,
    mut body: Body,
) -> Answer<Response> {
    let found = async {
        let upload = app.db.upload(caller.user, file_id, app.time()).await?.ok_or_else(Refusal::not_found)?;
        Ok((upload, app.limits.file_bytes))
    };
    let on = On::Account(caller.user);
    Ok(reply(&take(&app, on, found, n, &headers, &mut body).await?))
}

/// Takes one part of the upload that is `found`, of a body of at most so many octets.
pub(crate) async fn take(
    app: &App,
    on: On,
    found: impl Future<Output = Answer<(Upload, u64)>>,
    n: u32,
    headers: &HeaderMap,
    body: &mut Body,
) -> Answer<PartRecord> {
    let part = Announced { n, len: announced_len(headers)?, node: announced_node(headers)? };
    let (upload, most) = found.await?;
    take_in(app, on, &upload, most, part, body).await
}

/// What a client says of a part.
#[derive(Clone, Copy)]
pub(super) struct Announced {
    pub(super) n: u32,
    pub(super) len: u64,
    pub(super) node: Node,
}

/// Judges a part before a byte of it is there.
pub(super) fn expected(upload: &Upload, most: u64, part: Announced) -> Answer<Expected> {
    if upload.state == UploadState::Finished {
        return Err(Refusal::new(Code::Conflict, "The upload is complete and takes no more parts."));
    }
    Ok(Expected { len: part.len, ending: ending(upload, part.n, part.len, most)? })
}

/// Takes a part out of `body`, wherever that comes from.
pub(super) async fn take_in(
    app: &App,
    on: On,
    upload: &Upload,
    most: u64,
    part: Announced,
    body: &mut Body,
) -> Answer<PartRecord> {
    let (file_id, owner) = (upload.file_id, upload.owner);
    let Announced { n, len, node: announced } = part;
    let expected = expected(upload, most, part)?;
    // The body is not touched before it is this part's turn.
    let turn = app.places.take(on).await?;
    let on_its_way = app.arriving.begin(file_id);
    let place = app.stores.fresh();
    let mut writer = app.stores.create(place).await?;
    let idle = Duration::from_secs(app.limits.idle_seconds);
    let received =
        receive(body, expected, idle, Room::new(app.places.are_crowded()), writer.as_mut()).await?;
    if received.node != announced {
        return Err(Refusal::new(
            Code::NodeMismatch,
            "The part differs from its announced node. Send it again.",
        ));
    }
    // The whole part is here: from now on it is kept even if the client does not wait for the answer.
    let app = app.clone();
    let part = Arrived { file_id, n, len, place, received };
    let recorded = app.tasks.spawn({
        let app = app.clone();
        async move {
            let kept = keep(&app, owner, part, writer).await;
            drop((on_its_way, turn));
            kept
        }
    });
    recorded.await.map_err(Refusal::internal)?
}

/// A part that is whole and proved, but not yet durable.
struct Arrived {
    file_id: FileId,
    n: u32,
    len: u64,
    place: Place,
    received: Received,
}

/// Makes a part durable and records it; the row decides who wins, and a loser's blob goes away.
async fn keep(
    app: &App,
    owner: proto::UserId,
    part: Arrived,
    writer: Box<dyn BlobWriter>,
) -> Answer<PartRecord> {
    let Arrived { file_id, n, len, place, received } = part;
    writer.commit().await?;
    let recorded = app.db.record_part(NewPart {
        file_id,
        owner,
        n,
        len,
        node: Digest::from_bytes(*received.node.as_bytes()),
        leaves: received.leaves,
        blob: place.reference(),
        is_final: received.is_final,
        received_bytes: len,
        now: app.time(),
        quota_bytes: app.limits.quota_bytes,
    });
    let answer = in_time(recorded).await;
    app.stores.discard_unless(place, &answer, |answer| matches!(answer, PartAnswer::Won)).await;
    match answer? {
        PartAnswer::Won => {
            app.metrics.parts_arrived(1);
            Ok(PartRecord { n, len, node: received.node })
        }
        PartAnswer::AlreadyThere { node, len } if node.as_bytes() == received.node.as_bytes() => {
            Ok(PartRecord { n, len, node: received.node })
        }
        PartAnswer::AlreadyThere { .. } => {
            Err(Refusal::new(Code::Conflict, "Another part of this number is there already."))
        }
        PartAnswer::Ended => Err(Refusal::new(Code::UploadEnded, "The upload has ended. Begin a new one.")),
        PartAnswer::QuotaExceeded { used, quota } => Err(Refusal::quota(used, quota)),
    }
}

fn announced_node(headers: &HeaderMap) -> Answer<Node> {
    let text = single(headers, proto::headers::NODE)?
        .ok_or_else(|| Refusal::malformed("The part's node is missing (header waxwing-node)."))?;
    text.parse().map_err(|_| Refusal::malformed("The part's node is 64 lower-case hex digits."))
}

fn announced_len(headers: &HeaderMap) -> Answer<u64> {
    let text = single(headers, header::CONTENT_LENGTH.as_str())?
        .ok_or_else(|| Refusal::new(Code::LengthNeeded, "Send the part with its Content-Length."))?;
    text.parse().map_err(|_| Refusal::malformed("The Content-Length is not a number."))
}

/// Judges number and length of a part before a byte of it is read, and says what its last segment must be.
fn ending(upload: &Upload, n: u32, len: u64, file_bytes: u64) -> Answer<Ending> {
    let shape = PartShape::from_part_len(upload.part_len).map_err(Refusal::internal)?;
    let wrong_len = || Refusal::malformed("This part of the upload has another length.");
    if n >= MAX_PARTS {
        return Err(Refusal::malformed("An upload has at most 10,000 parts. Begin again with larger ones."));
    }
    if let Some(body_len) = upload.body_len {
        let body = BodyShape::from_body_len(body_len).map_err(Refusal::internal)?;
        let expected = shape
            .part_len(body, n)
            .ok_or_else(|| Refusal::malformed("The upload has no part of this number."))?;
        if len != expected {
            return Err(wrong_len());
        }
        return Ok(if n + 1 == shape.parts(body) { Ending::Final } else { Ending::Inner });
    }
    if len > shape.part_bytes() {
        return Err(wrong_len());
    }
    let through = u64::from(n) * shape.part_bytes() + len;
    BodyShape::from_body_len(through).map_err(|_| wrong_len())?;
    if through > file_bytes {
        return Err(Refusal::new(
            Code::TooLarge,
            format!("This server takes sealed files of up to {file_bytes} bytes."),
        ));
    }
    Ok(if len < shape.part_bytes() { Ending::Final } else { Ending::Either })
}

#[cfg(test)]
mod tests {
    use db::UnixTime;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn upload(body_len: Option<u64>) -> Upload {
        Upload {
            file_id: FileId::from_bytes([1; 16]),
            owner: proto::UserId::from_bytes([2; 16]),
            part_len: MIB,
            body_len,
            state: UploadState::Open,
            created_at: UnixTime(0),
            expires_at: UnixTime(1),
            received_bytes: 0,
            received_parts: 0,
            stored_bytes: 0,
            box_id: None,
        }
    }

    fn judged(body_len: Option<u64>, n: u32, len: u64) -> Result<Ending, Code> {
        ending(&upload(body_len), n, len, 1 << 40).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_told_length_fixes_every_part() {
        let body = Some(2 * MIB + 100);
        assert_eq!(judged(body, 0, MIB), Ok(Ending::Inner));
        assert_eq!(judged(body, 1, MIB), Ok(Ending::Inner));
        assert_eq!(judged(body, 2, 100), Ok(Ending::Final));
        for (n, len) in [(0, MIB - 1), (0, MIB + 1), (2, 99), (2, MIB), (3, 100), (10_000, 100)] {
            assert_eq!(judged(body, n, len), Err(Code::Malformed), "{n} {len}");
        }
        assert_eq!(judged(Some(2 * MIB), 1, MIB), Ok(Ending::Final));
    }

    #[test]
    fn an_untold_length_makes_a_short_part_the_last() {
        assert_eq!(judged(None, 5, MIB), Ok(Ending::Either));
        assert_eq!(judged(None, 5, MIB - 1), Ok(Ending::Final));
        for (n, len) in [(0, 0), (0, 31), (5, 32), (5, MIB + 1), (10_000, MIB)] {
            assert_eq!(judged(None, n, len), Err(Code::Malformed), "{n} {len}");
        }
        let over = ending(&upload(None), 5, MIB, 3 * MIB).unwrap_err();
        assert_eq!(over.code, Code::TooLarge);
    }
}
