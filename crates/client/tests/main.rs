//! The client against a real server in the same process, and against a proxy that lies.

#![expect(unreachable_pub, reason = "nothing of a test is for others")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod account;
mod activity;
mod backup;
mod boxes;
mod container;
mod crowd;
mod cuts;
mod devices;
mod factors;
mod files;
mod folders;
mod index;
mod invitation;
mod keys;
mod leaving;
mod lies;
mod links;
mod live;
mod logs;
mod many;
mod operator;
mod receiving;
mod reset;
mod resume;
mod rotation;
mod round_trip;
mod rsa;
mod shaping;
mod sharing;
mod speed;
mod stage;
#[expect(dead_code, reason = "the store of the driver's own tests, of which these need a part")]
#[path = "../../blobs/tests/s3/store.rs"]
mod store;
mod stored;
mod trust;
