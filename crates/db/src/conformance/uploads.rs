//! Promises about uploads.

use futures::future::join_all;

use super::*;
use crate::{AbandonAnswer, AddFilesAnswer, AddGrants, AddGrantsAnswer, FileAccess, NewFile, UploadState};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    beginning_twice_is_the_same_upload(&*empty(fixture).await).await;
    a_file_id_is_used_once(&*empty(fixture).await).await;
    the_quota_is_reserved_and_given_back(&*empty(fixture).await).await;
    without_a_length_the_quota_is_charged_part_by_part(&*empty(fixture).await).await;
    open_uploads_are_limited_and_listed(&*empty(fixture).await).await;
    parts_are_kept_and_counted(&*empty(fixture).await).await;
    the_first_part_of_a_number_wins(empty(fixture).await).await;
    strangers_and_late_comers_record_nothing(&*empty(fixture).await).await;
    a_file_appears_for_everybody_at_once(&*empty(fixture).await).await;
    finishing_twice_is_the_same_and_differently_a_conflict(&*empty(fixture).await).await;
    whole_files_appear_all_or_none(&*empty(fixture).await).await;
    an_incomplete_upload_does_not_finish(&*empty(fixture).await).await;
    a_failed_finish_changes_nothing(&*empty(fixture).await).await;
    grants_added_before_show_with_the_file(&*empty(fixture).await).await;
    one_of_many_finishes_makes_the_file(empty(fixture).await).await;
    an_abandoned_upload_dooms_its_blobs(&*empty(fixture).await).await;
    an_upload_goes_on_after_reopening(fixture()).await;
    parts_that_race_the_end_of_their_upload_leave_no_charge_and_no_blob(&mut *fixture()).await;
    parts_that_race_the_finish_are_in_the_file_or_refused(&mut *fixture()).await;
}

async fn beginning_twice_is_the_same_upload(db: &dyn Database) {
    let alice = person(db, 1).await;
    begin(db, alice, file(1), Some(5 * MIB)).await;
    db.record_part(new_part(alice, file(1), 0, MIB)).await.unwrap();
    let BeginAnswer::Same(again) = db.begin_upload(new_upload(alice, file(1), Some(5 * MIB))).await.unwrap()
    else {
        panic!("the same upload")
    };
    assert_eq!((again.stored_bytes, again.state), (MIB, UploadState::Open));
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 5 * MIB, "charged once");
    for different in [Some(4 * MIB), None] {
        let answer = db.begin_upload(new_upload(alice, file(1), different)).await.unwrap();
        assert_eq!(answer, BeginAnswer::Conflict);
    }
    let mut parts = new_upload(alice, file(1), Some(5 * MIB));
    parts.part_len = 2 * MIB;
    assert_eq!(db.begin_upload(parts).await.unwrap(), BeginAnswer::Conflict);
}

async fn a_file_id_is_used_once(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    begin(db, alice, file(1), Some(MIB)).await;
    assert_eq!(db.begin_upload(new_upload(bob, file(1), Some(MIB))).await.unwrap(), BeginAnswer::Conflict);
    db.abandon_upload(alice, file(1), NOW).await.unwrap();
    assert_eq!(db.begin_upload(new_upload(alice, file(1), Some(MIB))).await.unwrap(), BeginAnswer::Conflict);
    send(db, new_finish(alice, file(2), MIB, &[])).await;
    db.delete_file(alice, file(2), NOW, &[]).await.unwrap();
    assert_eq!(db.begin_upload(new_upload(alice, file(2), Some(MIB))).await.unwrap(), BeginAnswer::Conflict);
    begin(db, alice, file(3), Some(MIB)).await;
    let mut late = new_upload(alice, file(3), Some(MIB));
    late.now = NOW.plus(7 * DAY);
    assert_eq!(db.begin_upload(late).await.unwrap(), BeginAnswer::Conflict, "it has lapsed");
}

