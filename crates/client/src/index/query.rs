//! What a person asks of the list, and in which order they want it.

use super::entry::{Entry, State};
use super::judge::Judge;
use crate::{Address, FileId, FileSummary, Role, Sender, Trust};

/// Which files, in which order, how many. The default is everything, newest first.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Each of these stands in the name or in the sender's address, whatever the case of its letters.
    pub words: Vec<String>,
    /// Only files one sent, or was sent.
    pub role: Option<Role>,
    /// Stands in the sender's address.
    pub from: Option<String>,
    /// A media type or its first half (`image`), or the end of a name (`pdf`, `.tar.gz`).
    pub kind: Option<String>,
    /// Only files of at least so many bytes.
    pub at_least: Option<u64>,
    /// Only files of at most so many bytes.
    pub at_most: Option<u64>,
    /// Only what was sent then or later, unix seconds.
    pub since: Option<i64>,
    /// Only what was sent before then, unix seconds.
    pub before: Option<i64>,
    /// Only what ends before then, unix seconds.
    pub ends_before: Option<i64>,
    /// Only what came from somebody whose keys nobody compared.
    pub unverified: bool,
    /// By what.
    pub sort: Sort,
    /// The other way round.
    pub reverse: bool,
    /// Rows at most; absent: all.
    pub limit: Option<usize>,
}

/// By what a list is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// When it was sent, newest first.
    #[default]
    Date,
    /// From A to Z.
    Name,
    /// Largest first.
    Size,
    /// By the sender's address, from A to Z, and then newest first.
    Sender,
    /// What ends soonest first.
    End,
}

/// A query made ready for many rows.
pub(super) struct Wanted<'q> {
    query: &'q ListQuery,
    words: Vec<String>,
    from: Option<String>,
    kind: Option<String>,
    now: i64,
}

/// What a row is sorted by; the id makes it one order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    text: String,
    number: i128,
    file_id: FileId,
}

/// How far the sender is trusted, and whoever passed it on, if somebody did.
pub(super) type Trusts = (Trust, Option<Trust>);

/// The first rows of an order: at most twice as many as asked for are held, and some.
pub(super) struct Best {
    rows: Vec<(Key, Vec<u8>, Trusts)>,
    limit: usize,
    reverse: bool,
    pub(super) matched: u64,
    /// Behind this one nothing is asked for any more.
    worst: Option<Key>,
}

impl<'q> Wanted<'q> {
    pub(super) fn new(query: &'q ListQuery, now: i64) -> Self {
        let low = |text: &String| format::names::comparable(text);
        Self {
            query,
            words: query.words.iter().map(low).filter(|word| !word.is_empty()).collect(),
            from: query.from.as_ref().map(low),
            kind: query.kind.as_ref().map(low),
            now,
        }
    }

    /// Whether a row is asked for, and how far its sender is trusted.
    pub(super) fn takes(&self, row: &Entry<'_>, judge: &Judge) -> Option<Trusts> {
        let query = self.query;
        let by_numbers = row.state == State::Listed
            && row.expires_at > self.now
            && query.role.is_none_or(|role| row.role == role)
            && query.at_least.is_none_or(|least| row.bytes >= least)
            && query.at_most.is_none_or(|most| row.bytes <= most)
            && query.since.is_none_or(|since| row.created >= since)
            && query.before.is_none_or(|before| row.created < before)
            && query.ends_before.is_none_or(|end| row.expires_at < end);
        if !by_numbers || !self.reads(row) {
            return None;
        }
        let trust = judge.trust(row);
        let passer = row.passed.map(|passed| judge.trust_in(passed.address, &passed.signed));
        let is_verified = |trust: Trust| matches!(trust, Trust::Own | Trust::Verified);
        let all_verified = is_verified(trust) && passer.is_none_or(is_verified);
        (!query.unverified || !all_verified).then_some((trust, passer))
    }

    fn reads(&self, row: &Entry<'_>) -> bool {
        if self.words.is_empty() && self.from.is_none() && self.kind.is_none() {
            return true;
        }
        let (name, address) = (format::names::comparable(row.name), format::names::comparable(row.address));
        self.words.iter().all(|word| name.contains(word) || address.contains(word))
            && self.from.as_ref().is_none_or(|from| address.contains(from))
            && self.kind.as_ref().is_none_or(|kind| is_of_kind(kind, &name, &row.media_type.to_lowercase()))
    }

