//! The sealer and the chain as clients see it.

use envelope::audit::GENESIS;
use envelope::ed25519::{PublicKey, Signature};
use proto::{Head, Heads, Link, LogState, paths};

use super::activity;
use crate::stage::sealed::alice_and_bob;
use crate::stage::{Parcel, Person, Stage};

async fn heads(stage: &Stage, person: &Person, from: u64) -> Vec<Link> {
    let heads: Heads = person.get(stage, &format!("{}?from={from}", paths::HEADS)).await.json();
    heads.links
}

/// The head that a chain of links leads to.
fn walk(links: &[Link]) -> Head {
    let mut head = Head { seq: 0, hash: GENESIS };
    for link in links {
        assert_eq!(link.seq, head.seq + 1);
        head = link.head(&head.hash);
    }
    head
}

/// The newest head, whose signature must be good.
fn newest(log: &LogState) -> Head {
    let newest = log.newest.as_ref().unwrap();
    let key = PublicKey::from_bytes(log.key.0.as_slice().try_into().unwrap());
    let signature = Signature::from_bytes(newest.signature.0.as_slice().try_into().unwrap());
    newest.head.verify(&key, &signature).unwrap();
    newest.head
}

#[tokio::test(flavor = "multi_thread")]
async fn each_batch_continues_the_chain_and_the_newest_head_is_signed() {
    let (stage, alice, bob) = alice_and_bob().await;
    stage.run_jobs().await;
    let first = newest(&activity(&stage, &alice, "").await.log);
    Parcel::new(1_000).send(&stage, &alice, &[&bob]).await;
    stage.run_jobs().await;
    let sealed = activity(&stage, &alice, "").await;
    let second = newest(&sealed.log);
    assert!(second.seq > first.seq);
    assert_eq!(sealed.events[0].batch, Some(second.seq));
    let links = heads(&stage, &bob, 0).await;
    assert_eq!(walk(&links), second);
    assert_eq!(walk(&links[..usize::try_from(first.seq).unwrap()]), first);
    assert_eq!(heads(&stage, &bob, second.seq).await, links[links.len() - 1..]);
    assert_eq!(heads(&stage, &bob, second.seq + 1).await, []);
    stage.run_jobs().await;
    assert_eq!(
        newest(&activity(&stage, &alice, "").await.log),
        second,
        "where nothing happened nothing is sealed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_over_one_folder_seal_one_chain() {
    let (stage, alice, bob) = alice_and_bob().await;
    let second = stage.beside().await;
    for _ in 0..4 {
        Parcel::new(1_000).send(&stage, &alice, &[&bob]).await;
        let (one, two) = tokio::join!(stage.running.as_ref().unwrap().run_jobs(), second.run_jobs());
        assert!(one.is_ok() && two.is_ok());
    }
    // Whoever holds the lease does the rest.
    stage.run_jobs().await;
    second.run_jobs().await.unwrap();
    let page = activity(&stage, &alice, "").await;
    assert!(page.events.iter().all(|event| event.batch.is_some()));
    assert_eq!(walk(&heads(&stage, &alice, 1).await), newest(&page.log));
    let findings = super::check::log(&stage).await.check(None).await.unwrap();
    assert_eq!((findings.faults.as_slice(), findings.unsealed), ([].as_slice(), 0));
    second.shutdown().await;
}
