//! `waxd` as an operator meets it: the real executable on a data folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod doctor;
