//! By whom a file is sent, and by which requests: from an account, or by a visitor into a drop box.

use super::Job;
use crate::client::Inner;
use crate::http::Server;
use crate::keys::Unlocked;
use crate::{Address, Error, FileId, Home, Result, RootId, UserId};
use aws_lc_rs::hmac;
use envelope::{Bundle, Suite};
use format::{JournalKey, RootKeyPair, Secret};
use proto::{B64, BoxId, Token, headers, paths};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The file of the home that what visitors leave unfinished hangs on.
const SECRET: &str = "visitor.key";

/// Who sends.
#[derive(Clone, Copy)]
pub(super) enum Author<'a> {
    /// Whoever has keys signs.
    Me(&'a Unlocked),
    /// A visitor of a drop box: nobody signs.
    Nobody(&'a Guest),
}

/// A visitor of a drop box, who has no account there.
pub(crate) struct Guest {
    server: Server,
    box_id: BoxId,
    secret: Zeroizing<Vec<u8>>,
}

impl Guest {
    /// The visitor of this home. The secret is made at the first visit: what it seals is as safe as the files that this
    /// person sends, which are on the same disk in clear.
    pub(crate) fn new(home: &Home, server: Server, box_id: BoxId) -> Result<Self> {
        let _lock = home.lock("visitor.lock")?;
        let secret = match home.read(SECRET)? {
            Some(secret) if secret.len() == 32 => secret,
            Some(_) => return Err(Error::HomeDamaged(home.path().join(SECRET))),
            None => {
                let fresh = Secret::<32>::generate();
                home.write(SECRET, fresh.expose_secret())?;
                Zeroizing::new(fresh.expose_secret().to_vec())
            }
        };
        Ok(Self { server, box_id, secret })
    }

    fn derived(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret));
        for part in parts {
            context.update(part);
        }
        Zeroizing::new(context.sign().as_ref().try_into().expect("HMAC-SHA-256 gives 32 bytes"))
    }

    /// What the server knows an upload of this visitor by.
    fn upload_key(&self, file_id: FileId) -> Token {
        Token::new(
            B64(self.derived(&[b"waxwing/v1/visitor/upload\0", file_id.as_bytes()]).to_vec()).to_text(),
        )
    }

    /// A request about an upload, with what it is known by.
    fn keyed(&self, request: RequestBuilder, file_id: FileId) -> RequestBuilder {
        request.header(headers::UPLOAD_KEY, self.upload_key(file_id).expose_secret())
    }

    /// Abandons an upload; one that the server does not know is fine.
    pub(crate) async fn abandon(&self, file_id: FileId) -> Result<()> {
        let path = paths::fill(paths::BOX_UPLOAD, &[&self.box_id, &file_id]);
        match self.server.send(self.keyed(self.server.request(Method::DELETE, &path), file_id)).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What a part is sent with.
pub(super) enum Pass {
    /// The access token of an account.
    Bearer(Token),
    /// The key of a visitor's upload.
    Key(Token),
}

impl Pass {
    pub(super) fn on(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Self::Key(key) => request.header(headers::UPLOAD_KEY, key.expose_secret()),
        }
    }
}

impl Author<'_> {
    /// The suite that is sealed, and the root that is named in it.
    pub(super) fn suite(&self) -> (Suite, RootId) {
        match self {
            Self::Me(me) => (Suite::Signed, me.root_id()),
            Self::Nobody(_) => (Suite::Anonymous, RootId::ZERO),
        }
    }

    /// Whose journals are gone on with; zeros for a visitor.
    pub(super) fn user_id(&self) -> UserId {
        match self {
            Self::Me(me) => me.user_id(),
            Self::Nobody(_) => UserId::from_bytes([0; 16]),
        }
    }

    pub(super) fn journal_key(&self) -> JournalKey {
        match self {
            Self::Me(me) => me.vault.journal_key(),
            Self::Nobody(guest) => {
                let key = guest.derived(&[b"waxwing/v1/visitor/journal\0"]);
                JournalKey::from_secret(Secret::from_bytes(*key))
            }
        }
    }

    /// One's own bundle: whoever signs has access as well.
    pub(super) fn own_bundle(&self) -> Option<&Bundle> {
        match self {
            Self::Me(me) => Some(&me.bundle),
            Self::Nobody(_) => None,
        }
    }

    pub(super) fn root(&self) -> Option<&RootKeyPair> {
        match self {
            Self::Me(me) => Some(me.vault.identity.root()),
            Self::Nobody(_) => None,
        }
    }

    /// One's own address, which needs no grant but one's own.
    pub(super) fn address(&self) -> Option<&Address> {
        match self {
            Self::Me(me) => Some(me.address()),
            Self::Nobody(_) => None,
        }
    }
}

