//! The server's blindness is a property of the build.

use std::process::Command;

#[test]
fn waxd_holds_no_crate_that_can_open_a_sealed_file() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "-p", "waxd", "-e", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let crates = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = crates.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"server") && names.contains(&"envelope"), "the tree was not read: {crates}");
    assert!(!names.contains(&"format"), "waxd can see the inside of sealed files");
}
