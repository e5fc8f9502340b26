//! `GET /files`, `GET /files/{id}`.

use proto::{Code, FilePage, Role, paths};

use crate::stage::sealed::{alice_and_bob, file_id};
use crate::stage::{Parcel, Person};

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_file_once_and_newest_first() {
    let (stage, alice, bob) = alice_and_bob().await;
    let mut sent = Vec::new();
    for n in 0..5 {
        let parcel = Parcel::new(1_000);
        let to: &[&Person] = if n % 2 == 0 { &[&bob] } else { &[] };
        parcel.send(&stage, &alice, to).await;
        sent.push(parcel.file_id);
        // Two in each second, so that the cursor must look at the id too.
        stage.later(n % 2);
    }
    let mut seen = Vec::new();
    let mut path = format!("{}?limit=2", paths::FILES);
    loop {
        let page: FilePage = alice.get(&stage, &path).await.json();
        assert!(page.files.len() <= 2);
        assert!(seen.len() < 10, "the pages do not end: {seen:?}");
        assert!(page.files.iter().all(|file| file.role == Role::Author));
        seen.extend(page.files.into_iter().map(|file| (file.created, file.file_id)));
        let Some(next) = page.next else { break };
        path = format!("{}?limit=2&after={next}", paths::FILES);
    }
    assert!(seen.windows(2).all(|pair| pair[0].0 >= pair[1].0), "{seen:?}");
    let mut ids: Vec<_> = seen.into_iter().map(|(_, id)| id).collect();
    ids.sort_unstable();
    sent.sort_unstable();
    assert_eq!(ids, sent);
    let of_bob: FilePage = bob.get(&stage, paths::FILES).await.json();
    assert_eq!(of_bob.files.len(), 3);
    assert!(of_bob.next.is_none());
    assert!(of_bob.files.iter().all(|file| file.role == Role::Recipient && file.author == alice.user));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_pages_are_refused() {
    let (stage, alice, _) = alice_and_bob().await;
    for query in ["limit=0", "limit=201", "limit=x", "after=x", "after=AAAA", "before=1"] {
        let path = format!("{}?{query}", paths::FILES);
        assert_eq!(alice.get(&stage, &path).await.code(), Code::Malformed, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_grant_is_not_there() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[]).await;
    let (hidden, absent) = (parcel.file_path(), paths::fill(paths::FILE, &[&file_id()]));
    let (hidden, absent) = (bob.get(&stage, &hidden).await, bob.get(&stage, &absent).await);
    assert_eq!((hidden.code(), absent.code()), (Code::NotFound, Code::NotFound));
    assert_eq!(hidden.refusal().detail, absent.refusal().detail);
    assert_eq!(bob.get(&stage, "/api/v1/files/x").await.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_file_is_gone_for_those_who_had_it_and_nothing_for_others() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let parcel = Parcel::new(1_000);
    let mut request = parcel.complete_request(&alice, &[&bob]);
    request.expires_in = 600;
    parcel.send_as(&stage, &alice, &request).await;
    stage.later(600);
    for _ in 0..2 {
        assert_eq!(bob.get(&stage, &parcel.file_path()).await.code(), Code::Expired);
        assert_eq!(alice.get(&stage, &parcel.file_path()).await.code(), Code::Expired);
        assert_eq!(carol.get(&stage, &parcel.file_path()).await.code(), Code::NotFound);
        assert!(bob.get(&stage, paths::FILES).await.json::<FilePage>().files.is_empty());
        stage.run_jobs().await;
    }
}
