//! Links: what opens, what does not, and the one spelling of an address.

use envelope::ed25519::PublicKey;
use envelope::grant::GrantHead;
use envelope::link::verify_proof;
use envelope::{Grant, LinkId, RecipientId, RootId, Suite, Wrap};
use format::grant::{SealGrant, seal_link_grant};
use format::link::link_id;
use format::open::{OpenFile, Reader, Sharing, open_file};
use format::small::seal_small;
use format::{LinkAddress, LinkKeys, LinkSecret, OpenError, OpenedFile, Passphrase, SealError, Secret};

use crate::fixtures::{Forger, Sealed, hkdf, recipient};

const ORIGIN: &str = "https://files.example:8443";

fn password(text: &str) -> Passphrase {
    Passphrase::parse(text.to_owned()).unwrap()
}

fn secret(n: u8) -> LinkSecret {
    LinkSecret::from_secret(Secret::from_bytes([n; 32]))
}

fn keys(id: LinkId, n: u8, word: Option<&str>) -> LinkKeys {
    LinkKeys::derive(id, &secret(n), word.map(password).as_ref())
}

fn grant(file: &Sealed, author: &Forger, link: &LinkKeys) -> Grant {
    let seal = SealGrant {
        fk: &file.fk,
        manifest: &file.manifest,
        grantor: Some(&author.root),
        min_revision: 1,
        not_after: 0,
    };
    seal_link_grant(&seal, link).unwrap()
}

fn open(file: &Sealed, grant: &Grant, link: &LinkKeys, author: &PublicKey) -> Result<OpenedFile, OpenError> {
    let reader = Reader::Link(link);
    let manifest = &file.manifest;
    open_file(&OpenFile { manifest, grant, reader, author: Some(author), grantor: None, linked: &[] })
}

fn refused(opened: Result<OpenedFile, OpenError>) {
    assert_eq!(opened.map(drop), Err(OpenError::NotAuthentic));
}

#[test]
fn a_link_opens_its_file_with_and_without_a_password() {
    let alice = Forger::new(1);
    let file = Sealed::by(Some(&alice.root));
    for word in [None, Some("tall ships")] {
        let link = keys(link_id(), 5, word);
        let grant = grant(&file, &alice, &link);
        assert_eq!((grant.wrap(), grant.recipient_id()), (Wrap::Link, link.recipient_id()));
        let opened = open(&file, &grant, &link, alice.root.public()).unwrap();
        assert_eq!(opened.sharing, Sharing::ByAuthor(alice.id()));
        assert_eq!(opened.fk, file.fk);
    }
}

#[test]
fn another_secret_password_or_link_opens_nothing() {
    let alice = Forger::new(1);
    let file = Sealed::by(Some(&alice.root));
    let id = LinkId::from_bytes([3; 16]);
    let link = keys(id, 5, Some("tall ships"));
    let grant = grant(&file, &alice, &link);
    for other in [
        keys(id, 6, Some("tall ships")),
        keys(id, 5, Some("tall ship")),
        keys(id, 5, None),
        keys(LinkId::from_bytes([4; 16]), 5, Some("tall ships")),
    ] {
        refused(open(&file, &grant, &other, alice.root.public()));
        assert_ne!(other.public(), link.public());
    }
    // One spelling of what a person types.
    let composed = keys(id, 5, Some("\u{e9}"));
    assert_eq!(composed.public(), keys(id, 5, Some("e\u{301}")).public());
}

