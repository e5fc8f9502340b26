//! Previews: a small picture of a picture, made by its sender and sealed with the name.
//!
//! The sender's own file is decoded here, within limits of size, memory and time, and only as far as a picture goes: whatever it is,
//! it never stops a send. What a preview is made of is pixels and nothing else: no place, camera or date goes along. All previews are
//! of one length, so that their length tells nothing but that there is one. What arrives is bytes of a stranger: it is decoded within much narrower
//! limits, and what is shown or written is drawn anew from its pixels.

use format::metadata::Preview;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits, RgbImage};
use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// The longer side of a preview, pixels.
pub const PREVIEW_SIDE: u32 = 256;
/// Length of every preview that is made, bytes.
pub const PREVIEW_LEN: usize = 12 << 10;
/// Media type of every preview.
const MEDIA_TYPE: &str = "image/jpeg";
/// Tried in this order until it fits.
const QUALITIES: [u8; 6] = [80, 65, 50, 35, 20, 8];

/// Longest file that a preview is made of.
const SOURCE_MAX: u64 = 32 << 20;
/// What a decoder may take of a source.
const SOURCE_LIMITS: Bounds = Bounds { side: 16_384, pixels: 50_000_000, alloc: 256 << 20 };
/// How long a preview may take. Nobody waits longer; the thread goes on alone until it is done.
const PATIENCE: Duration = Duration::from_secs(5);
/// Threads that nobody waits for any more, at most.
const LEFT_MAX: usize = 2;

/// What a decoder may take of what somebody else sent as a preview.
const SHOWN_LIMITS: Bounds = Bounds { side: 512, pixels: 512 * 512, alloc: 4 << 20 };

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// A preview that was found to be one, drawn anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The pixels as a PNG image, made by this program: nothing but colours of what somebody sent is in it.
    pub png: Vec<u8>,
}

impl Picture {
    /// Decodes what somebody sent as a preview; `None` for what is no JPEG image of at most 512 pixels a side.
    #[must_use]
    pub fn of(preview: &Preview) -> Option<Self> {
        if preview.media_type != MEDIA_TYPE || image::guess_format(&preview.bytes).ok()? != ImageFormat::Jpeg
        {
            return None;
        }
        let pixels =
            guarded(|| Some(decoded(&preview.bytes, ImageFormat::Jpeg, &SHOWN_LIMITS)?.0.to_rgb8()))?;
        let (width, height) = pixels.dimensions();
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png)
            .write_image(pixels.as_raw(), width, height, image::ExtendedColorType::Rgb8)
            .ok()?;
        Some(Self { width, height, png })
    }
}

/// The preview of a file, if it is a picture of a common kind within the limits. Blocks.
pub(crate) fn of_file(file: &File, size: u64) -> Option<Preview> {
    let mut head = [0; 16];
    if size > SOURCE_MAX || size < head.len() as u64 {
        return None;
    }
    file.read_exact_at(&mut head, 0).ok()?;
    kind(&head)?;
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    of_bytes(bytes)
}

/// The same for content that is in memory. Blocks.
pub(crate) fn of_bytes(bytes: Vec<u8>) -> Option<Preview> {
    kind(&bytes)?;
    if bytes.len() as u64 > SOURCE_MAX || RUNNING.load(Ordering::Relaxed) > LEFT_MAX {
        return None;
    }
    let (done, outcome) = mpsc::channel();
    RUNNING.fetch_add(1, Ordering::Relaxed);
    let work = move || {
        let made = guarded(|| make(&bytes));
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        // Nobody listens any more when it took too long.
        drop(done.send(made));
    };
    if std::thread::Builder::new().name("wax-preview".into()).spawn(work).is_err() {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    outcome.recv_timeout(PATIENCE).ok().flatten()
}

/// The kinds that are decoded, by what the file begins with and not by what it is called.
fn kind(head: &[u8]) -> Option<ImageFormat> {
    let kind = image::guess_format(head).ok()?;
    let common = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP];
    common.contains(&kind).then_some(kind)
}

