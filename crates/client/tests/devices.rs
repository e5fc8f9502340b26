//! One person, several devices: they trust alike, and a server that plays them off against each other is found out.

use crate::stage::{Answer, Exchange, Person, Proxy, Stage, address, passphrase};
use client::{
    Address, Cancel, Class, Client, Compress, Contact, ContactsShared, ContainerKey, ContainerRecipient,
    Error, OpenContainer, Quiet, RestoreWith, SealContainer, Share, Source, Target, Unlocked,
};
use envelope::pins::PinsLayout;
use proto::{B64, LookupReply, PinsReply, PutPins, paths};
use std::sync::{Arc, Mutex};

/// Another device of a person, with the keys from the backup at the server.
struct Device {
    client: Client,
    keys: Unlocked,
}

impl Device {
    async fn of(stage: &Stage, person: &Person, home: &str) -> Self {
        person.client.back_up_keys(&person.keys, &passphrase()).await.unwrap();
        let client = stage.stranger(home, Stage::options());
        let code = stage.code(&client, &person.address).await;
        client.sign_in(&person.address, &code).await.unwrap();
        let keys = client.restore_keys(&RestoreWith::Passphrase(&passphrase())).await.unwrap();
        Self { client, keys }
    }

    async fn share(&self) -> ContactsShared {
        self.client.share_contacts(&self.keys, Share::Now).await.unwrap()
    }

    fn knows(&self, address: &Address) -> Option<Contact> {
        known(&self.client, address)
    }
}

fn known(client: &Client, address: &Address) -> Option<Contact> {
    client.contacts().unwrap().into_iter().find(|contact| contact.address == *address)
}

async fn share(person: &Person) -> ContactsShared {
    person.client.share_contacts(&person.keys, Share::Now).await.unwrap()
}

async fn meet(client: &Client, who: &Person) {
    client.lookup(std::slice::from_ref(&who.address)).await.unwrap();
}

/// A server that answers as `lie` says.
pub(crate) async fn lying(
    stage: &Stage,
    client: &Client,
    who: &Address,
    lie: impl Fn(&mut Exchange) + Send + Sync + 'static,
) -> Proxy {
    let proxy = Proxy::start(stage, |_| Answer::Forward, lie).await;
    client.configure_server(proxy.url(), Some(proxy.ca())).unwrap();
    let code = stage.code(client, who).await;
    client.sign_in(who, &code).await.unwrap();
    proxy
}

async fn honest(stage: &Stage, client: &Client, who: &Address) {
    client.configure_server(stage.url(), Some(stage.ca())).unwrap();
    let code = stage.code(client, who).await;
    client.sign_in(who, &code).await.unwrap();
}

pub(crate) fn shows(bundle: Vec<u8>) -> impl Fn(&mut Exchange) + Send + Sync {
    move |exchange| {
        if exchange.path == paths::LOOKUP && exchange.status == 200 {
            let mut reply: LookupReply = serde_json::from_slice(&exchange.reply).unwrap();
            reply.people.iter_mut().for_each(|person| person.bundle = B64(bundle.clone()));
            exchange.reply = serde_json::to_vec(&reply).unwrap();
        }
    }
}

