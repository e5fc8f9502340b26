//! Tickets: leave to fetch one file's content for ten minutes, carried by the ticket itself.

use db::DownloadId;
use envelope::ids::{FileId, UserId};
use proto::limits::TICKET_SECONDS;
use proto::{B64, Code, Token};

use crate::error::{Answer, Refusal};
use crate::secrets::Keys;

const VERSION: u8 = 2;
/// version 1 ‖ user 16 ‖ file 16 ‖ download 16 ‖ end 8 ‖ round 4.
const BODY_LEN: usize = 61;
const MAC_LEN: usize = 32;

/// What a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) user: UserId,
    pub(crate) file_id: FileId,
    pub(crate) download: DownloadId,
    pub(crate) expires_at: i64,
    /// The round that the file's tickets were in; in a later one it is void.
    pub(crate) round: u32,
}

impl Ticket {
    /// A ticket that begins now.
    pub(crate) fn new(user: UserId, file_id: FileId, download: DownloadId, round: u32, now: i64) -> Self {
        Self { user, file_id, download, expires_at: now + TICKET_SECONDS, round }
    }

    /// Its text, which only this server's key makes.
    pub(crate) fn seal(&self, keys: &Keys) -> Token {
        let mut bytes = Vec::with_capacity(BODY_LEN + MAC_LEN);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.user.as_bytes());
        bytes.extend_from_slice(self.file_id.as_bytes());
        bytes.extend_from_slice(self.download.as_bytes());
        bytes.extend_from_slice(&self.expires_at.to_be_bytes());
        bytes.extend_from_slice(&self.round.to_be_bytes());
        let mac = keys.ticket_mac(&bytes);
        bytes.extend_from_slice(&mac);
        Token::new(B64(bytes).to_text())
    }

    /// Judges a ticket; whether it is for what is asked for is for the caller to compare.
    pub(crate) fn open(text: &str, keys: &Keys, now: i64) -> Answer<Self> {
        Self::read(text, keys).filter(|ticket| now < ticket.expires_at).ok_or_else(Self::refused)
    }

    /// All that is wrong with a ticket looks the same.
    pub(crate) fn refused() -> Refusal {
        Refusal::new(Code::Forbidden, "The ticket has ended. Ask for a new one.")
    }

    fn read(text: &str, keys: &Keys) -> Option<Self> {
        let bytes = B64::parse(text).ok()?.0;
        if bytes.len() != BODY_LEN + MAC_LEN {
            return None;
        }
        let (body, mac) = bytes.split_at(BODY_LEN);
        if !keys.ticket_is_good(body, mac) || body[0] != VERSION {
            return None;
        }
        Some(Self {
            user: UserId::from_bytes(body[1..17].try_into().ok()?),
            file_id: FileId::from_bytes(body[17..33].try_into().ok()?),
            download: DownloadId::from_bytes(body[33..49].try_into().ok()?),
            expires_at: i64::from_be_bytes(body[49..57].try_into().ok()?),
            round: u32::from_be_bytes(body[57..61].try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;

    #[test]
    fn a_ticket_says_its_file_and_is_good_for_its_time_only() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(&Secrets::default(), dir.path()).unwrap();
        let file = FileId::from_bytes([7; 16]);
        let ticket =
            Ticket::new(UserId::from_bytes([1; 16]), file, DownloadId::from_bytes([2; 16]), 3, 1_000);
        let text = ticket.seal(&keys);
        let text = text.expose_secret();
        assert_eq!(Ticket::open(text, &keys, 1_599).unwrap(), ticket);
        assert!(Ticket::open(text, &keys, 1_600).is_err());
        for at in 0..text.len() {
            let mut forged = text.as_bytes().to_vec();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(Ticket::open(&forged, &keys, 1_000).is_err(), "{at}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Keys::open(&Secrets::default(), elsewhere.path()).unwrap();
        assert!(Ticket::open(text, &other, 1_000).is_err());
    }
}