    fn key(&self, row: &Entry<'_>) -> Key {
        let newest = -i128::from(row.created);
        let (text, number) = match self.query.sort {
            Sort::Date => (String::new(), newest),
            Sort::Name => (format::names::comparable(row.name), newest),
            Sort::Size => (String::new(), -i128::from(row.bytes)),
            Sort::Sender => (row.address.to_lowercase(), newest),
            Sort::End => (String::new(), i128::from(row.expires_at)),
        };
        Key { text, number, file_id: row.file_id }
    }
}

/// Ends of names by kind, for files of which nobody said the type.
const KINDS: [(&str, &[&str]); 5] = [
    ("image", &["png", "jpg", "jpeg", "gif", "webp", "heic", "tif", "tiff", "bmp", "svg", "avif"]),
    ("video", &["mp4", "mov", "mkv", "webm", "avi", "m4v"]),
    ("audio", &["mp3", "flac", "wav", "ogg", "opus", "m4a", "aac"]),
    ("text", &["txt", "md", "csv", "log", "html", "xml", "json"]),
    ("archive", &["zip", "gz", "tgz", "xz", "zst", "bz2", "7z", "tar", "rar"]),
];

/// `image` and `image/png` are of an image's type, `png` and `.png` the end of its name.
fn is_of_kind(kind: &str, name: &str, media_type: &str) -> bool {
    let half = media_type.split('/').next().unwrap_or_default();
    let end = kind.strip_prefix('.').unwrap_or(kind);
    let has_end = |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
    let ends = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, ends)| *ends).unwrap_or_default();
    media_type == kind
        || (half == kind && !half.is_empty())
        || (half.is_empty() && ends.iter().any(|end| has_end(end)))
        || has_end(end)
}

impl Best {
    pub(super) fn new(query: &ListQuery) -> Self {
        Self {
            rows: Vec::new(),
            limit: query.limit.unwrap_or(usize::MAX),
            reverse: query.reverse,
            matched: 0,
            worst: None,
        }
    }

    pub(super) fn take(&mut self, wanted: &Wanted<'_>, row: &Entry<'_>, bytes: &[u8], trusts: Trusts) {
        self.matched += 1;
        let key = wanted.key(row);
        let is_behind = |worst: &Key| if self.reverse { key < *worst } else { key > *worst };
        if self.worst.as_ref().is_some_and(is_behind) {
            return;
        }
        self.rows.push((key, bytes.to_vec(), trusts));
        if self.rows.len() >= self.limit.saturating_mul(2).saturating_add(1_024) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.rows.sort_unstable_by(|a, b| if self.reverse { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) });
        self.rows.truncate(self.limit);
        if self.rows.len() == self.limit {
            self.worst = self.rows.last().map(|(key, _, _)| key.clone());
        }
    }

    /// The rows in their order.
    pub(super) fn files(mut self) -> Vec<FileSummary> {
        self.cut();
        self.rows
            .iter()
            .filter_map(|(_, bytes, (trust, passer))| summary(&Entry::read(bytes)?, *trust, *passer))
            .collect()
    }
}

