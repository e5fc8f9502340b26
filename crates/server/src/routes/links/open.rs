//! `POST /links/{link_id}/open`: manifest, grant and leave to fetch, for a right proof; one answer for everything else.

use axum::extract::State;
use axum::response::Response;
use db::{Digest, DownloadId, LinkKey, LinkView, OpenLinkAnswer, UnixTime};
use envelope::ed25519::{PublicKey, Signature};
use envelope::link::{NONCE_LEN, verify_proof};
use proto::limits::DOWNLOAD_SECONDS;
use proto::{B64, Code, LinkFile, LinkId, OpenLink, OpenedLink, UserId};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::link_nonce;
use crate::auth::ticket::Ticket;
use crate::error::{Answer, Refusal};
use crate::http::{ClientIp, Fields, Json, reply};
use crate::limited::Limit;
use crate::routes::directory;
use crate::state::App;

/// The key that proofs for links that there are not are checked by, so that it takes them as long: the base point of
/// the curve, of which nobody has to know the secret for a right proof to be refused all the same.
const NOBODY: [u8; 32] = {
    let mut base = [0x66; 32];
    base[0] = 0x58;
    base
};
/// Bundles of the author that are shown at most, the newest ones.
const CHAIN_MAX: u32 = 64;

pub(crate) async fn open(
    State(app): State<App>,
    ip: ClientIp,
    Fields(link): Fields<LinkId>,
    Json(request): Json<OpenLink>,
) -> Answer<Response> {
    let shape = || Refusal::malformed("A nonce has 32 bytes, a signature 64, and a download id is a UUID.");
    let nonce: [u8; NONCE_LEN] = request.nonce.0.as_slice().try_into().map_err(|_| shape())?;
    let signature: [u8; 64] = request.signature.0.as_slice().try_into().map_err(|_| shape())?;
    // A download id is spelled as every other id of 16 octets.
    let download: UserId = request.download_id.parse().map_err(|_| shape())?;
    let download_id = DownloadId::from_bytes(*download.as_bytes());
    Limit::hourly("links", app.limits.links_per_ip).count(&app, &ip.0).await?;
    let ends = link_nonce::judge(&app.keys, link, &nonce, app.now()).ok_or_else(Refusal::not_found)?;
    let known = app.db.link_key(link).await?;
    let proved = judge(known, link, &nonce, Signature::from_bytes(signature));
    let events = match proved {
        // Whoever opens has no account: it happens to the owner's.
        Some(key) if !request.look => {
            vec![Scribe::of(&app, key.owner, &Agent::default()).await?.account(Kind::LinkOpened)]
        }
        _ => Vec::new(),
    };
    let answer = app
        .db
        .open_link(db::OpenLink {
            link,
            proved: proved.map(|key| key.public_key),
            nonce,
            nonce_ends_at: UnixTime(ends),
            bucket: app.keys.bucket("link", link.as_bytes()),
            download_id,
            look: request.look,
            now: app.time(),
            window_secs: u32::try_from(DOWNLOAD_SECONDS).unwrap_or(u32::MAX),
            events,
        })
        .await?;
    match answer {
        OpenLinkAnswer::Open(view) => show(&app, *view, download_id, request.look).await,
        OpenLinkAnswer::Refused => Err(Refusal::not_found()),
        OpenLinkAnswer::TooSoon { retry_after_secs } => {
            let detail =
                format!("Too many wrong passwords. Wait {retry_after_secs} seconds, then try again.");
            Err(Refusal::new(Code::TooMany, detail).retry_after(retry_after_secs.into()))
        }
        OpenLinkAnswer::Expired => {
            Err(Refusal::new(Code::Expired, "The link has expired. Ask its sender for a new one."))
        }
        OpenLinkAnswer::LimitReached => Err(Refusal::new(
            Code::DownloadsUsed,
            "All allowed downloads are used. Ask the sender for a new link.",
        )),
    }
}

/// The key of the link, if the proof is by it. A link that there is not takes as long.
fn judge(
    known: Option<LinkKey>,
    link: LinkId,
    nonce: &[u8; NONCE_LEN],
    signature: Signature,
) -> Option<LinkKey> {
    let key = PublicKey::from_bytes(known.map_or(NOBODY, |key| *Digest::as_bytes(&key.public_key)));
    let right = verify_proof(&key, link, nonce, &signature).is_ok();
    known.filter(|_| right)
}

async fn show(app: &App, view: LinkView, download: DownloadId, look: bool) -> Answer<Response> {
    let file = view.file;
    let newest = app.db.newest_bundle(file.author).await?.ok_or_else(Refusal::not_found)?;
    let from = newest.seq.saturating_sub(CHAIN_MAX - 1).max(1);
    let chain = app.db.bundle_chain(file.author, from, CHAIN_MAX).await?;
    let author_chain =
        chain.into_iter().map(|stored| directory::octets(app, stored).map(B64)).collect::<Answer<_>>()?;
    let leave = (!look).then(|| {
        let ticket = Ticket::new(file.author, file.file_id, download, view.ticket_round, app.now());
        proto::Ticket { ticket: ticket.seal(&app.keys), expires_at: ticket.expires_at }
    });
    Ok(reply(&OpenedLink {
        file: LinkFile {
            file_id: file.file_id,
            manifest: B64(file.manifest),
            grant: B64(file.grant.ok_or_else(Refusal::not_found)?),
            author: file.author,
            author_chain,
            part_len: file.part_len,
            created: file.created_at.0,
            expires_at: view.ends_at.0,
            downloads: view.downloads,
            max_downloads: view.max_downloads,
        },
        leave,
    }))
}
