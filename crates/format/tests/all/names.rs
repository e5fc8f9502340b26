//! Names that are safe to create.

use format::FileName;
use format::names::safe_file_name;
use proptest::prelude::*;

#[test]
fn ordinary_names_stay_as_they_are() {
    for name in [
        "report.pdf",
        ".profile",
        "a b.tar.gz",
        "r\u{e9}sum\u{e9}.txt",
        "\u{65e5}\u{672c}.txt",
        "console.log",
        "com10",
        "nullable",
    ] {
        assert_eq!(safe_file_name(name), name);
    }
}

#[test]
fn names_that_leave_the_folder_are_tamed() {
    for (name, safe) in [
        ("../x", ".._x"),
        ("..", "unnamed"),
        (".", "unnamed"),
        ("", "unnamed"),
        ("/etc/passwd", "_etc_passwd"),
        ("a\\b", "a_b"),
        ("C:x", "C_x"),
        ("a\0b", "a_b"),
        ("a\nb\x1b[2J", "a_b_[2J"),
    ] {
        assert_eq!(safe_file_name(name), safe, "{name:?}");
    }
}

#[test]
fn names_that_deceive_the_eye_are_tamed() {
    assert_eq!(safe_file_name("photo\u{202e}gpj.exe"), "photogpj.exe");
    assert_eq!(safe_file_name("\u{2066}a\u{2069}\u{200b}.txt\u{feff}"), "a.txt");
    assert_eq!(safe_file_name("\u{200f}"), "unnamed");
}

#[test]
fn names_that_some_systems_change_are_tamed() {
    for (name, safe) in [
        ("x. . ", "x"),
        ("  x", "x"),
        ("   ", "unnamed"),
        ("a?b*c\"d<e>f|g", "a_b_c_d_e_f_g"),
        ("-rf", "_-rf"),
    ] {
        assert_eq!(safe_file_name(name), safe, "{name:?}");
    }
}

#[test]
fn device_names_are_tamed() {
    for name in ["CON", "nul", "Com1", "LPT9.txt", "aux.tar.gz", "PRN .txt", "CONIN$", "com\u{b9}", "con."] {
        let safe = safe_file_name(name);
        assert!(safe.starts_with('_'), "{name:?} became {safe:?}");
    }
}

#[test]
fn a_long_name_keeps_its_extension() {
    let safe = safe_file_name(&format!("{}.tar.gz", "\u{65e5}".repeat(300)));
    assert!(safe.len() <= 255 && safe.len() > 245);
    assert!(safe.ends_with(".gz"));
    let safe = safe_file_name(&format!("{}.{}", "a".repeat(10), "b".repeat(300)));
    assert_eq!(safe.len(), 255);
}

#[test]
fn a_name_is_shortened_from_256_bytes_on() {
    let named = |stem: usize, behind: &str| format!("{}{behind}", "a".repeat(stem));
    // Whatever is shortened loses the white space before its extension.
    assert_eq!(safe_file_name(&named(250, " .txt")), named(250, " .txt"));
    assert_eq!(safe_file_name(&named(251, " .txt")), named(251, ".txt"));
    let extension = |len: usize| format!(".{}", "x".repeat(len - 1));
    let kept = safe_file_name(&named(300, &extension(16)));
    assert_eq!(kept, named(255 - 16, &extension(16)));
    assert_eq!(safe_file_name(&named(300, &extension(17))), "a".repeat(255), "no extension is that long");
}

#[test]
fn a_name_that_is_a_device_only_once_it_is_cut_is_seen() {
    for device in ["NUL", "COM1", "lpt\u{b9}"] {
        let safe = safe_file_name(&format!("{device}{}x", " ".repeat(300)));
        assert_eq!(safe, format!("_{device}"));
    }
}

#[test]
fn sealed_names_follow_the_format() {
    assert_eq!(FileName::parse("e\u{301}").unwrap().as_str(), "\u{e9}");
    assert!(FileName::parse(&"n".repeat(255)).is_ok());
    for name in ["", ".", "..", "a/b", "a\\b", "a\0b", &"n".repeat(256)] {
        assert!(FileName::parse(name).is_err(), "{name:?}");
    }
}

proptest! {
    #[test]
    fn any_name_becomes_safe_and_stays_so(name in prop_oneof![
        any::<String>(),
        "[./\\\\ :a-z\u{202e}\u{200b}-]{0,300}",
        "(con|nul|com1|lpt9|aux)[. ]{0,3}[a-z]{0,3}",
    ]) {
        let safe = safe_file_name(&name);
        prop_assert!((1..=255).contains(&safe.len()));
        prop_assert!(safe != "." && safe != "..");
        let forbidden = ['/', '\\', ':', '\0', '\u{202e}', '\u{2066}'];
        prop_assert!(!safe.contains(forbidden));
        prop_assert!(!safe.contains(char::is_control));
        prop_assert!(!safe.ends_with(['.', ' ']) && !safe.starts_with([' ', '-']));
        prop_assert!(FileName::parse(&safe).is_ok());
        prop_assert_eq!(safe_file_name(&safe), safe);
    }
}
