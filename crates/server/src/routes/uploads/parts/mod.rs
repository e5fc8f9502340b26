//! Parts of an upload.

pub(crate) mod put;
mod receive;
