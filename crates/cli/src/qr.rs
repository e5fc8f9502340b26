//! QR codes at the terminal: two rows of modules to a line of half blocks.

use qrcode::{Color, EcLevel, QrCode};

/// Modules of white around the code, which scanners need.
const QUIET: usize = 4;
/// Black on white whatever the terminal's own colours are.
const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const PLAIN: &str = "\u{1b}[0m";

/// Pixels of a module in a PNG image.
const SCALE: usize = 8;

/// Whether each module is dark, row by row with the white around.
fn square(text: &str) -> (usize, impl Fn(usize, usize) -> bool) {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).expect("2,000 octets fit into a code");
    let (width, modules) = (code.width(), code.to_colors());
    let dark = move |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        inside && modules[(y - QUIET) * width + (x - QUIET)] == Color::Dark
    };
    (width + 2 * QUIET, dark)
}

/// The code of a text of at most 2,000 octets as an SVG image.
pub(crate) fn svg(text: &str) -> String {
    let (side, dark) = square(text);
    let mut path = String::new();
    for y in 0..side {
        for x in (0..side).filter(|x| dark(*x, y)) {
            path.push_str(&format!("M{x} {y}h1v1h-1z"));
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>\n"
    )
}

/// The code of a text of at most 2,000 octets as a PNG image (ISO/IEC 15948): one bit a pixel, not compressed.
pub(crate) fn png(text: &str) -> Vec<u8> {
    let (side, dark) = square(text);
    let pixels = side * SCALE;
    let mut rows = Vec::new();
    for y in 0..pixels {
        // Each row begins with its filter: none.
        rows.push(0);
        // A module is as wide as an octet has bits.
        rows.extend((0..side).map(|x| if dark(x, y / SCALE) { 0x00 } else { 0xff }));
    }
    let width = u32::try_from(pixels).expect("a code is small").to_be_bytes();
    let mut head = [width, width].concat();
    head.extend_from_slice(&[1, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", head), (b"IDAT", stored(&rows)), (b"IEND", Vec::new())] {
        png.extend_from_slice(&u32::try_from(data.len()).expect("a code is small").to_be_bytes());
        let begin = png.len();
        png.extend_from_slice(kind);
        png.extend_from_slice(&data);
        let check = crc32(&png[begin..]);
        png.extend_from_slice(&check.to_be_bytes());
    }
    png
}

/// A zlib stream (RFC 1950) of stored blocks.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let len = u16::try_from(block.len()).expect("blocks are cut to fit");
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    out.extend_from_slice(&(high << 16 | low).to_be_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// The lines of the code of a text of at most 2,000 octets. Without colour the background is taken for dark, as most
/// terminals are.
pub(crate) fn lines(text: &str, colour: bool) -> Vec<String> {
    let (side, dark) = square(text);
    (0..side)
        .step_by(2)
        .map(|y| {
            let blocks: String = (0..side)
                .map(|x| match (dark(x, y) == colour, (y + 1 < side && dark(x, y + 1)) == colour) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                })
                .collect();
            if colour { format!("{BLACK_ON_WHITE}{blocks}{PLAIN}") } else { blocks }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_their_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert!(stored(b"Wikipedia").ends_with(&0x11e6_0398_u32.to_be_bytes()));
    }

    #[test]
    fn images_hold_the_modules_of_the_code() {
        let (side, dark) = square("https://files.example/s/x");
        let count = (0..side * side).filter(|at| dark(at % side, at / side)).count();
        assert_eq!(svg("https://files.example/s/x").matches("h1v1h-1z").count(), count);
        let png = png("https://files.example/s/x");
        let begin = png.windows(4).position(|four| four == b"IDAT").unwrap() + 4 + 2 + 5;
        for y in 0..side {
            let row = begin + y * SCALE * (side + 1) + 1;
            for x in 0..side {
                assert_eq!(png[row + x] == 0, dark(x, y), "{x} {y}");
            }
        }
    }
    use client::RootId;

    #[test]
    fn the_lines_are_the_modules_of_the_code_with_white_around() {
        let number = client::safety_number(&RootId::from_bytes([1; 32]), &RootId::from_bytes([2; 32]));
        let code = QrCode::with_error_correction_level(number.qr_text(), EcLevel::M).unwrap();
        let side = code.width() + 2 * QUIET;
        for colour in [true, false] {
            let mut dark = Vec::new();
            for line in lines(&number.qr_text(), colour) {
                let line = line.replace(BLACK_ON_WHITE, "").replace(PLAIN, "");
                assert_eq!(line.chars().count(), side);
                for top in [true, false] {
                    let ink = |c| matches!((c, top), ('█', _) | ('▀', true) | ('▄', false));
                    dark.extend(line.chars().map(|c| ink(c) == colour));
                }
            }
            for (at, dark) in dark.into_iter().take(side * side).enumerate() {
                let (x, y) = (at % side, at / side);
                let inside = [x, y].iter().all(|n| (QUIET..side - QUIET).contains(n));
                let expected = inside && code[(x - QUIET, y - QUIET)] == Color::Dark;
                assert_eq!(dark, expected, "{x} {y}");
            }
        }
    }
}
