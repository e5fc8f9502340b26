//! Passkeys: `POST /auth/passkeys…`, `/auth/passkey…`, `/auth/second/passkey…`, through an authenticator of the tests.

use envelope::action::FactorChange;
use proto::{
    B64, BackupCodes, CeremonyBegun, Code, PasskeyAdded, PasskeyList, SecondFactor, SessionReply, SignIn,
    TotpSecret, WhoAmI, paths,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::config::SecondFactorRule;

use super::browser::{cookie, own_page};
use crate::stage::authenticator::{Authenticator, PRESENT, Said};
use crate::stage::server::send;
use crate::stage::{Person, Reply, Stage};

const ALICE: &str = "alice@wax.example";

pub(crate) fn honest(_: &mut Said) {}

/// The signature by which the root key asks for a change.
fn proof(stage: &Stage, person: &Person, change: FactorChange) -> Value {
    super::factor::proof(stage, person, change)["proof"].take()
}

/// The wish for a passkey of this name.
pub(crate) fn named(stage: &Stage, person: &Person, name: &str) -> Value {
    json!({ "name": name, "proof": proof(stage, person, FactorChange::Add) })
}

async fn begin_to_add(stage: &Stage, person: &Person, name: &str) -> CeremonyBegun {
    person.post(stage, paths::PASSKEYS, &named(stage, person, name)).await.json()
}

async fn finish(stage: &Stage, person: &Person, begun: &CeremonyBegun, credential: &Value) -> Reply {
    person.post(stage, paths::PASSKEYS_FINISH, &end(begun, credential)).await
}

pub(crate) fn end(begun: &CeremonyBegun, credential: &Value) -> Value {
    json!({ "ceremony": begun.ceremony.expose_secret(), "credential": credential })
}

/// What somebody has who was not let begin: options of their own making, under a token of nothing.
pub(crate) fn never_begun() -> CeremonyBegun {
    let nothing = B64(vec![0; 32]).to_text();
    let options = json!({ "publicKey": {
        "challenge": nothing,
        "rp": { "id": "localhost" },
        "user": { "id": nothing },
    } });
    CeremonyBegun { ceremony: proto::Token::new(nothing), expires_in: 0, options }
}

/// Adds a passkey; where it lives, and what was told.
pub(crate) async fn add(stage: &Stage, person: &Person, name: &str) -> (Authenticator, PasskeyAdded) {
    let begun = begin_to_add(stage, person, name).await;
    let (authenticator, credential) = Authenticator::create(&begun.options, &stage.url, honest);
    (authenticator, finish(stage, person, &begun, &credential).await.json())
}

pub(crate) async fn begin(stage: &Stage) -> CeremonyBegun {
    stage.post(paths::PASSKEY, &json!({})).await.json()
}

/// Signs in by a passkey alone, with what a test makes of it.
async fn sign_in(stage: &Stage, authenticator: &Authenticator, lie: impl FnOnce(&mut Said)) -> Reply {
    let begun = begin(stage).await;
    let credential = authenticator.sign(&begun.options, &stage.url, lie);
    stage.post(paths::PASSKEY_SESSION, &end(&begun, &credential)).await
}

/// A sign-in that has proved the mailbox.
pub(crate) async fn half(stage: &Stage, address: &str) -> SecondFactor {
    let code = stage.code_for(address).await;
    match stage.redeem(address, &code).await.json() {
        SignIn::Half { second_factor } => second_factor,
        SignIn::Session(_) => panic!("a session without the second factor"),
    }
}

pub(crate) async fn begin_second(stage: &Stage, half: &SecondFactor) -> CeremonyBegun {
    stage.post(paths::SECOND_PASSKEY, &json!({ "token": half.token.expose_secret() })).await.json()
}

async fn second(stage: &Stage, half: &SecondFactor, begun: &CeremonyBegun, credential: &Value) -> Reply {
    let mut body = end(begun, credential);
    body["token"] = json!(half.token.expose_secret());
    stage.post(paths::SECOND_PASSKEY_FINISH, &body).await
}

async fn whoami(stage: &Stage, session: &SessionReply) -> WhoAmI {
    let request = stage.request(Method::GET, paths::WHOAMI).bearer_auth(session.access_token.expose_secret());
    send(request).await.json()
}

async fn kinds(stage: &Stage, person: &Person) -> Vec<String> {
    let page: proto::ActivityPage = person.get(stage, paths::ACTIVITY).await.json();
    page.events.into_iter().map(|event| event.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_signs_in_in_the_place_of_the_mail_and_counts_as_two_factors() {
    let stage = Stage::with(|config| config.factor.second_factor = SecondFactorRule::Required).await;
    let alice = Person::new(&stage, ALICE).await;
    assert_eq!(alice.get(&stage, paths::FILES).await.code(), Code::SecondFactorNeeded);
    let begun: CeremonyBegun = alice.post(&stage, paths::PASSKEYS, &json!({ "name": "key" })).await.json();
    let selection = &begun.options["publicKey"]["authenticatorSelection"];
    assert_eq!(selection["userVerification"], "required");
    assert_eq!(selection["residentKey"], "required");
    let (authenticator, credential) = Authenticator::create(&begun.options, &stage.url, honest);
    let added: PasskeyAdded = finish(&stage, &alice, &begun, &credential).await.json();
    assert_eq!((added.passkey.name.as_str(), added.codes.len()), ("key", 10));
    assert_eq!(alice.get(&stage, paths::FILES).await.status, StatusCode::OK, "the same session");
    let session: SessionReply = sign_in(&stage, &authenticator, honest).await.json();
    let me = whoami(&stage, &session).await;
    assert_eq!(
        (me.user_id, me.second_factor, me.authenticator_app, me.passkeys),
        (alice.user, true, false, 1)
    );
    let fresh = Person { token: session.access_token.expose_secret().to_owned(), ..alice };
    assert_eq!(fresh.get(&stage, paths::FILES).await.status, StatusCode::OK);
    let event = fresh.get(&stage, &format!("{}?kind=signed_in", paths::ACTIVITY)).await;
    assert_eq!(event.json::<proto::ActivityPage>().events[0].means.as_deref(), Some("passkey"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_passkey_the_mailbox_alone_opens_no_session() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (authenticator, _) = add(&stage, &alice, "laptop").await;
    let half = half(&stage, ALICE).await;
    assert_eq!((half.app, half.passkeys), (false, true));
    let begun = begin_second(&stage, &half).await;
    assert_eq!(begun.options["publicKey"]["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(begun.options["publicKey"]["userVerification"], "required");
    let credential = authenticator.sign(&begun.options, &stage.url, honest);
    let session: SessionReply = second(&stage, &half, &begun, &credential).await.json();
    assert_eq!(whoami(&stage, &session).await.user_id, alice.user);
    let again = second(&stage, &half, &begun, &credential).await;
    assert_eq!(again.code(), Code::SignInNeeded, "one sign-in opens one session");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_authenticator_signed_is_good_once() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let begun = begin_to_add(&stage, &alice, "laptop").await;
    let (authenticator, credential) = Authenticator::create(&begun.options, &stage.url, honest);
    finish(&stage, &alice, &begun, &credential).await.json::<PasskeyAdded>();
    assert_eq!(finish(&stage, &alice, &begun, &credential).await.code(), Code::Conflict);

    let begun = begin(&stage).await;
    let body = end(&begun, &authenticator.sign(&begun.options, &stage.url, honest));
    let replies = (0..6).map(|_| stage.post(paths::PASSKEY_SESSION, &body));
    let replies = futures::future::join_all(replies).await;
    assert_eq!(replies.iter().filter(|reply| reply.status.is_success()).count(), 1);
    for reply in replies.iter().filter(|reply| !reply.status.is_success()) {
        assert_eq!(reply.code(), Code::SignInNeeded);
    }
    // Nor is it good under a ceremony that began later.
    let later = begin(&stage).await;
    let replayed = json!({ "ceremony": later.ceremony.expose_secret(), "credential": body["credential"] });
    assert_eq!(stage.post(paths::PASSKEY_SESSION, &replayed).await.code(), Code::PasskeyRejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceremony_that_was_answered_wrongly_is_over() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (authenticator, _) = add(&stage, &alice, "laptop").await;
    let begun = begin(&stage).await;
    let wrong = authenticator.sign(&begun.options, &stage.url, |said| said.flags = PRESENT);
    assert_eq!(stage.post(paths::PASSKEY_SESSION, &end(&begun, &wrong)).await.code(), Code::PasskeyRejected);
    let right = authenticator.sign(&begun.options, &stage.url, honest);
    assert_eq!(stage.post(paths::PASSKEY_SESSION, &end(&begun, &right)).await.code(), Code::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceremony_ends_after_five_minutes() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let adding = begin_to_add(&stage, &alice, "late").await;
    let (authenticator, _) = add(&stage, &alice, "laptop").await;
    let (begun, early) = (begin(&stage).await, begin(&stage).await);
    assert_eq!(begun.expires_in, 300);
    let second_half = half(&stage, ALICE).await;
    let showing = begin_second(&stage, &second_half).await;
    stage.later(299);
    let credential = authenticator.sign(&early.options, &stage.url, honest);
    stage.post(paths::PASSKEY_SESSION, &end(&early, &credential)).await.json::<SessionReply>();
    stage.later(1);
    let credential = authenticator.sign(&begun.options, &stage.url, honest);
    assert_eq!(
        stage.post(paths::PASSKEY_SESSION, &end(&begun, &credential)).await.code(),
        Code::SignInNeeded
    );
    let credential = authenticator.sign(&showing.options, &stage.url, honest);
    assert_eq!(second(&stage, &second_half, &showing, &credential).await.code(), Code::PasskeyRejected);
    let (_, credential) = Authenticator::create(&adding.options, &stage.url, honest);
    assert_eq!(finish(&stage, &alice, &adding, &credential).await.code(), Code::Conflict);
}

/// A name, and what is changed.
type Lie = (&'static str, fn(&mut Said));

/// Every lie that browser and authenticator can tell in a ceremony.
const LIES: [Lie; 10] = [
    ("another origin", |said| said.origin = "https://evil.example".to_owned()),
    ("another port", |said| said.origin = "https://localhost:1".to_owned()),
    ("another scheme", |said| said.origin = said.origin.replace("https", "http")),
    ("a name below", |said| said.origin = said.origin.replace("localhost", "evil.localhost")),
    ("inside a frame of another site", |said| said.cross_origin = true),
    ("another relying party", |said| said.rp_id = "evil.example".to_owned()),
    ("another challenge", |said| said.challenge = B64(vec![7; 32]).to_text()),
    ("another kind of ceremony", |said| {
        said.kind = if said.kind == "webauthn.get" { "webauthn.create" } else { "webauthn.get" };
    }),
    ("nobody verified", |said| said.flags = PRESENT),
    ("nobody there", |said| said.flags = 0x04),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_lie_of_a_browser_or_authenticator_adds_a_passkey() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    for (what, lie) in LIES {
        let begun = begin_to_add(&stage, &alice, "laptop").await;
        let (_, credential) = Authenticator::create(&begun.options, &stage.url, lie);
        assert_eq!(finish(&stage, &alice, &begun, &credential).await.code(), Code::PasskeyRejected, "{what}");
    }
    assert!(alice.get(&stage, paths::PASSKEYS).await.json::<PasskeyList>().passkeys.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lie_of_a_browser_or_authenticator_signs_in() {
    let stage = Stage::with(|config| config.limits.codes_per_address = 100).await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (authenticator, _) = add(&stage, &alice, "laptop").await;
    for (what, lie) in LIES {
        assert_eq!(sign_in(&stage, &authenticator, lie).await.code(), Code::PasskeyRejected, "{what}");
        let half = half(&stage, ALICE).await;
        let begun = begin_second(&stage, &half).await;
        let credential = authenticator.sign(&begun.options, &stage.url, lie);
        assert_eq!(second(&stage, &half, &begun, &credential).await.code(), Code::PasskeyRejected, "{what}");
    }
    sign_in(&stage, &authenticator, honest).await.json::<SessionReply>();
    // Some of it stands in the log, where its owner finds it.
    while !kinds(&stage, &alice).await.iter().any(|kind| kind == "second_factor_rejected") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_foreign_signature_signs_nobody_in() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (authenticator, _) = add(&stage, &alice, "laptop").await;
    for field in ["signature", "authenticatorData", "clientDataJSON"] {
        let begun = begin(&stage).await;
        let mut credential = authenticator.sign(&begun.options, &stage.url, honest);
        let other = authenticator.sign(&begin(&stage).await.options, &stage.url, |said| said.counter = 7);
        credential["response"][field] = other["response"][field].clone();
        let reply = stage.post(paths::PASSKEY_SESSION, &end(&begun, &credential)).await;
        assert_eq!(reply.code(), Code::PasskeyRejected, "{field}");
    }
    // Another authenticator that claims the same credential.
    let begun = begin_to_add(&stage, &alice, "phone").await;
    let (mut stranger, _) = Authenticator::create(&begun.options, &stage.url, honest);
    stranger.id.clone_from(&authenticator.id);
    assert_eq!(sign_in(&stage, &stranger, honest).await.code(), Code::PasskeyRejected);
    for odd in [json!(null), json!("x"), json!({}), json!({ "id": "x", "rawId": 1 })] {
        let begun = begin(&stage).await;
        assert_eq!(stage.post(paths::PASSKEY_SESSION, &end(&begun, &odd)).await.code(), Code::Malformed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_opens_its_owners_account_and_no_other() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let bob = Person::with_bundle(&stage, "bob@wax.example").await;
    let (mut alices, _) = add(&stage, &alice, "alice").await;
    let (bobs, _) = add(&stage, &bob, "bob").await;
    // Bob's credential cannot be added to Alice's account, nor Alice's twice.
    for taken in [&bobs, &alices] {
        let begun = begin_to_add(&stage, &alice, "mine").await;
        let credential = taken.attest(&begun.options, &stage.url, honest);
        assert_eq!(finish(&stage, &alice, &begun, &credential).await.code(), Code::PasskeyRejected);
    }
    // It is no second factor of hers.
    let half = half(&stage, ALICE).await;
    let begun = begin_second(&stage, &half).await;
    let credential = bobs.sign(&begun.options, &stage.url, honest);
    assert_eq!(second(&stage, &half, &begun, &credential).await.code(), Code::PasskeyRejected);
    // Who says that it is somebody else's is not believed, nor who says nothing.
    alices.handle = bob.user.as_bytes().to_vec();
    assert_eq!(sign_in(&stage, &alices, honest).await.code(), Code::PasskeyRejected);
    alices.handle.clear();
    assert_eq!(sign_in(&stage, &alices, honest).await.code(), Code::PasskeyRejected);
    alices.handle = alice.user.as_bytes().to_vec();
    let session: SessionReply = sign_in(&stage, &alices, honest).await.json();
    assert_eq!(session.user_id, alice.user);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceremony_is_ended_only_as_what_it_began_as_and_by_whom() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let bob = Person::with_bundle(&stage, "bob@wax.example").await;
    let (authenticator, _) = add(&stage, &alice, "laptop").await;
    // Alice's registration, ended by Bob.
    let begun = begin_to_add(&stage, &alice, "phone").await;
    let (_, credential) = Authenticator::create(&begun.options, &stage.url, honest);
    assert_eq!(finish(&stage, &bob, &begun, &credential).await.code(), Code::Conflict);
    // A registration as a sign-in, a sign-in as a second factor, and the other way round.
    let adding = begin_to_add(&stage, &alice, "phone").await;
    let mut options = adding.options.clone();
    options["publicKey"]["rpId"] = options["publicKey"]["rp"]["id"].clone();
    let credential = authenticator.sign(&options, &stage.url, honest);
    assert_eq!(
        stage.post(paths::PASSKEY_SESSION, &end(&adding, &credential)).await.code(),
        Code::SignInNeeded
    );
    let (first, other) = (half(&stage, ALICE).await, half(&stage, ALICE).await);
    let alone = begin(&stage).await;
    let credential = authenticator.sign(&alone.options, &stage.url, honest);
    assert_eq!(second(&stage, &first, &alone, &credential).await.code(), Code::PasskeyRejected);
    let showing = begin_second(&stage, &first).await;
    let credential = authenticator.sign(&showing.options, &stage.url, honest);
    assert_eq!(
        stage.post(paths::PASSKEY_SESSION, &end(&showing, &credential)).await.code(),
        Code::SignInNeeded
    );
    // Of one sign-in with the token of another.
    let showing = begin_second(&stage, &first).await;
    let credential = authenticator.sign(&showing.options, &stage.url, honest);
    assert_eq!(second(&stage, &other, &showing, &credential).await.code(), Code::PasskeyRejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_does_not_go_on_is_refused() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let begun = begin_to_add(&stage, &alice, "counting").await;
    let (authenticator, credential) =
        Authenticator::create(&begun.options, &stage.url, |said| said.counter = 5);
    finish(&stage, &alice, &begun, &credential).await.json::<PasskeyAdded>();
    let at = |counter| sign_in(&stage, &authenticator, move |said| said.counter = counter);
    for back in [5, 4, 0] {
        assert_eq!(at(back).await.code(), Code::PasskeyRejected, "{back}");
    }
    at(6).await.json::<SessionReply>();
    assert_eq!(at(6).await.code(), Code::PasskeyRejected);
    // Two ceremonies at once with one count: one of them is a copy.
    let (one, two) = (begin(&stage).await, begin(&stage).await);
    let bodies = [&one, &two]
        .map(|begun| end(begun, &authenticator.sign(&begun.options, &stage.url, |said| said.counter = 7)));
    let replies = bodies.iter().map(|body| stage.post(paths::PASSKEY_SESSION, body));
    let replies = futures::future::join_all(replies).await;
    assert_eq!(replies.iter().filter(|reply| reply.status.is_success()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_a_passkey_needs_the_root_key_and_a_session_that_has_shown_a_factor() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let early = stage.sign_in(ALICE).await;
    let refused = alice.post(&stage, paths::PASSKEYS, &json!({ "name": "thief" })).await;
    assert_eq!(refused.code(), Code::ProofNeeded);
    let other = json!({ "name": "thief", "proof": proof(&stage, &alice, FactorChange::Remove) });
    assert_eq!(alice.post(&stage, paths::PASSKEYS, &other).await.code(), Code::ProofNeeded);
    let (_, added) = add(&stage, &alice, "laptop").await;
    // A session from before can neither add, rename nor remove one, nor add an app, nor make backup codes.
    let weak = Person { token: early.access_token.expose_secret().to_owned(), ..alice };
    let with_proof = |change| json!({ "proof": proof(&stage, &weak, change) });
    let body = json!({ "name": "thief", "proof": proof(&stage, &weak, FactorChange::Add) });
    let remove = paths::fill(paths::PASSKEY_REMOVE, &[&added.passkey.id]);
    for (path, body) in [
        (paths::PASSKEYS, body),
        (remove.as_str(), with_proof(FactorChange::Remove)),
        (paths::TOTP, with_proof(FactorChange::Add)),
        (paths::TOTP_REMOVE, with_proof(FactorChange::Remove)),
        (paths::BACKUP_CODES, with_proof(FactorChange::BackupCodes)),
    ] {
        assert_eq!(weak.post(&stage, path, &body).await.code(), Code::SecondFactorNeeded, "{path}");
    }
    let rename = paths::fill(paths::ONE_PASSKEY, &[&added.passkey.id]);
    let request = stage.request(Method::PUT, &rename).bearer_auth(&weak.token);
    assert_eq!(send(request.json(&json!({ "name": "x" }))).await.code(), Code::SecondFactorNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn passkeys_are_listed_renamed_and_removed_by_their_owner_alone() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let bob = Person::with_bundle(&stage, "bob@wax.example").await;
    let (authenticator, added) = add(&stage, &alice, " laptop ").await;
    stage.later(60);
    add(&stage, &alice, "phone").await;
    sign_in(&stage, &authenticator, honest).await.json::<SessionReply>();
    let list: PasskeyList = alice.get(&stage, paths::PASSKEYS).await.json();
    let seen: Vec<_> = list.passkeys.iter().map(|one| (one.name.as_str(), one.last_used)).collect();
    assert_eq!(seen, [("laptop", Some(stage.now())), ("phone", None)]);
    assert!(bob.get(&stage, paths::PASSKEYS).await.json::<PasskeyList>().passkeys.is_empty());
    let one = paths::fill(paths::ONE_PASSKEY, &[&added.passkey.id]);
    let rename = async |person: &Person, name: &str| {
        let request = stage.request(Method::PUT, &one).bearer_auth(&person.token);
        send(request.json(&json!({ "name": name }))).await
    };
    assert_eq!(rename(&bob, "mine").await.code(), Code::NotFound);
    for odd in ["", "  ", "a\nb", &"x".repeat(65)] {
        assert_eq!(rename(&alice, odd).await.code(), Code::Malformed, "{odd:?}");
    }
    assert_eq!(rename(&alice, "old laptop").await.status, StatusCode::NO_CONTENT);
    let list: PasskeyList = alice.get(&stage, paths::PASSKEYS).await.json();
    assert_eq!(list.passkeys[0].name, "old laptop");
    let path = paths::fill(paths::PASSKEY_REMOVE, &[&added.passkey.id]);
    let with_proof = |person| json!({ "proof": proof(&stage, person, FactorChange::Remove) });
    assert_eq!(alice.post(&stage, &path, &json!({})).await.code(), Code::ProofNeeded);
    assert_eq!(bob.post(&stage, &path, &with_proof(&bob)).await.code(), Code::NotFound);
    let removed = alice.post(&stage, &path, &with_proof(&alice)).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(alice.post(&stage, &path, &with_proof(&alice)).await.code(), Code::NotFound);
    assert_eq!(sign_in(&stage, &authenticator, honest).await.code(), Code::PasskeyRejected);
    let told = kinds(&stage, &alice).await;
    let count = |kind: &str| told.iter().filter(|told| *told == kind).count();
    assert_eq!((count("passkey_added"), count("passkey_removed")), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_at_most_ten_passkeys() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    for n in 0..9 {
        add(&stage, &alice, &format!("key {n}")).await;
    }
    // Two that begin at once cannot both be the tenth.
    let (one, two) = (begin_to_add(&stage, &alice, "a").await, begin_to_add(&stage, &alice, "b").await);
    assert_eq!(one.options["publicKey"]["excludeCredentials"].as_array().unwrap().len(), 9);
    let (_, first) = Authenticator::create(&one.options, &stage.url, honest);
    finish(&stage, &alice, &one, &first).await.json::<PasskeyAdded>();
    let (_, late) = Authenticator::create(&two.options, &stage.url, honest);
    assert_eq!(finish(&stage, &alice, &two, &late).await.code(), Code::Conflict);
    let body = json!({ "name": "more", "proof": proof(&stage, &alice, FactorChange::Add) });
    assert_eq!(alice.post(&stage, paths::PASSKEYS, &body).await.code(), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_code_stands_in_for_lost_passkeys() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (_, added) = add(&stage, &alice, "lost").await;
    let (_, more) = add(&stage, &alice, "lost too").await;
    assert_eq!((added.codes.len(), more.codes.len()), (10, 0), "the codes are shown once");
    let half = half(&stage, ALICE).await;
    let body = json!({ "token": half.token.expose_secret(), "code": added.codes[0].expose_secret() });
    let session: SessionReply = stage.post(paths::SECOND, &body).await.json();
    assert_eq!(whoami(&stage, &session).await.backup_codes_left, 9);
    let strong = Person { token: session.access_token.expose_secret().to_owned(), ..alice };
    let body = json!({ "proof": proof(&stage, &strong, FactorChange::BackupCodes) });
    assert_eq!(strong.post(&stage, paths::BACKUP_CODES, &body).await.json::<BackupCodes>().codes.len(), 10);
    for id in [added.passkey.id, more.passkey.id] {
        let path = paths::fill(paths::PASSKEY_REMOVE, &[&id]);
        let body = json!({ "proof": proof(&stage, &strong, FactorChange::Remove) });
        assert_eq!(strong.post(&stage, &path, &body).await.status, StatusCode::NO_CONTENT);
    }
    let session = stage.sign_in(ALICE).await;
    let me = whoami(&stage, &session).await;
    assert_eq!((me.second_factor, me.backup_codes_left), (false, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_takes_passkeys_away_with_everything_else() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (authenticator, _) = add(&stage, &alice, "lost").await;
    let config = crate::stage::server::configured(stage.data.path(), "data");
    let users = server::admin::Users::open(&config).await.unwrap();
    assert!(users.list().await.unwrap()[0].second_factor);
    let who = server::admin::Who::Id(alice.user);
    assert!(users.reset_second_factor(&who).await.unwrap());
    assert!(!users.reset_second_factor(&who).await.unwrap());
    users.close().await;
    assert_eq!(sign_in(&stage, &authenticator, honest).await.code(), Code::PasskeyRejected);
    let session = stage.sign_in(ALICE).await;
    assert!(!whoami(&stage, &session).await.second_factor);
    assert_eq!(kinds(&stage, &alice).await.iter().filter(|kind| *kind == "second_factor_reset").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceremony_begun_at_one_server_ends_at_another_on_the_same_database() {
    let stage =
        Stage::with(|config| config.public.public_url = Some("https://wax.example".parse().unwrap())).await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let origin = "https://wax.example";
    let begun = begin_to_add(&stage, &alice, "laptop").await;
    assert_eq!(begun.options["publicKey"]["rp"]["id"], "wax.example");
    let (authenticator, credential) = Authenticator::create(&begun.options, origin, honest);
    finish(&stage, &alice, &begun, &credential).await.json::<PasskeyAdded>();
    let begun = begin(&stage).await;
    let other = stage.beside_with(|config| config.public.public_url = Some(origin.parse().unwrap())).await;
    let body = end(&begun, &authenticator.sign(&begun.options, origin, honest));
    let there = format!("{}{}", other.url(), paths::PASSKEY_SESSION);
    let session: SessionReply = send(stage.http.post(there).json(&body)).await.json();
    assert_eq!(session.user_id, alice.user);
    let here = stage.post(paths::PASSKEY_SESSION, &body).await;
    assert_eq!(here.code(), Code::SignInNeeded, "good once over all servers");
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_opens_a_browsers_session_for_the_servers_own_pages_only() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (authenticator, _) = add(&stage, &alice, "laptop").await;
    let begun = begin(&stage).await;
    let body = end(&begun, &authenticator.sign(&begun.options, &stage.url, honest));
    let marked = stage.request(Method::POST, paths::PASSKEY_SESSION).json(&body);
    let marked = marked.header(proto::headers::SESSION, proto::headers::BROWSER);
    let refused = send(marked.header("origin", "https://evil.example")).await;
    assert_eq!(refused.code(), Code::CrossSite);
    let reply = send(own_page(&stage, paths::PASSKEY_SESSION, &body)).await;
    let token = cookie(&reply);
    assert!(!String::from_utf8_lossy(&reply.body).contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_name_for_browsers_says_that_it_offers_no_passkeys() {
    for public in [None, Some("https://192.0.2.7")] {
        let stage = Stage::with(|config| {
            config.tls.behind_proxy = true;
            config.public.public_url = public.map(|url| url.parse().unwrap());
        })
        .await;
        let alice = Person::new(&stage, ALICE).await;
        let refused = stage.post(paths::PASSKEY, &json!({})).await;
        assert_eq!(refused.code(), Code::NotOffered);
        assert!(refused.refusal().detail.contains("PUBLIC_URL"));
        let refused = alice.post(&stage, paths::PASSKEYS, &json!({ "name": "x" })).await;
        assert_eq!(refused.code(), Code::NotOffered);
        assert!(alice.get(&stage, paths::PASSKEYS).await.json::<PasskeyList>().passkeys.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_begin_a_sign_in_by_passkey_nobody_says_who_they_are() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    add(&stage, &alice, "laptop").await;
    let named = stage.post(paths::PASSKEY, &json!({ "email": ALICE })).await;
    assert_eq!(named.code(), Code::Malformed, "there is no way to ask about an address");
    let options = begin(&stage).await.options;
    assert_eq!(options["publicKey"]["allowCredentials"], json!([]));
    // A credential that nobody has is answered as a wrong signature of one that somebody has.
    let begun = begin_to_add(&stage, &alice, "never finished").await;
    let (unknown, _) = Authenticator::create(&begun.options, &stage.url, honest);
    let unknown = sign_in(&stage, &unknown, honest).await.refusal();
    let (known, _) = add(&stage, &alice, "phone").await;
    let wrong = sign_in(&stage, &known, |said| said.challenge = B64(vec![1; 32]).to_text()).await.refusal();
    assert_eq!((unknown.code, unknown.detail), (wrong.code, wrong.detail));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_beside_a_passkey_is_asked_for_no_more_once_it_is_removed() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (authenticator, _) = add(&stage, &alice, "laptop").await;
    let body = json!({ "proof": proof(&stage, &alice, FactorChange::Add) });
    let secret: TotpSecret = alice.post(&stage, paths::TOTP, &body).await.json();
    let body = json!({ "code": super::factor::shown(&stage, &secret, 0) });
    alice.post(&stage, paths::TOTP_CONFIRM, &body).await.json::<BackupCodes>();
    let both = half(&stage, ALICE).await;
    assert_eq!((both.app, both.passkeys), (true, true));
    let body = json!({ "proof": proof(&stage, &alice, FactorChange::Remove) });
    assert_eq!(alice.post(&stage, paths::TOTP_REMOVE, &body).await.status, StatusCode::NO_CONTENT);
    let left = half(&stage, ALICE).await;
    assert_eq!((left.app, left.passkeys), (false, true));
    let session: SessionReply = sign_in(&stage, &authenticator, honest).await.json();
    let me = whoami(&stage, &session).await;
    assert_eq!((me.authenticator_app, me.passkeys, me.backup_codes_left), (false, 1, 10), "the codes stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_alone_shows_neither_names_nor_credentials_of_passkeys() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (authenticator, _) = add(&stage, &alice, "canary-laptop").await;
    let begun = begin(&stage).await;
    let challenge = begun.options["publicKey"]["challenge"].as_str().unwrap();
    let needles = [
        b"canary-laptop".to_vec(),
        authenticator.id.clone(),
        B64(authenticator.id).to_text().into_bytes(),
        challenge.as_bytes().to_vec(),
        B64::parse(challenge).unwrap().0,
    ];
    for needle in &needles {
        assert!(!stage.database_holds(needle));
    }
}
