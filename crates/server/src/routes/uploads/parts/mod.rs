//! Parts of an upload.

pub(crate) mod direct;
pub(crate) mod put;
mod receive;
