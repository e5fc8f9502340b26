//! Whose secret key opens a file: a person's vault, or a key that stands alone.

use crate::client::Inner;
use crate::keys::Unlocked;
use crate::{Address, Error, FileId, RecipientId, Result, RootId, RsaPrivateKey};
use envelope::ed25519::PublicKey;
use format::open::Reader;
use proto::{FileInfo, paths};
use reqwest::Method;

/// Who opens. With a bare key nothing of a vault is needed.
#[derive(Clone, Copy)]
pub(crate) enum Opener<'a> {
    Person(&'a Unlocked),
    Key(&'a RsaPrivateKey),
}

impl<'a> Opener<'a> {
    pub(crate) fn reader(self) -> Reader<'a> {
        match self {
            Self::Person(me) => Reader::Identity(&me.vault.identity),
            Self::Key(key) => Reader::Rsa(key),
        }
    }
}

/// A root of one's own that signed a file.
pub(crate) struct OwnRoot {
    pub(crate) key: PublicKey,
    pub(crate) address: Address,
    pub(crate) retired: bool,
}

impl Inner {
    /// What the server has of a file, and the bare key by whose grant it was given, if it was.
    ///
    /// A person who has no grant asks by the RSA keys of their vault before it counts as not found.
    pub(crate) async fn file_info(
        &self,
        opener: Opener<'_>,
        file_id: FileId,
    ) -> Result<(FileInfo, Option<RecipientId>)> {
        let me = match opener {
            Opener::Key(key) => {
                let recipient = key.public().recipient_id(None);
                return Ok((self.info_by_key(file_id, recipient).await?, Some(recipient)));
            }
            Opener::Person(me) => me,
        };
        let path = paths::fill(paths::FILE, &[&file_id]);
        match self.call::<FileInfo>(|server| server.request(Method::GET, &path)).await {
            Err(Error::NotFound) => {}
            outcome => return Ok((outcome?, None)),
        }
        for key in me.vault.identity.rsa_keys() {
            let recipient = key.public().recipient_id(None);
            match self.info_by_key(file_id, recipient).await {
                Err(Error::NotFound) => {}
                outcome => return Ok((outcome?, Some(recipient))),
            }
        }
        Err(Error::NotFound)
    }

    async fn info_by_key(&self, file_id: FileId, recipient: RecipientId) -> Result<FileInfo> {
        let path = format!("{}?recipient={recipient}", paths::fill(paths::FILE, &[&file_id]));
        self.call(|server| server.request(Method::GET, &path)).await
    }

    /// One's own address, which nobody else may claim.
    pub(crate) fn own_address(&self, opener: Opener<'_>) -> Result<Address> {
        match opener {
            Opener::Person(me) => Ok(me.address().clone()),
            Opener::Key(_) => Ok(self.stored_session()?.ok_or(Error::NotSignedIn)?.address),
        }
    }

    /// The root of one's own that is `root`. Who opens with a bare key goes by their own bundle on this machine, if
    /// there is one.
    pub(crate) fn own_author(&self, opener: Opener<'_>, root: RootId) -> Result<Option<OwnRoot>> {
        match opener {
            Opener::Person(me) => {
                let key = me.vault.identity.root_keys().find(|key| RootId::of(key) == root);
                let retired = root != me.root_id();
                Ok(key.map(|key| OwnRoot { key: *key, address: me.address().clone(), retired }))
            }
            Opener::Key(_) => {
                let Some(bundle) = self.stored_bundle()? else { return Ok(None) };
                let keys = std::iter::once(bundle.root_key()).chain(bundle.prev_root());
                let own = keys.copied().find(|key| RootId::of(key) == root);
                let (address, retired) = (bundle.address().clone(), bundle.root_id() != root);
                Ok(own.map(|key| OwnRoot { key, address, retired }))
            }
        }
    }
}
