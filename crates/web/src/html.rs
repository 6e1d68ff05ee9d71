// SPDX-License-Identifier: EUPL-1.2
//! HTML mail made fit to be shown inside one of our pages.
//!
//! Guarantees: only words and their order, lists, tables, emphasis and links to http, https and mailto come through; no
//! script, style, form, picture, frame, no attribute but where a link leads and how wide a cell is; nothing is loaded
//! from anywhere. Headings become plain blocks, so that the page's own order of headings stays. What has more elements
//! than [`TAGS`] is not parsed at all.
//! Not: that it looks as its author meant.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

use crate::text::is_bidi;

/// Most opening angle brackets of a text that is parsed: some parsers' work grows with the square of the depth.
const TAGS: usize = 8000;

/// What is shown of an HTML mail.
pub(crate) struct Clean {
    /// Safe as it is; may go into a page unescaped.
    pub(crate) html: String,
    /// Were there pictures?
    pub(crate) pictures: bool,
}

const ALLOWED: [&str; 45] = [
    "a",
    "abbr",
    "address",
    "b",
    "big",
    "blockquote",
    "br",
    "center",
    "cite",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "ins",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "tr",
    "ul",
];
/// These go with everything in them.
const SILENT: [&str; 14] = [
    "script", "style", "head", "title", "template", "noscript", "object", "svg", "math", "iframe", "select",
    "textarea", "audio", "video",
];

static RULES: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut rules = Builder::empty();
    rules
        .tags(ALLOWED.into_iter().collect())
        .clean_content_tags(SILENT.into_iter().collect())
        .generic_attributes(HashSet::new())
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("td", HashSet::from(["colspan", "rowspan"])),
            ("th", HashSet::from(["colspan", "rowspan"])),
        ]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .strip_comments(true);
    rules
});

/// Cleans an HTML mail; `None` when it has too many elements.
pub(crate) fn clean(html: &str) -> Option<Clean> {
    if html.bytes().filter(|b| *b == b'<').count() > TAGS {
        return None;
    }
    let lower = html.to_ascii_lowercase();
    let pictures = ["<img", "background=", "url("].iter().any(|p| lower.contains(p));
    let mut clean = RULES.clean(html).to_string();
    // What was cleaned is regular: these are all its headings, and no text looks like one.
    for level in 1..=6 {
        clean =
            clean.replace(&format!("<h{level}>"), "<div><b>").replace(&format!("</h{level}>"), "</b></div>");
    }
    clean.retain(|c| !is_bidi(c) && (!c.is_control() || c == '\n' || c == '\t'));
    Some(Clean { html: clean.trim().to_owned(), pictures })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(html: &str) -> String {
        clean(html).unwrap().html
    }

    #[test]
    fn what_people_write_comes_through() {
        assert_eq!(
            shown("<p>Sehr geehrte <b>Frau</b> M&uuml;ller,<br>1 &lt; 2</p><ul><li>a</ul>"),
            "<p>Sehr geehrte <b>Frau</b> Müller,<br>1 &lt; 2</p><ul><li>a</li></ul>"
        );
        assert_eq!(
            shown("<a href=\"https://a.example/?b=1&amp;c\" onclick=x style=y class=z>hier</a>"),
            "<a href=\"https://a.example/?b=1&amp;c\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">hier</a>"
        );
        assert_eq!(shown("<h1>Titel</h1>x"), "<div><b>Titel</b></div>x");
        assert_eq!(shown("<td>x"), "x");
    }

    #[test]
    fn nothing_that_acts_loads_or_hides_comes_through() {
        for hostile in [
            "<script>alert(1)</script>",
            "<scr<script>ipt>alert(1)</scr</script>ipt>",
            "<img src=x onerror=alert(1)>",
            "<svg onload=alert(1)><a xlink:href=\"javascript:alert(1)\">x</a></svg>",
            "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<style>@import 'https://evil.example'</style><p style=\"background:url(https://evil.example)\">",
            "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe><object data=x></object><embed src=x>",
            "<form action=https://evil.example><input name=a><button>x</button></form>",
            "<meta http-equiv=refresh content=\"0;url=https://evil.example\"><base href=https://evil.example>",
            "<link rel=stylesheet href=https://evil.example/x.css>",
            "<a href=\"javascript:alert(1)\">x</a><a href=\"JaVa\tscript:alert(1)\">x</a><a href=\"data:text/html,x\">x</a>",
            "<a href=\"//evil.example\">x</a><a href=\"/abmelden\">x</a><a href=\"vbscript:x\">x</a>",
            "<body onload=alert(1) background=https://evil.example/x.png><div id=inhalt class=pst-bar name=csrf>",
            "<!--<img src=x>--><![CDATA[<img src=x>]]><?xml <img src=x> ?>",
            "<textarea></textarea><title></title><template><img src=x></template><xmp><img src=x></xmp>",
            "<plaintext><img src=x onerror=alert(1)>",
            "<p hidden>x</p><p dir=rtl>\u{202e}x&#x202e;</p><button popovertarget=x>y</button>",
            "<video src=https://evil.example autoplay></video><source src=x><track src=x>",
        ] {
            let out = shown(hostile);
            for tag in out.split('<').skip(1) {
                let (inside, _) = tag.split_once('>').unwrap();
                let (name, attributes) =
                    inside.trim_start_matches('/').split_once(' ').unwrap_or((inside, ""));
                assert!(ALLOWED.contains(&name.trim_start_matches('/')), "{hostile} -> {out}");
                let attributes = attributes.replace("target=\"_blank\"", "");
                let attributes = attributes.replace("rel=\"noopener noreferrer nofollow\"", "");
                assert_eq!(attributes.trim(), "", "{hostile} -> {out}");
            }
            assert!(!out.contains('\u{202e}'), "{hostile} -> {out}");
        }
        assert!(clean("<img src=x>").unwrap().pictures && !clean("<p>x").unwrap().pictures);
    }

    #[test]
    fn what_is_built_to_be_slow_is_not() {
        let began = std::time::Instant::now();
        for piece in ["<div>", "<b><p>", "<a href=x><table><td>", "<b><i><u>x</b>", "<font><p></font>"] {
            let many = piece.repeat(TAGS / piece.matches('<').count());
            assert!(clean(&many).is_some(), "{piece}");
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
        assert!(clean(&"<b>".repeat(TAGS + 1)).is_none());
    }
}
