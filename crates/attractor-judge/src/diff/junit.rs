//! What conditions found, as JUnit XML.

use std::fmt::Write as _;

use attractor_record::Stack;

use super::{Checked, joined};
use crate::place::Head;
use crate::report::escape;

/// The first of some heads.
fn some(heads: &[Head]) -> String {
    let more = if heads.len() > 8 { format!(" and {} more", heads.len() - 8) } else { String::new() };
    format!("{}{more}", joined(&heads[..heads.len().min(8)], ", "))
}

/// One case a condition; one that nothing could be tested by is skipped there and an error of the command.
pub fn junit(stack: Option<Stack>, checked: &[Checked]) -> String {
    let failures = checked.iter().filter(|c| c.fault().is_none() && !c.is_ok()).count();
    let skipped = checked.iter().filter(|c| c.fault().is_some()).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\"", checked.len());
    let stack = stack.map_or(String::new(), |stack| format!(" {stack}"));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"attractor diff\" {counts}>\n  <testsuite \
         name=\"fail-on{stack}\" errors=\"0\" {counts}>\n"
    );
    for found in checked {
        let _ =
            write!(xml, "    <testcase classname=\"attractor.diff\" name=\"{}\"", escape(found.condition.text.trim()));
        let met: Vec<String> =
            found.met.iter().map(|(name, value)| format!("{name} {}", format_args!("{value:+.4}"))).collect();
        let untested = match found.untested.is_empty() {
            true => None,
            false => Some(format!("cannot be told for {}", some(&found.untested))),
        };
        let faults: Vec<String> = met.into_iter().chain(untested).collect();
        let _ = match (found.fault(), faults.is_empty()) {
            (Some(why), _) => writeln!(xml, "><skipped message=\"{}\"/></testcase>", escape(&why)),
            (_, true) => writeln!(xml, "/>"),
            (_, false) => writeln!(xml, "><failure message=\"{}\"/></testcase>", escape(&faults.join(", "))),
        };
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}