fn summary(row: &Entry<'_>, trust: Trust, passer: Option<Trust>) -> Option<FileSummary> {
    let passed_by = match row.passed.zip(passer) {
        None => None,
        Some((passed, trust)) => Some(Sender {
            address: Some(Address::parse(passed.address).ok()?),
            root_id: passed.signed.root,
            trust,
            retired_root: passed.signed.root != passed.signed.newest,
        }),
    };
    Some(FileSummary {
        file_id: row.file_id,
        role: row.role,
        name: row.name.to_owned(),
        media_type: row.media_type.to_owned(),
        is_folder: !row.is_anonymous && row.media_type == format::folder::MEDIA_TYPE,
        bytes: row.bytes,
        body_len: row.body_len,
        compressed: row.compressed,
        padded: row.padded,
        has_preview: row.has_preview,
        preview: None,
        modified_ms: row.modified_ms,
        sender: Sender {
            address: if row.is_anonymous { None } else { Some(Address::parse(row.address).ok()?) },
            root_id: row.signed.root,
            trust,
            retired_root: row.signed.root != row.signed.newest,
        },
        passed_by,
        created: row.created,
        expires_at: row.expires_at,
        downloads: row.downloads,
        max_downloads: row.max_downloads,
        recipients: Vec::new(),
        keys: Vec::new(),
        receipts: Vec::new(),
        box_id: row.box_id,
    })
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::sample;
    use super::*;

    const NOW: i64 = 1_000;

    fn asked(query: &ListQuery, rows: &[Entry<'_>]) -> Vec<String> {
        let (wanted, judge) = (Wanted::new(query, NOW), Judge::of_nobody());
        let mut best = Best::new(query);
        for row in rows {
            if let Some(trust) = wanted.takes(row, &judge) {
                best.take(&wanted, row, &row.write(), trust);
            }
        }
        best.files().into_iter().map(|file| file.name).collect()
    }

    fn rows() -> Vec<Entry<'static>> {
        let row = |n, name| Entry { expires_at: 5_000 - i64::from(n), ..sample(n, 1, name) };
        vec![
            row(1, "Plan A.pdf"),
            Entry { media_type: "image/png", address: "carol@other.example", ..row(2, "crème.PNG") },
            Entry { role: Role::Author, address: "alice@people.example", ..row(3, "budget 2027.xlsx") },
            Entry { bytes: 9_000, ..row(4, "plan b.tar.gz") },
            Entry { expires_at: NOW, ..row(5, "ended plan.pdf") },
            Entry { state: State::Refused, ..row(6, "refused plan.pdf") },
        ]
    }

    #[test]
    fn words_are_found_in_names_and_senders_whatever_their_case() {
        let find = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            asked(&ListQuery { words, ..ListQuery::default() }, &rows())
        };
        assert_eq!(find(&["PLAN"]), ["plan b.tar.gz", "Plan A.pdf"]);
        assert_eq!(find(&["plan", "tar"]), ["plan b.tar.gz"]);
        assert_eq!(find(&["other.example"]), ["crème.PNG"]);
        // Composed in the name, decomposed as it was typed.
        assert_eq!(find(&["CRE\u{300}ME"]), ["crème.PNG"]);
        assert_eq!(find(&["nothing"]), [""; 0]);
        assert_eq!(find(&[]).len(), 4, "what ended or was refused is not listed");
    }

    #[test]
    fn filters_hold_together() {
        let all = ListQuery::default();
        let find = |query: ListQuery| asked(&query, &rows());
        assert_eq!(find(ListQuery { role: Some(Role::Author), ..all.clone() }), ["budget 2027.xlsx"]);
        assert_eq!(find(ListQuery { from: Some("Carol".into()), ..all.clone() }), ["crème.PNG"]);
        for kind in ["image", "image/png", "png", ".png", "PNG"] {
            assert_eq!(find(ListQuery { kind: Some(kind.into()), ..all.clone() }), ["crème.PNG"], "{kind}");
        }
        assert_eq!(find(ListQuery { kind: Some("tar.gz".into()), ..all.clone() }), ["plan b.tar.gz"]);
        assert_eq!(find(ListQuery { kind: Some("an".into()), ..all.clone() }), [""; 0]);
        assert_eq!(find(ListQuery { at_least: Some(4), at_most: Some(9_000), ..all.clone() }).len(), 1);
        assert_eq!(find(ListQuery { since: Some(2), before: Some(3), ..all.clone() }), ["crème.PNG"]);
        assert_eq!(find(ListQuery { ends_before: Some(4_997), ..all.clone() }), ["plan b.tar.gz"]);
        assert_eq!(find(ListQuery { unverified: true, ..all }).len(), 3, "own files are nobody's to verify");
    }

    #[test]
    fn every_order_and_its_reverse() {
        let mut rows = rows();
        rows.truncate(4);
        for (sort, first, last) in [
            (Sort::Date, "plan b.tar.gz", "Plan A.pdf"),
            (Sort::Name, "budget 2027.xlsx", "plan b.tar.gz"),
            (Sort::Size, "plan b.tar.gz", "Plan A.pdf"),
            (Sort::Sender, "budget 2027.xlsx", "crème.PNG"),
            (Sort::End, "plan b.tar.gz", "Plan A.pdf"),
        ] {
            let query = ListQuery { sort, ..ListQuery::default() };
            let names = asked(&query, &rows);
            assert_eq!((names[0].as_str(), names[3].as_str()), (first, last), "{sort:?}");
            let mut back = asked(&ListQuery { reverse: true, ..query }, &rows);
            back.reverse();
            assert_eq!(back, names, "{sort:?}");
        }
    }

    #[test]
    fn of_many_rows_only_the_best_are_held() {
        let query = ListQuery { limit: Some(3), ..ListQuery::default() };
        let (wanted, mut best) = (Wanted::new(&query, NOW), Best::new(&query));
        for n in 0..50_000_u32 {
            let created = i64::from(n.wrapping_mul(2_654_435_761) >> 8);
            let row = Entry { created, ..sample(1, 1, "x") };
            best.take(&wanted, &row, &row.write(), (Trust::Pinned, None));
            assert!(best.rows.len() < 1_030);
        }
        assert_eq!(best.matched, 50_000);
        let files = best.files();
        assert!(files.len() == 3 && files.is_sorted_by(|a, b| a.created >= b.created));
    }
}