/// Decoders of others are not trusted to end in an error.
fn guarded<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok().flatten()
}

/// What a decoder may take.
struct Bounds {
    side: u32,
    pixels: u64,
    alloc: u64,
}

fn decoded(bytes: &[u8], kind: ImageFormat, bounds: &Bounds) -> Option<(DynamicImage, Orientation)> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), kind);
    let mut limits = Limits::default();
    limits.max_image_width = Some(bounds.side);
    limits.max_image_height = Some(bounds.side);
    limits.max_alloc = Some(bounds.alloc);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let is_small = (1..=bounds.side).contains(&width)
        && (1..=bounds.side).contains(&height)
        && u64::from(width) * u64::from(height) <= bounds.pixels
        && decoder.total_bytes() <= bounds.alloc;
    if !is_small {
        return None;
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Some((DynamicImage::from_decoder(decoder).ok()?, orientation))
}

fn make(bytes: &[u8]) -> Option<Preview> {
    let (image, orientation) = decoded(bytes, kind(bytes)?, &SOURCE_LIMITS)?;
    let mut small = if image.width() > PREVIEW_SIDE || image.height() > PREVIEW_SIDE {
        image.thumbnail(PREVIEW_SIDE, PREVIEW_SIDE)
    } else {
        image
    };
    small.apply_orientation(orientation);
    let pixels = on_white(&small);
    let bytes = QUALITIES.iter().find_map(|quality| padded(encoded(&pixels, *quality)?))?;
    Some(Preview { media_type: MEDIA_TYPE.to_owned(), bytes })
}

/// What shines through shows white. Profiles of colour are not applied: the numbers are taken as sRGB.
fn on_white(image: &DynamicImage) -> RgbImage {
    let rgba = image.to_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, a] = rgba.get_pixel(x, y).0;
        let blend = |colour: u8| {
            let sum = u32::from(colour) * u32::from(a) + 255 * (255 - u32::from(a));
            u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
        };
        image::Rgb([blend(r), blend(g), blend(b)])
    })
}

fn encoded(pixels: &RgbImage, quality: u8) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, quality)
        .write_image(pixels.as_raw(), pixels.width(), pixels.height(), image::ExtendedColorType::Rgb8)
        .ok()?;
    Some(out)
}

