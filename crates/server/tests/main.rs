//! The server over TLS, as a client meets it. The tree mirrors the routes.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic as the test itself may")]

mod access;
mod account;
mod activity;
mod admin;
mod auth;
mod boxes;
mod clients;
mod content;
mod directory;
mod doctor;
mod events;
mod files;
mod health;
mod jobs;
mod limits;
mod links;
mod logs;
mod lost_answer;
mod mail;
mod metrics;
mod notices;
mod pins;
mod postgres;
mod proxies;
mod redis;
mod refusals;
mod several;
mod shutdown;
mod stage;
mod stores;
mod uploads;
mod v0;
mod vault;
