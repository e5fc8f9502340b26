//! QR codes at the terminal: two rows of modules to a line of half blocks.

use qrcode::{Color, EcLevel, QrCode};

/// Modules of white around the code, which scanners need.
const QUIET: usize = 4;
/// Black on white whatever the terminal's own colours are.
const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const PLAIN: &str = "\u{1b}[0m";

/// The lines of the code of a text of at most 2,000 octets. Without colour the background is taken for dark, as most
/// terminals are.
pub(crate) fn lines(text: &str, colour: bool) -> Vec<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).expect("2,000 octets fit into a code");
    let (width, modules) = (code.width(), code.to_colors());
    let dark = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        inside && modules[(y - QUIET) * width + (x - QUIET)] == Color::Dark
    };
    let side = width + 2 * QUIET;
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