/// Lengthened to [`PREVIEW_LEN`] by a comment of zeros behind the marker that begins every JPEG image; `None` if it is too long.
fn padded(jpeg: Vec<u8>) -> Option<Vec<u8>> {
    const MARKER: usize = 2;
    let missing = PREVIEW_LEN.checked_sub(jpeg.len())?;
    if missing == 0 {
        return Some(jpeg);
    }
    // Marker and length of a comment take four bytes.
    let len = u16::try_from(missing.checked_sub(MARKER)?).ok().filter(|len| *len >= 2)?;
    let (start, rest) = jpeg.split_at_checked(MARKER)?;
    let mut out = start.to_vec();
    out.extend_from_slice(&[0xFF, 0xFE]);
    out.extend_from_slice(&len.to_be_bytes());
    out.resize(MARKER + missing, 0);
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgba, RgbaImage};

    fn picture(width: u32, height: u32) -> DynamicImage {
        let shade = |n: u32| u8::try_from(n % 256).unwrap();
        DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, |x, y| {
            Rgba([shade(x), shade(y), shade(x * y / 64), if x < width / 2 { 255 } else { 0 }])
        }))
    }

    fn file(image: &DynamicImage, kind: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        match kind {
            ImageFormat::Jpeg => DynamicImage::from(image.to_rgb8()).write_to(&mut out, kind).unwrap(),
            _ => image.write_to(&mut out, kind).unwrap(),
        }
        out.into_inner()
    }

    #[test]
    fn common_pictures_get_a_preview_of_one_length_and_at_most_256_pixels() {
        for kind in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            for (size, shown) in [((1_000, 500), (256, 128)), ((300, 900), (85, 256)), ((10, 1), (10, 1))] {
                let preview = of_bytes(file(&picture(size.0, size.1), kind)).unwrap();
                assert_eq!((preview.bytes.len(), preview.media_type.as_str()), (PREVIEW_LEN, "image/jpeg"));
                let back = Picture::of(&preview).unwrap();
                assert_eq!((back.width, back.height), shown, "{kind:?}");
                assert_eq!(image::guess_format(&back.png).unwrap(), ImageFormat::Png);
            }
        }
    }

    #[test]
    fn even_noise_fits_and_what_shines_through_is_white() {
        let mut state = 1_u32;
        let noise = RgbaImage::from_fn(256, 256, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [a, b, c, _] = state.to_be_bytes();
            Rgba([a, b, c, 255])
        });
        assert_eq!(of_bytes(file(&noise.into(), ImageFormat::Png)).unwrap().bytes.len(), PREVIEW_LEN);
        let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(8, 8, Rgba([0, 0, 0, 0])));
        assert_eq!(on_white(&clear).get_pixel(3, 3).0, [255, 255, 255]);
    }

    #[test]
    fn place_camera_and_date_stay_behind_and_the_picture_stands_upright() {
        let jpeg = file(&picture(64, 32), ImageFormat::Jpeg);
        // An EXIF segment: orientation 6 (turn right), and a text as cameras write it.
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
        exif.extend_from_slice(b"Harbour Street 7, camera no. 4711");
        let mut tagged = jpeg[..2].to_vec();
        tagged.extend_from_slice(&[0xFF, 0xE1]);
        tagged.extend_from_slice(&u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        tagged.extend_from_slice(&exif);
        tagged.extend_from_slice(&jpeg[2..]);
        let preview = of_bytes(tagged).unwrap();
        let has = |needle: &[u8]| preview.bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!has(b"Exif") && !has(b"Harbour") && !has(b"4711"));
        let shown = Picture::of(&preview).unwrap();
        assert_eq!((shown.width, shown.height), (32, 64), "turned as the camera said");
    }

    #[test]
    fn what_is_no_picture_too_large_or_broken_gets_none_and_stops_nothing() {
        let png = file(&picture(64, 64), ImageFormat::Png);
        // A header that claims 60,000 pixels a side.
        let mut huge = png.clone();
        huge[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
        for bytes in
            [Vec::new(), b"hello".to_vec(), svg, huge, png[..png.len() / 2].to_vec(), vec![0; 100_000]]
        {
            assert!(of_bytes(bytes).is_none());
        }
        for kind in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let whole = file(&picture(40, 40), kind);
            for at in (0..whole.len()).step_by(whole.len() / 60 + 1) {
                let mut changed = whole.clone();
                changed[at] ^= 0x55;
                // Whatever comes of it, it ends.
                drop(of_bytes(changed));
                drop(of_bytes(whole[..at].to_vec()));
            }
        }
    }

    #[test]
    fn a_preview_of_a_stranger_is_drawn_anew_or_refused() {
        let jpeg = file(&picture(200, 100), ImageFormat::Jpeg);
        let preview = |media_type: &str, bytes: &[u8]| Preview {
            media_type: media_type.to_owned(),
            bytes: bytes.to_vec(),
        };
        // What hides behind the picture is not in what is written.
        let mut polyglot = jpeg.clone();
        polyglot.extend_from_slice(b"<script>alert(1)</script>");
        let shown = Picture::of(&preview("image/jpeg", &polyglot)).unwrap();
        assert_eq!((shown.width, shown.height), (200, 100));
        assert!(!shown.png.windows(6).any(|window| window == b"script"));
        let large = file(&picture(600, 10), ImageFormat::Jpeg);
        let png = file(&picture(20, 20), ImageFormat::Png);
        for hostile in [
            preview("image/svg+xml", b"<svg/>"),
            preview("text/html", &jpeg),
            preview("image/jpeg", b"<script>"),
            preview("image/jpeg", &png),
            preview("image/jpeg", &large),
            preview("image/jpeg", &jpeg[..20]),
            preview("image/jpeg", b""),
            preview("", &jpeg),
        ] {
            assert_eq!(Picture::of(&hostile), None);
        }
    }
}
