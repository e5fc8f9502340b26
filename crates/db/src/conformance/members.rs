//! Promises about members of folders.

use super::*;
use crate::{
    DeleteAnswer, DownloadId, FileAccess, Job, Lease, MakeLinkAnswer, MemberView, NewFile, NewLink,
    TakeTicket, TicketAnswer,
};
use envelope::link::LinkId;

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    members_are_asked_for_by_their_folder_alone(&*empty(fixture).await).await;
    a_folder_takes_in_free_members_of_its_owner_and_root(&*empty(fixture).await).await;
    a_member_is_in_one_folder(&*empty(fixture).await).await;
    members_end_with_their_folder(&*empty(fixture).await).await;
    a_folder_that_is_removed_frees_its_members_at_once(&*empty(fixture).await).await;
    members_without_a_folder_end_by_themselves_and_untold(&*empty(fixture).await).await;
    a_folder_of_two_thousand_is_taken_in_whole_or_not_at_all(&*empty(fixture).await).await;
}

/// A member to be.
fn member(owner: UserId, file_id: FileId) -> Finish {
    let plain = new_finish(owner, file_id, MIB, &[]);
    Finish { is_member: true, grants: Vec::new(), expires_at: NOW.plus(7 * DAY), ..plain }
}

fn folder(owner: UserId, file_id: FileId, to: &[UserId], members: &[FileId]) -> Finish {
    Finish { members: members.to_vec(), ..new_finish(owner, file_id, MIB, to) }
}

async fn finish(db: &dyn Database, finish: Finish) -> FinishAnswer {
    begin(db, finish.owner, finish.file_id, Some(MIB)).await;
    db.record_part(new_part(finish.owner, finish.file_id, 0, MIB)).await.unwrap();
    db.finish_upload(finish).await.unwrap()
}

fn ticket(user: UserId, file_id: FileId) -> TakeTicket {
    let download_id = DownloadId::from_bytes([1; 16]);
    TakeTicket {
        user,
        file_id,
        recipient: None,
        download_id,
        now: NOW,
        window_secs: 86_400,
        events: Vec::new(),
    }
}

async fn among(db: &dyn Database, folder: FileId, ids: &[FileId], now: UnixTime) -> Vec<FileId> {
    let mut found: Vec<FileId> =
        db.members_among(folder, ids, now).await.unwrap().iter().map(|member| member.file_id).collect();
    found.sort_unstable();
    found
}

async fn members_are_asked_for_by_their_folder_alone(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, member(alice, file(1))).await;
    send(db, member(alice, file(2))).await;
    send(db, member(alice, file(3))).await;
    assert_eq!(db.list_files(alice, None, 10, NOW).await.unwrap(), [], "in nobody's list");
    assert!(!db.is_member_of(file(9), file(1), 0, NOW).await.unwrap());
    send(db, folder(alice, file(9), &[bob], &[file(1), file(2)])).await;
    for who in [alice, bob] {
        let listed = db.list_files(who, None, 10, NOW).await.unwrap();
        assert_eq!(listed.iter().map(|view| view.file_id).collect::<Vec<_>>(), [file(9)]);
        assert_eq!(db.file_for(who, file(1), NOW).await.unwrap(), FileAccess::Nothing);
        assert_eq!(db.take_ticket(ticket(who, file(1))).await.unwrap(), TicketAnswer::Nothing);
    }
    assert!(db.is_member_of(file(9), file(1), 0, NOW).await.unwrap());
    assert!(!db.is_member_of(file(9), file(3), 0, NOW).await.unwrap(), "a member of nothing");
    assert!(!db.is_member_of(file(1), file(9), 0, NOW).await.unwrap(), "the other way round");
    let shown = db.members_among(file(9), &[file(1)], NOW).await.unwrap();
    assert_eq!(shown, [MemberView { file_id: file(1), manifest: vec![0x4D; 834], part_len: MIB }]);
    assert_eq!(
        among(db, file(9), &[file(3), file(2), file(7), file(9), file(1)], NOW).await,
        [file(1), file(2)]
    );
    assert_eq!(among(db, file(9), &[], NOW).await, []);
    let usage = db.usage(alice).await.unwrap();
    assert_eq!((usage.charged_bytes, usage.files), (4 * MIB, 4), "members are paid for");
    let link = NewLink {
        link: LinkId::from_bytes([1; 16]),
        owner: alice,
        file_id: file(1),
        public_key: digest(1),
        grant: vec![1; 346],
        expires_at: None,
        max_downloads: None,
        max_of_file: 5,
        max_of_owner: 8,
        now: NOW,
        events: Vec::new(),
    };
    assert_eq!(db.make_link(link).await.unwrap(), MakeLinkAnswer::Nothing, "no link to a member");
    assert_eq!(db.delete_file(alice, file(1), NOW, &[]).await.unwrap(), DeleteAnswer::Nothing);
}

async fn a_folder_takes_in_free_members_of_its_owner_and_root(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, member(alice, file(1))).await;
    send(db, new_finish(alice, file(2), MIB, &[])).await;
    send(db, member(bob, file(3))).await;
    send(db, Finish { author_root: RootId::from_bytes([8; 32]), ..member(alice, file(4)) }).await;
    send(db, Finish { expires_at: NOW.plus(30), ..member(alice, file(5)) }).await;
    begin(db, alice, file(6), Some(MIB)).await;
    for (n, wrong) in
        [(2, "no member"), (3, "another's"), (4, "another root"), (5, "ended"), (6, "open"), (7, "unknown")]
    {
        let answer = finish(db, folder(alice, file(20 + n), &[], &[file(1), file(n)])).await;
        assert_eq!(answer, FinishAnswer::BadMember, "{wrong}");
        assert_eq!(among(db, file(20 + n), &[file(1)], NOW).await, [], "{wrong}: nothing was taken in");
    }
    assert_eq!(finish(db, folder(alice, file(30), &[], &[file(1)])).await, FinishAnswer::Finished);
    let same = db.finish_upload(folder(alice, file(30), &[], &[file(1)])).await.unwrap();
    assert_eq!(same, FinishAnswer::Same);
}

