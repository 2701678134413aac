//! The report as one page: no server, no network; with a script more to do, without one as much to read.
//!
//! The page holds everything it shows and forbids itself every request by its content security policy, which names the
//! one script that may run and the one style sheet by their hashes. Both are built from `viewer/` and lie in `dist/`.
//! Token text is untrusted: see [`crate::canvas::text`].
//!
//! | in the page            | what it is                                                       |
//! |------------------------|------------------------------------------------------------------|
//! | `script#report`        | the report as JSON                                               |
//! | `script#maps`          | [`payload::Payload`] as JSON                                     |
//! | `#heads-explorer`      | where the script puts table, maps and charts                     |
//! | `#heads-static`        | table and overview without a script; the script takes them away  |
//! | `#L1H3`, `#row-L1H3`   | a head's picture and its row                                     |

mod charts;
mod checks;
mod explorer;
mod figures;
mod heads;
mod maps;
pub mod payload;
mod places;
mod read;
mod strip;
mod summary;

use std::fmt::Write as _;

use attractor_judge::{Mark, Report, Verdict};
use attractor_record::Patterns;
use base64::Engine as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::canvas::colour::ColourMap;
use crate::canvas::scale::Scale;
use crate::canvas::text::escape;
use crate::maps::map::SIDE;

use explorer::Explorer;
pub use maps::Maps;

const STYLE: &str = include_str!("dist/report.css");
const SCRIPT: &str = include_str!("dist/report.js");

/// A square that fades along its diagonal.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 3 3'%3E\
    %3Cpath fill='%23440154' d='M0 0h3v3H0z'/%3E%3Cpath fill='%2321918c' d='M0 1h1v1H0zM1 2h1v1H1z'/%3E%3Cpath fill='%23fde725' \
    d='M0 0h1v1H0zM1 1h1v1H1zM2 2h1v1H2z'/%3E%3C/svg%3E";

/// What the page shows, and how large it may grow.
#[derive(Debug, Clone)]
pub struct Options {
    /// Largest size of the page, bytes. What does not fit is left out, and the page says so.
    pub max_bytes: usize,
    /// Inputs whose maps are drawn; those that are not there are ignored.
    pub inputs: Vec<usize>,
    /// Largest side of a map, cells.
    pub side: usize,
    /// Colours of the maps.
    pub colours: ColourMap,
    /// From weights to colours, the same for every head so that they can be compared. `None`: linear from 0 to 1 and
    /// beside it, in the small maps, logarithmic.
    pub scale: Option<Scale>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_bytes: 10_000_000, inputs: vec![0], side: SIDE, colours: ColourMap::default(), scale: None }
    }
}

/// The report as one self-contained page: [`Maps::page`] without having looked on.
pub fn report_html(report: &Report, patterns: Option<&dyn Patterns>, options: &Options) -> String {
    Maps::new(options.clone()).page(report, patterns)
}

fn page(report: &Report, patterns: Option<&dyn Patterns>, maps: &Maps) -> String {
    let options = &maps.options;
    let title = format!("{}: attention report", report.provenance.called());
    let mut left_out = Vec::new();
    let json = json(report, options.max_bytes / 3, &mut left_out);

    let mut head = String::new();
    let _ = write!(
        head,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         img-src data:; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\"/>\n\
         <meta name=\"referrer\" content=\"no-referrer\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{}</title>\n<link rel=\"icon\" href=\"{ICON}\"/>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        hash(STYLE),
        hash(SCRIPT),
        escape(&title)
    );
    let tail = format!(
        "<script type=\"application/json\" id=\"report\">{json}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    );

    let opening = summary::opening(report);
    let provenance = summary::provenance(report);
    // What a reader needs first is never cut; the rest shares what is left.
    let fixed = head.len() + tail.len() + opening.len() + provenance.len() + 4096;
    // Heads without a row or a figure are still named.
    let named = 100 * report.heads.len();
    let mut budget = Budget { left: options.max_bytes.saturating_sub(fixed + named) };
    let (ablations, groups) = checks::groups(report, &mut budget, &mut left_out);
    let drawn = patterns.map_or(Vec::new(), |p| places::inputs(p, options));
    let heads = heads::section(report, &drawn, options, &mut budget, &mut left_out);
    let explorer = match patterns {
        Some(patterns) => {
            // A fifth for the pictures that need no script.
            let mut share = Budget { left: budget.left / 5 * 4 };
            let before = share.left;
            let explorer = explorer::explorer(report, patterns, maps, &mut share, &mut left_out);
            budget.spend(before - share.left);
            explorer
        }
        None => Explorer::default(),
    };
    let figures = figures::section(report, patterns, options, &explorer, &mut budget, &mut left_out);

    let mut page = head;
    page.push_str(&opening);
    page.push_str("<main>\n");
    page.push_str(&heads);
    page.push_str(summary::CAUTION);
    page.push_str(&ablations);
    page.push_str(&figures);
    page.push_str(&groups);
    page.push_str(&left_out_section(&left_out, options));
    page.push_str(&provenance);
    page.push_str("</main>\n");
    if !explorer.json.is_empty() {
        let _ = writeln!(page, "<script type=\"application/json\" id=\"maps\">{}</script>", explorer.json);
    }
    page.push_str(&tail);
    page
}

/// What the content security policy names a script or style sheet by.
fn hash(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()))
}

