//! The token by which the doctor is told from strangers: made of the server's own secret, for a quarter of an hour, and as much
//! again on either side where the clocks of doctor and server differ.

use crate::secrets::Keys;

/// The header that carries it.
pub(crate) const HEADER: &str = "waxwing-doctor";
const LIFE_SECONDS: i64 = 900;
/// How far the clock of a server on another machine may be behind or ahead: a wrong clock is to be found, and not to keep the doctor out.
pub(super) const SKEW_SECONDS: i64 = 900;

/// A token that is good from now on: `END.NONCE.CODE`.
pub(crate) fn issue(keys: &Keys, now: i64) -> String {
    let nonce: [u8; 16] = crate::random::bytes();
    let head = format!("{}.{}", now.saturating_add(LIFE_SECONDS), hex(&nonce));
    let code = keys.doctor_mac(head.as_bytes());
    format!("{head}.{}", hex(&code))
}

/// Whether a token is one of this server's and its time has not ended.
pub(crate) fn is_good(keys: &Keys, token: &str, now: i64) -> bool {
    let Some((head, code)) = token.rsplit_once('.') else { return false };
    let made = hex(&keys.doctor_mac(head.as_bytes()));
    if aws_lc_rs::constant_time::verify_slices_are_equal(made.as_bytes(), code.as_bytes()).is_err() {
        return false;
    }
    let end = head.split_once('.').and_then(|(end, _)| end.parse::<i64>().ok());
    end.is_some_and(|end| {
        let left = end.saturating_sub(now);
        (1 - SKEW_SECONDS..=LIFE_SECONDS + SKEW_SECONDS).contains(&left)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;

    #[test]
    fn a_token_is_good_for_its_server_and_its_quarter_of_an_hour_only() {
        let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let keys = Keys::open(&Secrets::default(), here.path()).unwrap();
        let other = Keys::open(&Secrets::default(), elsewhere.path()).unwrap();
        let now = 1_800_000_000;
        let token = issue(&keys, now);
        assert!(is_good(&keys, &token, now) && is_good(&keys, &token, now + LIFE_SECONDS - 1));
        assert!(!is_good(&keys, &token, now + LIFE_SECONDS + SKEW_SECONDS));
        assert!(!is_good(&keys, &token, now - SKEW_SECONDS - 1), "from the future");
        assert!(!is_good(&other, &token, now));
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert!(!is_good(&keys, std::str::from_utf8(&forged).unwrap(), now), "{at}");
        }
        for garbage in ["", ".", "..", "1.2.3", "9999999999999999999999.0.0"] {
            assert!(!is_good(&keys, garbage, now));
        }
    }

    #[test]
    fn clocks_may_be_a_quarter_of_an_hour_apart_in_either_direction() {
        let here = tempfile::tempdir().unwrap();
        let keys = Keys::open(&Secrets::default(), here.path()).unwrap();
        let now = 1_800_000_000;
        let token = issue(&keys, now);
        for ahead in [-900, -61, 61, 900] {
            assert!(is_good(&keys, &token, now + ahead), "{ahead}");
        }
        assert!(is_good(&keys, &token, now + 899 + 900), "ahead, and at the end of the visit");
        assert!(!is_good(&keys, &token, now - 901) && !is_good(&keys, &token, now + 1_800));
    }
}