#[test]
fn the_keys_of_a_link_are_derived_as_the_document_says() {
    let id = LinkId::from_bytes([3; 16]);
    let plain = keys(id, 5, None);
    let seed = hkdf(&[5; 32], id.as_bytes(), "waxwing/v1/link/auth");
    assert_eq!(plain.public(), format::RootKeyPair::from_seed(Secret::from_bytes(seed)).public());
    let salt = hkdf(&[5; 32], id.as_bytes(), "waxwing/v1/link/salt");
    let params = argon2::Params::new(64 * 1024, 3, 1, Some(32)).unwrap();
    let mut stretched = [0; 32];
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(b"tall ships", &salt[..16], &mut stretched)
        .unwrap();
    let ikm = [[5; 32], stretched].concat();
    let seed = hkdf(&ikm, id.as_bytes(), "waxwing/v1/link/auth");
    let with = keys(id, 5, Some("tall ships"));
    assert_eq!(with.public(), format::RootKeyPair::from_seed(Secret::from_bytes(seed)).public());
    // The wrap: a small message under its own key, bound to the grant.
    let alice = Forger::new(1);
    let file = Sealed::by(Some(&alice.root));
    let grant = grant(&file, &alice, &with);
    let wrap = Secret::from_bytes(hkdf(&ikm, id.as_bytes(), "waxwing/v1/link/wrap"));
    let fk = format::small::open_small(&wrap, &grant.bound(), grant.wrapped_key()).unwrap();
    assert_eq!(fk.as_slice(), file.fk.secret().expose_secret());
}

#[test]
fn a_link_grant_that_was_altered_moved_or_not_signed_by_the_author_is_refused() {
    let (alice, mallory) = (Forger::new(1), Forger::new(2));
    let file = Sealed::by(Some(&alice.root));
    let link = keys(link_id(), 5, None);
    let good = grant(&file, &alice, &link);
    refused(open(&file, &good, &link, mallory.root.public()));
    refused(open(&Sealed::by(Some(&alice.root)), &good, &link, alice.root.public()));
    for at in 8..good.as_bytes().len() {
        let mut bytes = good.as_bytes().to_vec();
        bytes[at] ^= 1;
        if let Ok(altered) = Grant::parse(bytes) {
            assert!(open(&file, &altered, &link, alice.root.public()).is_err(), "{at}");
        }
    }
    // Whoever has the link can wrap another key, but not sign for the author.
    let forged = grant(&file, &mallory, &link);
    refused(open(&file, &forged, &link, alice.root.public()));
    // Another way of wrapping under the recipient id of a link.
    let bob = format::Identity::generate();
    let person = file.grant(Some(&alice.root), &recipient(&bob));
    refused(open(&file, &person, &link, alice.root.public()));
    let reader = Reader::Identity(&bob);
    let author = Some(alice.root.public());
    let by_person =
        OpenFile { manifest: &file.manifest, grant: &good, reader, author, grantor: None, linked: &[] };
    assert_eq!(open_file(&by_person).map(drop), Err(OpenError::NotForThisIdentity));
}

#[test]
fn a_wrap_bound_to_another_grant_is_refused() {
    let alice = Forger::new(1);
    let file = Sealed::by(Some(&alice.root));
    let id = LinkId::from_bytes([3; 16]);
    let link = keys(id, 5, None);
    let head = GrantHead {
        wrap: Wrap::Link,
        suite: Suite::Signed,
        file_id: file.file_id,
        content_id: file.manifest.content_id(),
        recipient_id: RecipientId::of_link(id.as_bytes()),
        grantor_root_id: alice.id(),
        min_revision: 1,
        not_after: 0,
    };
    let wrap = Secret::from_bytes(hkdf(&[5; 32], id.as_bytes(), "waxwing/v1/link/wrap"));
    for (bound, opens) in [(head.bound(), true), ([0; 32], false)] {
        let wrapped = seal_small(&wrap, &bound, file.fk.secret().expose_secret()).unwrap();
        let mut bytes = head.encode(&[], &wrapped).unwrap();
        let signature = alice.sign(&[b"waxwing/v1/grant\0", &bytes]);
        bytes.extend_from_slice(&signature);
        let opened = open(&file, &Grant::parse(bytes).unwrap(), &link, alice.root.public());
        assert_eq!(opened.is_ok(), opens);
    }
}

