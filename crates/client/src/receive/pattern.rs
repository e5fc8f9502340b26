//! Which files of a folder somebody wants.

/// A pattern for paths in a folder: `*` and `?` stand for what holds no `/`, `**` for anything. It takes a file whose path it matches, and
/// all that is in a folder that it matches; without `/` it takes names wherever they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Vec<char>,
    anywhere: bool,
}

impl Pattern {
    /// Every text is a pattern; a `/` at its ends says nothing.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim_matches('/');
        Self { text: text.chars().collect(), anywhere: !text.contains('/') }
    }

    /// Whether it takes the file at `path`.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut begin = 0;
        for end in ends {
            let shown = if self.anywhere { &path[begin..end] } else { &path[..end] };
            if matches(&self.text, shown) {
                return true;
            }
            begin = end + 1;
        }
        false
    }
}

/// One row for each place of the pattern: at which places of the text it may have come to its end.
fn matches(pattern: &[char], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            '*' => {
                let crosses = rest.first() == Some(&'*');
                rest = rest.strip_prefix(&['*']).unwrap_or(rest);
                for at in 0..text.len() {
                    reached[at + 1] |= reached[at] && (crosses || text[at] != '/');
                }
            }
            one => {
                for at in (0..text.len()).rev() {
                    let is_it = text[at] == *one || (*one == '?' && text[at] != '/');
                    reached[at + 1] = reached[at] && is_it;
                }
                reached[0] = false;
            }
        }
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_names_paths_and_all_that_is_in_a_folder() {
        for (pattern, takes, leaves) in [
            ("*.jpg", &["a.jpg", "in/deep/b.jpg", ".jpg"][..], &["a.jpeg", "jpg"][..]),
            ("photos", &["photos/a.jpg", "old/photos/b"], &["photos2/a", "my photos/a"]),
            ("photos/", &["photos/a.jpg"], &["photo"]),
            ("docs/*.pdf", &["docs/a.pdf"], &["docs/in/a.pdf", "a.pdf", "x/docs/a.pdf"]),
            ("docs/**.pdf", &["docs/a.pdf", "docs/in/a.pdf"], &["docs/a.txt"]),
            ("docs/in", &["docs/in/a", "docs/in/b/c"], &["docs/inner", "in/a"]),
            ("?.txt", &["a.txt", "ä.txt", "x/b.txt"], &["ab.txt", ".txt"]),
            ("a*b*c", &["abc", "a-b-b-c"], &["a/b/c2", "acb"]),
            ("**", &["anything/at/all"], &[]),
            ("", &[], &["a"]),
        ] {
            let pattern = Pattern::new(pattern);
            for path in takes {
                assert!(pattern.takes(path), "{pattern:?} {path}");
            }
            for path in leaves {
                assert!(!pattern.takes(path), "{pattern:?} {path}");
            }
        }
    }
}