async fn the_quota_is_reserved_and_given_back(db: &dyn Database) {
    let alice = person(db, 1).await;
    begin(db, alice, file(1), Some(60 * MIB)).await;
    let refused = db.begin_upload(new_upload(alice, file(2), Some(40 * MIB + 1))).await.unwrap();
    assert_eq!(refused, BeginAnswer::QuotaExceeded { used: 60 * MIB, quota: 100 * MIB });
    begin(db, alice, file(3), Some(40 * MIB)).await;
    db.abandon_upload(alice, file(1), NOW).await.unwrap();
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 40 * MIB);
    send(db, new_finish(alice, file(4), MIB, &[])).await;
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 41 * MIB);
    db.delete_file(alice, file(4), NOW, &[]).await.unwrap();
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 40 * MIB);
    let huge = new_upload(alice, file(5), Some(u64::MAX));
    assert!(db.begin_upload(huge).await.is_err(), "a length that cannot be kept");
}

async fn without_a_length_the_quota_is_charged_part_by_part(db: &dyn Database) {
    let alice = person(db, 1).await;
    begin(db, alice, file(1), None).await;
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 0);
    for n in 0..2 {
        assert_eq!(db.record_part(new_part(alice, file(1), n, MIB)).await.unwrap(), PartAnswer::Won);
    }
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 2 * MIB);
    let mut third = new_part(alice, file(1), 2, MIB);
    third.quota_bytes = 3 * MIB - 1;
    let refused = db.record_part(third).await.unwrap();
    assert_eq!(refused, PartAnswer::QuotaExceeded { used: 2 * MIB, quota: 3 * MIB - 1 });
    assert_eq!(db.part(file(1), 2).await.unwrap(), None);
    db.finish_upload(new_finish(alice, file(1), 2 * MIB, &[])).await.unwrap();
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 2 * MIB);
    // A reserved part needs no more room, even if the quota was lowered meanwhile.
    begin(db, alice, file(2), Some(MIB)).await;
    let mut reserved = new_part(alice, file(2), 0, MIB);
    reserved.quota_bytes = 0;
    assert_eq!(db.record_part(reserved).await.unwrap(), PartAnswer::Won);
}

async fn open_uploads_are_limited_and_listed(db: &dyn Database) {
    let alice = person(db, 1).await;
    for n in 1..=10 {
        let mut new = new_upload(alice, file(n), Some(MIB));
        new.now = NOW.plus(i64::from(n));
        db.begin_upload(new).await.unwrap();
    }
    let eleventh = db.begin_upload(new_upload(alice, file(11), Some(MIB))).await.unwrap();
    assert_eq!(eleventh, BeginAnswer::TooManyOpen { open: 10 });
    let listed: Vec<FileId> =
        db.uploads_of(alice, NOW).await.unwrap().iter().map(|upload| upload.file_id).collect();
    assert_eq!(listed, (1..=10).map(file).collect::<Vec<_>>(), "oldest first");
    let after_all = NOW.plus(7 * DAY);
    assert_eq!(db.uploads_of(alice, after_all).await.unwrap(), []);
    assert_eq!(db.upload(alice, file(1), after_all).await.unwrap(), None);
    assert!(db.upload(alice, file(1), NOW).await.unwrap().is_some());
    assert_eq!(db.upload(user(2), file(1), NOW).await.unwrap(), None, "a stranger's");
    let mut later = new_upload(alice, file(12), Some(MIB));
    later.now = after_all;
    assert!(
        matches!(db.begin_upload(later).await.unwrap(), BeginAnswer::Begun(_)),
        "lapsed ones do not count"
    );
}

