//! Promises about receipts.

use envelope::audit::Kind;
use envelope::ids::EventId;

use super::*;
use crate::{NewEvent, NewReceipt, ReceiptAnswer, StoredReceipt};

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    the_first_receipt_of_a_recipient_stays(&*empty(fixture).await).await;
    only_a_recipient_of_a_living_file_leaves_a_receipt(&*empty(fixture).await).await;
    receipts_end_with_their_file(&*empty(fixture).await).await;
}

fn receipt(user: UserId, file_id: FileId, n: u8) -> NewReceipt {
    let event = NewEvent {
        id: EventId::from_bytes([n; 16]),
        at: NOW,
        kind: Kind::FileOpened,
        actor: user,
        owner: None,
        file_id: Some(file_id),
        other: None,
        sealed: Vec::new(),
    };
    NewReceipt { receipt: StoredReceipt { user, opened: i64::from(n), signature: [n; 64] }, file_id, event }
}

async fn the_first_receipt_of_a_recipient_stays(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    send(db, new_finish(alice, file(1), MIB, &[bob, carol])).await;
    assert_eq!(db.receipts_of(file(1)).await.unwrap(), []);
    let keep = async |new| db.keep_receipt(new).await.unwrap();
    assert_eq!(keep(receipt(carol, file(1), 1)).await, ReceiptAnswer::Kept);
    assert_eq!(keep(receipt(bob, file(1), 2)).await, ReceiptAnswer::Kept);
    assert_eq!(keep(receipt(bob, file(1), 3)).await, ReceiptAnswer::AlreadyThere);
    let kept = [receipt(bob, file(1), 2).receipt, receipt(carol, file(1), 1).receipt];
    assert_eq!(db.receipts_of(file(1)).await.unwrap(), kept);
    let events = db.events_after(0, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.actor).collect::<Vec<_>>(), [carol, bob], "one each");
}

async fn only_a_recipient_of_a_living_file_leaves_a_receipt(db: &dyn Database) {
    let (alice, bob, carol) = (person(db, 1).await, person(db, 2).await, person(db, 3).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    begin(db, alice, file(2), Some(MIB)).await;
    for (who, file_id) in [(alice, file(1)), (carol, file(1)), (bob, file(2)), (bob, file(9))] {
        let answer = db.keep_receipt(receipt(who, file_id, 1)).await.unwrap();
        assert_eq!(answer, ReceiptAnswer::Nothing);
    }
    assert_eq!(db.events_after(0, 10).await.unwrap(), []);
}

async fn receipts_end_with_their_file(db: &dyn Database) {
    let (alice, bob) = (person(db, 1).await, person(db, 2).await);
    send(db, new_finish(alice, file(1), MIB, &[bob])).await;
    db.keep_receipt(receipt(bob, file(1), 1)).await.unwrap();
    db.delete_file(alice, file(1), NOW, &[]).await.unwrap();
    assert_eq!(db.receipts_of(file(1)).await.unwrap(), []);
    assert_eq!(db.keep_receipt(receipt(bob, file(1), 2)).await.unwrap(), ReceiptAnswer::Nothing);
}
