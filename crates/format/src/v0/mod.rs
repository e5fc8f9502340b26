//! The compatible older format (v0), fenced off: nothing of it opens anything of this format, and nothing here is ever
//! tried in the place of it.
//!
//! A file is `AES-256-GCM(FK, nonce, plaintext)` without associated data, its key wrapped by RSA-OAEP (SHA-256) with an
//! empty label. It is signed by nobody: whoever knows a public key can make one, and its name and metadata are not even
//! covered by the tag. A key that is used here is given as a file or published for nothing else.

mod gcm;

use std::fmt;
use std::io::{self, Read, Write};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use self::gcm::{NONCE, Stream, TAG, Tagger};
use crate::rsa::{RsaPrivateKey, RsaPublicKey};
use crate::{OpenError, Secret, random};

/// Bytes of a file at most: 500 MiB.
pub const FILE_MAX: u64 = 500 << 20;
/// Bytes that a compressed file may become at most.
pub const INFLATED_MAX: u64 = 4 << 30;
/// Bytes of a nonce.
pub const NONCE_LEN: usize = NONCE;
/// Bytes by which a ciphertext is longer than its file.
pub const TAG_LEN: usize = TAG;
const PIECE: usize = 64 << 10;

/// Seals one file under a fresh key and nonce.
pub struct Sealer {
    key: Secret<32>,
    nonce: [u8; NONCE],
    stream: Stream,
    tagger: Tagger,
}

impl Sealer {
    /// Ready for the first byte.
    pub fn new() -> Self {
        let (key, nonce) = (Secret::generate(), random::bytes());
        let (tagger, stream) = Tagger::new(&key, &nonce);
        Self { key, nonce, stream, tagger }
    }

    /// The nonce of the file.
    pub fn nonce(&self) -> &[u8; NONCE_LEN] {
        &self.nonce
    }

    /// The key of the file, for who is to open it: as long as the modulus.
    pub fn wrapped_for(&self, recipient: &RsaPublicKey) -> Vec<u8> {
        recipient.wrap_v0(&self.key)
    }

    /// Encrypts the next bytes in place.
    pub fn seal(&mut self, bytes: &mut [u8]) {
        self.stream.apply(bytes);
        self.tagger.push(bytes);
    }

    /// What stands behind the ciphertext.
    pub fn finish(self) -> [u8; TAG_LEN] {
        self.tagger.finish()
    }
}

impl Default for Sealer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer[redacted]")
    }
}

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum V0Error {
    /// Key, nonce or tag are wrong, or what is said to be compressed is not: nothing came out, or nothing to be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ciphertext could not be read again, or the file not be written.
    #[error("reading or writing failed: {0}")]
    Io(#[from] io::Error),
}

/// The key of one file, unwrapped.
pub struct V0Key(Secret<32>);

impl V0Key {
    /// The key that was wrapped for `recipient`; `None` for every cause.
    pub fn unwrap(recipient: &RsaPrivateKey, wrapped: &[u8]) -> Option<Self> {
        recipient.unwrap_v0(wrapped).map(Self)
    }

    /// Verifies a whole ciphertext (the tag behind it) of `len` bytes, and only then decrypts it from its beginning: `begin`
    /// gives it to be read, twice. Gives the bytes written. Memory: some pieces of 64 KiB.
    ///
    /// With `compressed` the file is one gzip member, inflated while it is written, to at most [`INFLATED_MAX`] bytes.
    ///
    /// # Errors
    /// [`V0Error`]. Before [`OpenError::NotAuthentic`] of a wrong key or an altered ciphertext nothing was written.
    pub fn open<R: Read, W: Write>(
        &self,
        nonce: &[u8; NONCE_LEN],
        len: u64,
        compressed: bool,
        mut begin: impl FnMut() -> io::Result<R>,
        sink: &mut W,
    ) -> Result<u64, V0Error> {
        let body = len.checked_sub(TAG as u64).ok_or(OpenError::NotAuthentic)?;
        self.verify(nonce, body, begin()?)?;
        let stream = Stream::of_verified(&self.0, nonce);
        let plain = Decrypting { stream, ciphertext: begin()?.take(body) };
        if compressed {
            inflate(plain, sink)
        } else {
            Ok(copy(plain, sink, u64::MAX)?.ok_or(OpenError::NotAuthentic)?)
        }
    }

    fn verify(&self, nonce: &[u8; NONCE], body: u64, mut ciphertext: impl Read) -> Result<(), V0Error> {
        let (mut tagger, _) = Tagger::new(&self.0, nonce);
        let mut piece = vec![0; PIECE];
        let mut left = body;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            ciphertext.read_exact(&mut piece[..most])?;
            tagger.push(&piece[..most]);
            left -= most as u64;
        }
        let mut tag = [0; TAG];
        ciphertext.read_exact(&mut tag)?;
        if bool::from(tagger.finish().ct_eq(&tag)) { Ok(()) } else { Err(OpenError::NotAuthentic.into()) }
    }
}

impl fmt::Debug for V0Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("V0Key[redacted]")
    }
}

