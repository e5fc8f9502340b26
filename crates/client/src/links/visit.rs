//! Opening a link: without an account, at the server that the link names, by a proof that tells the server nothing else.

use crate::client::Inner;
use crate::files::OpenFileInfo;
use crate::http::{Server, parse_origin, retrying};
use crate::pins::Pins;
use crate::seen::Seen;
use crate::{Cancel, Client, Error, FileId, Passphrase, Progress, Received, Result, Sender, Target, Trust};
use envelope::bundle::{MAX_CHAIN, verify_chain};
use envelope::ed25519::PublicKey;
use envelope::{Bundle, Grant, Manifest, RootId, Suite};
use format::link::{LinkAddress, LinkKeys};
use format::open::{OpenFile, Reader, open_file};
use proto::{B64, Code, FileInfo, LinkFile, LinkNonce, OpenLink, OpenedLink, Role, UserId, paths};
use reqwest::Method;
use std::sync::Arc;

/// A link that is being opened.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) server: Server,
    keys: LinkKeys,
    has_password: bool,
    /// The root that must have given the file.
    sender: RootId,
}

impl Client {
    /// Fetches, checks and opens the file behind a link. No account, keys or configured server are needed: `ca_pem` is the
    /// PEM certificate of the authority of the link's server when it is not one that the system knows. At the configured
    /// server its own authority counts. What opens is by the root that the link names, or nothing.
    ///
    /// # Errors
    /// [`Error::LinkPasswordNeeded`]; [`Error::LinkClosed`] if there is no such link, or the password is wrong;
    /// [`Error::Expired`], [`Error::DownloadsUsed`]; [`Error::LinkDiffers`] if the server shows another sender;
    /// [`Error::NotAuthentic`], and those of [`Client::receive`] for the target.
    pub async fn receive_link(
        &self,
        link: &LinkAddress,
        password: Option<&Passphrase>,
        ca_pem: Option<&str>,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Received> {
        let inner = &self.inner;
        let visit = Arc::new(inner.visit(link, password, ca_pem)?);
        let download = inner.download_id(visit.remembered_as()).await?;
        let patience = inner.options.retry_for;
        let opened = retrying(patience, progress, cancel, || visit.open(&download, true)).await?;
        let file = inner.judge_visit(&visit, opened.file)?;
        let mut seen = Seen::load(&inner.home)?;
        if !seen.accept(&file.manifest) {
            return Err(Error::NotAuthentic);
        }
        inner.remember(&seen).await?;
        inner.fetch_behind(file, visit, target, progress, cancel).await
    }
}

impl Visit {
    /// Under what a download by this link is remembered: the 16 bytes of its id, in the place of a file's.
    pub(crate) fn remembered_as(&self) -> FileId {
        FileId::from_bytes(*self.keys.id().as_bytes())
    }

