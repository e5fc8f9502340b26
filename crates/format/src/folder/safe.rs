//! Paths that are safe to create on this disk, from paths that an author chose.

use std::collections::{HashMap, HashSet};

use super::path::{MemberPath, fold};
use crate::names::{numbered, safe_file_name};

/// Turns paths of one folder, sorted by their bytes, into ones that every common system can create side by side: every name is made
/// safe by itself, and where that makes two of them one, the later is numbered. The same paths always give the same ones.
pub fn safe_paths<'a>(sorted: impl Iterator<Item = &'a MemberPath>) -> Vec<String> {
    let mut inside = vec![Level::default()];
    let mut so_far = String::new();
    let mut out = Vec::new();
    for path in sorted {
        let names: Vec<&str> = path.parts().collect();
        let Some((name, folders)) = names.split_last() else { continue };
        // Whatever stands in a folder stands together in the order of bytes.
        let shared = inside[1..].iter().zip(folders).take_while(|(level, name)| level.name == **name).count();
        inside.truncate(shared + 1);
        for folder in &folders[shared..] {
            let (end, safe) = take(&mut inside, folder);
            so_far.truncate(end);
            so_far.push_str(&safe);
            so_far.push('/');
            inside.push(Level { name: (*folder).to_owned(), end: so_far.len(), ..Level::default() });
        }
        let (end, safe) = take(&mut inside, name);
        so_far.truncate(end);
        out.push(format!("{so_far}{safe}"));
    }
    out
}

/// A folder on the way.
#[derive(Default)]
struct Level {
    /// As its author wrote it.
    name: String,
    /// Where the safe path of what stands in it goes on.
    end: usize,
    /// Names in it that are taken, folded.
    taken: HashSet<String>,
    /// With which number to go on where a name is taken.
    next: HashMap<String, u32>,
}

/// A safe name in the innermost folder, and where it goes.
fn take(inside: &mut [Level], name: &str) -> (usize, String) {
    let safe = safe_file_name(name);
    let Some(level) = inside.last_mut() else { return (0, safe) };
    let folded = fold(&safe);
    if level.taken.insert(folded.clone()) {
        return (level.end, safe);
    }
    let n = level.next.entry(folded).or_insert(0);
    loop {
        *n += 1;
        let candidate = numbered(&safe, *n);
        if level.taken.insert(fold(&candidate)) {
            return (level.end, candidate);
        }
    }
}
