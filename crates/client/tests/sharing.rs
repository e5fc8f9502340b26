//! After sharing: more people, passing on, another name, other limits, the end; and a server that lies about them.

use crate::rotation::{back, via};
use crate::stage::{Answer, Exchange, Person, Proxy, Stage, Told};
use client::{Error, FileId, LinkLimits, Note, ShareWith, Trust};
use proto::{B64, FileInfo, FilePage, PassedBy};

const DAY: i64 = 86_400;

async fn three() -> (Stage, Person, Person, Person, FileId) {
    let stage = Stage::new().await;
    let (alice, bob, carol) =
        (stage.person("alice").await, stage.person("bob").await, stage.person("carol").await);
    let path = alice.file("plan.pdf", b"sails");
    let id = alice.send(&path, &bob).await.unwrap().file_id;
    (stage, alice, bob, carol, id)
}

async fn share(from: &Person, id: FileId, to: &Person) -> client::Result<client::SharedFile> {
    let with = ShareWith { to: vec![to.address.clone()], to_keys: Vec::new() };
    from.client.share(&from.keys, id, with, &Told::default()).await
}

fn is_info(exchange: &Exchange) -> bool {
    exchange.method == "GET" && exchange.path.starts_with("/api/v1/files/")
}

/// A server that says something else of one file.
async fn lying(stage: &Stage, change: impl Fn(&mut FileInfo) + Send + Sync + 'static) -> Proxy {
    let lie = move |exchange: &mut Exchange| {
        if is_info(exchange) && exchange.status == 200 {
            let mut info: FileInfo = serde_json::from_slice(&exchange.reply).unwrap();
            change(&mut info);
            exchange.reply = serde_json::to_vec(&info).unwrap();
        }
    };
    Proxy::start(stage, |_| Answer::Forward, lie).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_passed_on_and_its_receiver_is_told_by_whom_and_its_author_sees_it() {
    let (_stage, alice, bob, carol, id) = three().await;
    bob.receive(id).await.unwrap();
    assert!(matches!(carol.receive(id).await, Err(Error::NotFound)));
    let shared = share(&bob, id, &carol).await.unwrap();
    assert!(shared.passed_on && shared.added == [carol.address.clone()], "{shared:?}");
    let told = Told::default();
    let target = client::Target::directory(&carol.folder);
    let got = carol.client.receive(&carol.keys, id, target, &told, &client::Cancel::new()).await.unwrap();
    assert_eq!((got.sender.address.as_ref(), got.sender.trust), (Some(&alice.address), Trust::FirstContact));
    let passer = got.passed_by.unwrap();
    assert_eq!((passer.address.as_ref(), passer.trust), (Some(&bob.address), Trust::FirstContact));
    let met =
        told.notes.lock().unwrap().iter().filter(|note| matches!(note, Note::FirstContact { .. })).count();
    assert_eq!(met, 2, "both are new to Carol, and she is told of both");
    assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), b"sails");
    let listed = carol.client.list(&carol.keys, client::FilePaging::default()).await.unwrap();
    let passer = listed.files[0].passed_by.as_ref().unwrap();
    assert_eq!((passer.address.as_ref(), passer.trust), (Some(&bob.address), Trust::Pinned));
    // The author sees who has access, by whom, and who fetched it; and takes it back.
    alice.client.lookup(std::slice::from_ref(&carol.address)).await.unwrap();
    let seen = alice.client.info(&alice.keys, id).await.unwrap();
    let carols = seen.recipients.iter().find(|one| one.address.as_ref() == Some(&carol.address)).unwrap();
    assert_eq!(carols.given_by.as_ref().unwrap().address.as_ref(), Some(&bob.address));
    assert_eq!(carols.downloads, 1);
    let bobs = alice.client.revoke(&alice.keys, id, &bob.address).await.unwrap();
    let left = alice.client.passed_on_by(id, bobs).await.unwrap();
    assert_eq!(left[0].address.as_ref(), Some(&carol.address));
    assert!(matches!(share(&bob, id, &carol).await, Err(Error::NotFound)));
    alice.client.revoke(&alice.keys, id, &carol.address).await.unwrap();
    assert!(matches!(carol.receive(id).await, Err(Error::NotFound)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_adds_people_and_keys_later_also_after_new_keys_of_their_own() {
    let (_stage, mut alice, bob, carol, id) = three().await;
    let new = client::Passphrase::parse("eleven calm otters cross the river".to_owned()).unwrap();
    alice.keys = alice.client.rotate(&alice.keys, &new, None).await.unwrap();
    let shared = share(&alice, id, &carol).await.unwrap();
    assert_eq!((shared.passed_on, shared.added), (false, vec![carol.address.clone()]));
    assert_eq!(share(&alice, id, &bob).await.unwrap().already, std::slice::from_ref(&bob.address));
    assert_eq!(share(&alice, id, &alice).await.unwrap().already, std::slice::from_ref(&alice.address));
    // Signed by a root that is retired by the next change of keys, which stands between the file's and the newest.
    alice.keys = alice.client.rotate(&alice.keys, &new, None).await.unwrap();
    let got = carol.receive(id).await.unwrap();
    assert_eq!((got.passed_by, got.sender.retired_root), (None, true));
    // Another name is signed by the root that signed the file.
    let before = alice.client.rename(&alice.keys, id, "map.pdf").await.unwrap();
    assert_eq!(before, "plan.pdf");
    assert_eq!(bob.receive(id).await.unwrap().name, "map.pdf");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_leaves_the_file_to_its_author_alone() {
    let (stage, alice, bob, carol, id) = three().await;
    share(&bob, id, &carol).await.unwrap();
    let (link, _) = alice.client.make_link(&alice.keys, id, None, LinkLimits::default()).await.unwrap();
    assert!(matches!(bob.client.stop_sharing(id).await, Err(Error::NotTheSender)));
    let stopped = alice.client.stop_sharing(id).await.unwrap();
    assert_eq!((stopped.people, stopped.keys, stopped.links), (2, 0, 1));
    for person in [&bob, &carol] {
        assert!(matches!(person.receive(id).await, Err(Error::NotFound)));
        assert!(person.names().iter().all(|name| name != "plan.pdf"));
    }
    let visitor = stage.stranger("visitor", Stage::options());
    let target = client::Target::directory(stage.folder.path());
    let (told, cancel) = (Told::default(), client::Cancel::new());
    let closed = visitor.receive_link(&link, None, Some(stage.ca()), target, &told, &cancel).await;
    assert!(matches!(closed, Err(Error::LinkClosed { .. })));
    std::fs::remove_file(alice.folder.join("plan.pdf")).unwrap();
    assert_eq!(alice.receive(id).await.unwrap().bytes, 5);
    assert!(alice.client.info(&alice.keys, id).await.unwrap().recipients.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_changed_by_the_author_within_a_year_of_sending() {
    let (_stage, alice, bob, _, id) = three().await;
    let (terms, latest) = alice.client.file_terms(&alice.keys, id).await.unwrap();
    assert_eq!(latest, terms.expires_at - 7 * DAY + 366 * DAY);
    let changed = alice.client.change_file(id, latest, Some(1)).await.unwrap();
    assert_eq!((changed.expires_at, changed.max_downloads), (latest, Some(1)));
    assert!(alice.client.change_file(id, latest + 1, None).await.is_err());
    assert!(matches!(bob.client.change_file(id, latest, None).await, Err(Error::NotTheSender)));
    assert!(matches!(alice.client.change_file(id, latest, Some(0)).await, Err(Error::BadLimit(_))));
    bob.receive(id).await.unwrap();
    let seen = bob.client.info(&bob.keys, id).await.unwrap();
    assert_eq!((seen.expires_at, seen.max_downloads, seen.downloads), (latest, Some(1), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_name_is_refused_once_the_new_one_was_seen_or_the_grant_is_newer() {
    let (stage, alice, bob, carol, id) = three().await;
    let before = bob.client.info(&bob.keys, id).await.unwrap();
    assert_eq!(before.name, "plan.pdf");
    // What the server had at first.
    let old: std::sync::Arc<std::sync::Mutex<Option<B64>>> = std::sync::Arc::default();
    let note = old.clone();
    let proxy = lying(&stage, move |info| *note.lock().unwrap() = Some(info.manifest.clone())).await;
    via(&stage, &bob, &proxy).await;
    bob.client.info(&bob.keys, id).await.unwrap();
    let old = old.lock().unwrap().clone().unwrap();
    back(&stage, &bob).await;
    assert!(matches!(bob.client.rename(&bob.keys, id, "mine.pdf").await, Err(Error::NotTheSender)));
    assert!(matches!(alice.client.rename(&alice.keys, id, "a/b").await, Err(Error::BadName(_))));
    alice.client.rename(&alice.keys, id, "map.pdf").await.unwrap();
    assert_eq!(bob.client.info(&bob.keys, id).await.unwrap().name, "map.pdf");
    // Carol is given it after the rename: her grant asks for that revision, and she has seen none.
    share(&alice, id, &carol).await.unwrap();
    for person in [&bob, &carol, &alice] {
        let shown = old.clone();
        let proxy = lying(&stage, move |info| info.manifest = shown.clone()).await;
        via(&stage, person, &proxy).await;
        let told = person.client.info(&person.keys, id).await;
        assert!(matches!(told, Err(Error::NotAuthentic)), "{told:?}");
        back(&stage, person).await;
        assert_eq!(person.client.info(&person.keys, id).await.unwrap().name, "map.pdf");
    }
    assert_eq!(carol.receive(id).await.unwrap().name, "map.pdf");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_about_who_passed_it_on_is_refused_and_believed_in_nothing() {
    let (stage, alice, bob, carol, id) = three().await;
    let dave = stage.person("dave").await;
    share(&bob, id, &carol).await.unwrap();
    let [alices, bobs, daves] = [&alice, &bob, &dave].map(|person| B64(person.client.own_bundle().unwrap()));
    let (a, b, d) = (alice.keys.user_id(), bob.keys.user_id(), dave.keys.user_id());
    type Lie = Box<dyn Fn(&mut FileInfo) + Send + Sync>;
    let by = |user_id, bundle: &B64| Some(PassedBy { user_id, bundle: Some(bundle.clone()) });
    let lies: [(&str, Option<PassedBy>); 6] = [
        ("as the author's own sharing", None),
        ("as passed on by somebody else", by(d, &daves)),
        ("under the account of somebody else", by(d, &bobs)),
        ("as passed on by the author", by(a, &alices)),
        ("as passed on under the author's account", by(a, &bobs)),
        ("by somebody of whom nothing is known", Some(PassedBy { user_id: b, bundle: None })),
    ];
    for (what, passed_by) in lies {
        let lie: Lie = Box::new(move |info| info.passed_by = passed_by.clone());
        let proxy = lying(&stage, lie).await;
        via(&stage, &carol, &proxy).await;
        let got = carol.receive(id).await;
        assert!(matches!(got, Err(Error::NotAuthentic)), "{what}: {got:?}");
        assert!(carol.names().is_empty(), "{what}");
    }
    back(&stage, &carol).await;
    assert_eq!(carol.receive(id).await.unwrap().passed_by.unwrap().address, Some(bob.address.clone()));
    // What the author gave is the author's, whoever the server names: the signature says who gave it.
    let named = by(d, &daves);
    let proxy = lying(&stage, move |info| info.passed_by = named.clone()).await;
    via(&stage, &bob, &proxy).await;
    assert_eq!(bob.receive(id).await.unwrap().passed_by, None);
    // Whoever has left is known by what was pinned of them.
    let left = Some(PassedBy { user_id: b, bundle: None });
    let proxy = lying(&stage, move |info| info.passed_by = left.clone()).await;
    via(&stage, &carol, &proxy).await;
    let seen = carol.client.info(&carol.keys, id).await.unwrap();
    assert_eq!(seen.passed_by.unwrap().address, Some(bob.address.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drops_a_grant_is_noticed_by_the_author() {
    let (stage, alice, _bob, carol, id) = three().await;
    let dropping = move |exchange: &mut Exchange| {
        if is_info(exchange) && exchange.status == 200 {
            let mut info: FileInfo = serde_json::from_slice(&exchange.reply).unwrap();
            info.recipients.retain(|holder| holder.downloads == u32::MAX);
            exchange.reply = serde_json::to_vec(&info).unwrap();
        }
    };
    let proxy = Proxy::start(&stage, |_| Answer::Forward, dropping).await;
    via(&stage, &alice, &proxy).await;
    let shared = share(&alice, id, &carol).await.unwrap();
    assert_eq!((shared.missing, shared.added), (vec![carol.address.clone()], Vec::new()));
    back(&stage, &alice).await;
    assert_eq!(share(&alice, id, &carol).await.unwrap().missing, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_nothing_that_was_passed_on_by_nobody_known() {
    let (stage, _alice, bob, carol, id) = three().await;
    share(&bob, id, &carol).await.unwrap();
    let lie = |exchange: &mut Exchange| {
        if exchange.method == "GET" && exchange.path.starts_with("/api/v1/files?")
            || exchange.path == "/api/v1/files"
        {
            let mut page: FilePage = serde_json::from_slice(&exchange.reply).unwrap();
            page.files.iter_mut().for_each(|file| file.passed_by = None);
            exchange.reply = serde_json::to_vec(&page).unwrap();
        }
    };
    let proxy = Proxy::start(&stage, |_| Answer::Forward, lie).await;
    via(&stage, &carol, &proxy).await;
    let list = carol.client.list(&carol.keys, client::FilePaging::default()).await.unwrap();
    assert_eq!((list.files.len(), list.refused), (0, vec![id]));
}
