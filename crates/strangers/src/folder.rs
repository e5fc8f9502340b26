//! Lists of folders, as a dishonest author could have sealed them, and the paths in them.

use std::collections::HashSet;

use format::folder::{Folder, MemberPath, check_tree, safe_paths};
use format::names::safe_file_name;

/// A list has one spelling, and what stands in it can be created side by side.
pub fn folder(data: &[u8]) {
    let Ok(folder) = Folder::decode(data) else { return };
    assert_eq!(folder.encode()[..], *data);
    let mut paths: Vec<&MemberPath> = folder.members().iter().map(|member| &member.path).collect();
    paths.extend(folder.empty());
    paths.sort_unstable();
    apart(&paths);
}

/// Lines of text as paths of one folder.
pub fn folder_paths(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let paths: Vec<MemberPath> = text.lines().filter_map(|line| MemberPath::parse(line).ok()).collect();
    for path in &paths {
        let text = path.as_str();
        assert!((1..=2_048).contains(&text.len()) && !text.starts_with('/') && !text.contains(['\\', '\0']));
        assert!(path.parts().all(|name| !name.is_empty() && name != "." && name != ".."));
        assert_eq!(MemberPath::parse(text).as_ref(), Ok(path));
    }
    if check_tree(paths.iter(), [].iter()).is_err() {
        return;
    }
    let mut sorted: Vec<&MemberPath> = paths.iter().collect();
    sorted.sort_unstable();
    apart(&sorted);
}

/// Every safe path is made of safe names, is nobody else's, and is the folder of none but those that were in it.
fn apart(sorted: &[&MemberPath]) {
    let safe = safe_paths(sorted.iter().copied());
    assert_eq!(safe.len(), sorted.len());
    let (mut all, mut folders) = (HashSet::new(), HashSet::new());
    for (path, safe) in sorted.iter().zip(&safe) {
        assert!(safe.split('/').all(|name| safe_file_name(name) == name), "{safe:?}");
        assert_eq!(safe.split('/').count(), path.parts().count());
        folders.extend(safe.match_indices('/').map(|(at, _)| &safe[..at]));
        assert!(all.insert(safe.as_str()), "{safe:?}");
    }
    assert!(all.is_disjoint(&folders));
}
