//! Base64 in pieces: standard alphabet, padded, one spelling for each run of octets, cut anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The text is not base64 in its one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not base64: standard alphabet, padded, nothing left over")]
pub struct BadBase64;

/// Decodes text that comes in pieces.
#[derive(Debug, Default)]
pub struct Decoder {
    carry: [u8; 4],
    carried: usize,
    /// Padding has been seen: nothing may follow.
    ended: bool,
}

impl Decoder {
    /// Takes the next piece of text and appends what it stands for to `out`: at most three octets for four characters.
    ///
    /// # Errors
    /// [`BadBase64`]; the decoder is then of no more use.
    pub fn push(&mut self, mut text: &[u8], out: &mut Vec<u8>) -> Result<(), BadBase64> {
        if self.carried > 0 {
            let taken = text.len().min(4 - self.carried);
            let (head, tail) = text.split_at(taken);
            self.carry[self.carried..self.carried + taken].copy_from_slice(head);
            self.carried += taken;
            text = tail;
            if self.carried < 4 {
                return Ok(());
            }
            self.carried = 0;
            let quantum = self.carry;
            self.whole(&quantum, out)?;
        }
        let (whole, tail) = text.split_at(text.len() / 4 * 4);
        self.whole(whole, out)?;
        if tail.is_empty() {
            return Ok(());
        }
        if self.ended {
            return Err(BadBase64);
        }
        self.carry[..tail.len()].copy_from_slice(tail);
        self.carried = tail.len();
        Ok(())
    }

    fn whole(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), BadBase64> {
        if text.is_empty() {
            return Ok(());
        }
        if self.ended {
            return Err(BadBase64);
        }
        let from = out.len();
        out.resize(from + text.len() / 4 * 3, 0);
        let len = STANDARD.decode_slice(text, &mut out[from..]).map_err(|_| BadBase64)?;
        out.truncate(from + len);
        self.ended = text.ends_with(b"=");
        Ok(())
    }

    /// The text is over.
    ///
    /// # Errors
    /// [`BadBase64`] if it broke off within four characters.
    pub fn finish(self) -> Result<(), BadBase64> {
        if self.carried == 0 { Ok(()) } else { Err(BadBase64) }
    }
}

/// Encodes octets that come in pieces.
#[derive(Debug, Default)]
pub struct Encoder {
    carry: [u8; 3],
    carried: usize,
}

impl Encoder {
    /// Appends the text of the next octets to `out`; up to two are kept until more come.
    pub fn push(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        if self.carried > 0 {
            let taken = octets.len().min(3 - self.carried);
            let (head, tail) = octets.split_at(taken);
            self.carry[self.carried..self.carried + taken].copy_from_slice(head);
            self.carried += taken;
            octets = tail;
            if self.carried < 3 {
                return;
            }
            self.carried = 0;
            let three = self.carry;
            encode(&three, out);
        }
        let (whole, tail) = octets.split_at(octets.len() / 3 * 3);
        encode(whole, out);
        self.carry[..tail.len()].copy_from_slice(tail);
        self.carried = tail.len();
    }

    /// The octets are over: appends what is left, padded.
    pub fn finish(self, out: &mut Vec<u8>) {
        encode(&self.carry[..self.carried], out);
    }
}

fn encode(octets: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + octets.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(octets, &mut out[from..]).unwrap_or(0);
    out.truncate(from + written);
}

/// Characters that so many octets take.
#[must_use]
pub const fn encoded_len(octets: u64) -> u64 {
    octets.div_ceil(3) * 4
}

/// Octets of a whole text.
///
/// # Errors
/// [`BadBase64`].
pub fn decode(text: &str) -> Result<Vec<u8>, BadBase64> {
    STANDARD.decode(text).map_err(|_| BadBase64)
}

/// The text of whole octets.
#[must_use]
pub fn encode_whole(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_octets_and_the_same_text() {
        let octets: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        for len in [0, 1, 2, 3, 4, 5, 998, 999, 1_000] {
            for step in [1, 2, 3, 5, 7, 64, 1_001] {
                let mut text = Vec::new();
                let mut encoder = Encoder::default();
                octets[..len].chunks(step).for_each(|piece| encoder.push(piece, &mut text));
                encoder.finish(&mut text);
                assert_eq!(text, STANDARD.encode(&octets[..len]).into_bytes(), "{len} {step}");
                assert_eq!(text.len() as u64, encoded_len(len as u64));
                let (mut decoder, mut back) = (Decoder::default(), Vec::new());
                text.chunks(step).for_each(|piece| decoder.push(piece, &mut back).unwrap());
                decoder.finish().unwrap();
                assert_eq!(back, octets[..len], "{len} {step}");
            }
        }
    }

    #[test]
    fn another_spelling_is_refused_however_it_is_cut() {
        for text in
            ["QQ=", "QQ", "Q", "QR==", "QUI", "QUJ=", "QQ==QQ==", "QQ==\n", "Q Q==", "QUJ-", "====", "QQ==="]
        {
            for step in 1..=text.len() {
                let mut decoder = Decoder::default();
                let fed =
                    text.as_bytes().chunks(step).try_for_each(|piece| decoder.push(piece, &mut Vec::new()));
                assert!(fed.and_then(|()| decoder.finish()).is_err(), "{text} by {step}");
            }
        }
    }
}