impl Job<'_> {
    /// Where the parts go.
    pub(super) fn server(&self) -> Result<Server> {
        match self.author {
            Author::Me(_) => self.inner.server(),
            Author::Nobody(guest) => Ok(guest.server.clone()),
        }
    }

    pub(super) fn begin_path(&self) -> String {
        match self.author {
            Author::Me(_) => paths::UPLOADS.to_owned(),
            Author::Nobody(guest) => paths::fill(paths::BOX_UPLOADS, &[&guest.box_id]),
        }
    }

    pub(super) fn upload_path(&self, file_id: FileId) -> String {
        match self.author {
            Author::Me(_) => paths::fill(paths::UPLOAD, &[&file_id]),
            Author::Nobody(guest) => paths::fill(paths::BOX_UPLOAD, &[&guest.box_id, &file_id]),
        }
    }

    pub(super) fn part_path(&self, file_id: FileId, n: u32) -> String {
        match self.author {
            Author::Me(_) => paths::fill(paths::PART, &[&file_id, &n]),
            Author::Nobody(guest) => paths::fill(paths::BOX_PART, &[&guest.box_id, &file_id, &n]),
        }
    }

    pub(super) fn complete_path(&self, file_id: FileId) -> String {
        match self.author {
            Author::Me(_) => paths::fill(paths::COMPLETE, &[&file_id]),
            Author::Nobody(guest) => paths::fill(paths::BOX_COMPLETE, &[&guest.box_id, &file_id]),
        }
    }

    /// Asks about an upload.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        file_id: FileId,
        build: impl Fn(&Server) -> RequestBuilder,
    ) -> Result<T> {
        match self.author {
            Author::Me(_) => self.inner.call(build).await,
            Author::Nobody(guest) => {
                let response = guest.server.send(guest.keyed(build(&guest.server), file_id)).await?;
                guest.server.json(response).await
            }
        }
    }

    /// What a part is sent with; never `rejected`, which the server has just refused.
    pub(super) async fn pass(&self, file_id: FileId, rejected: Option<&Token>) -> Result<Pass> {
        match self.author {
            Author::Me(_) => self.inner.access_token(rejected).await.map(Pass::Bearer),
            Author::Nobody(guest) => Ok(Pass::Key(guest.upload_key(file_id))),
        }
    }

    pub(super) async fn delete_upload(&self, file_id: FileId) -> Result<()> {
        match self.author {
            Author::Me(_) => self.inner.delete_upload(file_id).await,
            Author::Nobody(guest) => guest.abandon(file_id).await,
        }
    }
}

impl Inner {
    /// Abandons what a visitor left unfinished at `origin`. A server of an authority that is not known here forgets it by
    /// itself.
    pub(crate) async fn abandon_visit(&self, origin: &str, box_id: BoxId, file_id: FileId) -> Result<()> {
        let here = self.server().ok().filter(|server| server.origin() == origin);
        let server = match here {
            Some(server) => server,
            None => Server::new(&crate::http::parse_origin(origin)?, None, &self.options)?,
        };
        match Guest::new(&self.home, server, box_id)?.abandon(file_id).await {
            Err(Error::CertificateNotTrusted { .. }) => Ok(()),
            outcome => outcome,
        }
    }
}
