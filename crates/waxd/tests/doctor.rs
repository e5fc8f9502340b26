//! `waxd doctor`: exit codes, words and JSON.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use server::{Config, Running, Server};

async fn serving() -> (tempfile::TempDir, Running) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let running = Server::start(Config::for_data(folder.path().join("data"))).await.unwrap();
    (folder, running)
}

fn doctor(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waxd"));
    // Elsewhere, so that no `.env` of whoever runs the tests is read.
    command.current_dir(folder).arg("doctor").args(args);
    for name in ["SECRET_KEY", "JWT_SECRET", "REDIS_URL", "SMTP_HOST", "SECRET_KEY_FILE", "WAXD_DATA"] {
        command.env_remove(name);
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_and_the_json_say_whether_something_is_red() {
    let (folder, running) = serving().await;
    let data = folder.path().join("data");
    let (url, data_arg) = (running.url(), data.to_str().unwrap().to_owned());
    let args = ["--data", &data_arg, "--public-url", &url];
    let output = doctor(folder.path(), &args);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("\npublic address\n") && said.contains("✓ reached") && said.contains(" 0 red"),
        "{said}"
    );
    assert!(!said.contains('\x1b'), "no colours where nobody sees them");
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = doctor(folder.path(), &args);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("→ chmod 700 {data_arg}")), "{said}");
    let output = doctor(folder.path(), &[&args[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ok"], false);
    let red: Vec<_> =
        json["findings"].as_array().unwrap().iter().filter(|one| one["verdict"] == "red").collect();
    assert_eq!(red.len(), 1);
    assert_eq!((&red[0]["area"], &red[0]["check"]), (&"data".into(), &"private".into()));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_comes_to_its_end_although_a_server_that_starts_was_stopped() {
    let (folder, running) = serving().await;
    let data = folder.path().join("data");
    // What a server holds while it brings the schema up to date.
    let turn = std::fs::File::open(&data).unwrap();
    turn.lock().unwrap();
    let (url, data) = (running.url(), data.to_str().unwrap().to_owned());
    let args = ["--data", &data, "--public-url", &url, "--patience", "3"];
    let mut child = command(folder.path(), &args).stdout(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(100) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the doctor hangs");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("✗ commits           did not answer within 3 seconds"), "{said}");
    assert!(said.contains("✓ this server"), "the rest is looked at: {said}");
    drop(turn);
    running.shutdown().await;
}

#[test]
fn a_configuration_that_cannot_be_read_is_red() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_waxd"));
    command.current_dir(folder.path()).args(["doctor", "--json"]);
    command.env("SECRET_KEY", "canary").env("SECRET_KEY_FILE", "canary");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("SECRET_KEY and SECRET_KEY_FILE are both set") && !said.contains("canary"),
        "{said}"
    );
}
