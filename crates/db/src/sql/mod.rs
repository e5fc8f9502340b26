//! The sentences in SQL: written once, compiled for each engine.
//!
//! Each driver declares this tree as a module of its own, beside a module `engine` that gives the names below their
//! meaning there: types of sqlx, and the few words in which the engines' SQL differs (macros `empty!`, `random_id!`,
//! `last_number!`, `locked!`). Everything else is spelled so that both engines read it alike.

mod accounts;
mod administration;
pub(super) mod audit;
mod boxes;
pub(super) mod changes;
mod directory;
mod erasure;
mod factors;
pub(super) mod files;
mod finish;
pub(super) mod jobs;
mod key_check;
mod links;
pub(super) mod live;
mod moves;
pub(super) mod notices;
mod passkeys;
mod pins;
mod receipts;
mod resets;
mod rows;
mod schema;
mod sessions;
mod sharing;
mod stats;
mod uploads;
mod v0;
mod vaults;

use super::engine::{self, Arguments, Connection, Driver, Engine, Row};