pub(crate) async fn impostor(name: &str) -> Vec<u8> {
    Stage::new().await.person(name).await.client.own_bundle().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_one_device_verified_the_other_trusts_as_well() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let laptop = Device::of(&stage, &alice, "laptop").await;
    assert_eq!(share(&alice).await, ContactsShared::default(), "nobody is known, so nothing is told");
    meet(&alice.client, &bob).await;
    alice.client.verify_contact(&bob.address).unwrap();
    assert!(share(&alice).await.told);
    assert!(!share(&alice).await.told, "the same again is not told again");
    let shared = laptop.share().await;
    assert!(shared.changed_here && !shared.told, "{shared:?}");
    let there = laptop.knows(&bob.address).unwrap();
    assert!(there.verified && there.root_id == bob.keys.root_id());
    assert_eq!(there.first_seen, known(&alice.client, &bob.address).unwrap().first_seen);
    assert!(!laptop.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap()[0].first_contact);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_shows_the_second_device_other_keys_is_found_out_at_once() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let laptop = Device::of(&stage, &alice, "laptop").await;
    meet(&alice.client, &bob).await;
    share(&alice).await;
    let proxy = lying(&stage, &laptop.client, &alice.address, shows(impostor("bob").await)).await;
    let shared = laptop.share().await;
    assert!(shared.changed_here && shared.disputed.is_empty());
    let error = laptop.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap_err();
    assert!(matches!(error, Error::IdentityChanged(_)), "{error}");
    assert_eq!(
        laptop.knows(&bob.address).unwrap().root_id,
        bob.keys.root_id(),
        "the pin of the other device"
    );
    drop(proxy);
    honest(&stage, &laptop.client, &alice.address).await;
    meet(&laptop.client, &bob).await;
    assert_eq!(laptop.knows(&bob.address).unwrap().root_id, bob.keys.root_id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_were_rotated_since_are_reached_over_their_links() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let laptop = Device::of(&stage, &alice, "laptop").await;
    meet(&alice.client, &bob).await;
    alice.client.verify_contact(&bob.address).unwrap();
    share(&alice).await;
    let before = bob.keys.root_id();
    let rotated = bob.client.rotate(&bob.keys, &passphrase(), None).await.unwrap();
    let rotated = bob.client.rotate(&rotated, &passphrase(), None).await.unwrap();
    laptop.share().await;
    let there = laptop.knows(&bob.address).unwrap();
    assert_eq!((there.root_id, there.verified), (rotated.root_id(), true));
    assert_eq!(there.previous[0], before);
    // The laptop tells; the first device, which is behind, follows.
    laptop.share().await;
    let shared = share(&alice).await;
    assert!(shared.changed_here && shared.disputed.is_empty(), "{shared:?}");
    assert_eq!(known(&alice.client, &bob.address).unwrap().root_id, rotated.root_id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_met_one_person_before_and_after_a_rotation_agree() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let laptop = Device::of(&stage, &alice, "laptop").await;
    meet(&alice.client, &bob).await;
    let rotated = bob.client.rotate(&bob.keys, &passphrase(), None).await.unwrap();
    meet(&laptop.client, &bob).await;
    laptop.share().await;
    let shared = share(&alice).await;
    assert!(shared.disputed.is_empty(), "{shared:?}");
    assert_eq!(known(&alice.client, &bob.address).unwrap().root_id, rotated.root_id());
    assert!(laptop.share().await.disputed.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_were_shown_different_keys_stop_until_a_person_compares() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let laptop = Device::of(&stage, &alice, "laptop").await;
    let proxy = lying(&stage, &laptop.client, &alice.address, shows(impostor("bob").await)).await;
    meet(&laptop.client, &bob).await;
    assert_ne!(laptop.knows(&bob.address).unwrap().root_id, bob.keys.root_id(), "the lie was believed");
    drop(proxy);
    meet(&alice.client, &bob).await;
    share(&alice).await;
    honest(&stage, &laptop.client, &alice.address).await;
    assert_eq!(laptop.share().await.disputed, std::slice::from_ref(&bob.address));
    let error = laptop.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap_err();
    assert!(matches!(&error, Error::DevicesDisagree(who) if *who == bob.address), "{error}");
    assert_eq!(error.class(), Class::Identity);
    // Nor without a server: nothing is sealed to either, and nothing opens as theirs.
    let (letter, answer) = (alice.folder.join("letter.wxc"), bob.folder.join("answer.wxc"));
    let request = |to: &Person, from: &Person, path: &std::path::Path| SealContainer {
        source: Source::File(from.file("plan", b"plan")),
        to: vec![ContainerRecipient::Contact(to.address.clone())],
        name: None,
        compress: Compress::Never,
        padded: true,
        target: Target::file(path),
    };
    let (me, stop) = (Some(&laptop.keys), Cancel::new());
    let refused = laptop.client.seal_container(me, request(&bob, &alice, &letter), &Quiet, &stop);
    assert!(matches!(&refused, Err(Error::DevicesDisagree(who)) if *who == bob.address), "{refused:?}");
    meet(&bob.client, &alice).await;
    bob.client.seal_container(Some(&bob.keys), request(&alice, &bob, &answer), &Quiet, &stop).unwrap();
    let request = OpenContainer {
        source: Source::File(answer),
        target: Target::file(alice.folder.join("answer")),
        from: None,
    };
    let key = ContainerKey::Person(&laptop.keys);
    let refused = laptop.client.open_container(key, request, &Quiet, &stop);
    assert!(matches!(&refused, Err(Error::DevicesDisagree(who)) if *who == bob.address), "{refused:?}");
    assert!(!share(&alice).await.changed_here, "what is disputed is not told on");
    let number = bob.client.contacts_import(&alice.client.own_bundle().unwrap(), &alice.address).unwrap();
    let number = number.safety_number.unwrap().to_string();
    laptop.client.accept_new_identity(&bob.address, &number).await.unwrap();
    assert_eq!(laptop.share().await.disputed, []);
    assert_eq!(share(&alice).await.disputed, []);
    meet(&laptop.client, &bob).await;
    meet(&alice.client, &bob).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_one_device_forgot_the_other_forgets_and_who_is_met_again_stays() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let laptop = Device::of(&stage, &alice, "laptop").await;
    meet(&alice.client, &bob).await;
    share(&alice).await;
    laptop.share().await;
    assert!(laptop.client.forget_contact(&bob.address).unwrap());
    laptop.share().await;
    share(&alice).await;
    assert_eq!(known(&alice.client, &bob.address), None);
    meet(&alice.client, &bob).await;
    share(&alice).await;
    laptop.share().await;
    assert!(laptop.knows(&bob.address).is_some());
    assert!(share(&alice).await == ContactsShared::default(), "and so it stays");
    assert!(known(&alice.client, &bob.address).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_write_at_once_lose_nothing() {
    let stage = Stage::new().await;
    let (alice, bob, carol) =
        (stage.person("alice").await, stage.person("bob").await, stage.person("carol").await);
    let laptop = Device::of(&stage, &alice, "laptop").await;
    for _ in 0..3 {
        meet(&alice.client, &bob).await;
        meet(&laptop.client, &carol).await;
        tokio::join!(share(&alice), laptop.share());
        share(&alice).await;
        laptop.share().await;
        for who in [&bob, &carol] {
            assert!(known(&alice.client, &who.address).is_some() && laptop.knows(&who.address).is_some());
        }
        alice.client.verify_contact(&carol.address).unwrap();
        laptop.client.verify_contact(&bob.address).unwrap();
    }
    tokio::join!(share(&alice), laptop.share());
    share(&alice).await;
    laptop.share().await;
    for who in [&bob, &carol] {
        assert!(known(&alice.client, &who.address).unwrap().verified, "{}", who.address.as_str());
        assert!(laptop.knows(&who.address).unwrap().verified);
    }
}

fn record_in(exchange: &Exchange) -> Option<Vec<u8>> {
    let is_it = exchange.path == paths::PINS && exchange.method == "GET" && exchange.status == 200;
    is_it.then(|| serde_json::from_slice::<PinsReply>(&exchange.reply).unwrap().record.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_record_that_is_put_back_is_not_believed_and_a_person_may_write_it_anew() {
    let stage = Stage::new().await;
    let (alice, bob, carol) =
        (stage.person("alice").await, stage.person("bob").await, stage.person("carol").await);
    let first: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let kept = first.clone();
    let _proxy = lying(&stage, &alice.client, &alice.address, move |exchange| {
        if let Some(record) = record_in(exchange) {
            let record = kept.lock().unwrap().get_or_insert(record).clone();
            exchange.reply = serde_json::to_vec(&PinsReply { record: B64(record) }).unwrap();
        }
    })
    .await;
    meet(&alice.client, &bob).await;
    assert!(share(&alice).await.told);
    assert!(!share(&alice).await.told, "the proxy has its copy");
    honest(&stage, &alice.client, &alice.address).await;
    meet(&alice.client, &carol).await;
    assert!(share(&alice).await.told);
    let kept = first.lock().unwrap().clone().unwrap();
    let _proxy = lying(&stage, &alice.client, &alice.address, move |exchange| {
        if record_in(exchange).is_some() {
            exchange.reply = serde_json::to_vec(&PinsReply { record: B64(kept.clone()) }).unwrap();
        }
    })
    .await;
    let error = alice.client.share_contacts(&alice.keys, Share::Now).await.unwrap_err();
    assert!(matches!(error, Error::OlderPins { found: 1, newest: 2 }), "{error}");
    assert!(known(&alice.client, &carol.address).is_some(), "what is known here stays");
    honest(&stage, &alice.client, &alice.address).await;
    assert_eq!(share(&alice).await, ContactsShared::default(), "the honest twin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_the_server_lost_is_missed_and_written_anew_when_a_person_says_so() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    meet(&alice.client, &bob).await;
    share(&alice).await;
    // As after a restored backup of the database.
    let written: Arc<Mutex<Option<PutPins>>> = Arc::default();
    let kept = written.clone();
    let empty = move |exchange: &Exchange| {
        if exchange.path == paths::PINS && exchange.method == "PUT" {
            *kept.lock().unwrap() = Some(serde_json::from_slice(&exchange.body).unwrap());
            return Answer::Reply(204, "", Vec::new());
        }
        let problem = br#"{"type":"about:blank","title":"t","status":404,"code":"not_found","detail":"d","request_id":"r"}"#;
        match exchange.path == paths::PINS && exchange.method == "GET" {
            true => Answer::Reply(404, "application/problem+json", problem.to_vec()),
            false => Answer::Forward,
        }
    };
    let proxy = Proxy::start(&stage, empty, |_| ()).await;
    alice.client.configure_server(proxy.url(), Some(proxy.ca())).unwrap();
    let code = stage.code(&alice.client, &alice.address).await;
    alice.client.sign_in(&alice.address, &code).await.unwrap();
    let error = alice.client.share_contacts(&alice.keys, Share::Now).await.unwrap_err();
    assert!(matches!(error, Error::OlderPins { found: 0, newest: 1 }), "{error}");
    assert_eq!(error.class(), Class::Identity);
    assert!(written.lock().unwrap().is_none(), "nothing is written without a person's word");
    let anew = alice.client.share_contacts(&alice.keys, Share::Anew).await.unwrap();
    assert!(anew.told);
    let written = written.lock().unwrap().take().unwrap();
    let layout = PinsLayout::parse(&written.record.0).unwrap();
    assert_eq!((written.previous, layout.version()), (0, 2), "above all that was ever seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_was_changed_or_is_somebody_elses_is_refused() {
    let stage = Stage::new().await;
    let (alice, bob, mallory) =
        (stage.person("alice").await, stage.person("bob").await, stage.person("mallory").await);
    let laptop = Device::of(&stage, &alice, "laptop").await;
    meet(&alice.client, &bob).await;
    share(&alice).await;
    meet(&mallory.client, &bob).await;
    share(&mallory).await;
    let theirs: Arc<Mutex<Vec<u8>>> = Arc::default();
    let kept = theirs.clone();
    let proxy = lying(&stage, &mallory.client, &mallory.address, move |exchange| {
        kept.lock().unwrap().extend(record_in(exchange).unwrap_or_default());
    })
    .await;
    share(&mallory).await;
    drop(proxy);
    for lie in 0..3 {
        let theirs = theirs.lock().unwrap().clone();
        let _proxy = lying(&stage, &laptop.client, &alice.address, move |exchange| {
            if let Some(mut record) = record_in(exchange) {
                let last = record.len() - 100;
                match lie {
                    0 => record[last] ^= 1,
                    1 => record.truncate(last),
                    _ => record.clone_from(&theirs),
                }
                exchange.reply = serde_json::to_vec(&PinsReply { record: B64(record) }).unwrap();
            }
        })
        .await;
        let error = laptop.client.share_contacts(&laptop.keys, Share::Now).await.unwrap_err();
        assert!(matches!(error, Error::NotAuthentic), "{lie}: {error}");
        assert_eq!(laptop.knows(&bob.address), None);
    }
    honest(&stage, &laptop.client, &alice.address).await;
    laptop.share().await;
    assert!(laptop.knows(&bob.address).is_some(), "the honest twin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_by_a_root_that_was_given_up_is_written_over_and_not_believed() {
    let stage = Stage::new().await;
    let (alice, bob, carol) =
        (stage.person("alice").await, stage.person("bob").await, stage.person("carol").await);
    let laptop = Device::of(&stage, &alice, "laptop").await;
    meet(&alice.client, &bob).await;
    share(&alice).await;
    // Whoever has stolen the old keys tells of Carol just before they are given up.
    meet(&laptop.client, &carol).await;
    laptop.share().await;
    let rotated = alice.client.rotate(&alice.keys, &passphrase(), None).await.unwrap();
    let shared = alice.client.share_contacts(&rotated, Share::Now).await.unwrap();
    assert!(shared.told && !shared.changed_here, "{shared:?}");
    assert_eq!(known(&alice.client, &carol.address), None);
    let error = laptop.client.share_contacts(&laptop.keys, Share::Now).await.unwrap_err();
    assert!(matches!(error, Error::NotAuthentic), "the old keys open it no more: {error}");
    assert_eq!(known(&alice.client, &address("nobody")), None);
}
