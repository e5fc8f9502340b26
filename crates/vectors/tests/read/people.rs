//! Bundles, chains, vaults, signatures, and tables.

use crate::world::{array, case, hex, root_id, text, unhex};
use bip39::Language;
use envelope::bundle::verify_chain;
use envelope::ed25519::{PublicKey, Signature, verify_strict};
use envelope::grant::recipient_id;
use envelope::merkle::{self, Node};
use envelope::{Bundle, RootId, Wrap};
use format::Passphrase;
use format::pad::padme;
use format::phrase::RecoveryPhrase;
use format::safety::safety_number;
use format::vault::{VaultSecret, open_vault};
use serde_json::{Value, json};

pub(crate) fn bundle(case: &Value) -> Result<Value, String> {
    let bundle = Bundle::parse(unhex(&case["bundle"])).map_err(|e| e.to_string())?;
    bundle.verify().map_err(|e| e.to_string())?;
    Ok(Value::Null)
}

pub(crate) fn chain(case: &Value) -> Result<Value, String> {
    let bundles = case["bundles"].as_array().unwrap().iter().map(|bundle| Bundle::parse(unhex(bundle)));
    let bundles: Vec<_> = bundles.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    verify_chain(&bundles).map_err(|e| e.to_string())?;
    Ok(Value::Null)
}

fn phrase(numbers: &Value) -> Result<RecoveryPhrase, String> {
    let list = Language::English.word_list();
    let word = |number: &Value| list[usize::try_from(number.as_u64().unwrap()).unwrap()];
    let words: Vec<&str> = numbers.as_array().unwrap().iter().map(word).collect();
    RecoveryPhrase::parse(words.join(" ")).map_err(|e| e.to_string())
}

pub(crate) fn vault(case: &Value) -> Result<Value, String> {
    let vault = unhex(&case["vault"]);
    let secret = &case["secret"];
    let opened = match secret["passphrase"].as_str() {
        Some(text) => {
            let passphrase = Passphrase::parse(text.to_owned()).map_err(|e| e.to_string())?;
            open_vault(&vault, VaultSecret::Passphrase(&passphrase))
        }
        None => open_vault(&vault, VaultSecret::Phrase(&phrase(&secret["word_numbers"])?)),
    };
    let opened = opened.map_err(|e| e.to_string())?;
    // Secrets do not come out of an identity; their public halves do, and the table of people has both.
    let people = case_of_people();
    let people = people["people"].as_array().unwrap();
    let seed = |of: &dyn Fn(&Value) -> bool, key: &str| {
        people.iter().find(|person| of(person)).map(|person| person[key].clone())
    };
    let keys: Vec<&PublicKey> = opened.identity.root_keys().collect();
    let roots =
        keys.iter().map(|root| seed(&|person| text(person, "root_key") == hex(root.as_bytes()), "root_seed"));
    let ids = opened.identity.recipient_ids();
    let bare = |person: &Value| recipient_id(Wrap::XWing, None, &unhex(&person["xwing_key"]));
    let mut xwing: Vec<&Value> = people.iter().filter(|person| ids.contains(&bare(person))).collect();
    xwing.sort_by_key(|person| ids.iter().position(|id| *id == bare(person)));
    assert_eq!(hex(opened.identity.xwing_public()), text(xwing[0], "xwing_key"));
    Ok(json!({
        "user_id": hex(opened.user_id.as_bytes()),
        "version": opened.version,
        "roots": roots.collect::<Vec<_>>(),
        "xwing": xwing.iter().map(|person| &person["xwing_seed"]).collect::<Vec<_>>(),
        "rsa": opened.identity.rsa_keys().map(|key| hex(key.pkcs8())).collect::<Vec<_>>(),
        "pins_version": opened.identity.pins_version(),
    }))
}

fn case_of_people() -> Value {
    case("numbers", "people")
}

pub(crate) fn signature(case: &Value) -> Result<Value, String> {
    let key = PublicKey::from_bytes(array(&case["public_key"]));
    let signature = Signature::from_bytes(array(&case["signature"]));
    let message = unhex(&case["message"]);
    verify_strict(&key, &[&message], &signature).map_err(|e| e.to_string())?;
    Ok(Value::Null)
}

pub(crate) fn numbers() {
    for row in case("numbers", "padme")["table"].as_array().unwrap() {
        assert_eq!(Some(padme(row[0].as_u64().unwrap())), row[1].as_u64(), "{row}");
    }
    let leaves: Vec<Node> = (0..20_u8).map(|n| merkle::leaf(&[n])).collect();
    for (n, root) in case("numbers", "tree")["roots"].as_array().unwrap().iter().enumerate() {
        assert_eq!(merkle::root(&leaves[..=n]), Some(Node::from_bytes(array(root))), "{n}");
    }
    for pair in case("numbers", "safety")["pairs"].as_array().unwrap() {
        let (one, other) = (root_id(&pair["root_ids"][0]), root_id(&pair["root_ids"][1]));
        let number = safety_number(&one, &other);
        let groups: Vec<&str> =
            pair["groups"].as_array().unwrap().iter().map(|g| g.as_str().unwrap()).collect();
        assert_eq!(number.to_string(), groups.join(" "));
        let list = Language::English.word_list();
        let words = pair["word_numbers"].as_array().unwrap();
        let words = words.iter().map(|n| list[usize::try_from(n.as_u64().unwrap()).unwrap()]);
        assert!(number.words().into_iter().eq(words));
        assert_eq!(number.qr_text(), text(pair, "qr"));
        assert_eq!(number.same_as_scanned(text(pair, "qr")), Ok(true));
    }

    for recipient in case("numbers", "recipients")["recipients"].as_array().unwrap() {
        let wrap = Wrap::from_code(u16::try_from(recipient["wrap"].as_u64().unwrap()).unwrap()).unwrap();
        let root = root_id(&recipient["root_id"]);
        let root = (root != RootId::ZERO).then_some(root);
        let id = recipient_id(wrap, root, &unhex(&recipient["key"]));
        assert_eq!(id.as_bytes(), &array::<32>(&recipient["recipient_id"]), "{recipient}");
    }
    for person in case_of_people()["people"].as_array().unwrap() {
        let key = PublicKey::from_bytes(array(&person["root_key"]));
        assert_eq!(RootId::of(&key), root_id(&person["root_id"]));
        assert_eq!(Bundle::parse(unhex(&person["bundle"])).unwrap().root_id(), RootId::of(&key));
    }
    for row in case("numbers", "phrases")["phrases"].as_array().unwrap() {
        let words = bip39::Mnemonic::from_entropy(&unhex(&row["entropy"])).unwrap().to_string();
        assert_eq!(phrase(&row["word_numbers"]).unwrap().words().join(" "), words);
    }
}