async fn a_member_is_in_one_folder(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, member(alice, file(1))).await;
    send(db, folder(alice, file(8), &[], &[file(1)])).await;
    assert_eq!(finish(db, folder(alice, file(9), &[], &[file(1)])).await, FinishAnswer::BadMember);
    assert!(!db.is_member_of(file(9), file(1), 0, NOW).await.unwrap());
}

async fn members_end_with_their_folder(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, member(alice, file(1))).await;
    let expires_at = NOW.plus(20 * DAY);
    send(db, Finish { expires_at, ..folder(alice, file(9), &[bob], &[file(1)]) }).await;
    assert_eq!(
        db.file_layout(file(1)).await.unwrap().unwrap().expires_at,
        expires_at,
        "longer than by itself"
    );
    let at_the_end = NOW.plus(20 * DAY);
    assert!(!db.is_member_of(file(9), file(1), 0, at_the_end).await.unwrap());
    assert_eq!(among(db, file(9), &[file(1)], at_the_end).await, []);
    expire(db, at_the_end, 2).await;
    assert_eq!(db.usage(alice).await.unwrap(), crate::Usage::default());
    assert_eq!(db.file_for(bob, file(9), at_the_end).await.unwrap(), FileAccess::Expired);
    assert_eq!(db.file_for(bob, file(1), at_the_end).await.unwrap(), FileAccess::Nothing);
    let events = db.events_after(0, 10).await.unwrap();
    assert_eq!(events.len(), 1, "the end of the folder is told, that of its member is not");
    assert_eq!(events[0].file_id, Some(file(9)));
}

async fn expire(db: &dyn Database, now: UnixTime, files: u32) {
    let token = db.take_lease(Job::Expiry, "one", now, 60).await.unwrap().unwrap();
    let lease = Lease { job: Job::Expiry, token };
    let doomed = db.doom_expired(now, 100, &lease).await.unwrap().unwrap();
    assert_eq!((doomed.files, doomed.uploads), (files, 0));
}

async fn a_folder_that_is_removed_frees_its_members_at_once(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, member(alice, file(1))).await;
    send(db, member(alice, file(2))).await;
    send(db, new_finish(alice, file(3), MIB, &[])).await;
    send(db, folder(alice, file(9), &[], &[file(1), file(2)])).await;
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, 4 * MIB);
    assert_eq!(db.delete_file(alice, file(9), NOW, &[]).await.unwrap(), DeleteAnswer::Deleted);
    assert_eq!(db.usage(alice).await.unwrap().charged_bytes, MIB);
    assert!(!db.is_member_of(file(9), file(1), 0, NOW).await.unwrap());
    assert!(db.file_layout(file(1)).await.unwrap().is_none_or(|layout| layout.expires_at <= NOW));
    expire(db, NOW, 2).await;
    let usage = db.usage(alice).await.unwrap();
    assert_eq!((usage.charged_bytes, usage.files), (MIB, 1), "freed once");
    let doomed = db.doomed_blobs(10, NOW.plus(90 * DAY)).await.unwrap();
    assert_eq!(doomed.len(), 6, "part and leaves of each");
}

async fn members_without_a_folder_end_by_themselves_and_untold(db: &dyn Database) {
    let alice = person(db, 1).await;
    send(db, member(alice, file(1))).await;
    expire(db, NOW.plus(7 * DAY), 1).await;
    assert_eq!(db.usage(alice).await.unwrap(), crate::Usage::default());
    assert_eq!(db.events_after(0, 10).await.unwrap().len(), 0);
}

async fn a_folder_of_two_thousand_is_taken_in_whole_or_not_at_all(db: &dyn Database) {
    let alice = person(db, 1).await;
    let id = |n: u16| {
        let mut bytes = [0xAA; 16];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        FileId::from_bytes(bytes)
    };
    let ids: Vec<FileId> = (0..2_000).map(id).collect();
    for some in ids.chunks(100) {
        let new = some.iter().map(|file_id| NewFile {
            part_len: MIB,
            blob: blob(*file_id, 0),
            finish: Finish { leaves_blob: None, body_len: 1_000, ..member(alice, *file_id) },
        });
        let added = db.add_files(new.collect(), 100 * MIB).await.unwrap();
        assert!(matches!(added, crate::AddFilesAnswer::Added(_)), "{added:?}");
    }
    let one_too_many: Vec<FileId> = ids.iter().copied().chain([file(7)]).collect();
    assert_eq!(finish(db, folder(alice, file(8), &[], &one_too_many)).await, FinishAnswer::BadMember);
    assert_eq!(among(db, file(8), &ids[..100], NOW).await, []);
    assert_eq!(finish(db, folder(alice, file(9), &[], &ids)).await, FinishAnswer::Finished);
    assert_eq!(among(db, file(9), &ids[1_900..], NOW).await.len(), 100);
    assert!(db.members_among(file(9), &ids[..101], NOW).await.is_err(), "more than are asked for at once");
}
