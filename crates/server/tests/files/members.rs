//! Folders and their members.

use envelope::Manifest;
use proto::{
    B64, Batch, BatchFile, BatchReply, Code, Complete, FileId, FilePage, MemberList, MembersRequest,
    OpenedLink, Ticket, WhoAmI, paths,
};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::links::Made;
use crate::stage::sealed::{MIB, alice_and_bob, assert_gone, file_id};
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Reply, Stage};

fn member_request(parcel: &Parcel, author: &Person) -> Complete {
    Complete { grants: Vec::new(), member: true, ..parcel.complete_request(author, &[]) }
}

fn ids(of: &[&Parcel]) -> B64 {
    let mut ids: Vec<FileId> = of.iter().map(|parcel| parcel.file_id).collect();
    ids.sort_unstable();
    B64(ids.iter().flat_map(|id| *id.as_bytes()).collect())
}

fn folder_request(parcel: &Parcel, author: &Person, to: &[&Person], members: &[&Parcel]) -> Complete {
    Complete { members: Some(ids(members)), ..parcel.complete_request(author, to) }
}

/// A small member by a batch, a large one by parts, and the folder of both.
struct Folder {
    small: Parcel,
    large: Parcel,
    list: Parcel,
}

impl Folder {
    async fn members(stage: &Stage, author: &Person) -> Self {
        let (small, large) = (Parcel::new(1_000), Parcel::new(MIB + 1_000));
        let complete = member_request(&small, author);
        let file = BatchFile { file_id: small.file_id, body: B64(small.body.clone()), complete };
        author.post(stage, paths::BATCH, &Batch { files: vec![file] }).await.json::<BatchReply>();
        large.send_as(stage, author, &member_request(&large, author)).await;
        Self { small, large, list: Parcel::new(500) }
    }

    async fn send(stage: &Stage, author: &Person, to: &[&Person]) -> Self {
        let folder = Self::members(stage, author).await;
        folder.list.send_as(stage, author, &folder.request(author, to)).await;
        folder
    }

    fn request(&self, author: &Person, to: &[&Person]) -> Complete {
        folder_request(&self.list, author, to, &[&self.small, &self.large])
    }
}

async fn members(stage: &Stage, folder: FileId, ticket: &str, ids: &[FileId]) -> Reply {
    let path = paths::fill(paths::MEMBERS, &[&folder]);
    let request = stage.request(Method::POST, &path).header(proto::headers::TICKET, ticket);
    send(request.json(&MembersRequest { ids: ids.to_vec() })).await
}

