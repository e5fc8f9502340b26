//! What the server answers: one folder for each noun, one file for each verb.

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod auth;
pub(crate) mod boxes;
pub(crate) mod content;
pub(crate) mod directory;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod health;
pub(crate) mod links;
pub(crate) mod pages;
pub(crate) mod pins;
pub(crate) mod uploads;
pub(crate) mod v0;
pub(crate) mod vault;
