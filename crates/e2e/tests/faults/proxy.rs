//! A proxy before the server that takes bodies of 1 MiB.

use e2e::scene::{executable, serve};
use stage::{Nginx, Parcel, Person, Role, sha256_of};

#[test]
fn behind_an_nginx_that_takes_one_mib_parts_of_one_mib_are_sent() {
    if !stage::nginx_is_installed() {
        eprintln!("not run: nginx is not installed");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let server = serve(root.path(), 0);
    let upstream = server.port().unwrap();
    let nginx = Nginx::start(root.path(), Role::Proxy { upstream, body_mib: 1 }).unwrap();
    let wax = executable("wax");
    let alice = Person::new("Alice", "alice@lindenhof-law.example", &wax, root.path()).unwrap();
    let bob = Person::new("Bob", "bob@seaside-clinic.example", &wax, root.path()).unwrap();
    for person in [&alice, &bob] {
        person.sign_up_at(&server, &nginx.url, &nginx.ca).unwrap();
    }
    let parcel = Parcel::make(&root.path().join("parcel"), 40 << 20).unwrap();
    let done = alice.wax(&["send", parcel.path.to_str().unwrap(), "--to", &bob.address]).unwrap();
    let number = |key: &str| done.sent().unwrap()[key].as_u64().unwrap();
    assert_eq!(number("received_parts"), number("sealed_bytes").div_ceil(1 << 20));
    assert_eq!(number("received_bytes"), number("sealed_bytes"));
    let target = root.path().join("got");
    bob.wax(&["get", &done.sent_id().unwrap(), "-o", target.to_str().unwrap()]).unwrap();
    assert_eq!(sha256_of(&target).unwrap(), sha256_of(&parcel.path).unwrap());
}
