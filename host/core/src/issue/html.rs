//! Issues in HTML, as mail and web editors export them, as the Markdown that says the same.

/// Elements that begin a text which is HTML and no Markdown.
const BEGINNINGS: &[&str] = &[
    "!doctype", "html", "head", "body", "h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "div",
    "section", "article", "main",
];

/// Elements that begin and end a paragraph.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "footer",
    "body",
    "html",
    "head",
    "title",
    "table",
    "tr",
    "blockquote",
    "form",
    "dl",
    "dt",
    "dd",
    "hr",
];

/// Elements whose content is not text.
const UNSEEN: &[&str] = &["script", "style", "template"];

/// The longest name of a character, in bytes.
const ENTITY_BYTES: usize = 10;

/// The Markdown for a text that is HTML; `None` for any other. A text with a line of Markdown's own is not HTML: Markdown
/// may hold elements.
pub(super) fn as_markdown(text: &str) -> Option<String> {
    let (first, _) = tag(text.trim_start())?;
    let is_html = BEGINNINGS.contains(&first.name.as_str()) && !text.lines().any(is_markdown);
    is_html.then(|| converted(text))
}

/// A text with the Markdown for its elements in their place.
pub(super) fn converted(text: &str) -> String {
    Converter::default().convert(text)
}

fn is_markdown(line: &str) -> bool {
    let line = line.trim_start();
    let level = line.chars().take_while(|c| *c == '#').count();
    let heading = (1..=6).contains(&level) && line[level..].starts_with(' ');
    heading
        || ["- ", "* ", "+ ", "1. ", "```", "~~~", "["].iter().any(|mark| line.starts_with(mark))
}

/// An element's beginning or end.
struct Tag<'a> {
    /// In small letters.
    name: String,
    ends: bool,
    attributes: &'a str,
}

impl Tag<'_> {
    /// Whether it has an attribute of this name.
    fn has(&self, attribute: &str) -> bool {
        let mut names = self.attributes.split([' ', '\t', '\n', '\r', '/']);
        names.any(|name| name.split('=').next().is_some_and(|n| n.eq_ignore_ascii_case(attribute)))
    }
}

/// Whether a text begins with a tag that ends an element, and what follows its mark.
fn begins_tag(text: &str) -> Option<(bool, &str)> {
    let inner = text.strip_prefix('<')?;
    let (ends, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
    inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!').then_some((ends, inner))
}

/// The tag that a text begins with, and what follows it.
fn tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let (ends, inner) = begins_tag(text)?;
    let mut quote = None;
    let close = inner.bytes().position(|byte| match (quote, byte) {
        (Some(open), _) => {
            quote = quote.filter(|_| open != byte);
            false
        }
        (None, b'"' | b'\'') => {
            quote = Some(byte);
            false
        }
        (None, byte) => byte == b'>',
    })?;
    let (inside, after) = (&inner[..close], &inner[close + 1..]);
    let end = inside.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(inside.len());
    let name = inside[..end].to_ascii_lowercase();
    Some((Tag { name, ends, attributes: &inside[end..] }, after))
}

#[derive(Default)]
struct Converter {
    out: String,
    /// How many lists are open.
    lists: usize,
    /// Whether white space is kept as it is.
    pre: bool,
    /// No tag begins any more: a quote or a tag is not closed.
    unclosed: bool,
}

impl Converter {
    fn convert(mut self, text: &str) -> String {
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            self.text(&rest[..at]);
            rest = &rest[at..];
            if let Some(comment) = rest.strip_prefix("<!--") {
                rest = comment.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let found = if self.unclosed { None } else { tag(rest) };
            let Some((tag, after)) = found else {
                self.unclosed |= begins_tag(rest).is_some();
                self.text("<");
                rest = &rest[1..];
                continue;
            };
            rest = after;
            if UNSEEN.contains(&tag.name.as_str()) && !tag.ends {
                let is_end = |at: &usize| {
                    let name = rest[at + 2..].get(..tag.name.len());
                    name.is_some_and(|name| name.eq_ignore_ascii_case(&tag.name))
                };
                let end = rest.match_indices("</").map(|(at, _)| at).find(is_end);
                rest = end.map_or("", |end| &rest[end..]);
                continue;
            }
            self.element(&tag);
        }
        self.text(rest);
        self.out.trim().to_owned()
    }

