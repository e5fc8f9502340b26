//! Memory does not grow with the file.

use crate::scene::{Scene, serve};
use std::fs::{File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const MIB: u64 = 1 << 20;

#[test]
#[cfg(target_os = "linux")]
fn four_gib_pass_with_client_and_server_under_64_mib() {
    let (scene, server) = Scene::new(|root| serve(root, 0));
    let len = 4 << 30;
    File::create(scene.path("sparse.bin")).unwrap().set_len(len).unwrap();

    let sent = scene
        .alice
        .wax(&["send", &scene.text("sparse.bin"), "--no-compress", "--to", &scene.bob.address])
        .unwrap();
    let got = {
        let file_id = sent.sent_id().unwrap();
        scene.bob.wax(&["get", &file_id, "-o", &scene.text("got.bin")]).unwrap()
    };

    let peaks = [
        ("send", sent.peak.unwrap(), 64),
        ("get", got.peak.unwrap(), 64),
        ("server", server.peak().unwrap(), 72),
    ];
    for (who, peak, limit) in peaks {
        assert!(peak < limit * MIB, "{who} held {} MiB", peak / MIB);
    }
    assert!(is_all_zeros(File::open(scene.path("got.bin")).unwrap(), len), "what came is not what went");
}

#[test]
#[cfg(target_os = "linux")]
fn five_hundred_mib_pass_by_the_documented_api_with_client_and_server_under_64_mib() {
    let (scene, server) = Scene::new(|root| serve(root, 0));
    let len = 500 << 20;
    File::create(scene.path("sparse.bin")).unwrap().set_len(len).unwrap();
    let (private, public) = (scene.text("key.pem"), scene.text("key.pub.pem"));
    for arguments in [
        ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &private].as_slice(),
        &["pkey", "-in", &private, "-pubout", "-out", &public],
    ] {
        assert!(Command::new("openssl").args(arguments).output().unwrap().status.success());
    }
    std::fs::set_permissions(&private, Permissions::from_mode(0o600)).unwrap();

    let sent =
        scene.alice.wax(&["send", &scene.text("sparse.bin"), "--compat", "--to-key", &public]).unwrap();
    let file_id = sent.sent_id().unwrap();
    let got = scene.alice.wax(&["get", &file_id, "--key", &private, "-o", &scene.text("got.bin")]).unwrap();

    let peaks =
        [("send", sent.peak.unwrap()), ("get", got.peak.unwrap()), ("server", server.peak().unwrap())];
    for (who, peak) in peaks {
        assert!(peak < 64 * MIB, "{who} held {} MiB", peak / MIB);
    }
    assert!(is_all_zeros(File::open(scene.path("got.bin")).unwrap(), len), "what came is not what went");
}

fn is_all_zeros(mut file: File, len: u64) -> bool {
    let mut piece = vec![0; 1 << 20];
    let mut read = 0;
    loop {
        let n = file.read(&mut piece).unwrap();
        if n == 0 {
            return read == len;
        }
        if piece[..n].iter().any(|byte| *byte != 0) {
            return false;
        }
        read += n as u64;
    }
}
