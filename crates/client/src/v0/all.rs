//! Everything of the documented API that others let one fetch, one after the other.

use super::V0Summary;
use super::receive::{ReceivedV0, V0Opener};
use crate::progress::Notes;
use crate::receive::many::stops_all;
use crate::receive::sink::{is_of_time, there_as};
use crate::{Cancel, Client, FileId, OnConflict, Progress, ReceiveAll, Result, Target, Unlocked};
use format::names::safe_file_name;
use std::collections::HashSet;

/// Hears of each file: received (`None`: it was there already, of the same name and time), or why it was not.
pub type OnReceivedV0<'a> = &'a mut (dyn FnMut(FileId, Result<Option<ReceivedV0>>) + Send);

impl Client {
    /// Fetches every file of the documented API that others sent, with the RSA keys among one's own. One that cannot be
    /// fetched does not stop the others. Who sent them is not known, so there are none of a person.
    ///
    /// # Errors
    /// As [`Client::receive_all`].
    pub async fn receive_all_v0(
        &self,
        me: &Unlocked,
        request: &ReceiveAll,
        progress: &dyn Progress,
        cancel: &Cancel,
        on_received: OnReceivedV0<'_>,
    ) -> Result<()> {
        if request.from.is_some() {
            return Ok(());
        }
        let mut names = HashSet::new();
        for file in self.v0_files().await?.into_iter().filter(|file| !file.own) {
            // The second of a name is not the one that is there, unless both are kept: then it is the second of name and time.
            let both = request.on_conflict == OnConflict::KeepBoth;
            let is_first = names.insert((safe_file_name(&file.name), both.then_some(file.uploaded_at)));
            if is_first && request.on_conflict != OnConflict::Replace && is_there(request, &file) {
                on_received(file.file_id, Ok(None));
                continue;
            }
            let target = Target::Directory { path: request.folder.clone(), on_conflict: request.on_conflict };
            let quiet = Notes(progress);
            let opener = V0Opener::Person(me);
            match self.receive_v0(file.file_id, opener, target, &quiet, cancel).await {
                Err(error) if stops_all(&error) => return Err(error),
                outcome => on_received(file.file_id, outcome.map(Some)),
            }
        }
        Ok(())
    }
}

/// The size that is told is that of the ciphertext, of a file that may have been compressed: name and time decide.
fn is_there(request: &ReceiveAll, file: &V0Summary) -> bool {
    there_as(&request.folder, &file.name, request.on_conflict)
        .any(|path| is_of_time(&path, file.uploaded_at.saturating_mul(1_000)))
}
