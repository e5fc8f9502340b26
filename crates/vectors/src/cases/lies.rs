//! Files that must be refused, each named by what is wrong with it.

mod bodies;
mod grants;
mod insides;
mod manifests;

pub(super) use bodies::{long, wrong_inner_word};
pub(super) use insides::empty_member;

use super::{Case, World};

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    manifests::add(world, cases);
    grants::add(world, cases);
    insides::add(world, cases);
    bodies::add(world, cases);
}
