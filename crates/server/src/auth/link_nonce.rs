//! Nonces of links: made and judged by a key of the server, without a row and without asking whether there is a link.

use envelope::link::{LinkId, NONCE_LEN};
use proto::limits::LINK_NONCE_SECONDS;

use crate::secrets::Keys;

/// random 12 ‖ end 4 (the lower half of unix seconds); the code of both and of the link follows.
const HEAD_LEN: usize = 16;
const END_AT: usize = 12;

/// A nonce for a link that there is, or is not.
pub(crate) fn issue(keys: &Keys, link: LinkId, now: i64) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[..END_AT].copy_from_slice(&crate::random::bytes::<END_AT>());
    let end = now.saturating_add(LINK_NONCE_SECONDS).to_be_bytes();
    nonce[END_AT..HEAD_LEN].copy_from_slice(&end[4..]);
    let code = code(keys, link, &nonce);
    nonce[HEAD_LEN..].copy_from_slice(&code);
    nonce
}

/// Until when a nonce is good, if it is one of this server's for that link and its time has not ended.
pub(crate) fn judge(keys: &Keys, link: LinkId, nonce: &[u8; NONCE_LEN], now: i64) -> Option<i64> {
    let made = code(keys, link, nonce);
    aws_lc_rs::constant_time::verify_slices_are_equal(&made, &nonce[HEAD_LEN..]).ok()?;
    let low = u32::from_be_bytes(nonce[END_AT..HEAD_LEN].try_into().ok()?);
    // The upper half of a time is that of the present; a minute around its change nonces are not taken.
    let end = now & !0xffff_ffff | i64::from(low);
    (now < end && end - now <= LINK_NONCE_SECONDS).then_some(end)
}

fn code(keys: &Keys, link: LinkId, nonce: &[u8; NONCE_LEN]) -> [u8; HEAD_LEN] {
    let mac = keys.link_nonce_mac(&[link.as_bytes().as_slice(), &nonce[..HEAD_LEN]].concat());
    mac[..HEAD_LEN].try_into().expect("32 bytes begin with 16")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;

    #[test]
    fn a_nonce_is_good_for_its_link_its_server_and_its_minute_only() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(&Secrets::default(), dir.path()).unwrap();
        let (link, now) = (LinkId::from_bytes([7; 16]), 1_800_000_000);
        let nonce = issue(&keys, link, now);
        assert_eq!(judge(&keys, link, &nonce, now), Some(now + LINK_NONCE_SECONDS));
        assert!(judge(&keys, link, &nonce, now + LINK_NONCE_SECONDS - 1).is_some());
        assert_eq!(judge(&keys, link, &nonce, now + LINK_NONCE_SECONDS), None);
        assert_eq!(judge(&keys, link, &nonce, now - 1), None, "from the future");
        assert_eq!(judge(&keys, LinkId::from_bytes([8; 16]), &nonce, now), None);
        for at in 0..NONCE_LEN {
            let mut forged = nonce;
            forged[at] ^= 1;
            assert_eq!(judge(&keys, link, &forged, now), None, "{at}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Keys::open(&Secrets::default(), elsewhere.path()).unwrap();
        assert_eq!(judge(&other, link, &nonce, now), None);
        assert_ne!(issue(&keys, link, now), nonce);
    }
}
