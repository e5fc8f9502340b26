//! A node of IPFS behind the server: where parts are, for whom, and what clients are told before they send.

use proto::{Code, PartCids, PartRecord, WhoAmI, paths};

use super::node::Node;
use super::*;
use crate::stage::Reply;

struct Published {
    node: Node,
    stage: Stage,
    alice: Person,
    bob: Person,
}

impl Published {
    async fn new() -> Self {
        let node = Node::start().await;
        let stage = Stage::with(|config| behind(config, &node, StoreName::Ipfs)).await;
        let (alice, bob) = alice_and_bob_at(&stage).await;
        Self { node, stage, alice, bob }
    }

    async fn sent(&self, len: u64) -> Parcel {
        let parcel = Parcel::new(len);
        parcel.send(&self.stage, &self.alice, &[&self.bob]).await;
        parcel
    }

    async fn cids(&self, who: &Person, parcel: &Parcel, query: &str) -> Reply {
        who.get(&self.stage, &format!("{}{query}", paths::fill(paths::CIDS, &[&parcel.file_id]))).await
    }
}

fn behind(config: &mut Config, node: &Node, default: StoreName) {
    config.storage.parts.store = default;
    config.storage.parts.ipfs_api = Some(node.api());
}

/// What the node says is under a CID, asked as any gateway would be.
async fn cat(node: &Node, cid: &str) -> Vec<u8> {
    let url = format!("http://127.0.0.1:{}/api/v0/cat?arg={cid}", node.api().rsplit('/').next().unwrap());
    let reply = reqwest::Client::new().post(url).send().await.unwrap();
    assert!(reply.status().is_success());
    reply.bytes().await.unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cids_of_all_parts_in_order_give_exactly_the_body() {
    let over = Published::new().await;
    let parcel = over.sent(2 * MIB + 1_000).await;
    for person in [&over.alice, &over.bob] {
        let told: PartCids = over.cids(person, &parcel, "").await.json();
        assert_eq!(told.next, None);
        let mut body = Vec::new();
        for (n, part) in (0..).zip(&told.parts) {
            let bytes = cat(&over.node, part.cid.as_deref().unwrap()).await;
            assert_eq!((part.n, part.length), (n, bytes.len() as u64));
            assert_eq!(proto::Cid::parse(part.cid.as_deref().unwrap()).unwrap().as_str(), node::cid(&bytes));
            body.extend(bytes);
        }
        assert!(body == parcel.body);
    }
    let rest: PartCids = over.cids(&over.bob, &parcel, "?from=1").await.json();
    assert_eq!(rest.parts.iter().map(|part| part.n).collect::<Vec<_>>(), [1, 2]);
    let none: PartCids = over.cids(&over.bob, &parcel, "?from=3").await.json();
    assert_eq!(none, PartCids::default());
    for odd in ["?from=-1", "?from=x", "?to=1"] {
        assert_eq!(over.cids(&over.bob, &parcel, odd).await.code(), Code::Malformed, "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_see_the_file_is_told_nothing_of_where_it_is() {
    let over = Published::new().await;
    let parcel = over.sent(1_000).await;
    let carol = Person::new(&over.stage, "carol@mail.example").await;
    let refused = over.cids(&carol, &parcel, "").await;
    assert_eq!(refused.code(), Code::NotFound);
    let nothing = over.cids(&carol, &Parcel::new(1_000), "").await;
    assert_eq!(refused.refusal().detail, nothing.refusal().detail);
    let key = format!("?recipient={}", "0".repeat(64));
    assert_eq!(over.cids(&over.bob, &parcel, &key).await.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_in_another_store_has_no_cid() {
    let over = Published::new().await;
    let parcel = Parcel::new(2 * MIB);
    parcel.begin(&over.stage, &over.alice).await;
    parcel.put(&over.stage, &over.alice, 0).await.json::<PartRecord>();
    let local = over.stage.beside_with(|config| behind(config, &over.node, StoreName::Local)).await;
    let url = format!("{}{}", local.url(), parcel.part_path(1));
    let request = over.stage.http.put(url).bearer_auth(&over.alice.token);
    let part = parcel.part(1).to_vec();
    let node = crate::stage::sealed::node_of(&part).to_string();
    send(request.header(proto::headers::NODE, node).body(part)).await.json::<PartRecord>();
    let request = parcel.complete_request(&over.alice, &[&over.bob]);
    parcel.complete(&over.stage, &over.alice, &request).await.json::<proto::Completed>();
    let told: PartCids = over.cids(&over.bob, &parcel, "").await.json();
    assert_eq!(told.parts.iter().map(|part| part.cid.is_some()).collect::<Vec<_>>(), [true, false]);
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_is_said_and_nothing_is_made_up() {
    let mut over = Published::new().await;
    let parcel = over.sent(1_000).await;
    over.node.stop().await;
    let away = over.cids(&over.bob, &parcel, "").await;
    assert_eq!(away.code(), Code::Unavailable);
    over.node.come_back().await;
    assert_eq!(over.cids(&over.bob, &parcel, "").await.json::<PartCids>().parts.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_publishes_says_so_before_anything_is_sent_and_another_does_not() {
    let over = Published::new().await;
    let me: WhoAmI = over.alice.get(&over.stage, paths::WHOAMI).await.json();
    assert!(me.publishes);
    let made = crate::boxes::Made::new();
    over.alice.post(&over.stage, paths::BOXES, &made.request(&over.stage, &over.alice)).await;
    let view: proto::BoxView = over.stage.get(&paths::fill(paths::BOX, &[&made.id])).await.json();
    assert!(view.publishes);
    // A node alone publishes nothing: it counts where new parts go.
    let local = over.stage.beside_with(|config| behind(config, &over.node, StoreName::Local)).await;
    let url = format!("{}{}", local.url(), paths::WHOAMI);
    let reply = send(over.stage.http.get(url).bearer_auth(&over.alice.token)).await;
    assert!(!reply.json::<WhoAmI>().publishes);
    assert!(!String::from_utf8_lossy(&reply.body).contains("publishes"));
    local.shutdown().await;
}
