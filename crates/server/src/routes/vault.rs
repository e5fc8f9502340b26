//! `PUT /vault`, `GET /vault`, `POST /vault/remove`: the key file that a person keeps here, sealed on their device.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use db::{NewVault, StoreVaultAnswer};
use envelope::action::{VAULT, VAULT_REMOVAL, vault_bytes, verify_action};
use envelope::ed25519::Signature;
use envelope::ids::UserId;
use envelope::vault::VaultLayout;
use proto::{B64, Code, PutVault, RemoveVault, VaultReply};

use crate::audit::{self, Agent, Kind};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::limited::Limit;
use crate::routes::directory;
use crate::secrets::sha256;
use crate::state::App;

/// How often a key file is handed out: whoever has it can guess at its passphrase.
const PER_DAY: Limit = Limit::daily("vault", 10);

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Json(request): Json<PutVault>,
) -> Answer<StatusCode> {
    let vault = request.vault.0;
    let layout = VaultLayout::parse(&vault).map_err(|_| Refusal::malformed("That is not a key file."))?;
    if layout.user_id() != caller.user {
        return Err(Refusal::new(Code::Rejected, "That key file is somebody else's."));
    }
    let (version, digest) = (layout.version(), sha256(&[&vault]));
    prove(&app, caller.user, VAULT, &vault_bytes(&caller.user, version, &digest), request.proof).await?;
    let new = NewVault { user: caller.user, version, vault, now: app.time() };
    match app.db.store_vault(new).await? {
        StoreVaultAnswer::Stored => {
            audit::note(&app, caller.user, Kind::KeyFileKept, &agent).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        StoreVaultAnswer::Older { .. } => {
            Err(Refusal::new(Code::Conflict, "A newer key file is, or was, kept here. Nothing was changed."))
        }
    }
}

pub(crate) async fn get(State(app): State<App>, caller: Caller, agent: Agent) -> Answer<Response> {
    let stored = app.db.vault(caller.user).await?.ok_or_else(Refusal::not_found)?;
    PER_DAY.count(&app, caller.user.as_bytes()).await?;
    audit::note(&app, caller.user, Kind::KeyFileFetched, &agent).await?;
    Ok(reply(&VaultReply {
        vault: B64(stored.vault),
        version: stored.version,
        stored_at: stored.stored_at.0,
    }))
}

pub(crate) async fn remove(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Json(request): Json<RemoveVault>,
) -> Answer<StatusCode> {
    let bytes = vault_bytes(&caller.user, request.version, &[0; 32]);
    prove(&app, caller.user, VAULT_REMOVAL, &bytes, request.proof).await?;
    if app.db.remove_vault(caller.user, request.version, app.time()).await? {
        audit::note(&app, caller.user, Kind::KeyFileRemoved, &agent).await?;
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found())
    }
}

/// Whoever has the mailbox alone replaces and removes no key file.
async fn prove(app: &App, user: UserId, purpose: &str, bytes: &[u8], proof: B64) -> Answer<()> {
    let needed = |detail: &'static str| Refusal::new(Code::ProofNeeded, detail);
    let signature: [u8; 64] =
        proof.0.try_into().map_err(|_| Refusal::malformed("The proof is a signature of 64 bytes."))?;
    let bundle = directory::newest(app, user).await?.ok_or_else(|| needed("Publish your bundle first."))?;
    verify_action(bundle.root_key(), purpose, bytes, &Signature::from_bytes(signature))
        .map_err(|_| needed("The proof is not made by your root key for this."))
}