async fn parts_are_kept_and_counted(db: &dyn Database) {
    let alice = person(db, 1).await;
    begin(db, alice, file(1), Some(2 * MIB + 100)).await;
    let mut last = new_part(alice, file(1), 2, 100);
    last.is_final = true;
    last.leaves = vec![1; 32];
    for part in [last, new_part(alice, file(1), 0, MIB), new_part(alice, file(1), 1, MIB)] {
        assert_eq!(db.record_part(part).await.unwrap(), PartAnswer::Won);
    }
    let parts = db.parts_of(file(1)).await.unwrap();
    assert_eq!(
        parts.iter().map(|part| (part.n, part.len)).collect::<Vec<_>>(),
        [(0, MIB), (1, MIB), (2, 100)]
    );
    assert!(parts[2].is_final && !parts[1].is_final);
    assert_eq!(db.part(file(1), 1).await.unwrap().unwrap(), parts[1]);
    assert_eq!(parts[1].blob, blob(file(1), 1));
    assert_eq!(db.leaves_of_part(file(1), 2).await.unwrap(), Some(vec![1; 32]));
    assert_eq!(db.leaves_of_part(file(1), 3).await.unwrap(), None);
    // The call itself repeated (an answer that was lost inside) is not a second part.
    assert_eq!(db.record_part(new_part(alice, file(1), 1, MIB)).await.unwrap(), PartAnswer::Won);
    let mut again = new_part(alice, file(1), 1, MIB);
    again.blob = BlobRef::new("another");
    let there = PartAnswer::AlreadyThere { node: digest(1), len: MIB };
    assert_eq!(db.record_part(again).await.unwrap(), there);
    let upload = db.upload(alice, file(1), NOW).await.unwrap().unwrap();
    assert_eq!(
        (upload.received_bytes, upload.received_parts),
        (3 * MIB + 100, 4),
        "what came twice is counted twice"
    );
    assert_eq!(upload.stored_bytes, 2 * MIB + 100);
    assert_eq!(db.parts_of(file(9)).await.unwrap(), []);
}

async fn the_first_part_of_a_number_wins(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    begin(&*db, alice, file(1), Some(MIB)).await;
    let tries = (0..12_u8).map(|n| {
        let db = db.clone();
        let mut part = new_part(alice, file(1), 0, MIB);
        part.blob = BlobRef::new(n.to_string());
        part.node = digest(n);
        tokio::spawn(async move { (n, db.record_part(part).await.unwrap()) })
    });
    let answers: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<u8> =
        answers.iter().filter(|(_, answer)| *answer == PartAnswer::Won).map(|(n, _)| *n).collect();
    let [winner] = winners[..] else { panic!("one winner: {winners:?}") };
    let told = PartAnswer::AlreadyThere { node: digest(winner), len: MIB };
    assert_eq!(answers.iter().filter(|(_, answer)| *answer == told).count(), 11);
    assert_eq!(db.part(file(1), 0).await.unwrap().unwrap().blob, BlobRef::new(winner.to_string()));
    let upload = db.upload(alice, file(1), NOW).await.unwrap().unwrap();
    assert_eq!((upload.received_parts, upload.stored_bytes), (12, MIB));
}

async fn strangers_and_late_comers_record_nothing(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    begin(db, alice, file(1), Some(2 * MIB)).await;
    assert_eq!(db.record_part(new_part(bob, file(1), 0, MIB)).await.unwrap(), PartAnswer::Ended);
    assert_eq!(db.record_part(new_part(alice, file(2), 0, MIB)).await.unwrap(), PartAnswer::Ended);
    let mut late = new_part(alice, file(1), 0, MIB);
    late.now = NOW.plus(7 * DAY);
    assert_eq!(db.record_part(late).await.unwrap(), PartAnswer::Ended);
    send(db, new_finish(alice, file(3), MIB, &[])).await;
    let mut after = new_part(alice, file(3), 1, MIB);
    after.blob = BlobRef::new("after");
    assert_eq!(db.record_part(after).await.unwrap(), PartAnswer::Ended, "a file takes no parts");
}