#[test]
fn a_signed_file_takes_no_link_grant_that_nobody_signed() {
    let alice = Forger::new(1);
    let file = Sealed::by(Some(&alice.root));
    let seal =
        SealGrant { fk: &file.fk, manifest: &file.manifest, grantor: None, min_revision: 1, not_after: 0 };
    assert_eq!(seal_link_grant(&seal, &keys(link_id(), 5, None)).map(drop), Err(SealError::Grantor));
}

#[test]
fn a_proof_is_for_one_link_and_one_nonce() {
    let id = LinkId::from_bytes([3; 16]);
    let link = keys(id, 5, None);
    let proof = link.prove(&[9; 32]);
    assert!(verify_proof(link.public(), id, &[9; 32], &proof).is_ok());
    assert!(verify_proof(link.public(), id, &[8; 32], &proof).is_err());
    assert!(verify_proof(link.public(), LinkId::from_bytes([4; 16]), &[9; 32], &proof).is_err());
    assert!(verify_proof(keys(id, 6, None).public(), id, &[9; 32], &proof).is_err());
}

#[test]
fn an_address_has_one_spelling_and_comes_back() {
    let (id, root) = (LinkId::from_bytes([0xfb; 16]), RootId::from_bytes([0xaa; 32]));
    for has_password in [false, true] {
        let address = LinkAddress::new(ORIGIN, id, secret(5), has_password, root).unwrap();
        let text = address.expose_secret().to_string();
        let mark = if has_password { "1p" } else { "1" };
        assert!(text.starts_with(&format!("{ORIGIN}/s/{id}#{mark}.")), "{text}");
        let again = LinkAddress::parse(&text).unwrap();
        assert_eq!(*again.expose_secret(), text);
        assert_eq!((again.origin(), again.id(), again.sender()), (ORIGIN, id, root));
        assert_eq!(again.has_password(), has_password);
        assert_eq!(again.keys(None).public(), keys(id, 5, None).public());
        let hash = text.find('#').unwrap();
        let (head, rest) = (&text[..hash], &text[hash + 1..]);
        let last = text.len() - 1;
        for wrong in [
            head.to_owned(),
            text[..last].to_owned(),
            format!("{text}A"),
            format!("{text}="),
            format!("{text}."),
            format!(" {text}"),
            format!("{text}\n"),
            text.replace("https", "http"),
            text.replace("https", "HTTPS"),
            text.replace("/s/", "/d/"),
            text.replace("/s/", "//s/"),
            text.replace("/s/", "/x/s/"),
            text.replace("files.example", "files.example/s"),
            text.replace("files.example", "me@files.example"),
            text.replace("files.example", "FILES.example"),
            text.replace("files.example", ""),
            text.replace('#', "?"),
            text.replace('#', "/#"),
            format!("{head}#{}", rest.replacen('1', "2", 1)),
            format!("{head}#{}", rest.replacen(mark, "01", 1)),
            format!("{head}#{}", rest.replacen('.', "..", 1)),
            format!("{head}#{}", rest.replacen('.', "", 1)),
            // Loose bits behind the last byte of the root.
            format!("{}p", &text[..last]),
            String::new(),
        ] {
            if wrong != text {
                assert!(LinkAddress::parse(&wrong).is_err(), "{wrong}");
            }
        }
    }
    for origin in ["https://", "http://files.example", "https://files.example/", "https://a b"] {
        assert!(LinkAddress::new(origin, id, secret(5), false, root).is_err(), "{origin}");
    }
}

#[test]
fn a_link_prints_nothing_by_chance() {
    let address =
        LinkAddress::new(ORIGIN, LinkId::from_bytes([3; 16]), secret(5), false, RootId::from_bytes([9; 32]));
    let printed = format!("{:?} {:#?} {:?}", secret(5), address.unwrap(), keys(link_id(), 5, None));
    assert!(printed.chars().all(|c| !c.is_ascii_digit()), "{printed}");
    assert!(!printed.contains("example"), "{printed}");
}