/// Plaintext of a ciphertext whose tag was verified.
struct Decrypting<R> {
    stream: Stream,
    ciphertext: R,
}

impl<R: Read> Read for Decrypting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.ciphertext.read(buffer)?;
        self.stream.apply(&mut buffer[..read]);
        Ok(read)
    }
}

/// One gzip member and nothing behind it.
fn inflate(stored: impl Read, sink: &mut impl Write) -> Result<u64, V0Error> {
    let mut member = flate2::bufread::GzDecoder::new(io::BufReader::with_capacity(PIECE, stored));
    let written = match copy(&mut member, sink, INFLATED_MAX) {
        Ok(written) => written.ok_or(OpenError::NotAuthentic)?,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            return Err(OpenError::NotAuthentic.into());
        }
        Err(error) => return Err(error.into()),
    };
    let mut behind = member.into_inner();
    if behind.read(&mut [0])? == 0 { Ok(written) } else { Err(OpenError::NotAuthentic.into()) }
}

/// Copies to the end; `None` if there are more than `most` bytes.
fn copy(mut from: impl Read, to: &mut impl Write, most: u64) -> io::Result<Option<u64>> {
    let mut piece = Zeroizing::new(vec![0; PIECE]);
    let mut copied = 0_u64;
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok(Some(copied)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        copied += read as u64;
        if copied > most {
            return Ok(None);
        }
        to.write_all(&piece[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::rsa::RsaBits;

    fn sealed(plain: &[u8]) -> (V0Key, [u8; NONCE], Vec<u8>) {
        let mut sealer = Sealer::new();
        let mut bytes = plain.to_vec();
        bytes.chunks_mut(1_000).for_each(|piece| sealer.seal(piece));
        let (key, nonce) = (V0Key(sealer.key.duplicate()), sealer.nonce);
        bytes.extend_from_slice(&sealer.finish());
        (key, nonce, bytes)
    }

    fn open(
        key: &V0Key,
        nonce: &[u8; NONCE],
        bytes: &[u8],
        compressed: bool,
    ) -> (Result<u64, V0Error>, Vec<u8>) {
        let mut out = Vec::new();
        let opened = key.open(nonce, bytes.len() as u64, compressed, || Ok(Cursor::new(bytes)), &mut out);
        (opened, out)
    }

    #[test]
    fn what_was_sealed_opens_and_of_what_was_altered_not_a_byte_comes_out() {
        for len in [0, 1, 16, 100_000] {
            let plain: Vec<u8> = (0..=255).cycle().take(len).collect();
            let (key, nonce, bytes) = sealed(&plain);
            let (opened, out) = open(&key, &nonce, &bytes, false);
            assert_eq!((opened.unwrap(), out), (len as u64, plain));
            for at in [0, bytes.len() / 2, bytes.len() - 1] {
                let mut altered = bytes.clone();
                altered[at] ^= 1;
                let (opened, out) = open(&key, &nonce, &altered, false);
                assert!(matches!(opened, Err(V0Error::Open(OpenError::NotAuthentic))) && out.is_empty());
            }
            let (opened, out) = open(&V0Key(Secret::generate()), &nonce, &bytes, false);
            assert!(opened.is_err() && out.is_empty());
            let (opened, out) = open(&key, &nonce, &bytes[..bytes.len() - 1], false);
            assert!(opened.is_err() && out.is_empty());
        }
        let (key, nonce, bytes) = sealed(b"");
        assert!(open(&key, &nonce, &bytes[..15], false).0.is_err());
    }

    #[test]
    fn one_gzip_member_is_inflated_and_nothing_may_stand_behind_it() {
        let mut packed = Vec::new();
        let mut encoder = flate2::GzBuilder::new().mtime(7).write(&mut packed, flate2::Compression::fast());
        encoder.write_all(&[5; 100_000]).unwrap();
        encoder.finish().unwrap();
        let (key, nonce, bytes) = sealed(&packed);
        let (opened, out) = open(&key, &nonce, &bytes, true);
        assert_eq!((opened.unwrap(), out), (100_000, vec![5; 100_000]));
        for wrong in
            [[packed.as_slice(), b"x"].concat(), packed[..packed.len() - 1].to_vec(), b"plain".to_vec()]
        {
            let (key, nonce, bytes) = sealed(&wrong);
            assert!(matches!(
                open(&key, &nonce, &bytes, true).0,
                Err(V0Error::Open(OpenError::NotAuthentic))
            ));
        }
    }

    #[test]
    fn a_key_wrapped_for_one_format_does_not_unwrap_in_the_other() {
        let key = RsaPrivateKey::generate(RsaBits::B2048);
        let sealer = Sealer::new();
        let wrapped = sealer.wrapped_for(key.public());
        assert!(V0Key::unwrap(&key, &wrapped).is_some());
        assert!(key.unwrap(&wrapped, &[0; 32]).is_none(), "a label is never empty there");
        let bound = key.public().wrap(&crate::FileKey::generate(), &[0; 32]);
        assert!(V0Key::unwrap(&key, &bound).is_none());
        assert!(V0Key::unwrap(&key, &wrapped[1..]).is_none());
    }
}