async fn a_file_appears_for_everybody_at_once(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    begin(db, alice, file(1), Some(MIB)).await;
    db.record_part(new_part(alice, file(1), 0, MIB)).await.unwrap();
    assert_eq!(db.file_for(alice, file(1), NOW).await.unwrap(), FileAccess::Nothing);
    assert_eq!(db.file_layout(file(1)).await.unwrap(), None);
    let mut finish = new_finish(alice, file(1), MIB, &[bob]);
    finish.max_downloads = Some(3);
    assert_eq!(db.finish_upload(finish).await.unwrap(), FinishAnswer::Finished);
    let FileAccess::Available(view) = db.file_for(bob, file(1), NOW).await.unwrap() else {
        panic!("it is there")
    };
    assert_eq!((view.role, view.author), (crate::Role::Recipient, alice));
    assert_eq!((view.body_len, view.part_len, view.revision), (MIB, MIB, 1));
    assert_eq!((view.max_downloads, view.downloads), (Some(3), 0));
    assert_eq!((view.received_bytes, view.received_parts), (MIB, 1));
    assert_eq!((view.created_at, view.expires_at), (NOW.plus(60), NOW.plus(30 * DAY)));
    assert_eq!((&*view.manifest, view.grant.as_deref()), (&[0x4D; 834][..], Some(&[2; 1400][..])));
    assert_eq!((view.manifest_digest, view.content_id), (digest(1), ContentId::from_bytes([2; 32])));
    assert_eq!(view.author_root, RootId::from_bytes([3; 32]));
    assert_eq!(db.file_for(carol, file(1), NOW).await.unwrap(), FileAccess::Nothing);
    let layout = db.file_layout(file(1)).await.unwrap().unwrap();
    assert_eq!(
        (layout.body_len, layout.body_root, layout.leaves_blob),
        (MIB, digest(4), Some(leaves_blob(file(1))))
    );
    assert!(db.part(file(1), 0).await.unwrap().is_some());
    assert_eq!(db.leaves_of_part(file(1), 0).await.unwrap(), None, "they are in the blob now");
    assert_eq!(db.upload(alice, file(1), NOW).await.unwrap().unwrap().state, UploadState::Finished);
    assert_eq!(db.uploads_of(alice, NOW).await.unwrap(), []);
}

async fn finishing_twice_is_the_same_and_differently_a_conflict(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    assert_eq!(db.finish_upload(new_finish(alice, file(1), MIB, &[])).await.unwrap(), FinishAnswer::Same);
    let mut other = new_finish(alice, file(1), MIB, &[]);
    other.request_digest = digest(6);
    assert_eq!(db.finish_upload(other).await.unwrap(), FinishAnswer::Conflict);
    let again = db.begin_upload(new_upload(alice, file(1), Some(MIB))).await.unwrap();
    assert!(matches!(again, BeginAnswer::Same(upload) if upload.state == UploadState::Finished));
}

fn new_file(owner: UserId, file_id: FileId, to: &[UserId]) -> NewFile {
    let finish = Finish { leaves_blob: None, ..new_finish(owner, file_id, 1000, to) };
    NewFile { part_len: MIB, blob: blob(file_id, 0), finish }
}

