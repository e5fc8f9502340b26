//! Sizes, names, addresses and numbers.

use envelope::RootId;
use envelope::segment::SEGMENT_PLAIN;
use format::safety::safety_number;

use crate::{Outcome, Seeds};

pub(crate) fn sizes(seeds: &Seeds) -> Outcome {
    let edges = [
        0_u64,
        1,
        31,
        32,
        33,
        4095,
        4096,
        4097,
        262_111,
        262_112,
        262_113,
        262_144,
        262_145,
        262_176,
        262_177,
        1 << 20,
        1 << 31,
        (1 << 44) - 1,
        1 << 44,
        (1 << 44) + 1,
        1 << 53,
        u64::MAX,
    ];
    for edge in edges {
        let name = format!("edge_{edge}");
        let bytes = [&edge.to_be_bytes()[..], &edge.saturating_sub(3).to_be_bytes(), b"abc\0\0"].concat();
        seeds.write("padding", &name, &bytes)?;
        let part = (1_u64 << 20).to_be_bytes();
        let bytes =
            [&edge.to_be_bytes()[..], &edge.to_be_bytes(), &part, &[0; 4], &edge.to_be_bytes()].concat();
        seeds.write("body_shape", &name, &bytes)?;
    }
    let last = [(SEGMENT_PLAIN as u64).to_be_bytes(), [0; 8]].concat();
    seeds.write("padding", "segment", &last)
}

pub(crate) fn text(seeds: &Seeds) -> Outcome {
    for (n, text) in [
        "alice@host.example",
        " a@B.Example ",
        "ü@münchen.example",
        "a.b+c@h-1.example",
        "a@b@c",
        "@b.example",
        "a@-b.example",
        "a@b..example",
        ".a@b.example",
        "e\u{301}@h.example",
        "a@\u{130}.example",
        "a@\u{212a}.example",
        "\"a\"@b.example",
        "a@[127.0.0.1]",
    ]
    .iter()
    .enumerate()
    {
        seeds.write("address", &format!("text_{n}"), text.as_bytes())?;
    }
    let long = "a".repeat(64) + "@" + &("b".repeat(63) + ".").repeat(2) + &"c".repeat(61);
    seeds.write("address", "longest", long.as_bytes())?;
    let spaced = "NUL".to_owned() + &" ".repeat(253) + "x";
    let dotted = "n".repeat(250) + ".tar.gz";
    for (n, name) in [
        "report.pdf",
        "../../etc/passwd",
        "C:\\a",
        "CON",
        "nul.txt",
        "COM\u{b9}.x",
        "-rf",
        " a. ",
        "...",
        "",
        "a\u{202e}txt.exe",
        "\u{feff}",
        "\u{fffd}",
        "e\u{301}.txt",
        "LPT0",
        "conin$ .a",
        "a\u{0}b",
        "\u{1d160}",
        &spaced,
        &dotted,
        &"\u{1d160}".repeat(60),
        &("-".to_owned() + &"x".repeat(254)),
    ]
    .iter()
    .enumerate()
    {
        seeds.write("file_name", &format!("name_{n}"), name.as_bytes())?;
    }
    let uuid = "abababab-abab-4bab-8bab-abababababab";
    for (n, id) in [
        uuid,
        &uuid.to_uppercase(),
        &uuid.replace('-', ""),
        &format!("{{{uuid}}}"),
        &format!("urn:uuid:{uuid}"),
        &"c0".repeat(32),
        &"C0".repeat(32),
        &"c0".repeat(31),
        &("c0".repeat(31) + "\u{e9}"),
    ]
    .iter()
    .enumerate()
    {
        seeds.write("ids", &format!("id_{n}"), id.as_bytes())?;
    }
    for (n, cid) in [
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        "bafybeig3tekvo6icfwhptbbtr5vlcn77vkjfsz4t2zpb7prqrhqgwrtwei",
        "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
        "zb2rhmy65F3REf8SZp7De11gxtECBGgUKaLdiDj7MCGCHxbDW",
        "b",
    ]
    .iter()
    .enumerate()
    {
        seeds.write("cid", &format!("cid_{n}"), cid.as_bytes())?;
    }
    seeds.write("safety_number", "two", &[[1; 32], [2; 32]].concat())?;
    let number = safety_number(&RootId::from_bytes([1; 32]), &RootId::from_bytes([2; 32]));
    seeds.write_with_misses("scanned_number", "ours", number.qr_text().as_bytes())?;
    seeds.write("scanned_number", "spaced", format!(" {}\n", number.qr_text()).as_bytes())?;
    seeds.write("scanned_number", "digits", number.to_string().as_bytes())?;
    for (n, text) in ["AAAA", "AA", "AA==", "+/", "-_8", "AB", "A"].iter().enumerate() {
        seeds.write("base64", &format!("text_{n}"), text.as_bytes())?;
    }
    Ok(())
}
