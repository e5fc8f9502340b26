//! The inside of sealed things: keys, FLOE, metadata, wrapping, vault.
