//! What only the holder of the root key may ask for.

use envelope::action::verify_action;
use envelope::ed25519::Signature;
use envelope::ids::UserId;
use proto::limits::PROOF_SECONDS;
use proto::{B64, Code, FactorProof};

use crate::error::{Answer, Refusal};
use crate::routes::directory;
use crate::state::App;

/// Checks that whoever holds the root key asked, just now, for what `bytes` of that time say. Accounts without published
/// keys have none to show. Gives the number of the bundle it was checked by. `what`: the beginning of the sentence if nothing was shown.
pub(crate) async fn timed(
    app: &App,
    user: UserId,
    purpose: &str,
    proof: Option<FactorProof>,
    bytes: impl Fn(u64) -> Vec<u8>,
    what: &'static str,
) -> Answer<Option<u32>> {
    let Some(bundle) = directory::newest(app, user).await? else { return Ok(None) };
    let needed = |detail: String| Refusal::new(Code::ProofNeeded, detail);
    let proof = proof.ok_or_else(|| needed(format!("{what} needs a signature by your root key.")))?;
    if app.now().abs_diff(proof.time) > PROOF_SECONDS.unsigned_abs() {
        return Err(needed(
            "The signature was not made just now. Check the clock, and try again.".to_owned(),
        ));
    }
    let time = u64::try_from(proof.time).map_err(|_| Refusal::malformed("The time is not one."))?;
    verify_action(bundle.root_key(), purpose, &bytes(time), &signature(proof.signature)?)
        .map_err(|_| needed("The signature is not made by your root key for this.".to_owned()))?;
    Ok(Some(bundle.seq()))
}

/// A signature as it travels.
pub(crate) fn signature(octets: B64) -> Answer<Signature> {
    let octets: [u8; 64] =
        octets.0.try_into().map_err(|_| Refusal::malformed("A signature has 64 bytes, as base64url."))?;
    Ok(Signature::from_bytes(octets))
}