async fn whole_files_appear_all_or_none(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    let batch: Vec<NewFile> = (1..=100).map(|n| new_file(alice, file(n), &[bob])).collect();
    let added = db.add_files(batch.clone(), MIB).await.unwrap();
    assert_eq!(added, AddFilesAnswer::Added(vec![FinishAnswer::Finished; 100]));
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 100_000);
    let layout = db.file_layout(file(7)).await.unwrap().unwrap();
    assert_eq!((layout.body_len, layout.body_root, layout.leaves_blob), (1000, digest(4), None));
    let part = db.part(file(7), 0).await.unwrap().unwrap();
    assert_eq!((part.len, part.node, part.blob, part.is_final), (1000, digest(4), blob(file(7), 0), true));
    assert!(matches!(db.file_for(bob, file(7), NOW.plus(60)).await.unwrap(), FileAccess::Available(_)));
    assert_eq!(db.upload(alice, file(7), NOW).await.unwrap().unwrap().received_parts, 1);
    // The same again, with one that is new.
    let again: Vec<NewFile> = [batch[0].clone(), new_file(alice, file(101), &[])].into();
    let repeated = db.add_files(again, MIB).await.unwrap();
    assert_eq!(repeated, AddFilesAnswer::Added(vec![FinishAnswer::Same, FinishAnswer::Finished]));
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 101_000, "charged once");
    // One that cannot be refuses all.
    begin(db, alice, file(110), Some(MIB)).await;
    let mut differing = new_file(alice, file(2), &[]);
    differing.finish.request_digest = digest(77);
    for (bad, id) in [
        (differing, file(2)),
        (new_file(bob, file(3), &[]), file(3)),
        (new_file(alice, file(110), &[]), file(110)),
    ] {
        let all = vec![new_file(alice, file(120), &[]), bad];
        assert_eq!(db.add_files(all, 10 * MIB).await.unwrap(), AddFilesAnswer::Conflict(id));
        assert_eq!(db.part(file(120), 0).await.unwrap(), None, "nothing was added");
    }
    let used = db.usage(alice).await.unwrap().charged_bytes;
    let two = vec![new_file(alice, file(121), &[]), new_file(alice, file(122), &[])];
    let refused = db.add_files(two, used + 1999).await.unwrap();
    assert_eq!(refused, AddFilesAnswer::QuotaExceeded { used: used + 1000, quota: used + 1999 });
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, used);
    assert_eq!(db.part(file(121), 0).await.unwrap(), None);
}

async fn an_incomplete_upload_does_not_finish(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    begin(db, alice, file(1), Some(3 * MIB)).await;
    for n in [0, 2] {
        db.record_part(new_part(alice, file(1), n, MIB)).await.unwrap();
    }
    for len in [3 * MIB, 2 * MIB] {
        let answer = db.finish_upload(new_finish(alice, file(1), len, &[])).await.unwrap();
        assert_eq!(answer, FinishAnswer::Incomplete, "part 1 is missing");
    }
    db.record_part(new_part(alice, file(1), 1, MIB)).await.unwrap();
    let short = db.finish_upload(new_finish(alice, file(1), 3 * MIB - 1, &[])).await.unwrap();
    assert_eq!(short, FinishAnswer::Incomplete);
    let stranger = db.finish_upload(new_finish(bob, file(1), 3 * MIB, &[])).await.unwrap();
    assert_eq!(stranger, FinishAnswer::Missing);
    let unknown = db.finish_upload(new_finish(alice, file(2), MIB, &[])).await.unwrap();
    assert_eq!(unknown, FinishAnswer::Missing);
    let mut late = new_finish(alice, file(1), 3 * MIB, &[]);
    late.now = NOW.plus(7 * DAY);
    assert_eq!(db.finish_upload(late).await.unwrap(), FinishAnswer::Missing);
    let whole = db.finish_upload(new_finish(alice, file(1), 3 * MIB, &[])).await.unwrap();
    assert_eq!(whole, FinishAnswer::Finished);
}

async fn a_failed_finish_changes_nothing(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(bob, file(9), MIB, &[])).await;
    begin(db, alice, file(1), Some(MIB)).await;
    db.record_part(new_part(alice, file(1), 0, MIB)).await.unwrap();
    let mut with_foreign = new_finish(alice, file(1), MIB, &[bob]);
    with_foreign.members = vec![file(9)];
    assert_eq!(db.finish_upload(with_foreign).await.unwrap(), FinishAnswer::BadMember);
    let mut with_nobody = new_finish(alice, file(1), MIB, &[bob]);
    with_nobody.grants.push(grant(user(77)));
    assert!(matches!(db.finish_upload(with_nobody).await, Err(crate::DbError::UnknownAccount)));
    assert_eq!(db.file_for(bob, file(1), NOW).await.unwrap(), FileAccess::Nothing);
    assert_eq!(db.upload(alice, file(1), NOW).await.unwrap().unwrap().state, UploadState::Open);
    assert!(db.leaves_of_part(file(1), 0).await.unwrap().is_some());
    let good = db.finish_upload(new_finish(alice, file(1), MIB, &[bob])).await.unwrap();
    assert_eq!(good, FinishAnswer::Finished);
}