fn part(parcel: &Parcel, n: u32) -> String {
    paths::fill(paths::CONTENT, &[&parcel.file_id, &n])
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_open_a_folder_gets_its_members_by_its_ticket() {
    let (stage, alice, bob) = alice_and_bob().await;
    let folder = Folder::send(&stage, &alice, &[&bob]).await;
    for who in [&alice, &bob] {
        let page: FilePage = who.get(&stage, paths::FILES).await.json();
        assert_eq!(page.files.iter().map(|file| file.file_id).collect::<Vec<_>>(), [folder.list.file_id]);
        let ticket = folder.list.ticket(&stage, who).await;
        let wanted = [folder.large.file_id, file_id(), folder.small.file_id, folder.list.file_id];
        let shown: MemberList = members(&stage, folder.list.file_id, &ticket, &wanted).await.json();
        let mut found: Vec<FileId> = shown.members.iter().map(|member| member.file_id).collect();
        found.sort_unstable();
        let mut both = [folder.small.file_id, folder.large.file_id];
        both.sort_unstable();
        assert_eq!(found, both, "its members and nothing else");
        for member in &shown.members {
            let manifest = Manifest::parse(member.manifest.0.as_slice()).unwrap();
            assert_eq!(manifest.file_id(), member.file_id);
            assert!(manifest.verify(&alice.root.public()).is_ok());
        }
        for (parcel, n) in [(&folder.small, 0), (&folder.large, 0), (&folder.large, 1)] {
            let content = parcel.content(&stage, &ticket, &part(parcel, n), None).await;
            assert_eq!(content.body, parcel.part(n));
        }
        for path in [
            paths::fill(paths::TREE, &[&folder.large.file_id]),
            paths::fill(paths::LEAVES, &[&folder.large.file_id, &0]),
        ] {
            assert_eq!(folder.large.content(&stage, &ticket, &path, None).await.status, StatusCode::OK);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_folder_opens_its_members_and_counts_once() {
    let (stage, alice, _) = alice_and_bob().await;
    let folder = Folder::members(&stage, &alice).await;
    let request = folder.request(&alice, &[]);
    folder.list.send_as(&stage, &alice, &request).await;
    let (made, manifest) = (Made::new(), Manifest::parse(request.manifest.0).unwrap());
    let link = proto::MakeLink { max_downloads: Some(1), ..made.request(&manifest, &alice) };
    alice.post(&stage, paths::LINKS, &link).await.json::<proto::LinkInfo>();
    let proof = made.proof(&made.nonce(&stage).await);
    let opened: OpenedLink = stage.post(&paths::fill(paths::LINK_OPEN, &[&made.id]), &proof).await.json();
    let ticket = opened.leave.unwrap().ticket;
    let ticket = ticket.expose_secret();
    let wanted = [folder.small.file_id, folder.large.file_id];
    let shown: MemberList = members(&stage, folder.list.file_id, ticket, &wanted).await.json();
    assert_eq!(shown.members.len(), 2);
    for parcel in [&folder.small, &folder.large] {
        assert_eq!(parcel.content(&stage, ticket, &part(parcel, 0), None).await.body, parcel.part(0));
    }
    let proof = made.proof(&made.nonce(&stage).await);
    let again = stage.post(&paths::fill(paths::LINK_OPEN, &[&made.id]), &proof).await;
    assert_eq!(again.code(), Code::DownloadsUsed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_reached_by_no_other_way_not_even_by_its_author() {
    let (stage, alice, bob) = alice_and_bob().await;
    let folder = Folder::send(&stage, &alice, &[&bob]).await;
    let member = &folder.small;
    let nothing = paths::fill(paths::FILE, &[&file_id()]);
    for who in [&alice, &bob] {
        let refused = who.get(&stage, &member.file_path()).await;
        let unknown = who.get(&stage, &nothing).await;
        assert_eq!((refused.status, refused.code()), (unknown.status, unknown.code()));
        let cids = paths::fill(paths::CIDS, &[&member.file_id]);
        assert_eq!(who.get(&stage, &cids).await.code(), Code::NotFound);
        let download = file_id().to_string();
        assert_eq!(member.ask_ticket(&stage, who, &download).await.code(), Code::NotFound);
        assert_eq!(who.delete(&stage, &member.file_path()).await.code(), Code::NotFound);
        let grant = paths::fill(paths::GRANT, &[&member.file_id, &bob.user]);
        assert_eq!(who.delete(&stage, &grant).await.code(), Code::NotFound);
        let receipt = json!({ "opened": 1, "signature": B64(vec![0; 64]) });
        let path = paths::fill(paths::RECEIPT, &[&member.file_id]);
        assert_eq!(who.post(&stage, &path, &receipt).await.code(), Code::NotFound);
    }
    let manifest = Manifest::parse(member_request(member, &alice).manifest.0).unwrap();
    let link = Made::new().request(&manifest, &alice);
    assert_eq!(alice.post(&stage, paths::LINKS, &link).await.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ticket_of_another_file_or_folder_gives_no_member() {
    let (stage, alice, bob) = alice_and_bob().await;
    let folder = Folder::send(&stage, &alice, &[&bob]).await;
    let theirs = Folder::send(&stage, &bob, &[]).await;
    let other = Folder::send(&stage, &alice, &[]).await;
    let waiting = Folder::members(&stage, &alice).await;
    for list in [&theirs.list, &folder.list] {
        let ticket = list.ticket(&stage, &bob).await;
        for parcel in [&other.small, &other.large, &waiting.small] {
            let refused = parcel.content(&stage, &ticket, &part(parcel, 0), None).await;
            assert_eq!(refused.code(), Code::Forbidden);
        }
        let shown: MemberList =
            members(&stage, list.file_id, &ticket, &[other.small.file_id, waiting.small.file_id])
                .await
                .json();
        assert_eq!(shown.members, []);
        let refused = members(&stage, other.list.file_id, &ticket, &[other.small.file_id]).await;
        assert_eq!(refused.code(), Code::Forbidden);
    }
    let ticket = folder.list.ticket(&stage, &bob).await;
    assert_eq!(members(&stage, folder.list.file_id, &ticket, &[]).await.code(), Code::Malformed);
    let many = vec![folder.small.file_id; 101];
    assert_eq!(members(&stage, folder.list.file_id, &ticket, &many).await.code(), Code::Malformed);
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_the_folder_back_or_removing_it_closes_its_members_at_once() {
    let (stage, alice, bob) = alice_and_bob().await;
    let folder = Folder::send(&stage, &alice, &[&bob]).await;
    let before: WhoAmI = alice.get(&stage, paths::WHOAMI).await.json();
    let all = folder.small.body.len() + folder.large.body.len() + folder.list.body.len();
    assert_eq!(before.used_bytes, all as u64, "members are paid for");
    assert_gone(&alice.delete(&stage, &paths::fill(paths::GRANT, &[&folder.list.file_id, &bob.user])).await);
    let download = file_id().to_string();
    assert_eq!(folder.list.ask_ticket(&stage, &bob, &download).await.code(), Code::NotFound);
    let ticket = folder.list.ticket(&stage, &alice).await;
    let signed = [b"waxwing/v1/action/delete\0".as_slice(), folder.list.file_id.as_bytes()].concat();
    let proof = B64(alice.root.sign(&[&signed]).to_vec()).to_text();
    let request = stage.request(Method::DELETE, &folder.list.file_path()).bearer_auth(&alice.token);
    assert_gone(&send(request.header(proto::headers::PROOF, proof)).await);
    let after: WhoAmI = alice.get(&stage, paths::WHOAMI).await.json();
    assert_eq!(after.used_bytes, 0);
    let refused = folder.small.content(&stage, &ticket, &part(&folder.small, 0), None).await;
    assert_eq!(refused.code(), Code::Forbidden);
    assert!(
        !members(&stage, folder.list.file_id, &ticket, &[folder.small.file_id]).await.status.is_success()
    );
    stage.run_jobs().await;
    assert_eq!(stage.stored_files(), 0, "and their bytes are gone with the next sweep");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_expire_with_their_folder_and_without_one_after_a_week() {
    let (stage, alice, _) = alice_and_bob().await;
    let folder = Folder::members(&stage, &alice).await;
    let request = Complete { expires_in: 30 * 86_400, ..folder.request(&alice, &[]) };
    folder.list.send_as(&stage, &alice, &request).await;
    Folder::members(&stage, &alice).await;
    let stored = stage.stored_files();
    stage.later(8 * 86_400);
    stage.run_jobs().await;
    assert_eq!(
        stage.stored_files(),
        stored - 4,
        "those that waited: two parts of one, its leaves, and the other"
    );
    let alice = Person {
        token: stage.sign_in(&alice.address).await.access_token.expose_secret().to_owned(),
        ..alice
    };
    let ticket = folder.list.ticket(&stage, &alice).await;
    let content = folder.small.content(&stage, &ticket, &part(&folder.small, 0), None).await;
    assert_eq!(content.body, folder.small.body);
    stage.later(23 * 86_400);
    stage.run_jobs().await;
    assert_eq!(stage.stored_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_free_members_of_ones_own_make_a_folder() {
    let (stage, alice, bob) = alice_and_bob().await;
    let folder = Folder::send(&stage, &alice, &[]).await;
    let plain = Parcel::new(1_000);
    plain.send(&stage, &alice, &[]).await;
    let theirs = Folder::members(&stage, &bob).await;
    let free = Folder::members(&stage, &alice).await;
    let unknown = Parcel::new(1_000);
    let wrong = [
        (&folder.small, "a member of another folder"),
        (&folder.list, "a folder"),
        (&plain, "a file by itself"),
        (&theirs.small, "a member of somebody else's"),
        (&unknown, "nothing"),
    ];
    for (parcel, what) in wrong {
        let list = Parcel::new(500);
        list.begin(&stage, &alice).await;
        list.put_all(&stage, &alice).await;
        let refused =
            list.complete(&stage, &alice, &folder_request(&list, &alice, &[], &[&free.small, parcel])).await;
        assert_eq!(refused.code(), Code::MembersMissing, "{what}");
        // Without it the same upload becomes a folder.
        if what == "nothing" {
            let request = folder_request(&list, &alice, &[], &[&free.small]);
            let done = list.complete(&stage, &alice, &request).await;
            assert_eq!(done.status, StatusCode::OK);
            assert_eq!(list.complete(&stage, &alice, &request).await.body, done.body, "the same again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_grants_and_a_folder_with_odd_members_are_refused() {
    let (stage, alice, bob) = alice_and_bob().await;
    let free = Folder::members(&stage, &alice).await;
    let parcel = Parcel::new(1_000);
    parcel.begin(&stage, &alice).await;
    parcel.put_all(&stage, &alice).await;
    let member = member_request(&parcel, &alice);
    let granted = parcel.complete_request(&alice, &[&bob]);
    let both = ids(&[&free.small, &free.large]).0;
    let turned = [&both[16..], &both[..16]].concat();
    let twice = [&both[..16], &both[..16]].concat();
    let with = |members: Vec<u8>| Complete { members: Some(B64(members)), ..granted.clone() };
    for (what, request) in [
        ("a member with grants", Complete { member: true, ..granted.clone() }),
        ("a member with a limit", Complete { max_downloads: Some(1), ..member.clone() }),
        ("a member that waits for eight days", Complete { expires_in: 8 * 86_400, ..member.clone() }),
        ("a member with members", Complete { members: Some(B64(both.clone())), ..member.clone() }),
        ("no members", with(Vec::new())),
        ("half a member", with(both[..24].to_vec())),
        ("in another order", with(turned)),
        ("twice", with(twice)),
    ] {
        assert_eq!(parcel.complete(&stage, &alice, &request).await.code(), Code::Malformed, "{what}");
    }
    let refused = parcel.complete(&stage, &alice, &Complete { grants: Vec::new(), ..granted.clone() }).await;
    assert_eq!(refused.code(), Code::Rejected, "no grant, and no member");
    let list = Parcel::new(500);
    let complete = folder_request(&list, &alice, &[], &[&free.small]);
    let file = BatchFile { file_id: list.file_id, body: B64(list.body.clone()), complete };
    let refused = alice.post(&stage, paths::BATCH, &Batch { files: vec![file] }).await;
    assert_eq!(refused.code(), Code::Malformed, "a folder in a batch");
    let done: Ticket = {
        list.send_as(&stage, &alice, &folder_request(&list, &alice, &[], &[&free.small])).await;
        list.ask_ticket(&stage, &alice, &file_id().to_string()).await.json()
    };
    assert!(done.expires_at > stage.now());
}
