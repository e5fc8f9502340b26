//! Leaving: the account is erased at the server.

use crate::{Client, Error, Result, Unlocked};
use envelope::action::{ERASE, erase_bytes};
use proto::{B64, FactorProof, FactorRequest, paths};
use reqwest::Method;

impl Client {
    /// Erases the account at the server: address, sessions, keys, files. With published keys, `me` must hold them. Keys
    /// and contacts on this device stay.
    ///
    /// # Errors
    /// A refusal if the keys are not the published ones.
    pub async fn erase_account(&self, me: Option<&Unlocked>) -> Result<()> {
        let bytes = |me: &Unlocked, time| erase_bytes(&me.user_id(), time).to_vec();
        let body = self.timed_proof(me, ERASE, bytes).await?;
        self.inner.authed(|server| server.request(Method::POST, paths::ERASE).json(&body)).await?;
        self.inner.end_session_here().await
    }

    /// A proof made for the server's clock, so that one that is off here does no harm.
    pub(crate) async fn timed_proof(
        &self,
        me: Option<&Unlocked>,
        purpose: &str,
        bytes: impl Fn(&Unlocked, u64) -> Vec<u8>,
    ) -> Result<FactorRequest> {
        let Some(me) = me else { return Ok(FactorRequest::default()) };
        let who: proto::WhoAmI = self.inner.call(|server| server.request(Method::GET, paths::WHOAMI)).await?;
        let odd = || Error::Internal("the server's clock stands before 1970");
        let time = u64::try_from(who.server_time).map_err(|_| odd())?;
        // One's own id, not the one that the server says: nothing is signed for another account.
        let signature = me.vault.identity.sign_action(purpose, &bytes(me, time));
        let proof = FactorProof { time: who.server_time, signature: B64(signature.as_bytes().to_vec()) };
        Ok(FactorRequest { proof: Some(proof) })
    }
}
