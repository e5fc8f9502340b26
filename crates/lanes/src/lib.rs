//! SHA-256 of several messages at once, in the lanes of vector registers.
//!
//! SHA-256 is a chain: one message cannot be hashed faster than its rounds follow each other. The leaves of an
//! integrity tree are many messages of one length, so that each lane of a vector register can walk the chain of
//! another leaf. With AVX-512 sixteen go together, with AVX2 eight. A processor that has SHA instructions hashes one
//! message faster than eight AVX2 lanes together, and one without vectors hashes one after the other as well; both
//! go to `aws-lc-rs`, which every other hash of this project uses too.
//!
//! The hash itself has no secrets to keep here: leaves are hashes of sealed bytes. It runs in constant time anyway,
//! as SHA-256 has no branches and no look-ups that depend on data.

#[cfg(target_arch = "x86_64")]
mod x86;

use aws_lc_rs::digest::{Context, SHA256};

/// The hash of one message.
pub type Digest = [u8; 32];

/// How messages are hashed together on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Sixteen at once (AVX-512).
    Sixteen,
    /// Eight at once (AVX2).
    Eight,
    /// One after the other.
    OneByOne,
}

impl Way {
    /// The fastest way of this processor.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        return x86::best();
        #[cfg(not(target_arch = "x86_64"))]
        Self::OneByOne
    }

    /// Every way that this processor knows, for tests and measurements.
    pub fn all() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        return x86::all();
        #[cfg(not(target_arch = "x86_64"))]
        vec![Self::OneByOne]
    }

    /// Messages that go together.
    pub const fn width(self) -> usize {
        match self {
            Self::Sixteen => 16,
            Self::Eight => 8,
            Self::OneByOne => 1,
        }
    }
}

/// SHA-256(`prefix` ‖ message) of every message, in order. Messages of one length that stand next to each other
/// are hashed together.
pub fn sha256_prefixed(prefix: u8, messages: &[&[u8]]) -> Vec<Digest> {
    sha256_prefixed_by(Way::best(), prefix, messages)
}

/// [`sha256_prefixed`] in a way of one's choice, which must be one of [`Way::all`]; otherwise one by one.
pub fn sha256_prefixed_by(way: Way, prefix: u8, messages: &[&[u8]]) -> Vec<Digest> {
    let mut digests = Vec::with_capacity(messages.len());
    for equal in messages.chunk_by(|a, b| a.len() == b.len()) {
        for group in equal.chunks(way.width()) {
            together(way, prefix, group, &mut digests);
        }
    }
    digests
}

/// Hashes up to [`Way::width`] messages of one length.
fn together(way: Way, prefix: u8, group: &[&[u8]], digests: &mut Vec<Digest>) {
    // Below a third of the lanes, the lanes that idle cost more than the others bring.
    let worth_it = way != Way::OneByOne && group.len() * 3 >= way.width();
    #[cfg(target_arch = "x86_64")]
    if worth_it && x86::hash(way, prefix, group, digests) {
        return;
    }
    let _ = worth_it;
    digests.extend(group.iter().map(|message| one(prefix, message)));
}

fn one(prefix: u8, message: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(&[prefix]);
    context.update(message);
    context.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes")
}
