//! Promises about the value by which a server knows its database.

use super::*;

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    the_first_value_stays_and_is_told_to_everybody(&mut *fixture()).await;
}

async fn the_first_value_stays_and_is_told_to_everybody(fixture: &mut dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    assert_eq!(one.keep_key_check(digest(1)).await.unwrap(), digest(1));
    assert_eq!(two.keep_key_check(digest(2)).await.unwrap(), digest(1), "another server's keys");
    assert_eq!(one.keep_key_check(digest(1)).await.unwrap(), digest(1));
}