    fn element(&mut self, tag: &Tag<'_>) {
        match (tag.name.as_str(), tag.ends) {
            ("pre", ends) => {
                if ends {
                    self.line();
                } else {
                    self.paragraph();
                }
                self.out.push_str(if ends { "```\n\n" } else { "```\n" });
                self.pre = !ends;
            }
            _ if self.pre => {}
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", ends) => {
                self.paragraph();
                if !ends {
                    let level = usize::from(tag.name.as_bytes()[1] - b'0');
                    self.out.push_str(&"#".repeat(level));
                    self.out.push(' ');
                }
            }
            ("ul" | "ol", ends) => {
                self.lists = if ends { self.lists.saturating_sub(1) } else { self.lists + 1 };
                self.line();
                if self.lists == 0 {
                    self.paragraph();
                }
            }
            ("li", false) => {
                self.line();
                self.out.push_str(&"  ".repeat(self.lists.clamp(1, 20) - 1));
                self.out.push_str("- ");
            }
            ("li" | "br", _) => self.line(),
            ("input", _) if tag.attributes.to_ascii_lowercase().contains("checkbox") => {
                self.out.push_str(if tag.has("checked") { "[x] " } else { "[ ] " });
            }
            ("s" | "del" | "strike", _) => self.out.push_str("~~"),
            ("code", _) => self.out.push('`'),
            ("td" | "th", true) => self.text(" "),
            (name, _) if BLOCKS.contains(&name) && self.lists == 0 => self.paragraph(),
            (name, _) if BLOCKS.contains(&name) && !self.is_at_mark() => self.line(),
            _ => {}
        }
    }

    /// Whether the mark of an item was written, and nothing of what it says.
    fn is_at_mark(&self) -> bool {
        ["- ", "[ ] ", "[x] "].iter().any(|mark| self.out.ends_with(mark))
    }

    fn line(&mut self) {
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn paragraph(&mut self) {
        self.line();
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            self.plain(&rest[..at]);
            let (c, after) = entity(&rest[at..]).unwrap_or(('&', &rest[at + 1..]));
            self.push(c);
            rest = after;
        }
        self.plain(rest);
    }

    fn plain(&mut self, text: &str) {
        text.chars().for_each(|c| self.push(c));
    }

    fn push(&mut self, c: char) {
        let blank = c.is_whitespace() && !self.pre;
        if !blank {
            self.out.push(c);
        } else if !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
    }
}

/// The character that a text begins with as `&amp;` or `&#38;`, and what follows it.
fn entity(text: &str) -> Option<(char, &str)> {
    let end = text.bytes().take(ENTITY_BYTES + 2).position(|byte| byte == b';')?;
    let (name, after) = (&text[1..end], &text[end + 1..]);
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']);
            let code = hex.map_or_else(|| number.parse(), |hex| u32::from_str_radix(hex, 16));
            char::from_u32(code.ok()?).filter(|c| !c.is_control())?
        }
    };
    Some((c, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_lists_and_boxes_become_markdown() {
        for (html, markdown) in [
            (
                "<h1>Flags</h1><ul><li><input type=\"checkbox\"> Add one</li><li><input type=checkbox checked> Two</li></ul>",
                "# Flags\n\n- [ ] Add one\n- [x] Two",
            ),
            (
                "<!DOCTYPE html><html><head><title>A</title><style>- [ ] x</style></head><body><p>b <b>c</b><br>d</p></body></html>",
                "A\n\nb c\nd",
            ),
            (
                "<ul>\n <li><p><label><input disabled='' type='checkbox' aria-checked='x'/>One</label></p>\n<ul><li>two</li></ul></li></ul><p>end",
                "- [ ] One\n  - two\n\nend",
            ),
            (
                "<p>a &lt;b&gt; &amp;amp; &#39;c&#x41; &bogus; 1 < 2</p>",
                "a <b> &amp; 'cA &bogus; 1 < 2",
            ),
            ("<div>a<!-- - [ ] b --></div><pre>  x\n&lt;y</pre>z", "a\n\n```\n  x\n<y\n```\n\nz"),
            ("<p>a <s>b</s> <code>c</code><script>evil()</script>", "a ~~b~~ `c`"),
            ("<p title='>'>a</p><p x=\"", "a\n\n<p x=\""),
        ] {
            assert_eq!(as_markdown(html).as_deref(), Some(markdown), "{html}");
        }
    }

    #[test]
    fn no_text_is_slow() {
        for part in ["</a", "<a", "<script></script>", "<!--", "<a x=\"", "&#", "<ul><li>", "<"] {
            let text = format!("<p>{}", part.repeat(100_000));
            assert!(converted(&text).len() <= text.len() * 8, "{part}");
        }
    }

    #[test]
    fn markdown_with_elements_stays_as_it_is() {
        for text in [
            "<p align=center><img src=x></p>\n\n# Title\n",
            "<details>\n\n- [ ] a\n</details>",
            "<title>A</title>\nb",
            "a <p>b</p>",
            "<div>\n\n- [ ] a\n\n</div>",
            "",
        ] {
            assert_eq!(as_markdown(text), None, "{text}");
        }
    }
}
