//! Sign-in, session, keys on disk.

use crate::stage::{Answer, Exchange, PASSPHRASE, Proxy, Stage, address, passphrase};
use client::{Class, Client, Error, Home, KeysState, Passphrase, SignIn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_there_for_the_next_process_and_gone_after_sign_out() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let next = stage.again(&alice, Stage::options()).await;
    let me = next.client.whoami().await.unwrap();
    assert_eq!((me.address, me.has_bundle, me.clock_off), (alice.address.clone(), true, None));
    assert!(next.client.sign_out().await.unwrap());
    assert!(matches!(next.client.whoami().await, Err(Error::NotSignedIn)));
    assert!(matches!(alice.client.whoami().await, Err(Error::NotSignedIn | Error::SessionEnded)));
    assert_eq!(next.client.keys_state().unwrap(), KeysState::OnDisk { user_id: alice.keys.user_id() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_renews_itself_and_a_refusal_is_never_shown() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    // The server's clock moves, this machine's does not: the token is refused although it looks good here.
    stage.clock.advance(2 * 3_600);
    let before = std::fs::read(alice.client.home().path().join("session.json")).unwrap();
    alice.client.whoami().await.unwrap();
    assert_ne!(std::fs::read(alice.client.home().path().join("session.json")).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_renew_at_once_do_not_burn_the_session() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    stage.clock.advance(2 * 3_600);
    let open = || Client::open(Home::open(alice.client.home().path()).unwrap(), Stage::options()).unwrap();
    let clients: Vec<Client> = (0..8).map(|_| open()).collect();
    let all = futures::future::join_all(clients.iter().map(Client::whoami)).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    open().whoami().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_has_ended_says_so() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    stage.clock.advance(8 * 86_400);
    let error = alice.client.whoami().await.unwrap_err();
    assert_eq!((error.class(), error.to_string().as_str()), (Class::NotSignedIn, "your session has ended"));
    assert!(matches!(alice.client.whoami().await, Err(Error::NotSignedIn)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_and_an_old_code_are_rejected_and_a_clock_that_is_off_is_named() {
    let stage = Stage::new().await;
    let client = stage.stranger("home", Stage::options());
    let me = address("alice");
    let code = stage.code(&client, &me).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert!(matches!(client.sign_in(&me, wrong).await, Err(Error::CodeRejected)));
    stage.clock.advance(601);
    assert!(matches!(client.sign_in(&me, &code).await, Err(Error::CodeRejected)));
    assert!(client.signed_in().unwrap().is_none());
    stage.clock.advance(3_600);
    let code = stage.code(&client, &me).await;
    let SignIn::Done(signed_in) = client.sign_in(&me, &code).await.unwrap() else {
        panic!("no factor is set")
    };
    let off = signed_in.clock_off.unwrap();
    assert!((-4_210..=-4_190).contains(&off), "{off}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_passphrase_opens_nothing_and_a_weak_one_is_not_taken() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let wrong = Passphrase::parse(PASSPHRASE.to_uppercase()).unwrap();
    assert!(matches!(alice.client.unlock(&wrong).await, Err(Error::WrongPassphrase)));
    assert_eq!(alice.client.unlock(&passphrase()).await.unwrap().root_id(), alice.keys.root_id());
    assert!(matches!(alice.client.create_keys(&passphrase(), None).await, Err(Error::KeysExist)));
    let client = stage.stranger("home", Stage::options());
    let code = stage.code(&client, &address("carol")).await;
    client.sign_in(&address("carol"), &code).await.unwrap();
    let weak = Passphrase::parse("password1".into()).unwrap();
    assert!(matches!(client.create_keys(&weak, None).await, Err(Error::PassphraseTooWeak)));
    assert_eq!(client.keys_state().unwrap(), KeysState::None);
    assert!(matches!(client.unlock(&passphrase()).await, Err(Error::NoKeys)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_opened_without_server_and_session() {
    let mut stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let bob = stage.person("bob").await;
    let home = alice.client.home().path().to_path_buf();
    stage.stop().await;
    std::fs::remove_file(home.join("session.json")).unwrap();
    let client = Client::open(Home::open(&home).unwrap(), Stage::options()).unwrap();
    let keys = client.unlock_offline(&passphrase()).unwrap();
    assert_eq!((keys.root_id(), keys.address()), (alice.keys.root_id(), &alice.address));
    assert_eq!(client.unlock_offline_with_key(keys.vault_key()).unwrap().root_id(), alice.keys.root_id());
    let wrong = Passphrase::parse(PASSPHRASE.to_uppercase()).unwrap();
    assert!(matches!(client.unlock_offline(&wrong), Err(Error::WrongPassphrase)));
    assert!(matches!(client.unlock_offline_with_key(bob.keys.vault_key()), Err(Error::WrongPassphrase)));
    std::fs::copy(bob.client.home().path().join("bundle.wxb"), home.join("bundle.wxb")).unwrap();
    assert!(matches!(client.unlock_offline(&passphrase()), Err(Error::OwnKeysDiffer)));
    std::fs::remove_file(home.join("bundle.wxb")).unwrap();
    assert!(matches!(client.unlock_offline(&passphrase()), Err(Error::NeverPublished)));
    std::fs::remove_file(home.join("vault.wxv")).unwrap();
    assert!(matches!(client.unlock_offline(&passphrase()), Err(Error::NoKeys)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_made_elsewhere_are_not_replaced() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let client = stage.stranger("second-machine", Stage::options());
    let code = stage.code(&client, &alice.address).await;
    client.sign_in(&alice.address, &code).await.unwrap();
    let error = client.create_keys(&passphrase(), None).await.unwrap_err();
    assert!(matches!(error, Error::KeysElsewhere), "{error}");
    assert_eq!(client.keys_state().unwrap(), KeysState::None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_could_not_be_published_are_kept_and_published_later() {
    let stage = Stage::new().await;
    let lies = Proxy::start(
        &stage,
        |exchange| match (exchange.method.as_str(), exchange.path.as_str()) {
            ("PUT", "/api/v1/directory/me") => Answer::Drop,
            _ => Answer::Forward,
        },
        |_| {},
    )
    .await;
    let client = stage.stranger("home", Stage::options());
    client.configure_server(lies.url(), Some(lies.ca())).unwrap();
    let me = address("alice");
    let code = stage.code(&client, &me).await;
    client.sign_in(&me, &code).await.unwrap();
    assert_eq!(client.create_keys(&passphrase(), None).await.unwrap_err().class(), Class::Network);
    let bundle = client.own_bundle().unwrap();
    client.configure_server(stage.url(), Some(stage.ca())).unwrap();
    let code = stage.code(&client, &me).await;
    client.sign_in(&me, &code).await.unwrap();
    assert!(!client.whoami().await.unwrap().has_bundle);
    client.unlock(&passphrase()).await.unwrap();
    assert!(client.whoami().await.unwrap().has_bundle);
    assert_eq!(client.own_bundle().unwrap(), bundle, "the very same bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_not_the_keys_own_is_refused() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    alice.client.sign_out().await.unwrap();
    let code = stage.code(&alice.client, &address("mallory")).await;
    alice.client.sign_in(&address("mallory"), &code).await.unwrap();
    assert!(matches!(alice.client.unlock(&passphrase()).await, Err(Error::OtherAccount)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untrusted_certificate_and_a_server_that_is_down_are_told_apart() {
    let mut stage = Stage::new().await;
    let client = stage.stranger("home", Stage::options());
    client.configure_server(stage.url(), None).unwrap();
    let error = client.request_code(&address("alice")).await.unwrap_err();
    assert!(matches!(error, Error::CertificateNotTrusted { .. }), "{error}");
    let other = Stage::new().await;
    client.configure_server(stage.url(), Some(other.ca())).unwrap();
    let error = client.request_code(&address("alice")).await.unwrap_err();
    assert!(matches!(error, Error::CertificateNotTrusted { .. }), "{error}");
    client.configure_server(stage.url(), Some(stage.ca())).unwrap();
    client.request_code(&address("alice")).await.unwrap();
    stage.stop().await;
    let error = client.request_code(&address("alice")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_not_followed() {
    let stage = Stage::new().await;
    let followed = Arc::new(AtomicBool::new(false));
    let note = followed.clone();
    let answer = move |exchange: &Exchange| {
        if exchange.path == "/elsewhere" {
            note.store(true, Ordering::SeqCst);
            return Answer::Reply(204, "", Vec::new());
        }
        Answer::Redirect("/elsewhere".into())
    };
    let lies = Proxy::start(&stage, answer, |_| {}).await;
    let client = stage.stranger("home", Stage::options());
    client.configure_server(lies.url(), Some(lies.ca())).unwrap();
    let error = client.request_code(&address("alice")).await.unwrap_err();
    assert!(matches!(error, Error::NotAServer { .. }), "{error}");
    assert!(!followed.load(Ordering::SeqCst), "nobody calls where a server points");
}
