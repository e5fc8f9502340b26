//! An instance that has outgrown SQLite, as its operator moves it with the commands of the book.

use crate::operator::{command, login, words};
use crate::scene::{Scene, executable, serve};
use stage::postgres::{self, Postgres};
use stage::{Parcel, Person, Server, ServerOptions};
use std::ffi::OsString;
use std::path::Path;
use std::process::Output;

const MIB: usize = 1 << 20;

/// `waxd admin ARGS --data DATA` with the database of a URL.
fn admin(data: &Path, url: &str, args: &[&str]) -> Output {
    command(data, args).env("DATABASE_URL", url).output().unwrap()
}

/// A server over the database of a URL, with its data in a folder of the scene; `None` where it does not start.
fn serve_over(root: &Path, folder: &str, url: &str, port: u16) -> Option<Server> {
    let (data, logs) = (root.join(folder), root.join("logs"));
    let waxd = executable("waxd");
    let options = ServerOptions { waxd: &waxd, data: &data, logs: &logs, port, quiet: false, more: &[] };
    Server::start_in(&options, &[("DATABASE_URL".to_owned(), OsString::from(url))]).ok()
}

#[track_caller]
pub(crate) fn fetch(person: &Person, file_id: &str, parcel: &Parcel, target: &str) {
    person.wax(&["get", file_id, "-o", target]).unwrap();
    assert!(std::fs::read(target).unwrap() == std::fs::read(&parcel.path).unwrap());
    std::fs::remove_file(target).unwrap();
}

pub(crate) fn send(scene: &Scene, name: &str) -> (Parcel, String) {
    let parcel = Parcel::make(&scene.path(name), 3 * MIB as u64).unwrap();
    let path = parcel.path.to_str().unwrap().to_owned();
    let sent = scene.alice.wax(&["send", &path, "--to", &scene.bob.address]).unwrap();
    (parcel, sent.sent_id().unwrap())
}

#[test]
fn an_instance_moves_to_postgresql_is_dumped_and_restored_and_every_file_still_opens() {
    if let Some(why) = postgres::missing() {
        println!("not run: {why}");
        return;
    }
    let mut cluster = Postgres::start().unwrap();
    let (scene, server) = Scene::new(|root| serve(root, 0));
    let (data, port, target) = (server.data.clone(), server.port().unwrap(), scene.text("got.bin"));
    let (first, first_id) = send(&scene, "first.bin");

    // Not below a server that runs, and what refuses has moved nothing.
    let url = cluster.database().unwrap();
    let said = words(&admin(&data, &url, &["migrate"]), 2);
    assert!(said.contains("server"), "{said}");
    drop(server);
    // A server that is started too early, on what is still empty, does not begin anew, and leaves nothing there.
    assert!(serve_over(scene.root.path(), "server", &url, port).is_none());
    let said = words(&admin(&data, &url, &["migrate"]), 0);
    assert!(said.contains("accounts"), "{said}");
    let refused = words(&command(&data, &["users", "list"]).output().unwrap(), 2);
    assert!(refused.contains("moved"), "the file must not be used by mistake: {refused}");

    // Sessions go on: nobody signs in again.
    let server = serve_over(scene.root.path(), "server", &url, port).unwrap();
    fetch(&scene.bob, &first_id, &first, &target);
    let (second, second_id) = send(&scene, "second.bin");
    let said = words(&admin(&data, &url, &["backup", &scene.text("safe")]), 2);
    assert!(said.contains("pg_dump"), "{said}");

    // The book's way to keep a copy, beside the running server.
    let dump = scene.text("waxwing.dump");
    run("pg_dump", &["--format=custom", &format!("--file={dump}"), &url]);
    let restored = scene.path("restored");
    std::fs::create_dir(&restored).unwrap();
    for folder in ["blobs", "secrets", "tls"] {
        run("cp", &["-a", data.join(folder).to_str().unwrap(), restored.to_str().unwrap()]);
    }
    let (_, after_the_dump) = send(&scene, "third.bin");
    server.kill().unwrap();

    // The database server is lost. Another one takes its dump, and nobody from the network without TLS.
    cluster.crash().unwrap();
    let mut second_cluster = Postgres::start().unwrap();
    let plain = second_cluster.database().unwrap();
    run("pg_restore", &[&format!("--dbname={plain}"), &dump]);
    second_cluster.crash().unwrap();
    second_cluster.use_tls().unwrap();
    second_cluster.go().unwrap();
    let ca = second_cluster.ca();
    let by_name = plain.replace("127.0.0.1", "localhost");
    let url = format!("{by_name}?sslmode=verify-full&sslrootcert={}", ca.display());
    let said = words(&admin(&restored, &url, &["begin-again"]), 0);
    assert!(said.contains("session"), "{said}");
    words(&admin(&restored, &url, &["scrub"]), 0);
    let server = serve_over(scene.root.path(), "restored", &url, port).unwrap();
    let name = plain.rsplit('/').next().unwrap();
    let query = format!(
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = '{name}' AND ssl \
         AND client_addr IS NOT NULL"
    );
    let by_tls: u32 = postgres::sql(&by_socket(&second_cluster), &query).unwrap().parse().unwrap();
    assert!(by_tls >= 1, "the server's connections are not over TLS");

    // Sessions of the dump are over: a code that was used since would be good again.
    assert_eq!(scene.bob.attempt(&["ls"]).unwrap().status.code(), Some(3), "{}", scene.bob.last_words());
    for person in [&scene.alice, &scene.bob] {
        assert_eq!(login(person, &server), Some(0), "{}", person.last_words());
    }
    fetch(&scene.bob, &first_id, &first, &target);
    fetch(&scene.bob, &second_id, &second, &target);
    let gone = scene.bob.attempt(&["get", &after_the_dump, "-o", &target]).unwrap();
    assert!(!gone.status.success(), "it was sent after the dump");
    drop(server);

    // Whoever is not the authority that was named gets not a word.
    let wrong = scene.path("wrong.pem");
    std::fs::copy(restored.join("tls/ca.pem"), &wrong).unwrap();
    let url = format!("{by_name}?sslmode=verify-full&sslrootcert={}", wrong.display());
    words(&admin(&restored, &url, &["users", "list"]), 2);
    assert!(serve_over(scene.root.path(), "restored", &url, 0).is_none(), "another authority is believed");
}

/// Who is asked beside the network.
fn by_socket(cluster: &Postgres) -> String {
    let folder = cluster.ca().parent().unwrap().display().to_string();
    format!("host={folder} port={} user=waxwing dbname=postgres", cluster.port())
}

#[track_caller]
fn run(program: &str, args: &[&str]) {
    let done = std::process::Command::new(program).args(args).output().unwrap();
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
}
