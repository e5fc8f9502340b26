//! What an operator does beside running servers.

mod accounts;
mod backup;
mod held;
mod upkeep;

use server::Config;
use server::admin::{Upkeep, Users};

use crate::stage::Stage;

fn config(stage: &Stage) -> Config {
    crate::stage::server::configured(stage.data.path(), "data")
}

async fn users(stage: &Stage) -> Users {
    Users::open(&config(stage)).await.unwrap().with_clock(stage.clock.clone())
}

async fn upkeep(stage: &Stage) -> Upkeep {
    Upkeep::open(&config(stage)).await.unwrap().with_clock(stage.clock.clone())
}
