//! Spelling of ids in JSON.

use envelope::merkle::Node;
use envelope::{ContentId, FileId, RecipientId, RootId, UserId};
use proptest::prelude::*;

proptest! {
    #[test]
    fn ids_survive_json_in_their_one_spelling(short: [u8; 16], long: [u8; 32]) {
        fn survives<T>(value: &T)
        where
            T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug + std::fmt::Display,
        {
            let json = serde_json::to_string(value).unwrap();
            assert_eq!(json, format!("\"{value}\""));
            assert_eq!(json, format!("\"{value:?}\""));
            assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value);
            let upper = json.to_uppercase();
            assert!(upper == json || serde_json::from_str::<T>(&upper).is_err());
        }
        survives(&FileId::from_bytes(short));
        survives(&UserId::from_bytes(short));
        survives(&RootId::from_bytes(long));
        survives(&ContentId::from_bytes(long));
        survives(&RecipientId::from_bytes(long));
        survives(&Node::from_bytes(long));
    }

    #[test]
    fn arbitrary_text_never_panics(text: String) {
        let _ = text.parse::<FileId>();
        let _ = text.parse::<RootId>();
    }
}

#[test]
fn a_link_is_its_id_and_sixteen_zeros() {
    let id = RecipientId::of_link(&[7; 16]);
    assert_eq!(id.as_bytes()[..16], [7; 16]);
    assert_eq!(id.as_bytes()[16..], [0; 16]);
}