/// JSON that can stand inside a script element: no "<" can end it or open a comment.
fn embedded<T: Serialize>(value: &T) -> String {
    // Every number is finite or None, every key is a string: there is nothing that could fail.
    serde_json::to_string(value)
        .map(|text| text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"))
        .unwrap_or_else(|_| "null".to_string())
}

/// A figure for the page: how images are scaled is said by the style sheet, since the policy forbids it elsewhere.
fn plain(svg: &str) -> String {
    svg.replace(" style=\"image-rendering:pixelated\"", "")
}

/// Bytes that may still be written.
#[derive(Debug)]
struct Budget {
    left: usize,
}

impl Budget {
    /// True, and less is left, if `bytes` fit.
    fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left;
        if fits {
            self.left -= bytes;
        }
        fits
    }

    /// Takes what has been written anyway.
    fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// A part of what is left, for something that must not eat it all.
    fn share(&self, part: usize) -> Budget {
        Budget { left: self.left / part }
    }
}

/// The report as JSON inside a script element, shortened if it is longer than `limit`.
fn json(report: &Report, limit: usize, left_out: &mut Vec<String>) -> String {
    let whole = embedded(report);
    if whole.len() <= limit {
        return whole;
    }
    let mut less = report.clone();
    less.checks.retain(|c| c.is_of_model() || c.verdict == Verdict::Fail);
    let gone = report.checks.len() - less.checks.len();
    let text = embedded(&less);
    if text.len() <= limit {
        left_out.push(format!("{gone} checks of single layers and heads, in the JSON inside this page"));
        return text;
    }
    left_out.push("the JSON inside this page".to_string());
    "null".to_string()
}

fn left_out_section(left_out: &[String], options: &Options) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let mut out = String::from("<section id=\"left-out\"><h2>Left out</h2>\n");
    let _ = write!(
        out,
        "<p>This page is limited to {:.1} MB and therefore leaves out:</p><ul>",
        options.max_bytes as f64 / 1e6
    );
    for what in left_out.iter().take(64) {
        let _ = write!(out, "<li>{}</li>", escape(what));
    }
    out.push_str("</ul><p>The whole report is in its JSON form.</p></section>\n");
    out
}

/// Heads that have no place of their own, named so that links to them lead somewhere; empty if there are none.
fn anchors(what: &str, prefix: &str, heads: impl Iterator<Item = (usize, usize)>) -> String {
    let all: Vec<String> = heads.map(|(l, h)| format!("<span id=\"{prefix}L{l}H{h}\">L{l}H{h}</span>")).collect();
    if all.is_empty() {
        return String::new();
    }
    let text = format!("<p class=\"key\">{what}: {}.</p>\n", all.join(", "));
    text
}

/// The sign of a verdict: a shape, so that colour is never alone.
fn sign(mark: impl Into<Mark>) -> &'static str {
    match mark.into() {
        Mark::Verdict(Verdict::Pass) => "✓",
        Mark::Verdict(Verdict::Warn) => "▲",
        Mark::Verdict(Verdict::Fail) => "✕",
        Mark::Verdict(Verdict::Skipped) => "○",
        Mark::Reported => "·",
    }
}

/// A verdict as sign, word and colour; `word` replaces its name.
fn badge(mark: impl Into<Mark>, word: Option<&str>) -> String {
    let mark = mark.into();
    let name = mark.to_string();
    format!(
        "<span class=\"badge {name}\"><span aria-hidden=\"true\">{}</span> {}</span>",
        sign(mark),
        escape(word.unwrap_or(&name))
    )
}

/// "3 heads", "1 head".
fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Rounded for tables of shares.
fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A number, or a dash with the words "not there".
fn figure(value: Option<f64>) -> String {
    match value {
        Some(value) => escape(&crate::canvas::numbers::number(value)),
        None => "<span class=\"none\" title=\"none\">–</span>".to_string(),
    }
}
