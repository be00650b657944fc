//! The names by which a file system may know git's own directory.

/// Whether some file system takes this name for `.git`: Linux takes that alone, others ignore case, characters that do
/// not show, or what Windows allows at the end of a name, and Windows has a short name for it.
pub(super) fn is_git(name: &str) -> bool {
    // Where a backslash separates names there are several.
    name.split('\\').any(|name| {
        let shown: String = name.chars().filter(|c| !is_ignored(*c)).collect();
        let folded = shown.to_lowercase();
        // The part before a colon is the name; what follows is a stream of it.
        let plain = folded.split(':').next().unwrap_or_default().trim_end_matches([' ', '.']);
        plain == ".git" || is_short(plain)
    })
}

/// The short name that Windows makes of `.git`: `git~1`, or a later number where that was taken.
fn is_short(name: &str) -> bool {
    let number = name.strip_prefix("git~");
    number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// What HFS+ leaves out when it compares names, as git has it, and other characters without a shape.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_known_and_no_other_name() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            ".git.",
            ".git ",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            ".g\u{200c}it",
            "\u{feff}.git",
            "git~1",
            "GIT~2",
            ".git\\config",
            "x\\.git",
        ] {
            assert!(is_git(name), "{name:?}");
        }
        for name in [
            ".gitignore",
            ".gitattributes",
            ".github",
            "git",
            "a.git",
            ".git2",
            "..git",
            ".",
            "..",
            "",
            "git~",
            "git~x",
            ".gi",
            "dot.git",
        ] {
            assert!(!is_git(name), "{name:?}");
        }
    }
}
