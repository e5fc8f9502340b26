//! Somebody who is signed in, has a root key, and signs by hand what a client would sign.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use envelope::bundle::{BundleBody, BundleKey, KeyAlgorithm, KeyUsage};
use envelope::ed25519::PublicKey;
use envelope::{Address, Bundle, RecipientId, RootId, Wrap};
use proto::{B64, UserId, paths};
use reqwest::{Method, StatusCode};
use serde::Serialize;

use super::server::{Reply, Stage, send};

#[derive(Clone)]
pub(crate) struct Root(Arc<Ed25519KeyPair>);

impl Root {
    pub(crate) fn generate() -> Self {
        Self(Arc::new(Ed25519KeyPair::generate().unwrap()))
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.public_key().as_ref().try_into().unwrap())
    }

    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 64] {
        self.0.sign(&parts.concat()).as_ref().try_into().unwrap()
    }
}

#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) address: String,
    pub(crate) user: UserId,
    pub(crate) token: String,
    pub(crate) root: Root,
    pub(crate) xwing: Vec<u8>,
    pub(crate) newest: Option<Bundle>,
}

impl Person {
    /// Signed in, without a bundle.
    pub(crate) async fn new(stage: &Stage, address: &str) -> Self {
        let session = stage.sign_in(address).await;
        Self {
            address: address.to_owned(),
            user: session.user_id,
            token: session.access_token.expose_secret().to_owned(),
            root: Root::generate(),
            xwing: super::sealed::random(1216),
            newest: None,
        }
    }

    /// Signed in, with a published bundle.
    pub(crate) async fn with_bundle(stage: &Stage, address: &str) -> Self {
        let mut person = Self::new(stage, address).await;
        let bundle = person.next_bundle();
        let reply = person.publish(stage, &bundle).await;
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
        person.newest = Some(bundle);
        person
    }

    /// What the next bundle would say.
    pub(crate) fn next_body(&self) -> BundleBody {
        BundleBody {
            user_id: self.user,
            seq: self.newest.as_ref().map_or(1, |newest| newest.seq() + 1),
            prev_hash: self.newest.as_ref().map_or([0; 32], Bundle::hash),
            root_key: self.root.public(),
            prev_root: None,
            created: 1_700_000_000,
            min_format: 0,
            address: Address::parse(&self.address).unwrap(),
            keys: vec![BundleKey {
                usage: KeyUsage::V1,
                algorithm: KeyAlgorithm::XWing,
                not_before: 0,
                not_after: 0,
                key: self.xwing.clone().into(),
            }],
        }
    }

    pub(crate) fn next_bundle(&self) -> Bundle {
        signed(&self.next_body(), &self.root, None)
    }

    pub(crate) async fn publish(&self, stage: &Stage, bundle: &Bundle) -> Reply {
        self.publish_bytes(stage, bundle.as_bytes().to_vec()).await
    }

    pub(crate) async fn publish_bytes(&self, stage: &Stage, bundle: Vec<u8>) -> Reply {
        let body = proto::PublishBundle { bundle: B64(bundle) };
        send(stage.request(Method::PUT, paths::MY_BUNDLE).bearer_auth(&self.token).json(&body)).await
    }

    pub(crate) fn root_id(&self) -> RootId {
        RootId::of(&self.root.public())
    }

    pub(crate) fn recipient_id(&self) -> RecipientId {
        envelope::grant::recipient_id(Wrap::XWing, Some(self.root_id()), &self.xwing)
    }

    pub(crate) async fn get(&self, stage: &Stage, path: &str) -> Reply {
        send(stage.request(Method::GET, path).bearer_auth(&self.token)).await
    }

    pub(crate) async fn delete(&self, stage: &Stage, path: &str) -> Reply {
        send(stage.request(Method::DELETE, path).bearer_auth(&self.token)).await
    }

    pub(crate) async fn post(&self, stage: &Stage, path: &str, body: &impl Serialize) -> Reply {
        send(stage.request(Method::POST, path).bearer_auth(&self.token).json(body)).await
    }
}

/// A bundle signed by `root` and, if there is one, by the root before.
pub(crate) fn signed(body: &BundleBody, root: &Root, previous: Option<&Root>) -> Bundle {
    let mut bytes = body.encode().unwrap();
    let own = root.sign(&[envelope::bundle::SIGNATURE_CONTEXT, &bytes]);
    let before =
        previous.map_or([0; 64], |previous| previous.sign(&[envelope::bundle::ROTATION_CONTEXT, &bytes]));
    bytes.extend_from_slice(&own);
    bytes.extend_from_slice(&before);
    Bundle::parse(bytes).unwrap()
}
