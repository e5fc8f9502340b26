//! Folders at a server that lies about what is in them.

use super::*;

/// Which of the members has the longest content.
fn large(list: &MemberList) -> usize {
    let body_len = |member: &proto::MemberInfo| {
        envelope::Manifest::parse(member.manifest.0.as_slice()).unwrap().body_len()
    };
    (0..list.members.len()).max_by_key(|n| body_len(&list.members[*n])).unwrap()
}

/// A lie about what is shown of members.
type Lie = Box<dyn Fn(&MembersRequest, &mut MemberList) + Send + Sync>;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_swaps_drops_adds_or_alters_members_is_refused() {
    let (stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 5);
    let id = send(&alice, &bob, &[&root]).await.unwrap().list.file_id;
    let mallory = stage.person("mallory").await;
    let shown: Arc<Mutex<Option<MemberList>>> = Arc::default();
    let kept = shown.clone();
    let keep = move |exchange: &mut Exchange| {
        if exchange.path.ends_with("/members") {
            *kept.lock().unwrap() = serde_json::from_slice(&exchange.reply).ok();
        }
    };
    let own = mallory.folder.join("own");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("evil"), b"evil").unwrap();
    let theirs = send(&mallory, &bob, &[&own]).await.unwrap().list.file_id;
    let proxy = Proxy::start(&stage, |_| Answer::Forward, keep).await;
    through(&stage, &bob, &proxy)
        .await
        .receive_into(theirs, Target::file(bob.folder.join("theirs")))
        .await
        .unwrap();
    let evil = shown.lock().unwrap().take().unwrap().members.remove(0);
    let lies: Vec<(&str, Lie)> = vec![
        (
            "swapped",
            Box::new(|_, list| {
                let first = list.members[0].manifest.clone();
                list.members[0].manifest = std::mem::replace(&mut list.members[1].manifest, first);
            }),
        ),
        (
            "relabelled",
            Box::new(|_, list| {
                let first = list.members[0].file_id;
                list.members[0].file_id = std::mem::replace(&mut list.members[1].file_id, first);
            }),
        ),
        ("dropped", Box::new(|_, list| drop(list.members.pop()))),
        (
            "twice",
            Box::new(|_, list| {
                let one = list.members[0].clone();
                list.members[1] = one;
            }),
        ),
        (
            "added",
            Box::new({
                let evil = evil.clone();
                move |_, list| list.members.push(evil.clone())
            }),
        ),
        ("altered", Box::new(|_, list| list.members[0].manifest.0[200] ^= 1)),
        ("by another", Box::new(move |_, list| list.members[0].manifest = evil.manifest.clone())),
        // Whichever is shown last: what was shown before it is not written either.
        ("of an odd length", Box::new(|_, list| list.members.last_mut().unwrap().part_len = 3)),
        // The one that is fetched last.
        (
            "large and of an odd length",
            Box::new(|_, list| {
                let n = large(list);
                list.members[n].part_len = 3;
            }),
        ),
    ];
    for (what, lie) in lies {
        let asked: Arc<Mutex<Option<MembersRequest>>> = Arc::default();
        let note = asked.clone();
        let before = move |exchange: &Exchange| {
            if exchange.path.ends_with("/members") {
                *note.lock().unwrap() = serde_json::from_slice(&exchange.body).ok();
            }
            Answer::Forward
        };
        let after = move |exchange: &mut Exchange| {
            if exchange.path.ends_with("/members")
                && let Ok(mut list) = serde_json::from_slice::<MemberList>(&exchange.reply)
            {
                lie(asked.lock().unwrap().as_ref().unwrap(), &mut list);
                exchange.reply = serde_json::to_vec(&list).unwrap();
            }
        };
        let proxy = Proxy::start(&stage, before, after).await;
        let target = bob.folder.join(what);
        let error = through(&stage, &bob, &proxy)
            .await
            .receive_into(id, Target::file(&target))
            .await
            .expect_err(what);
        let fits = match what {
            "dropped" | "twice" => matches!(error, Error::FolderIncomplete(1)),
            "of an odd length" | "large and of an odd length" => matches!(error, Error::NotAServer { .. }),
            _ => matches!(error, Error::NotAuthentic),
        };
        assert!(fits, "{what}: {error:?}");
        assert!(content(&target).values().all(Option::is_none), "{what}: nothing of it was written");
    }
    back(&stage, &bob).await;
    bob.receive_into(id, Target::file(bob.folder.join("honest"))).await.unwrap();
    assert_same(&root, &bob.folder.join("honest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_another_member_is_not_taken_for_a_members_own() {
    let (stage, alice, bob) = two().await;
    let root = alice.folder.join("pair");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("a"), noise(1_000, 1)).unwrap();
    std::fs::write(root.join("b"), noise(1_000, 2)).unwrap();
    let id = send(&alice, &bob, &[&root]).await.unwrap().list.file_id;
    let first: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let after = move |exchange: &mut Exchange| {
        if exchange.path.contains("/parts/") && !exchange.path.contains(&id.to_string()) {
            exchange.reply = first.lock().unwrap().get_or_insert_with(|| exchange.reply.clone()).clone();
        }
    };
    let proxy = Proxy::start(&stage, |_| Answer::Forward, after).await;
    let error = through(&stage, &bob, &proxy).await.receive(id).await.unwrap_err();
    assert!(matches!(error, Error::NotAuthentic), "{error:?}");
    assert!(content(&bob.folder.join("pair")).len() <= 1);
}
