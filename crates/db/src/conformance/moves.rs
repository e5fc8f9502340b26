//! Promises about blobs that are moved from one store to another.

use std::collections::HashSet;

use super::*;
use crate::{FencingToken, Job, Lease, MoveAnswer, MoveBlob};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    a_moved_blob_is_known_by_its_new_reference_and_kept_at_its_old_one_for_a_while(&*empty(fixture).await)
        .await;
    what_has_ended_or_was_moved_before_is_not_moved(&*empty(fixture).await).await;
    without_the_lease_nothing_is_moved(&*empty(fixture).await).await;
    a_deletion_can_be_put_off(&*empty(fixture).await).await;
}

const KEEP: u32 = 900;

async fn lease(db: &dyn Database) -> Lease {
    let token = db.take_lease(Job::BlobMove, "us", NOW, 60).await.unwrap().unwrap();
    Lease { job: Job::BlobMove, token }
}

async fn moved(db: &dyn Database, from: &BlobRef, to: &str, lease: &Lease) -> MoveAnswer {
    let to = BlobRef::new(to);
    db.move_blob(MoveBlob { from, to: &to, now: NOW, keep_secs: KEEP, lease }).await.unwrap()
}

async fn a_moved_blob_is_known_by_its_new_reference_and_kept_at_its_old_one_for_a_while(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    begin(db, alice, file(2), Some(2 * MIB)).await;
    db.record_part(new_part(alice, file(2), 0, MIB)).await.unwrap();
    let held = lease(db).await;
    let old = [blob(file(1), 0), leaves_blob(file(1)), blob(file(2), 0)];
    for (n, from) in old.iter().enumerate() {
        assert_eq!(moved(db, from, &format!("new {n}"), &held).await, MoveAnswer::Moved);
    }
    assert_eq!(db.part(file(1), 0).await.unwrap().unwrap().blob, BlobRef::new("new 0"));
    let layout = db.file_layout(file(1)).await.unwrap().unwrap();
    assert_eq!(layout.leaves_blob, Some(BlobRef::new("new 1")));
    assert_eq!(db.part(file(2), 0).await.unwrap().unwrap().blob, BlobRef::new("new 2"), "an open upload too");
    let all: Vec<BlobRef> =
        old.iter().cloned().chain((0..3).map(|n| BlobRef::new(format!("new {n}")))).collect();
    assert_eq!(db.known_blobs(&all).await.unwrap(), all.into_iter().collect(), "no orphan at any time");
    assert!(db.doomed_blobs(10, NOW.plus(899)).await.unwrap().is_empty(), "somebody may be reading them");
    let doomed: HashSet<BlobRef> = db.doomed_blobs(10, NOW.plus(900)).await.unwrap().into_iter().collect();
    assert_eq!(doomed, HashSet::from(old));
    db.delete_file(alice, file(1), NOW.plus(1000), &[]).await.unwrap();
    let doomed = db.doomed_blobs(10, NOW.plus(1000)).await.unwrap();
    assert!(doomed.contains(&BlobRef::new("new 0")) && doomed.contains(&BlobRef::new("new 1")));
}

async fn what_has_ended_or_was_moved_before_is_not_moved(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    send(db, new_finish(alice, file(2), MIB, &[])).await;
    let held = lease(db).await;
    let from = blob(file(1), 0);
    assert_eq!(moved(db, &from, "new", &held).await, MoveAnswer::Moved);
    assert_eq!(moved(db, &from, "newer", &held).await, MoveAnswer::Gone);
    assert_eq!(db.part(file(1), 0).await.unwrap().unwrap().blob, BlobRef::new("new"));
    db.delete_file(alice, file(2), NOW, &[]).await.unwrap();
    assert_eq!(moved(db, &blob(file(2), 0), "late", &held).await, MoveAnswer::Gone);
    assert!(db.known_blobs(&[BlobRef::new("late"), BlobRef::new("newer")]).await.unwrap().is_empty());
}

async fn without_the_lease_nothing_is_moved(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    let old = lease(db).await;
    db.seize_lease(Job::BlobMove, "another", NOW, 60).await.unwrap();
    let of_another_job = Lease { job: Job::Expiry, token: FencingToken(1) };
    for lease in [old, of_another_job] {
        assert_eq!(moved(db, &blob(file(1), 0), "new", &lease).await, MoveAnswer::LeaseLost);
    }
    assert_eq!(db.part(file(1), 0).await.unwrap().unwrap().blob, blob(file(1), 0));
    assert!(db.doomed_blobs(10, NOW.plus(10_000)).await.unwrap().is_empty());
}

async fn a_deletion_can_be_put_off(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, new_finish(alice, file(1), MIB, &[])).await;
    send(db, new_finish(alice, file(2), MIB, &[])).await;
    db.delete_file(alice, file(1), NOW, &[]).await.unwrap();
    let stuck = [blob(file(1), 0), blob(file(2), 0)];
    db.put_off_deletions(&stuck, NOW.plus(300)).await.unwrap();
    db.put_off_deletions(&[], NOW.plus(300)).await.unwrap();
    assert_eq!(db.doomed_blobs(10, NOW.plus(299)).await.unwrap(), [leaves_blob(file(1))]);
    assert_eq!(
        db.doomed_blobs(10, NOW.plus(300)).await.unwrap().len(),
        2,
        "what is in use is not doomed by it"
    );
    assert_eq!(db.stats().await.unwrap().doomed_blobs, 2);
}