async fn grants_added_before_show_with_the_file(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    begin(db, alice, file(1), Some(MIB)).await;
    db.record_part(new_part(alice, file(1), 0, MIB)).await.unwrap();
    let add = |owner, who: UserId| AddGrants { owner, file_id: file(1), grants: vec![grant(who)], now: NOW };
    assert_eq!(db.add_grants(add(alice, bob)).await.unwrap(), AddGrantsAnswer::Added);
    assert_eq!(db.add_grants(add(bob, carol)).await.unwrap(), AddGrantsAnswer::Nothing, "not the owner");
    assert_eq!(db.list_files(bob, None, 10, NOW).await.unwrap(), [], "not before the file is there");
    assert_eq!(db.file_for(bob, file(1), NOW).await.unwrap(), FileAccess::Nothing);
    db.finish_upload(new_finish(alice, file(1), MIB, &[])).await.unwrap();
    assert_eq!(db.list_files(bob, None, 10, NOW).await.unwrap().len(), 1);
    // A newer grant takes the place of the older one, and the place in the list stays.
    let mut newer = add(alice, bob);
    newer.grants[0].bytes = vec![0xEE; 1400];
    newer.now = NOW.plus(DAY);
    db.add_grants(newer).await.unwrap();
    let listed = db.list_files(bob, None, 10, NOW).await.unwrap();
    assert_eq!((listed.len(), listed[0].listed_at), (1, NOW.plus(60)));
    assert_eq!(listed[0].grant.as_deref(), Some(&[0xEE; 1400][..]));
    let mut later = add(alice, carol);
    later.now = NOW.plus(DAY);
    db.add_grants(later).await.unwrap();
    assert_eq!(
        db.list_files(carol, None, 10, NOW).await.unwrap()[0].listed_at,
        NOW.plus(DAY),
        "shown at once"
    );
}

async fn one_of_many_finishes_makes_the_file(db: Arc<dyn Database>) {
    let alice = person(&*db, 1).await;
    begin(&*db, alice, file(1), Some(MIB)).await;
    db.record_part(new_part(alice, file(1), 0, MIB)).await.unwrap();
    let tries = (0..8).map(|n| {
        let db = db.clone();
        let mut finish = new_finish(alice, file(1), MIB, &[]);
        finish.leaves_blob = Some(BlobRef::new(format!("leaves {n}")));
        tokio::spawn(async move { db.finish_upload(finish).await.unwrap() })
    });
    let answers: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == FinishAnswer::Finished).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == FinishAnswer::Same).count(), 7);
}

async fn an_abandoned_upload_dooms_its_blobs(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    begin(db, alice, file(1), Some(2 * MIB)).await;
    db.record_part(new_part(alice, file(1), 0, MIB)).await.unwrap();
    assert_eq!(db.abandon_upload(bob, file(1), NOW).await.unwrap(), AbandonAnswer::Nothing);
    assert_eq!(db.abandon_upload(alice, file(1), NOW).await.unwrap(), AbandonAnswer::Abandoned);
    assert_eq!(db.abandon_upload(alice, file(1), NOW).await.unwrap(), AbandonAnswer::Nothing);
    assert_eq!(db.doomed_blobs(10, NOW).await.unwrap(), [blob(file(1), 0)]);
    assert_eq!(db.record_part(new_part(alice, file(1), 1, MIB)).await.unwrap(), PartAnswer::Ended);
    assert_eq!(db.parts_of(file(1)).await.unwrap(), []);
    assert_eq!(db.upload(alice, file(1), NOW).await.unwrap(), None);
    send(db, new_finish(alice, file(2), MIB, &[])).await;
    assert_eq!(
        db.abandon_upload(alice, file(2), NOW).await.unwrap(),
        AbandonAnswer::Nothing,
        "a file is deleted"
    );
}

