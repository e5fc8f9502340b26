//! Signed actions: which bytes a root signs, spelled out by hand.

use envelope::action::{FactorChange, factor_bytes, receipt_bytes, vault_bytes};
use envelope::{ContentId, FileId, UserId};

#[test]
fn the_bytes_of_every_action_stand_as_the_specification_says() {
    let user = UserId::from_bytes([1; 16]);
    let vault = [&[1; 16][..], &[0, 0, 1, 2], &[9; 32]].concat();
    assert_eq!(vault_bytes(&user, 0x0102, &[9; 32]).as_slice(), vault);
    let time = [0, 0, 0, 0, 0, 0, 1, 2];
    let factor = [&[1; 16][..], &time, &[3]].concat();
    assert_eq!(factor_bytes(&user, 0x0102, FactorChange::BackupCodes).as_slice(), factor);
    let receipt = [&[4; 16][..], &[5; 32], &time].concat();
    let (file, content) = (FileId::from_bytes([4; 16]), ContentId::from_bytes([5; 32]));
    assert_eq!(receipt_bytes(file, content, 0x0102).as_slice(), receipt);
}
