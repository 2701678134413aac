//! JUnit XML: one suite per group, one case per check. Warnings are not failures; they are in the case's output.

use std::fmt::Write;

use super::Check;
use super::Report;
use crate::id::Group;
use crate::verdict::Verdict;

pub(super) fn render(report: &Report) -> String {
    let count = |checks: &[&Check], verdict| checks.iter().filter(|c| c.verdict == verdict).count();
    let all: Vec<&Check> = report.checks.iter().collect();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"attractor validate\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">",
        all.len(),
        count(&all, Verdict::Fail),
        count(&all, Verdict::Skipped)
    );
    for group in Group::ALL {
        let own: Vec<&Check> = all.iter().copied().filter(|c| c.group == group.number()).collect();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{} {}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">",
            group.number(),
            escape(group.title()),
            own.len(),
            count(&own, Verdict::Fail),
            count(&own, Verdict::Skipped)
        );
        for check in own {
            let stack = check.stack.map_or(String::new(), |stack| format!("{stack} "));
            let name = format!("{} {stack}{}", check.id, check.place());
            let _ = write!(xml, "    <testcase classname=\"attractor.{}\" name=\"{}\"", group.key(), escape(&name));
            let why = escape(&check.why);
            let _ = match check.verdict {
                Verdict::Pass => writeln!(xml, "/>"),
                Verdict::Warn => writeln!(xml, "><system-out>warn: {why}</system-out></testcase>"),
                Verdict::Fail => writeln!(xml, "><failure message=\"{why}\"/></testcase>"),
                Verdict::Skipped => writeln!(xml, "><skipped message=\"{why}\"/></testcase>"),
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Escapes text for XML 1.0 attributes and content; characters that XML cannot hold become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_xml_cannot_hold_gets_through() {
        assert_eq!(
            escape("a<b> & \"c\" 'd'\n\u{0}\u{1b}é"),
            "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;&#10;\u{fffd}\u{fffd}é"
        );
    }
}
