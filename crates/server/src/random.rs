//! The one door through which randomness enters the server.

/// `N` bytes of the operating system's and library's randomness.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).expect("the system's randomness never runs dry");
    out
}

/// A random UUID (version 4), as its bytes.
pub(crate) fn uuid() -> [u8; 16] {
    uuid::Builder::from_random_bytes(bytes()).into_uuid().into_bytes()
}

/// A number below `end`, every one equally likely.
pub(crate) fn below(end: u32) -> u32 {
    let zone = u32::MAX - u32::MAX % end;
    loop {
        let draw = u32::from_be_bytes(bytes());
        if draw < zone {
            return draw % end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_below_their_end_and_reach_both_sides() {
        let mut seen = [false; 10];
        for _ in 0..2_000 {
            seen[below(10) as usize] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
