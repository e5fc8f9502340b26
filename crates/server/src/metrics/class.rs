//! Routes by what they are about: few enough to watch, and none of them says which file or person.

/// The class of a route, by its path with the fields left open.
pub(crate) fn class_of(route: &str) -> &'static str {
    let native = |rest: &str| match rest.split('/').next().unwrap_or_default() {
        "auth" => "auth",
        "vault" | "pins" | "account" => "account",
        "directory" => "directory",
        "uploads" if rest.contains("/parts/") => "part_put",
        "uploads" => "uploads",
        "files" => "files",
        "content" if rest.contains("/parts/") => "part_get",
        "content" => "content",
        "links" => "links",
        "boxes" if rest.contains("/parts/") => "part_put",
        "boxes" => "boxes",
        "activity" => "activity",
        "events" => "events",
        "v0-files" => "v0",
        "doctor" => "doctor",
        _ => "other",
    };
    match route {
        "-" => "unknown",
        "/health" | "/health/ready" | "/api/v0/health" => "health",
        _ if route.starts_with("/s/") || route.starts_with("/d/") || route.starts_with("/i/") => "pages",
        _ => match route.strip_prefix("/api/v1/") {
            Some(rest) => native(rest),
            None => "v0",
        },
    }
}

#[cfg(test)]
mod tests {
    use proto::paths;

    use super::class_of;

    #[test]
    fn routes_of_one_kind_are_one_class() {
        for (route, class) in [
            (paths::CODE, "auth"),
            (paths::ONE_PASSKEY, "auth"),
            (paths::PINS, "account"),
            (paths::CHAIN, "directory"),
            (paths::PART, "part_put"),
            (paths::BOX_PART, "part_put"),
            (paths::COMPLETE, "uploads"),
            (paths::TICKET, "files"),
            (paths::CONTENT, "part_get"),
            (paths::TREE, "content"),
            (paths::LINK_OPEN, "links"),
            (paths::BOX_COMPLETE, "boxes"),
            (paths::EVENTS, "events"),
            (paths::HEADS, "activity"),
            (paths::V0_UPLOAD, "v0"),
            (paths::V0_FILE_ROOT, "v0"),
            (paths::V0_NATIVE_LIST, "v0"),
            (paths::LINK_PAGE, "pages"),
            (paths::READY, "health"),
            ("-", "unknown"),
        ] {
            assert_eq!(class_of(route), class, "{route}");
        }
    }
}
