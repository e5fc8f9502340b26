//! The authenticator app: `POST /auth/totp…`, `/auth/second`, `/auth/backup-codes`, and the policy that demands it.

use envelope::action::{FactorChange, SECOND_FACTOR, context, factor_bytes};
use proto::{
    ActivityPage, B64, BackupCodes, CeremonyBegun, Code, SecondFactor, SessionReply, SessionsEnded, SignIn,
    TotpSecret, WhoAmI, paths,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::config::SecondFactorRule;
use totp_rs::{Builder, Secret};

use super::passkey;
use crate::stage::authenticator::Authenticator;
use crate::stage::server::send;
use crate::stage::shared;
use crate::stage::{Person, Reply, Stage};

const ALICE: &str = "alice@wax.example";

/// The code that an app with this secret shows so many steps from now.
pub(crate) fn shown(stage: &Stage, secret: &TotpSecret, steps: i64) -> String {
    let secret = Secret::try_from_base32(secret.secret.expose_secret()).unwrap();
    let app = Builder::new().with_secret(secret).build().unwrap();
    app.generate(u64::try_from(stage.now() + steps * 30).unwrap()).to_string()
}

/// The signature by which a person's root key asks for a change.
pub(crate) fn proof(stage: &Stage, person: &Person, change: FactorChange) -> Value {
    proof_at(person, change, stage.now())
}

fn proof_at(person: &Person, change: FactorChange, time: i64) -> Value {
    let bytes = factor_bytes(&person.user, u64::try_from(time).unwrap(), change);
    let signature = person.root.sign(&[&context(SECOND_FACTOR), &bytes]);
    json!({ "proof": { "time": time, "signature": B64(signature.to_vec()).to_text() } })
}

/// Adds an app; its secret and the backup codes.
pub(crate) async fn enrol(stage: &Stage, person: &Person) -> (TotpSecret, Vec<String>) {
    let request = proof(stage, person, FactorChange::Add);
    let secret: TotpSecret = person.post(stage, paths::TOTP, &request).await.json();
    let body = json!({ "code": shown(stage, &secret, 0) });
    let codes: BackupCodes = person.post(stage, paths::TOTP_CONFIRM, &body).await.json();
    (secret, codes.codes.iter().map(|code| code.expose_secret().to_owned()).collect())
}

/// A sign-in that has proved the mailbox.
async fn half(stage: &Stage) -> SecondFactor {
    let code = stage.code_for(ALICE).await;
    match stage.redeem(ALICE, &code).await.json() {
        SignIn::Half { second_factor } => second_factor,
        SignIn::Session(_) => panic!("a session without the second factor"),
    }
}

async fn show(stage: &Stage, half: &SecondFactor, code: &str) -> Reply {
    stage.post(paths::SECOND, &json!({ "token": half.token.expose_secret(), "code": code })).await
}

async fn whoami(stage: &Stage, session: &SessionReply) -> WhoAmI {
    let request = stage.request(Method::GET, paths::WHOAMI).bearer_auth(session.access_token.expose_secret());
    send(request).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_app_the_mailbox_alone_opens_no_session() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (secret, codes) = enrol(&stage, &alice).await;
    assert_eq!(codes.len(), 10);
    assert!(secret.uri.expose_secret().starts_with("otpauth://totp/Waxwing:alice%40wax.example?secret="));
    stage.later(60);
    let half = half(&stage).await;
    assert_eq!(show(&stage, &half, "000000").await.code(), Code::CodeRejected);
    let session: SessionReply = show(&stage, &half, &shown(&stage, &secret, 0)).await.json();
    let me = whoami(&stage, &session).await;
    assert_eq!((me.user_id, me.second_factor, me.backup_codes_left), (alice.user, true, 10));
    let again = show(&stage, &half, &shown(&stage, &secret, 1)).await;
    assert_eq!(again.code(), Code::SignInNeeded, "one sign-in opens one session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_the_app_is_good_once() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (secret, _) = enrol(&stage, &alice).await;
    let first = half(&stage).await;
    let replayed = show(&stage, &first, &shown(&stage, &secret, 0)).await;
    assert_eq!(replayed.code(), Code::CodeRejected, "it confirmed the app");
    show(&stage, &first, &shown(&stage, &secret, 1)).await.json::<SessionReply>();
    let second = half(&stage).await;
    for steps in [0, 1] {
        let reply = show(&stage, &second, &shown(&stage, &secret, steps)).await;
        assert_eq!(reply.code(), Code::CodeRejected, "used, or older than one that was used");
    }
    stage.later(60);
    show(&stage, &second, &shown(&stage, &secret, 0)).await.json::<SessionReply>();
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_codes_end_the_sign_in_however_many_are_tried_at_once() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (secret, _) = enrol(&stage, &alice).await;
    stage.later(60);
    let half = half(&stage).await;
    let right = shown(&stage, &secret, 0);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let replies = futures::future::join_all((0..12).map(|_| show(&stage, &half, wrong))).await;
    let judged = replies.iter().filter(|reply| reply.code() == Code::CodeRejected).count();
    assert_eq!(judged, 5);
    assert_eq!(show(&stage, &half, &right).await.code(), Code::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_for_the_account_over_all_its_sign_ins() {
    let stage = Stage::with(|config| config.limits.codes_per_address = 100).await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (secret, _) = enrol(&stage, &alice).await;
    stage.later(60);
    let wrong = if shown(&stage, &secret, 0) == "000000" { "000001" } else { "000000" };
    let mut judged = 1; // the code that confirmed the app
    'over: loop {
        let half = half(&stage).await;
        for _ in 0..5 {
            let reply = show(&stage, &half, wrong).await;
            if reply.status == StatusCode::TOO_MANY_REQUESTS {
                assert!(reply.refusal().retry_after.is_some());
                break 'over;
            }
            judged += 1;
        }
    }
    // What a Redis that dies takes along was counted already.
    assert!(judged == 20 || (shared::is_dying() && judged < 20), "{judged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_code_stands_in_for_the_app_once() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (_, codes) = enrol(&stage, &alice).await;
    let typed = codes[3].to_uppercase().replace('-', " ");
    let session: SessionReply = show(&stage, &half(&stage).await, &typed).await.json();
    assert_eq!(whoami(&stage, &session).await.backup_codes_left, 9);
    assert_eq!(show(&stage, &half(&stage).await, &codes[3]).await.code(), Code::CodeRejected);
    let strong = Person { token: session.access_token.expose_secret().to_owned(), ..alice };
    let request = proof(&stage, &strong, FactorChange::BackupCodes);
    let fresh: BackupCodes = strong.post(&stage, paths::BACKUP_CODES, &request).await.json();
    assert_eq!(show(&stage, &half(&stage).await, &codes[4]).await.code(), Code::CodeRejected, "void now");
    let fresh = fresh.codes[0].expose_secret();
    show(&stage, &half(&stage).await, fresh).await.json::<SessionReply>();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_half_of_a_sign_in_ends_after_ten_minutes() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (_, codes) = enrol(&stage, &alice).await;
    let half = half(&stage).await;
    stage.later(600);
    assert_eq!(show(&stage, &half, &codes[0]).await.code(), Code::SignInNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_mailbox_alone_adds_and_removes_no_factor() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    for path in [paths::TOTP, paths::TOTP_REMOVE, paths::BACKUP_CODES] {
        assert_eq!(alice.post(&stage, path, &json!({})).await.code(), Code::ProofNeeded, "{path}");
    }
    let thief = Person::new(&stage, "thief@wax.example").await;
    let stolen = Person { user: alice.user, token: alice.token.clone(), ..thief };
    let forged = proof(&stage, &stolen, FactorChange::Add);
    assert_eq!(alice.post(&stage, paths::TOTP, &forged).await.code(), Code::ProofNeeded, "another root");
    let other = proof(&stage, &alice, FactorChange::BackupCodes);
    assert_eq!(alice.post(&stage, paths::TOTP, &other).await.code(), Code::ProofNeeded, "another change");
    for time in [stage.now() - 601, stage.now() + 601] {
        let old = proof_at(&alice, FactorChange::Add, time);
        assert_eq!(alice.post(&stage, paths::TOTP, &old).await.code(), Code::ProofNeeded, "another time");
    }
    let late = proof_at(&alice, FactorChange::Add, stage.now() - 600);
    alice.post(&stage, paths::TOTP, &late).await.json::<TotpSecret>();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_offered_before_there_were_keys_is_none_afterwards() {
    let stage = Stage::new().await;
    // With the mailbox alone, which was enough then.
    let mut alice = Person::new(&stage, ALICE).await;
    let secret: TotpSecret = alice.post(&stage, paths::TOTP, &json!({})).await.json();
    let bundle = alice.next_bundle();
    assert!(alice.publish(&stage, &bundle).await.status.is_success());
    alice.newest = Some(bundle);
    let code = json!({ "code": shown(&stage, &secret, 0) });
    assert_eq!(alice.post(&stage, paths::TOTP_CONFIRM, &code).await.code(), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_was_begun_before_there_were_keys_is_none_afterwards() {
    let stage = Stage::new().await;
    let mut alice = Person::new(&stage, ALICE).await;
    let begun: CeremonyBegun = alice.post(&stage, paths::PASSKEYS, &json!({ "name": "Laptop" })).await.json();
    let bundle = alice.next_bundle();
    assert!(alice.publish(&stage, &bundle).await.status.is_success());
    alice.newest = Some(bundle);
    let (_, credential) = Authenticator::create(&begun.options, &stage.url, passkey::honest);
    let ended = alice.post(&stage, paths::PASSKEYS_FINISH, &passkey::end(&begun, &credential)).await;
    assert_eq!(ended.code(), Code::Conflict);
    assert!(!whoami(&stage, &stage.sign_in(ALICE).await).await.second_factor);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_never_confirmed_locks_nobody_out() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let request = proof(&stage, &alice, FactorChange::Add);
    let secret: TotpSecret = alice.post(&stage, paths::TOTP, &request).await.json();
    let wrong = json!({ "code": if shown(&stage, &secret, 0) == "000000" { "000001" } else { "000000" } });
    assert_eq!(alice.post(&stage, paths::TOTP_CONFIRM, &wrong).await.code(), Code::CodeRejected);
    stage.sign_in(ALICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_removed_only_in_a_session_that_has_shown_it() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let before = stage.sign_in(ALICE).await;
    enrol(&stage, &alice).await;
    let weak = Person { token: before.access_token.expose_secret().to_owned(), ..alice };
    let request = proof(&stage, &weak, FactorChange::Remove);
    assert_eq!(weak.post(&stage, paths::TOTP_REMOVE, &request).await.code(), Code::SecondFactorNeeded);
    assert_eq!(weak.post(&stage, paths::BACKUP_CODES, &request).await.code(), Code::SecondFactorNeeded);
    assert_eq!(
        weak.post(&stage, paths::TOTP, &proof(&stage, &weak, FactorChange::Add)).await.code(),
        Code::Conflict
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_app_is_asked_for_no_longer() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    enrol(&stage, &alice).await;
    let request = proof(&stage, &alice, FactorChange::Remove);
    let removed = alice.post(&stage, paths::TOTP_REMOVE, &request).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "the session that confirmed it has shown it");
    let session = stage.sign_in(ALICE).await;
    let me = whoami(&stage, &session).await;
    assert_eq!((me.second_factor, me.backup_codes_left), (false, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_factor_is_demanded_a_session_without_one_can_only_add_one() {
    let stage = Stage::with(|config| config.factor.second_factor = SecondFactorRule::Required).await;
    let alice = Person::new(&stage, ALICE).await;
    assert_eq!(alice.get(&stage, paths::FILES).await.code(), Code::SecondFactorNeeded);
    assert_eq!(alice.get(&stage, paths::UPLOADS).await.code(), Code::SecondFactorNeeded);
    assert!(alice.get(&stage, paths::WHOAMI).await.json::<WhoAmI>().second_factor_demanded);
    let secret: TotpSecret = alice.post(&stage, paths::TOTP, &json!({})).await.json();
    let code = json!({ "code": shown(&stage, &secret, 0) });
    alice.post(&stage, paths::TOTP_CONFIRM, &code).await.json::<BackupCodes>();
    assert_eq!(alice.get(&stage, paths::FILES).await.status, StatusCode::OK, "the same session");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_how_one_comes_in_stands_in_the_log() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, ALICE).await;
    let (_, codes) = enrol(&stage, &alice).await;
    let session: SessionReply = show(&stage, &half(&stage).await, &codes[0]).await.json();
    let alice = Person { token: session.access_token.expose_secret().to_owned(), ..alice };
    let request = proof(&stage, &alice, FactorChange::BackupCodes);
    alice.post(&stage, paths::BACKUP_CODES, &request).await.json::<BackupCodes>();
    alice.post(&stage, paths::OTHER_SESSIONS, &json!({})).await.json::<SessionsEnded>();
    let request = proof(&stage, &alice, FactorChange::Remove);
    alice.post(&stage, paths::TOTP_REMOVE, &request).await;
    let page: ActivityPage = alice.get(&stage, paths::ACTIVITY).await.json();
    let kinds: Vec<&str> = page.events.iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "second_factor_removed",
        "session_ended",
        "backup_codes_made",
        "signed_in",
        "second_factor_added",
        "keys_published",
        "signed_in",
        "account_made",
    ];
    assert_eq!(kinds, expected);
}
