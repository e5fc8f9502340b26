//! `POST /files/batch`: whole small files, judged like uploads, durable together, visible together.

use std::collections::{HashMap, HashSet};

use axum::extract::{FromRequest as _, Request, State};
use axum::response::Response;
use bytes::Bytes;
use db::{AddFilesAnswer, FinishAnswer, NewFile};
use envelope::segment::{SEGMENT_LEN, check_framing};
use envelope::{BodyShape, Bundle, PartShape, merkle};
use proto::limits::{BATCH_FILES_MAX, LOOKUP_MAX};
use proto::{Batch, BatchFile, BatchReply, Code, Complete, Completed, FileId, UserId};

use crate::audit::{Agent, Scribe};
use crate::auth::Caller;
use crate::database::in_time;
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::places::On;
use crate::routes::uploads::begin::is_random_uuid;
use crate::routes::uploads::complete::{bundles_of, check_terms, finish_of};
use crate::routes::uploads::verify::Signed;
use crate::state::App;
use crate::stores::Place;

/// A file of the batch that was read and looks right from outside.
struct Read {
    file_id: FileId,
    body: Bytes,
    signed: Signed,
    complete: Complete,
}

pub(crate) async fn take(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    request: Request,
) -> Answer<Response> {
    // A place before the body: thousands that wait must not be thousands of bodies in memory.
    let place = app.places.take(On::Account(caller.user)).await?;
    let Json(request) = Json::<Batch>::from_request(request, &app).await?;
    let files = tokio::task::block_in_place(|| read(request))?;
    let mut users: Vec<UserId> = files.iter().flat_map(|file| file.signed.users()).collect();
    users.sort_unstable();
    users.dedup();
    if users.len() > LOOKUP_MAX {
        return Err(Refusal::malformed("The files of one batch are for at most 500 people."));
    }
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let bundles = bundles_of(&app, caller.user, users).await?;
    let new = tokio::task::block_in_place(|| judge(&app, &scribe, &files, &bundles))?;
    // From here on it runs to its end even if the client does not wait for the answer.
    let tasks = app.tasks.clone();
    let kept = tasks.spawn(async move {
        let kept = keep(&app, files, new).await;
        drop(place);
        kept
    });
    Ok(reply(&kept.await.map_err(Refusal::internal)??))
}

/// Reads everything strictly; a refusal names the file by its place, from 1.
fn read(request: Batch) -> Answer<Vec<Read>> {
    if !(1..=BATCH_FILES_MAX).contains(&request.files.len()) {
        return Err(Refusal::malformed("A batch holds 1 to 100 files."));
    }
    let mut ids = HashSet::new();
    let read_one = |(n, file): (usize, BatchFile)| {
        if !ids.insert(file.file_id) {
            return Err(Refusal::malformed("Two files of the batch have the same id."));
        }
        read_file(file).map_err(|refusal| refusal.of_file(n + 1))
    };
    let files = request.files.into_iter().enumerate().map(read_one).collect::<Answer<Vec<_>>>()?;
    // Hashed together: that is faster than one by one.
    let bodies: Vec<&[u8]> = files.iter().map(|file| file.body.as_ref()).collect();
    for (n, (leaf, file)) in merkle::leaves(&bodies).iter().zip(&files).enumerate() {
        if *leaf != file.signed.manifest.body_root() {
            let differs = Refusal::new(Code::Rejected, "What was received is not what the manifest signs.");
            return Err(differs.of_file(n + 1));
        }
    }
    Ok(files)
}

