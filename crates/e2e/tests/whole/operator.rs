//! `waxd admin` as an operator types it, beside a running server whose people go on.

use crate::scene::{Scene, executable, serve};
use serde_json::Value;
use stage::{Parcel, Person, Server, ServerOptions, WrongClock, text_at};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

/// `waxd admin ARGS --data DATA`.
fn admin(data: &Path, args: &[&str]) -> Output {
    command(data, args).output().unwrap()
}

/// The same, not started yet.
pub(crate) fn command(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(executable("waxd"));
    command.arg("admin").args(args).arg("--data").arg(data);
    // Elsewhere, and without what whoever runs the tests may have set.
    command.current_dir(data).env_remove("SECRET_KEY").env_remove("SECRET_KEY_FILE");
    command.env_remove("DATABASE_URL").env_remove("DATABASE_URL_FILE").env("WAXD_MAIL", "console");
    command
}

/// The one JSON object of a command that ended with `code`.
#[track_caller]
fn told(output: &Output, code: i32) -> Value {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

/// The lines of JSON of a command that ended with `code`.
#[track_caller]
pub(crate) fn lines(output: &Output, code: i32) -> Vec<Value> {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
pub(crate) fn words(output: &Output, code: i32) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8(all).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn exit(person: &Person, args: &[&str]) -> Option<i32> {
    person.attempt(args).unwrap().status.code()
}

pub(crate) fn login(person: &Person, server: &Server) -> Option<i32> {
    let began = std::time::Instant::now();
    // Letters of before are not the one that is waited for.
    for letter in std::fs::read_dir(server.data.join("mail")).unwrap() {
        std::fs::remove_file(letter.unwrap().path()).unwrap();
    }
    let mut child = person.start(&["login", &person.address]).unwrap();
    let code = server.code_for(&person.address).unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{code}\n").as_bytes()).unwrap();
    person.finish(child, began).unwrap().status.code()
}

fn kinds(person: &Person) -> Vec<String> {
    let said = person.wax(&["activity"]).unwrap().said;
    said["events"].as_array().unwrap().iter().map(|event| text_at(event, "kind").unwrap()).collect()
}

#[test]
fn people_are_listed_suspended_given_quotas_and_signed_out_while_the_server_runs() {
    let (scene, server) = Scene::new(|root| serve(root, 0));
    let data = server.data.clone();
    let users = told(&admin(&data, &["users", "list", "--json"]), 0);
    let users = users["users"].as_array().unwrap().clone();
    let bob = users.iter().find(|user| user["address"] == *scene.bob.address).unwrap();
    assert_eq!(users.len(), 2);
    assert_eq!(
        (&bob["status"], &bob["quota_bytes"], &bob["sessions"]),
        (&"active".into(), &Value::Null, &1.into())
    );
    let list = words(&admin(&data, &["users", "list"]), 0);
    assert!(
        list.contains(&scene.alice.address) && list.contains("active") && list.contains("quota default"),
        "{list}"
    );

    // By address, and by id.
    let id = text_at(bob, "id").unwrap();
    let done = told(&admin(&data, &["users", "suspend", &scene.bob.address, "--json"]), 0);
    assert_eq!((&done["changed"], &done["ended"]), (&true.into(), &1.into()));
    assert_eq!(exit(&scene.bob, &["ls"]), Some(6), "{}", scene.bob.last_words());
    assert!(scene.bob.last_words().contains("suspended this account"), "{}", scene.bob.last_words());
    assert_eq!(login(&scene.bob, &server), Some(6), "a right code opens no session");
    assert_eq!(exit(&scene.alice, &["ls"]), Some(0));
    assert!(words(&admin(&data, &["users", "list"]), 0).contains("suspended"));
    assert!(words(&admin(&data, &["users", "suspend", &id]), 0).contains("suspended already"));
    assert_eq!(told(&admin(&data, &["users", "reinstate", &id, "--json"]), 0)["changed"], true);
    assert_eq!(told(&admin(&data, &["users", "reinstate", &id, "--json"]), 0)["changed"], false);
    assert_eq!(login(&scene.bob, &server), Some(0), "{}", scene.bob.last_words());

    let alice = &scene.alice.address;
    assert!(words(&admin(&data, &["users", "quota", alice, "2kB"]), 0).contains("1.9 KiB"));
    assert_eq!(scene.alice.wax(&["whoami"]).unwrap().said["quota_bytes"], 2000);
    let parcel = Parcel::make(&scene.path("five.bin"), 5_000).unwrap();
    let path = parcel.path.to_str().unwrap().to_owned();
    assert_eq!(exit(&scene.alice, &["send", &path, "--to", &scene.bob.address]), Some(6));
    assert_eq!(told(&admin(&data, &["users", "quota", alice, "default", "--json"]), 0)["changed"], true);
    scene.alice.wax(&["send", &path, "--to", &scene.bob.address]).unwrap();

    let sessions = told(&admin(&data, &["sessions", "list", alice, "--json"]), 0);
    let sessions = sessions["sessions"].as_array().unwrap().clone();
    assert_eq!((sessions.len(), &sessions[0]["address"]), (1, &alice.as_str().into()));
    assert!(words(&admin(&data, &["sessions", "list"]), 0).contains(&scene.bob.address));
    let session = text_at(&sessions[0], "id").unwrap();
    assert_eq!(told(&admin(&data, &["sessions", "end", &session, "--json"]), 0)["ended"], true);
    assert!(words(&admin(&data, &["sessions", "end", &session]), 0).contains("no such session"));
    assert_eq!(exit(&scene.alice, &["ls"]), Some(3), "{}", scene.alice.last_words());
    assert_eq!(login(&scene.alice, &server), Some(0));
    assert!(words(&admin(&data, &["users", "sign-out", alice]), 0).contains("sessions ended: 1"));
    assert!(words(&admin(&data, &["users", "reset-2fa", alice]), 0).contains("there was none"));
    assert_eq!(login(&scene.alice, &server), Some(0));

    let seen = kinds(&scene.alice);
    for kind in ["quota_changed", "session_ended_by_operator", "signed_out_by_operator"] {
        assert!(seen.iter().any(|seen| seen == kind), "{kind}: {seen:?}");
    }
    let seen = kinds(&scene.bob);
    for kind in ["account_suspended", "account_reinstated"] {
        assert_eq!(seen.iter().filter(|seen| *seen == kind).count(), 1, "{kind}: {seen:?}");
    }
    assert_eq!(told(&admin(&data, &["audit", "verify", "--json"]), 0)["ok"], true);
    drop(server);
}

#[test]
fn what_cannot_be_done_says_so_and_changes_nothing() {
    let (_scene, server) = Scene::new(|root| serve(root, 0));
    let data = server.data.clone();
    let stranger = words(&admin(&data, &["users", "suspend", "nobody@wax.example"]), 2);
    assert!(stranger.contains("no account has the address nobody@wax.example"), "{stranger}");
    let stranger =
        words(&admin(&data, &["users", "quota", "1a2b3c4d-0000-4000-8000-000000000001", "1GiB"]), 2);
    assert!(stranger.contains("no account has the id"), "{stranger}");
    for wrong in [
        ["users", "suspend", "nobody"].as_slice(),
        &["users", "quota", "a@wax.example", "much"],
        &["users", "invite", "a@wax.example", "--send"],
        &["users", "invite", "a@wax.example", "--send", "--url", "https://x/ y"],
        &["sessions", "end", "7"],
    ] {
        words(&admin(&data, wrong), 2);
    }
    let empty = tempfile::tempdir().unwrap();
    for args in [["users", "list"].as_slice(), &["sessions", "list"], &["gc"], &["orphans"], &["scrub"]] {
        let said = words(&admin(empty.path(), args), 2);
        assert!(said.contains("holds no database of a server"), "{said}");
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made there");
    drop(server);
}

#[test]
fn where_sign_up_is_by_invitation_an_invited_address_gets_in_once() {
    let root = tempfile::tempdir().unwrap();
    let (data, logs) = (root.path().join("server"), root.path().join("logs"));
    let waxd = executable("waxd");
    let more = ["--signup", "invite"];
    let options = ServerOptions { waxd: &waxd, data: &data, logs: &logs, port: 0, quiet: false, more: &more };
    let server = Server::start(&options).unwrap();
    let carol = "carol@wax.example";
    let invited = told(
        &admin(&data, &["users", "invite", carol, "--send", "--url", "https://files.club.example", "--json"]),
        0,
    );
    assert_eq!((&invited["address"], &invited["sent"]), (&carol.into(), &true.into()));
    let letter = std::fs::read_dir(data.join("mail")).unwrap().next().unwrap().unwrap();
    let letter_text = std::fs::read_to_string(letter.path()).unwrap();
    assert!(letter_text.contains("wax login carol@wax.example --server https://files.club.example"));
    std::fs::remove_file(letter.path()).unwrap();
    let dave = "dave@wax.example";
    words(&admin(&data, &["users", "invite", dave, "--days", "2"]), 0);
    let list = told(&admin(&data, &["users", "invitations", "--json"]), 0);
    assert_eq!(list["invitations"].as_array().unwrap().len(), 2);
    assert!(words(&admin(&data, &["users", "withdraw", dave]), 0).contains("withdrawn"));
    assert!(words(&admin(&data, &["users", "withdraw", dave]), 0).contains("there was no invitation"));
    let person = Person::new("Carol", carol, &executable("wax"), root.path()).unwrap();
    person.sign_up(&server).unwrap();
    assert!(words(&admin(&data, &["users", "invitations"]), 0).contains("0 invitations"), "it is used up");
    let again = words(&admin(&data, &["users", "invite", carol]), 2);
    assert!(again.contains("has an account already"), "{again}");
    let ca = server.ca.to_str().unwrap().to_owned();
    let dave = Person::new("Dave", dave, &executable("wax"), root.path()).unwrap();
    dave.wax(&["login", &dave.address, "--server", &server.url, "--ca", &ca, "--request-code"]).unwrap();
    assert_ne!(
        exit(&dave, &["login", &dave.address, "--code", "123456"]),
        Some(0),
        "the invitation was withdrawn"
    );
    assert_eq!(told(&admin(&data, &["users", "list", "--json"]), 0)["users"].as_array().unwrap().len(), 1);
    drop(server);
}

/// Every blob, oldest name first.
pub(crate) fn blobs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(blobs(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn the_storage_is_scrubbed_and_swept_by_command_beside_the_running_server() {
    let (scene, server) = Scene::new(|root| serve(root, 0));
    let data = server.data.clone();
    let parcel = Parcel::make(&scene.path("some.bin"), 3 << 20).unwrap();
    let path = parcel.path.to_str().unwrap().to_owned();
    let sent = scene.alice.wax(&["send", &path, "--no-compress", "--to", &scene.bob.address]).unwrap();
    let file_id = sent.sent_id().unwrap();
    let whole = lines(&admin(&data, &["scrub", "--json"]), 0);
    assert_eq!(
        (&whole[0]["type"], &whole[0]["files"], &whole[0]["damaged"]),
        (&"total".into(), &1.into(), &0.into())
    );
    assert!(words(&admin(&data, &["scrub"]), 0).contains("everything is as it was recorded"));

    // The largest blob is the part; a bit of it turns.
    let stored = blobs(&data.join("blobs"));
    let part = stored.iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let good = std::fs::read(part).unwrap();
    let mut altered = good.clone();
    altered[1_000_000] ^= 1;
    std::fs::write(part, &altered).unwrap();
    let found = lines(&admin(&data, &["scrub", "--json"]), 1);
    assert_eq!(
        (&found[0]["file"], &found[0]["part"], &found[0]["damage"]),
        (&file_id.as_str().into(), &0.into(), &"altered".into())
    );
    std::fs::remove_file(part).unwrap();
    let found = words(&admin(&data, &["scrub"]), 1);
    assert!(found.contains(&format!("damaged  {file_id}  part 0  missing")), "{found}");
    std::fs::write(part, &good).unwrap();
    words(&admin(&data, &["scrub"]), 0);

    let target = scene.text("got.bin");
    scene.bob.wax(&["get", &file_id, "-o", &target]).unwrap();

    // Two days later: one blob that nothing names, of the beginning, and one of just now. One of before there was this database may be
    // another's.
    let folder = scene.path("clock");
    std::fs::create_dir(&folder).unwrap();
    let Some(clock) = WrongClock::build(&folder).unwrap() else {
        println!("not run to its end: there is no C compiler to turn a clock with");
        return;
    };
    let ahead = Duration::from_secs(2 * 86_400);
    clock.set(2 * 86_400).unwrap();
    let later = |args: &[&str]| command(&data, args).envs(clock.env()).output().unwrap();
    let shard = data.join("blobs/00");
    std::fs::create_dir_all(&shard).unwrap();
    let (old, young) = ("00".repeat(16), format!("00{}", "ff".repeat(15)));
    let older = format!("00{}", "aa".repeat(15));
    let now = SystemTime::now();
    for (name, at) in [(&old, now), (&young, now + ahead), (&older, now - ahead)] {
        std::fs::write(shard.join(name), b"left behind").unwrap();
        std::fs::File::options().write(true).open(shard.join(name)).unwrap().set_modified(at).unwrap();
    }
    let found = lines(&later(&["orphans", "--json"]), 0);
    assert_eq!((&found[0]["blob"], &found[0]["bytes"]), (&old.as_str().into(), &11.into()));
    let total = found.last().unwrap();
    assert_eq!((&total["type"], &total["orphans"], &total["older"]), (&"total".into(), &1.into(), &1.into()));
    assert!(shard.join(&old).exists(), "looking touches nothing");
    // The running server holds the leases; an operator need not wait for it.
    let done = told(&later(&["gc", "--json"]), 0);
    assert_eq!((&done["orphans"], &done["waiting_blobs"]), (&1.into(), &0.into()));
    assert!(!shard.join(&old).exists() && shard.join(&young).exists() && shard.join(&older).exists());
    assert!(words(&later(&["gc"]), 0).contains("orphans swept up   0"));
    drop(server);
}

/// A person's new computer: no session, no keys.
fn new_computer(scene: &Scene, name: &str, address: &str) -> Person {
    Person::new(name, address, &executable("wax"), scene.root.path()).unwrap()
}

fn sign_in(person: &Person, server: &Server) {
    let ca = server.ca.to_str().unwrap().to_owned();
    let began = std::time::Instant::now();
    let mut child = person.start(&["login", &person.address, "--server", &server.url, "--ca", &ca]).unwrap();
    let code = server.code_for(&person.address).unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{code}\n").as_bytes()).unwrap();
    let done = person.finish(child, began).unwrap();
    assert!(done.status.success(), "{}", person.last_words());
}

/// `wax keys restore` by the phrase of a file, under the person's passphrase.
fn restore_keys(person: &Person, phrase: &Path) {
    let script = "printf '%s\\n' \"$PASSPHRASE\" | \"$WAX\" --home \"$PERSON_HOME\" --json keys restore \
                  --phrase-fd 4 --passphrase-fd 0 4< \"$PHRASE\"";
    let done = Command::new("sh")
        .args(["-c", script])
        .env("WAX", executable("wax"))
        .env("PERSON_HOME", &person.home)
        .env("PASSPHRASE", &person.passphrase)
        .env("PHRASE", phrase)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn on_an_empty_machine_phrase_and_mailbox_alone_open_a_file_of_a_restored_server() {
    let (scene, server) = Scene::new(|root| serve(root, 0));
    let parcel = Parcel::make(&scene.path("will.bin"), 2 << 20).unwrap();
    let source = parcel.path.to_str().unwrap().to_owned();
    let sent = scene.bob.wax(&["send", &source, "--to", &scene.alice.address]).unwrap();
    let file_id = sent.sent_id().unwrap();
    let phrase = scene.path("paper.txt");
    scene.alice.wax(&["keys", "phrase", "--phrase-out", phrase.to_str().unwrap()]).unwrap();
    scene.alice.wax_unlocking(&["keys", "backup", "--passphrase-fd", "0"]).unwrap();
    let safe = scene.text("safe");
    let data = server.data.clone();
    let made = lines(&admin(&data, &["backup", &safe, "--with-secrets", "--json"]), 0);
    assert_eq!((&made[0]["files"], &made[0]["damaged"]), (&1.into(), &0.into()));
    assert!(made[0]["secret_files"].as_u64().unwrap() >= 2);

    // Fire: the server and Alice's computer are gone. Her phrase is on paper, her mailbox elsewhere.
    server.kill().unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    scene.alice.attempt(&["lock"]).unwrap();
    std::fs::remove_dir_all(&scene.alice.home).unwrap();

    let machine = scene.path("second-machine");
    std::fs::create_dir_all(&machine).unwrap();
    let restored = machine.join("server");
    let mut command = Command::new(executable("waxd"));
    command.args(["admin", "restore", &safe, "--json", "--data"]).arg(&restored).current_dir(&machine);
    let output = command.env_remove("SECRET_KEY").env_remove("SECRET_KEY_FILE").output().unwrap();
    let done = lines(&output, 0);
    assert_eq!((&done[0]["files"], &done[0]["damaged"]), (&1.into(), &0.into()));
    assert!(done[0]["sessions_ended"].as_u64().unwrap() >= 2);
    let server = serve(&machine, 0);
    let alice = new_computer(&scene, "Alice-again", &scene.alice.address);
    sign_in(&alice, &server);
    restore_keys(&alice, &phrase);
    alice.wax_unlocking(&["unlock", "--passphrase-fd", "0"]).unwrap();
    let target = scene.text("opened.bin");
    alice.wax(&["get", &file_id, "-o", &target]).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), std::fs::read(&parcel.path).unwrap());
    words(&admin(&restored, &["scrub"]), 0);
    assert_eq!(told(&admin(&restored, &["audit", "verify", "--json"]), 0)["ok"], true);
    drop(server);
}
