//! Promises about the value by which a server knows its database.

use super::*;

pub(super) async fn run(fixture: &impl Fn() -> Box<dyn Fixture>) {
    the_first_value_stays_and_is_told_to_everybody(&mut *fixture()).await;
    the_first_birth_stays(&mut *fixture()).await;
}

async fn the_first_value_stays_and_is_told_to_everybody(fixture: &mut dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    assert_eq!(one.keep_key_check(digest(1)).await.unwrap(), digest(1));
    assert_eq!(two.keep_key_check(digest(2)).await.unwrap(), digest(1), "another server's keys");
    assert_eq!(one.keep_key_check(digest(1)).await.unwrap(), digest(1));
}

async fn the_first_birth_stays(fixture: &mut dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    assert_eq!(one.birth().await.unwrap(), None, "nobody has used it");
    one.keep_birth(NOW).await.unwrap();
    two.keep_birth(NOW.plus(-60)).await.unwrap();
    one.keep_birth(NOW.plus(60)).await.unwrap();
    for db in [one, two] {
        assert_eq!(db.birth().await.unwrap(), Some(NOW));
    }
}