async fn an_upload_goes_on_after_reopening(mut fixture: Box<dyn Fixture>) {
    let db = fixture.open().await;
    let alice = person(&*db, 1).await;
    begin(&*db, alice, file(1), Some(2 * MIB)).await;
    db.record_part(new_part(alice, file(1), 0, MIB)).await.unwrap();
    // Not closed: what was answered is there all the same.
    let other = fixture.open().await;
    assert_eq!(other.parts_of(file(1)).await.unwrap().len(), 1);
    other.record_part(new_part(alice, file(1), 1, MIB)).await.unwrap();
    db.close().await;
    other.close().await;
    let db = fixture.open().await;
    let upload = db.upload(alice, file(1), NOW).await.unwrap().unwrap();
    assert_eq!((upload.received_bytes, upload.received_parts), (2 * MIB, 2));
    let done = db.finish_upload(new_finish(alice, file(1), 2 * MIB, &[])).await.unwrap();
    assert_eq!(done, FinishAnswer::Finished);
}

/// Parts go beside other writers where the engine allows it; the row of their upload is what holds them together.
async fn parts_that_race_the_end_of_their_upload_leave_no_charge_and_no_blob(fixture: &mut dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let alice = person(&*one, 1).await;
    for round in 1..=6 {
        let id = file(round);
        begin(&*one, alice, id, None).await;
        let parts = (0..12_u32).map(|n| {
            let db = if n % 2 == 0 { Arc::clone(&one) } else { Arc::clone(&two) };
            tokio::spawn(async move { (n, db.record_part(new_part(alice, id, n, MIB)).await.unwrap()) })
        });
        let parts = join_all(parts.collect::<Vec<_>>());
        let (parts, ended) = futures::join!(parts, two.abandon_upload(alice, id, NOW.plus(1)));
        assert_eq!(ended.unwrap(), AbandonAnswer::Abandoned);
        let won = parts.into_iter().map(Result::unwrap).filter(|(_, answer)| *answer == PartAnswer::Won);
        let won: Vec<BlobRef> = won.map(|(n, _)| blob(id, n)).collect();
        let known = one.known_blobs(&won).await.unwrap();
        assert_eq!(known.len(), won.len(), "what came in time is doomed, and nothing is forgotten");
        assert!(one.parts_of(id).await.unwrap().is_empty());
        assert_eq!(one.usage(alice).await.unwrap().charged_bytes, 0);
    }
}

async fn parts_that_race_the_finish_are_in_the_file_or_refused(fixture: &mut dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let alice = person(&*one, 1).await;
    for round in 1..=6 {
        let id = file(round);
        begin(&*one, alice, id, None).await;
        assert_eq!(one.record_part(new_part(alice, id, 0, MIB)).await.unwrap(), PartAnswer::Won);
        let late = {
            let db = Arc::clone(&two);
            tokio::spawn(async move { db.record_part(new_part(alice, id, 1, MIB)).await.unwrap() })
        };
        let finish = new_finish(alice, id, MIB, &[]);
        let (late, finished) = futures::join!(late, one.finish_upload(finish));
        let parts = one.parts_of(id).await.unwrap().len();
        match (late.unwrap(), finished.unwrap()) {
            (PartAnswer::Ended, FinishAnswer::Finished) => assert_eq!(parts, 1),
            (PartAnswer::Won, FinishAnswer::Incomplete) => assert_eq!(parts, 2),
            other => panic!("{other:?}"),
        }
        let charged = one.usage(alice).await.unwrap().charged_bytes;
        assert_eq!(charged, one.stats().await.unwrap().charged_bytes);
        one.delete_file(alice, id, NOW.plus(70), &[]).await.unwrap();
        one.abandon_upload(alice, id, NOW.plus(70)).await.unwrap();
        assert_eq!(one.usage(alice).await.unwrap().charged_bytes, 0);
    }
}
