//! A small check that markup is well-formed: balanced, quoted, escaped, every name once.

use std::collections::HashSet;

/// Elements whose content is no markup.
const RAW: [&str; 2] = ["script", "style"];

/// What is wrong with the markup, and where.
pub fn check(text: &str) -> Result<Vec<Element>, String> {
    let mut rest = text.trim_start();
    if let Some(after) = rest.strip_prefix("<!DOCTYPE html>") {
        rest = after;
    }
    let (mut open, mut ids, mut all) = (Vec::<String>::new(), HashSet::new(), Vec::new());
    let here = |rest: &str| {
        let at = text.len() - rest.len();
        let near: String = text[at..].chars().take(60).collect();
        format!("at byte {at}: {near:?}")
    };
    while !rest.is_empty() {
        let Some(start) = rest.find('<') else {
            return if rest.trim().is_empty() && open.is_empty() {
                Ok(all)
            } else {
                Err(format!("text after the end {}", here(rest)))
            };
        };
        check_text(&rest[..start]).map_err(|e| format!("{e} {}", here(rest)))?;
        rest = &rest[start..];
        if let Some(after) = rest.strip_prefix("</") {
            let end = after.find('>').ok_or_else(|| format!("no end of tag {}", here(rest)))?;
            let expected = open.pop().ok_or_else(|| format!("nothing is open {}", here(rest)))?;
            if after[..end] != expected {
                return Err(format!("</{expected}> expected {}", here(rest)));
            }
            rest = &after[end + 1..];
            continue;
        }
        let (element, after, empty) = tag(&rest[1..]).map_err(|e| format!("{e} {}", here(rest)))?;
        if let Some(id) = element.attribute("id")
            && !ids.insert(id.to_string())
        {
            return Err(format!("id {id:?} twice {}", here(rest)));
        }
        rest = after;
        if !empty {
            if RAW.contains(&element.name.as_str()) {
                let close = format!("</{}>", element.name);
                let end = rest.find(&close).ok_or_else(|| format!("{} is not closed", element.name))?;
                rest = &rest[end + close.len()..];
            } else {
                open.push(element.name.clone());
            }
        }
        all.push(element);
    }
    if open.is_empty() { Ok(all) } else { Err(format!("not closed: {open:?}")) }
}

/// A tag that was opened.
#[derive(Debug, Clone)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

fn tag(mut rest: &str) -> Result<(Element, &str, bool), String> {
    let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').ok_or("no end of name")?;
    let name = rest[..name_end].to_string();
    if name.is_empty() {
        return Err("a bare <".to_string());
    }
    rest = &rest[name_end..];
    let mut attributes: Vec<(String, String)> = Vec::new();
    loop {
        let trimmed = rest.trim_start();
        if let Some(after) = trimmed.strip_prefix("/>") {
            return Ok((Element { name, attributes }, after, true));
        }
        if let Some(after) = trimmed.strip_prefix('>') {
            return Ok((Element { name, attributes }, after, false));
        }
        if trimmed.len() == rest.len() {
            return Err("no space before an attribute".to_string());
        }
        let equals = trimmed.find("=\"").ok_or("an attribute without a quoted value")?;
        let key = trimmed[..equals].to_string();
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == ':') {
            return Err(format!("attribute name {key:?}"));
        }
        let value = &trimmed[equals + 2..];
        let end = value.find('"').ok_or("no closing quote")?;
        check_text(&value[..end])?;
        if value[..end].contains('<') || attributes.iter().any(|(k, _)| *k == key) {
            return Err(format!("attribute {key} has a < or is there twice"));
        }
        attributes.push((key, value[..end].to_string()));
        rest = &value[end + 1..];
    }
}

/// Only named characters behind an ampersand, nothing that XML cannot hold.
fn check_text(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        if !known.iter().any(|k| text[at..].starts_with(k)) {
            return Err("a bare &".to_string());
        }
    }
    match text.chars().find(|&c| (c < ' ' && c != '\n') || c == '\u{FFFE}' || c == '\u{FFFF}') {
        Some(c) => Err(format!("character {:?}", c)),
        None => Ok(()),
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    assert!(check("<a><b/></a>").is_ok());
    for bad in [
        "<a>",
        "<a></b>",
        "<a b=c/>",
        "<a>&nbsp;</a>",
        "<a b=\"1\" b=\"2\"/>",
        "<a><b id=\"x\"/><b id=\"x\"/></a>",
        "a <",
        "<a>\u{1}</a>",
    ] {
        assert!(check(bad).is_err(), "{bad}");
    }
}