fn read_file(file: BatchFile) -> Answer<Read> {
    let BatchFile { file_id, body, complete } = file;
    if !is_random_uuid(&file_id) {
        return Err(Refusal::malformed("A file id is a random UUID (version 4)."));
    }
    check_terms(&complete)?;
    if complete.members.is_some() {
        return Err(Refusal::malformed("A folder is uploaded by itself. Its members may come in batches."));
    }
    if body.0.len() > SEGMENT_LEN {
        return Err(Refusal::malformed("A file of a batch is one sealed segment. Upload longer ones."));
    }
    check_framing(&body.0, true).map_err(|_| {
        Refusal::new(
            Code::NotSealed,
            "The content is not framed as a sealed segment. Only sealed files are taken.",
        )
    })?;
    let signed = Signed::parse(&complete.manifest, &complete.grants)?;
    let shape = BodyShape::from_body_len(body.0.len() as u64).map_err(Refusal::internal)?;
    if signed.manifest.body() != shape {
        return Err(Refusal::new(Code::Rejected, "The manifest gives another length than the body has."));
    }
    Ok(Read { file_id, body: body.0.into(), signed, complete })
}

/// Judges who signed what for whom.
fn judge(
    app: &App,
    scribe: &Scribe,
    files: &[Read],
    bundles: &HashMap<UserId, Bundle>,
) -> Answer<Vec<(Place, NewFile)>> {
    let judge_one = |(n, file): (usize, &Read)| {
        let grants = file
            .signed
            .check(file.file_id, scribe.actor(), bundles, file.complete.member)
            .map_err(|refusal| refusal.of_file(n + 1))?;
        let finish =
            finish_of(app, scribe, file.file_id, &file.signed.manifest, None, grants, &file.complete)?;
        let place = app.stores.fresh();
        let blob = place.reference();
        Ok((place, NewFile { part_len: PartShape::DEFAULT.part_bytes(), blob, finish }))
    };
    files.iter().enumerate().map(judge_one).collect()
}

/// Makes all of it durable, then visible; the blobs of what is not added go away.
async fn keep(app: &App, files: Vec<Read>, new: Vec<(Place, NewFile)>) -> Answer<BatchReply> {
    let (places, new): (Vec<Place>, Vec<NewFile>) = new.into_iter().unzip();
    let lens: Vec<u64> = files.iter().map(|file| file.body.len() as u64).collect();
    let blobs = places.iter().copied().zip(files.into_iter().map(|file| file.body)).collect();
    let owner_ids: Vec<(UserId, FileId, i64)> =
        new.iter().map(|file| (file.finish.owner, file.finish.file_id, file.finish.expires_at.0)).collect();
    if let Err(error) = app.stores.put_all(blobs).await {
        for place in places {
            app.stores.discard(place).await;
        }
        return Err(error.into());
    }
    let added = in_time(app.db.add_files(new, app.limits.quota_bytes)).await;
    for (n, place) in places.into_iter().enumerate() {
        let is_new = |answers: &[FinishAnswer]| answers.get(n) == Some(&FinishAnswer::Finished);
        let names_it =
            |answer: &AddFilesAnswer| matches!(answer, AddFilesAnswer::Added(answers) if is_new(answers));
        app.stores.discard_unless(place, &added, names_it).await;
    }
    let answers = match added? {
        AddFilesAnswer::Added(answers) => answers,
        AddFilesAnswer::Conflict(_) => {
            return Err(Refusal::new(
                Code::Conflict,
                "A file id of the batch is taken. Seal it again under a new one.",
            ));
        }
        AddFilesAnswer::QuotaExceeded { used, quota } => return Err(Refusal::quota(used, quota)),
    };
    let mut replies = Vec::with_capacity(answers.len());
    for ((answer, (owner, file_id, expires_at)), len) in answers.into_iter().zip(owner_ids).zip(lens) {
        let mut completed = Completed { file_id, expires_at, received_bytes: len, received_parts: 1 };
        if answer == FinishAnswer::Same {
            // A repetition is answered with what was said first.
            let first = app.db.upload(owner, file_id, app.time()).await?.ok_or_else(Refusal::not_found)?;
            completed.expires_at = first.expires_at.0;
        }
        replies.push(completed);
    }
    Ok(BatchReply { files: replies })
}
