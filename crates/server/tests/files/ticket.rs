//! `POST /files/{id}/ticket`.

use proto::{Code, FileInfo, Ticket};

use crate::stage::sealed::{alice_and_bob, file_id};
use crate::stage::{Parcel, Person};

#[tokio::test(flavor = "multi_thread")]
async fn a_download_counts_once_in_a_day_and_never_the_authors() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let mut request = parcel.complete_request(&alice, &[&bob]);
    request.max_downloads = Some(2);
    request.expires_in = 5 * 86_400;
    parcel.send_as(&stage, &alice, &request).await;
    let (one, two, three) = (file_id().to_string(), file_id().to_string(), file_id().to_string());
    for download in [&one, &one, &two, &one] {
        let ticket: Ticket = parcel.ask_ticket(&stage, &bob, download).await.json();
        assert_eq!(ticket.expires_at, stage.now() + 600);
    }
    assert_eq!(parcel.ask_ticket(&stage, &bob, &three).await.code(), Code::DownloadsUsed);
    // Those under way go on, and the author is not counted.
    parcel.ask_ticket(&stage, &bob, &two).await.json::<Ticket>();
    parcel.ask_ticket(&stage, &alice, &three).await.json::<Ticket>();
    let info: FileInfo = alice.get(&stage, &parcel.file_path()).await.json();
    assert_eq!(info.downloads, 2);
    // A day later the same id would be a new download, for which there is no room.
    stage.later(86_401);
    let bob = Person { token: Person::new(&stage, "bob@wing.example").await.token, ..bob };
    assert_eq!(parcel.ask_ticket(&stage, &bob, &one).await.code(), Code::DownloadsUsed);
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_for_those_with_a_grant_and_until_the_end() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let parcel = Parcel::new(1_000);
    let mut request = parcel.complete_request(&alice, &[&bob]);
    request.expires_in = 700;
    request.max_downloads = Some(1);
    parcel.send_as(&stage, &alice, &request).await;
    let download = file_id().to_string();
    assert_eq!(parcel.ask_ticket(&stage, &carol, &download).await.code(), Code::NotFound);
    for text in ["", "x", &download.to_uppercase(), &download.replace('-', "")] {
        assert_eq!(parcel.ask_ticket(&stage, &bob, text).await.code(), Code::Malformed, "{text}");
    }
    parcel.ask_ticket(&stage, &bob, &download).await.json::<Ticket>();
    stage.later(700);
    assert_eq!(parcel.ask_ticket(&stage, &bob, &download).await.code(), Code::Expired);
    assert_eq!(parcel.ask_ticket(&stage, &carol, &download).await.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_against_many_at_once() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let mut request = parcel.complete_request(&alice, &[&bob]);
    request.max_downloads = Some(3);
    parcel.send_as(&stage, &alice, &request).await;
    let ids: Vec<_> = (0..12).map(|_| file_id().to_string()).collect();
    let replies = futures::future::join_all(ids.iter().map(|id| parcel.ask_ticket(&stage, &bob, id))).await;
    let given = replies.iter().filter(|reply| reply.status.is_success()).count();
    assert_eq!(given, 3);
}
