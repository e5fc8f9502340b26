//! The key file, the five before it, and the highest number that was ever here.

use crate::client::Inner;
use crate::{Client, Error, Result, UserId};
use envelope::vault::VaultLayout;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const VAULT: &str = "vault.wxv";
const SEEN: &str = "vault.json";
/// How many earlier key files are kept.
const KEPT: usize = 5;

/// `vault.json`: what an older key file that is put back is known by.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    user_id: UserId,
    /// The highest number that was here.
    highest: u32,
    /// An older one that a person said to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<u32>,
}

impl Client {
    /// Goes on with a key file that is older than one that was here before ([`Error::OlderKeys`]). For when the newer
    /// one is lost: what was sealed to keys that only the newer one holds stays closed.
    pub fn accept_older_keys(&self) -> Result<()> {
        let _lock = self.inner.home.lock(super::LOCK)?;
        let layout = self.inner.vault_layout()?.ok_or(Error::NoKeys)?;
        if let Some(mut seen) = self.inner.seen(layout.user_id())?
            && layout.version() < seen.highest
        {
            seen.accepted = Some(layout.version());
            self.inner.home.write_json(SEEN, &seen)?;
        }
        Ok(())
    }
}

impl Inner {
    pub(super) fn vault(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        self.home.read(VAULT)
    }

    pub(super) fn vault_layout(&self) -> Result<Option<VaultLayout>> {
        let Some(vault) = self.vault()? else { return Ok(None) };
        VaultLayout::parse(&vault).map(Some).map_err(|_| self.damaged_vault())
    }

    pub(super) fn damaged_vault(&self) -> Error {
        Error::HomeDamaged(self.home.path().join(VAULT))
    }

    /// The number of the next key file: one that was never given before.
    pub(super) fn next_version(&self, user: UserId) -> Result<u32> {
        let here = self.vault_layout()?.filter(|layout| layout.user_id() == user);
        let highest = self.seen(user)?.map_or(0, |seen| seen.highest);
        let highest = highest.max(here.map_or(0, |layout| layout.version()));
        highest.checked_add(1).ok_or(Error::Internal("there are no more numbers for key files"))
    }

    /// Puts a key file in the place of the one that is here, which is kept beside it.
    ///
    /// After a crash there is the old one or the new one, whole. The caller holds the lock of the keys.
    pub(super) fn store_vault(&self, vault: &[u8]) -> Result<()> {
        let new = VaultLayout::parse(vault).map_err(|_| Error::Internal("a fresh vault has no layout"))?;
        if let (Some(old), Some(layout)) = (self.vault()?, self.vault_layout()?) {
            self.home.write(&format!("vault.{}.wxv", layout.version()), &old)?;
        }
        self.home.write(VAULT, vault)?;
        self.remember_number(new.user_id(), new.version())?;
        self.prune(new.version())
    }

    /// Refuses a key file with a lower number than was here before, and remembers a higher one.
    pub(super) fn not_older(&self, unlocked: &format::vault::Unlocked) -> Result<()> {
        let found = unlocked.version;
        match self.seen(unlocked.user_id)? {
            Some(seen) if seen.highest == found || seen.accepted == Some(found) => Ok(()),
            Some(seen) if seen.highest > found => Err(Error::OlderKeys { found, newest: seen.highest }),
            _ => self.remember_number(unlocked.user_id, found),
        }
    }

    fn remember_number(&self, user_id: UserId, highest: u32) -> Result<()> {
        self.home.write_json(SEEN, &Seen { user_id, highest, accepted: None })
    }

    /// What is remembered of this account's key files; another account's counts nothing.
    fn seen(&self, user: UserId) -> Result<Option<Seen>> {
        Ok(self.home.read_json::<Seen>(SEEN)?.filter(|seen| seen.user_id == user))
    }

    /// Removes all but the newest of the earlier key files.
    fn prune(&self, present: u32) -> Result<()> {
        let folder = self.home.path();
        let mut earlier = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
            let name = entry.map_err(Error::io("read", folder))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("vault.")?.strip_suffix(".wxv"));
            earlier.extend(number.and_then(|number| number.parse::<u32>().ok()).filter(|n| *n < present));
        }
        earlier.sort_unstable();
        for number in &earlier[..earlier.len().saturating_sub(KEPT)] {
            self.home.remove(&format!("vault.{number}.wxv"))?;
        }
        Ok(())
    }
}
