//! Who is told what.

use proto::{Code, paths};
use serde_json::json;

use super::{activity, kinds};
use crate::stage::sealed::{alice_and_bob, assert_gone};
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_does_stands_in_their_activity_in_order() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    parcel.ticket(&stage, &bob).await;
    let grant = paths::fill(paths::GRANT, &[&parcel.file_id, &bob.user]);
    assert_gone(&alice.delete(&stage, &grant).await);
    let proof = alice.root.sign(&[b"waxwing/v1/action/delete\0", parcel.file_id.as_bytes()]);
    let request = stage.request(reqwest::Method::DELETE, &parcel.file_path()).bearer_auth(&alice.token);
    let proof = proto::B64(proof.to_vec()).to_text();
    assert_gone(&send(request.header(proto::headers::PROOF, proof)).await);
    assert_eq!(
        kinds(&stage, &alice, "").await,
        [
            "account_made",
            "signed_in",
            "keys_published",
            "file_sent",
            "file_shared",
            "file_fetched",
            "access_revoked",
            "file_deleted"
        ]
    );
    let bobs = ["account_made", "signed_in", "keys_published", "file_fetched"];
    assert_eq!(kinds(&stage, &bob, "").await, bobs);
    let shared = activity(&stage, &alice, "?kind=file_shared").await.events.remove(0);
    assert_eq!(
        (shared.actor, shared.other, shared.file_id),
        (alice.user, Some(bob.user), Some(parcel.file_id))
    );
    let fetched = activity(&stage, &alice, "?kind=file_fetched").await.events.remove(0);
    assert_eq!((fetched.actor, fetched.file_id), (bob.user, Some(parcel.file_id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_told_once() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let request = parcel.complete_request(&alice, &[&bob]);
    parcel.send_as(&stage, &alice, &request).await;
    parcel.complete(&stage, &alice, &request).await.json::<proto::Completed>();
    for _ in 0..3 {
        let download = "11111111-1111-4111-8111-111111111111";
        parcel.ask_ticket(&stage, &bob, download).await.json::<proto::Ticket>();
    }
    let about = format!("?file={}", parcel.file_id);
    assert_eq!(kinds(&stage, &alice, &about).await, ["file_sent", "file_shared", "file_fetched"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_the_activity_of_others_and_strangers_see_none() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    parcel.ticket(&stage, &bob).await;
    for path in [paths::ACTIVITY, paths::HEADS] {
        assert_eq!(stage.get(path).await.code(), Code::SignInNeeded);
    }
    let about = format!("?file={}", parcel.file_id);
    assert_eq!(kinds(&stage, &carol, &about).await, [] as [&str; 0]);
    assert_eq!(kinds(&stage, &bob, &about).await, ["file_fetched"], "what they did themselves");
    assert_eq!(kinds(&stage, &alice, &about).await, ["file_sent", "file_shared", "file_fetched"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_calls_itself_is_for_its_person_alone() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    let ticket = json!({ "download_id": "11111111-1111-4111-8111-111111111111" });
    let path = paths::fill(paths::TICKET, &[&parcel.file_id]);
    let request = stage.request(reqwest::Method::POST, &path).bearer_auth(&bob.token).json(&ticket);
    send(request.header(proto::headers::CLIENT, "wax/9.9.9-bobs-own")).await.json::<proto::Ticket>();
    let agent = async |person| activity(&stage, person, "?kind=file_fetched").await.events.remove(0).agent;
    assert_eq!(agent(&bob).await.as_deref(), Some("wax/9.9.9-bobs-own"));
    assert_eq!(agent(&alice).await, None);
    let means = activity(&stage, &bob, "?kind=signed_in").await.events.remove(0).means;
    assert_eq!(means.as_deref(), Some("code"));
    // Nor does the database say it in clear.
    assert!(!stage.database_holds(b"bobs-own"));
    assert!(stage.database_holds(b"signed_in"), "what rests in clear is found");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_pages_hang_together_and_nonsense_is_refused() {
    let (stage, alice, bob) = alice_and_bob().await;
    let begin = stage.now();
    stage.later(100);
    for _ in 0..3 {
        Parcel::new(1_000).send(&stage, &alice, &[&bob]).await;
    }
    let whole = activity(&stage, &alice, "?limit=200").await;
    assert_eq!((whole.events.len(), whole.next), (9, None));
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = activity(&stage, &alice, &format!("?limit=4{after}")).await;
        ids.extend(page.events.iter().map(|event| event.id));
        let Some(next) = page.next else { break };
        after = format!("&after={next}");
    }
    assert_eq!(ids, whole.events.iter().map(|event| event.id).collect::<Vec<_>>());
    assert_eq!(kinds(&stage, &alice, "?kind=file_sent").await.len(), 3);
    assert_eq!(kinds(&stage, &alice, &format!("?since={}", begin + 1)).await.len(), 6);
    for query in ["?kind=nonsense", "?limit=0", "?limit=201", "?after=x", "?file=x", "?since=x", "?more=1"] {
        let refused = alice.get(&stage, &format!("{}{query}", paths::ACTIVITY)).await;
        assert_eq!(refused.code(), Code::Malformed, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_an_account_is_told_to_its_person() {
    let stage = Stage::new().await;
    let session = stage.sign_in("a@wax.example").await;
    let token = json!({ "refresh_token": session.refresh_token.expose_secret() });
    stage.post(paths::REFRESH, &token).await.json::<proto::SessionReply>();
    stage.later(120);
    assert_eq!(stage.post(paths::REFRESH, &token).await.code(), Code::SignInNeeded);
    let code = stage.code_for("a@wax.example").await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(stage.redeem("a@wax.example", wrong).await.code(), Code::CodeRejected);
    assert_eq!(stage.redeem("nobody@wax.example", wrong).await.code(), Code::CodeRejected);
    let again = stage.redeem("a@wax.example", &code).await.json::<proto::SessionReply>();
    let mut person = Person::new(&stage, "b@wax.example").await;
    person.token = again.access_token.expose_secret().to_owned();
    // Noted in the background, so that the answer to a guess takes the same time for everybody.
    let all = loop {
        let all = kinds(&stage, &person, "").await;
        if all.iter().any(|kind| kind == "code_rejected") {
            break all;
        }
        tokio::task::yield_now().await;
    };
    let count = |wanted: &str| all.iter().filter(|kind| *kind == wanted).count();
    assert_eq!((count("account_made"), count("signed_in"), count("session_copied")), (1, 2, 1), "{all:?}");
    assert_eq!(count("code_rejected"), 1);
    let logout = stage.request(reqwest::Method::POST, paths::LOGOUT).bearer_auth(&person.token);
    assert_gone(&send(logout.json(&json!({}))).await);
    let third = stage.sign_in("a@wax.example").await;
    person.token = third.access_token.expose_secret().to_owned();
    assert_eq!(kinds(&stage, &person, "?kind=session_ended").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_noted_once_an_hour_and_not_with_every_refusal() {
    let stage = Stage::with(|config| config.limits.lookups = 1).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    for _ in 0..4 {
        alice.post(&stage, paths::LOOKUP, &json!({ "addresses": [] })).await;
    }
    assert_eq!(kinds(&stage, &alice, "?kind=limit_reached").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_file_is_told_to_its_owner() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let mut request = parcel.complete_request(&alice, &[&bob]);
    request.expires_in = 600;
    parcel.send_as(&stage, &alice, &request).await;
    stage.later(600);
    stage.run_jobs().await;
    assert_eq!(kinds(&stage, &alice, "?kind=file_expired").await.len(), 1);
    assert_eq!(kinds(&stage, &bob, "?kind=file_expired").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn erasure_takes_the_personal_fields_and_leaves_the_chain() {
    let (stage, _, bob) = alice_and_bob().await;
    stage.run_jobs().await;
    let log = super::check::log(&stage).await;
    let before = log.check(None).await.unwrap();
    assert!(stage.database().await.forget_audit_key(bob.user).await.unwrap());
    let signed_in = activity(&stage, &bob, "?kind=signed_in").await.events.remove(0);
    assert_eq!((signed_in.agent, signed_in.means), (None, None));
    let after = log.check(None).await.unwrap();
    assert_eq!((after.faults.as_slice(), after.newest), ([].as_slice(), before.newest));
}