    /// Proves the secret, and is shown the file; `look`: without leave to fetch, and without being counted.
    pub(crate) async fn open(&self, download_id: &str, look: bool) -> Result<OpenedLink> {
        let server = &self.server;
        let id = self.keys.id();
        let path = paths::fill(paths::LINK_NONCE, &[&id]);
        let response = server.send(server.request(Method::POST, &path)).await?;
        let given: LinkNonce = server.json(response).await?;
        let nonce = given.nonce.0.as_slice().try_into();
        let nonce = nonce.map_err(|_| server.odd("a nonce of an impossible length"))?;
        let signature = B64(self.keys.prove(nonce).as_bytes().to_vec());
        let request =
            OpenLink { nonce: given.nonce.clone(), signature, download_id: download_id.to_owned(), look };
        let path = paths::fill(paths::LINK_OPEN, &[&id]);
        match server.send(server.request(Method::POST, &path).json(&request)).await {
            Ok(response) => server.json(response).await,
            Err(error) if error.code() == Some(Code::NotFound) => {
                Err(Error::LinkClosed { has_password: self.has_password })
            }
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    /// Where a link leads, and its keys.
    fn visit(
        &self,
        link: &LinkAddress,
        password: Option<&Passphrase>,
        ca_pem: Option<&str>,
    ) -> Result<Visit> {
        let origin = parse_origin(link.origin())?;
        if origin != link.origin() {
            return Err(Error::BadLink);
        }
        if link.has_password() != password.is_some() {
            return Err(Error::LinkPasswordNeeded);
        }
        let known = self.server().ok().filter(|server| server.origin() == origin && ca_pem.is_none());
        let server = match known {
            Some(server) => server,
            None => Server::new(&origin, ca_pem, &self.options)?,
        };
        let keys = tokio::task::block_in_place(|| link.keys(password));
        Ok(Visit { server, keys, has_password: link.has_password(), sender: link.sender() })
    }

    /// The format's reading order for what the server shows behind a link, up to the metadata.
    fn judge_visit(&self, visit: &Visit, shown: LinkFile) -> Result<OpenFileInfo> {
        let forged = || Error::NotAuthentic;
        let manifest = Manifest::parse(shown.manifest.0.as_slice()).map_err(|_| forged())?;
        let grant = Grant::parse(shown.grant.0.as_slice()).map_err(|_| forged())?;
        if manifest.file_id() != shown.file_id || manifest.suite() != Suite::Signed {
            return Err(forged());
        }
        let theirs = linked_with(visit.sender, &shown.author_chain, shown.author)?;
        let newest = theirs.last().ok_or(Error::LinkDiffers)?;
        let root = manifest.author_root_id();
        let keys: Vec<PublicKey> = theirs.iter().map(|bundle| *bundle.root_key()).collect();
        let author = keys.iter().find(|key| RootId::of(key) == root).ok_or(Error::LinkDiffers)?;
        let open = OpenFile {
            manifest: &manifest,
            grant: &grant,
            reader: Reader::Link(&visit.keys),
            author: Some(author),
            grantor: None,
            linked: &keys,
        };
        let opened = open_file(&open).map_err(|_| forged())?;
        let sender = Sender {
            address: Some(newest.address().clone()),
            root_id: root,
            trust: self.trust_at(&visit.server, &theirs)?,
            retired_root: newest.root_id() != root,
        };
        let info = FileInfo {
            file_id: shown.file_id,
            role: Role::Recipient,
            manifest: shown.manifest,
            grant: shown.grant,
            author: shown.author,
            author_bundle: B64(newest.as_bytes().to_vec()),
            part_len: shown.part_len,
            created: shown.created,
            expires_at: shown.expires_at,
            downloads: shown.downloads,
            max_downloads: shown.max_downloads,
            box_id: None,
            passed_by: None,
            recipients: Vec::new(),
            keys: Vec::new(),
            receipts: Vec::new(),
        };
        let author_key = Some(*author);
        Ok(OpenFileInfo {
            info,
            manifest,
            grant,
            opened,
            sender,
            recipient: None,
            author_key,
            passed_by: None,
            judged: Vec::new(),
        })
    }

    /// How far the sender is known here. Pins are of the configured server: what another one calls by the same address
    /// may be somebody else.
    pub(crate) fn trust_at(&self, at: &Server, theirs: &[Bundle]) -> Result<Trust> {
        let is_here = self.server().is_ok_and(|server| server.origin() == at.origin());
        let Some(newest) = theirs.last().filter(|_| is_here) else { return Ok(Trust::FirstContact) };
        let is_theirs = |root: RootId| theirs.iter().any(|bundle| bundle.root_id() == root);
        if self.own_root()?.is_some_and(is_theirs) {
            return Ok(Trust::Own);
        }
        let pins = Pins::load(&self.home)?;
        let address = newest.address();
        match pins.root_of(address)? {
            None => Ok(Trust::FirstContact),
            Some(root) if !is_theirs(root) || pins.is_disputed(address) => {
                Err(Error::IdentityContradiction(address.clone()))
            }
            Some(_) if pins.is_verified(address) => Ok(Trust::Verified),
            Some(_) => Ok(Trust::Pinned),
        }
    }
}

/// The bundles of the chain that links lead to from the root `sender`, back and forth; what was shown besides does not
/// count. Signatures and links are checked, and whose they are.
pub(crate) fn linked_with(sender: RootId, shown: &[B64], user: UserId) -> Result<Vec<Bundle>> {
    if shown.len() > MAX_CHAIN {
        return Err(Error::NotAuthentic);
    }
    let chain = shown
        .iter()
        .map(|bundle| Bundle::parse(bundle.0.as_slice()).map_err(|_| Error::NotAuthentic))
        .collect::<Result<Vec<_>>>()?;
    let at = chain.iter().rposition(|bundle| bundle.root_id() == sender).ok_or(Error::LinkDiffers)?;
    let follows = |n: &usize| verify_chain(&chain[*n - 1..=*n]).is_ok();
    let first = (1..=at).rev().take_while(follows).last().map_or(at, |n| n - 1);
    let last = (at + 1..chain.len()).take_while(follows).last().unwrap_or(at);
    let theirs = chain[first..=last].to_vec();
    let sound = verify_chain(&theirs).is_ok() && theirs.iter().all(|bundle| bundle.user_id() == user);
    if sound { Ok(theirs) } else { Err(Error::LinkDiffers) }
}
