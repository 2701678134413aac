//! The pictures that need no script: the heads of each layer side by side, and those worth a look first on their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use attractor_judge::Report;
use attractor_record::Patterns;
use attractor_record::Steps;
use attractor_record::Token;

use super::explorer::Explorer;
use super::places;
use super::{Budget, Options, heads, plain, thousandths};
use crate::canvas::scale::Scale;
use crate::canvas::text::{self, escape};
use crate::figures::grid::layer_grid;
use crate::figures::heatmap::{Style, heatmap};
use crate::maps::map::{CellSource, HeadMap};
use attractor::Result;

/// Tokens of an input that are written out.
const TOKENS: usize = 160;
/// Longest token in a caption, characters.
const TOKEN: usize = 24;
/// Heads that have a picture of their own.
const SINGLES: usize = 6;
/// Links in a caption.
const LINKS: usize = 5;
/// Cells of a small map: as many as it has pixels.
const SMALL: usize = 48;
/// Small maps that the page holds for those without a script; with one all are drawn.
const STILLS: usize = 256;
/// Room that a small map may take in a page: its pixels, palette and frame.
const SMALL_BYTES: usize = 4500;

pub(super) fn section(
    report: &Report,
    patterns: Option<&dyn Patterns>,
    options: &Options,
    explorer: &Explorer,
    budget: &mut Budget,
    left_out: &mut Vec<String>,
) -> String {
    let mut out = String::from("<section id=\"figures\"><h2>Figures</h2>\n");
    // A quarter: where there is little room, maps come first.
    let mut share = budget.share(4);
    let before = share.left;
    out.push_str(&super::charts::charts(report, &mut share, left_out));
    budget.spend(before - share.left);
    let Some(patterns) = patterns else {
        out.push_str("<p>This page was made from a report alone: there are no maps to show.</p></section>\n");
        return out;
    };
    let inputs = places::inputs(patterns, options);
    if inputs.is_empty() {
        out.push_str("<p>There are no maps to show: no head of these inputs was captured.</p></section>\n");
        return out;
    }
    let style = Style { colours: options.colours, scale: options.scale.unwrap_or(Scale::unit()), ..Style::default() };
    let mut small = style.clone();
    if let (None, Ok(scale)) = (options.scale, Scale::log(1e-4, 1.0)) {
        (small.scale, small.unit) = (scale, "weight".to_string());
    }
    out.push_str(
        "<p class=\"key\">A row is a query, a column a key: the row shows where its token attended. Colours mean the same in \
         every figure of a kind. What the mask forbids is blank; a weight that is not a number is magenta.</p>\n",
    );
    if explorer.not_kept > 0 {
        let _ =
            writeln!(out, "<p>{} heads have no map: neither weights nor pooled maps were kept.</p>", explorer.not_kept);
    }
    for problem in explorer.problems.iter().take(12) {
        let _ = writeln!(out, "<p>Could not be drawn: {}</p>", escape(problem));
    }
    for &input in &inputs {
        out.push_str(&of_input(report, patterns, (input, &inputs), explorer, (&style, &small), budget, left_out));
    }
    out.push_str("</section>\n");
    out
}

fn of_input(
    report: &Report,
    patterns: &dyn Patterns,
    (input, inputs): (usize, &[usize]),
    explorer: &Explorer,
    (style, small): (&Style, &Style),
    budget: &mut Budget,
    left_out: &mut Vec<String>,
) -> String {
    let tokens = patterns.tokens(input);
    let first = inputs.first() == Some(&input);
    let mut out = String::new();
    let entry = Steps::of(patterns).name(input);
    let alone = if inputs.len() > 1 { "" } else { ", the one that is drawn" };
    let _ = writeln!(out, "<h3>{}{alone}</h3>", entry.replacen("input", "Input", 1));
    let strip = token_strip(tokens);
    if budget.take(strip.len()) {
        out.push_str(&strip);
    } else {
        left_out.push(format!("the tokens of {entry}"));
    }

    // In the order of interest, so that what does not fit is what is least worth a look.
    let own: BTreeMap<(usize, usize), &HeadMap> =
        explorer.maps.iter().filter(|(place, _)| place.2 == input).map(|(p, map)| ((p.0, p.1), map)).collect();
    let judged = heads::by_interest(report).into_iter().map(|h| (h.layer, h.head)).filter(|p| own.contains_key(p));
    let mut order: Vec<(usize, usize)> = judged.collect();
    let known: BTreeSet<(usize, usize)> = order.iter().copied().collect();
    order.extend(own.keys().filter(|place| !known.contains(place)));

    // Half of the room for the few large pictures, half for small ones, so that of very many heads each is at least seen.
    let large = match first {
        true => {
            let mut share = budget.share(2);
            let before = share.left;
            let large = singles(report, tokens, &order, &own, style, &mut share, left_out);
            budget.spend(before - share.left);
            large
        }
        false => String::new(),
    };
    let mut room = (budget.left / SMALL_BYTES).min(STILLS);
    let mut layers: BTreeMap<usize, Vec<HeadMap>> = BTreeMap::new();
    for place in &order {
        if let (true, Ok(map)) = (room > 0, own[place].map.pooled(SMALL)) {
            room -= 1;
            layers.entry(place.0).or_default().push(HeadMap { map, links: Vec::new(), ..*own[place] });
        }
    }
    let mut drawn = BTreeSet::new();
    out.push_str("<details class=\"stills\" open=\"open\"><summary>Heads, layer by layer</summary>\n");
    for (layer, mut maps) in layers {
        maps.sort_by_key(|m| m.head);
        let Ok(grid) = layer_grid(&maps.iter().collect::<Vec<_>>(), "", small, true) else { continue };
        let grid = anchored(&plain(&grid), &maps, first);
        if budget.take(grid.len() + 128) {
            let _ = write!(
                out,
                "<section class=\"layer\"><h4>Layer {layer}</h4><figure class=\"grid\">{grid}</figure></section>\n"
            );
            drawn.extend(maps.iter().map(|m| (m.layer, m.head)));
        }
    }
    out.push_str("</details>\n");
    if drawn.len() < own.len().min(STILLS) {
        left_out.push(format!("{} small maps of {entry}", own.len().min(STILLS) - drawn.len()));
    }
    if first {
        out.push_str(&large);
        let all: BTreeSet<(usize, usize)> = report.heads.iter().map(|h| (h.layer, h.head)).chain(order).collect();
        out.push_str(&super::anchors("Without a picture", "", all.into_iter().filter(|place| !drawn.contains(place))));
    }
    out
}

/// The small maps lead to the table and can be led to from there.
fn anchored(grid: &str, maps: &[HeadMap], first: bool) -> String {
    let mut out = grid.to_string();
    for map in maps {
        let name = format!("L{}H{}", map.layer, map.head);
        // Of several inputs the first has the short anchor, to which the table leads.
        let anchor = if first { name.clone() } else { format!("{name}-input-{}", map.input) };
        out = out.replace(&format!("href=\"#{name}\""), &format!("id=\"{anchor}\" href=\"#row-{name}\""));
    }
    out
}

/// The heads worth a look first, each with a picture and its links.
fn singles(
    report: &Report,
    tokens: &[Token],
    order: &[(usize, usize)],
    own: &BTreeMap<(usize, usize), &HeadMap>,
    style: &Style,
    budget: &mut Budget,
    left_out: &mut Vec<String>,
) -> String {
    let mut body = String::new();
    let mut gone = Vec::new();
    for place in order.iter().take(SINGLES) {
        match draw(report, tokens, own[place], style) {
            Ok(text) if budget.take(text.len()) => body.push_str(&text),
            Ok(_) => gone.push(format!("L{}H{}", place.0, place.1)),
            Err(e) => {
                let _ = writeln!(body, "<p>Could not be drawn: {}</p>", escape(&e.to_string()));
            }
        }
    }
    if !gone.is_empty() {
        left_out.push(format!("{} figures: {}", gone.len(), gone.join(", ")));
    }
    if body.is_empty() {
        return body;
    }
    let which = if order.len() > SINGLES { "The heads to look at first" } else { "Every head" };
    format!(
        "<details class=\"stills\" open=\"open\"><summary>{which}</summary><div class=\"gallery\">{body}</div></details>\n"
    )
}

fn token_strip(tokens: &[Token]) -> String {
    if tokens.is_empty() {
        return "<p class=\"tokens\">Its tokens are not known.</p>\n".to_string();
    }
    let mut out = String::from("<p class=\"tokens\">");
    for (position, token) in tokens.iter().take(TOKENS).enumerate() {
        let class = if token.role.is_special() { " class=\"special\"" } else { "" };
        let _ = write!(out, "<span{class} title=\"position {position}\">{}</span>", text::html(&token.text, 40));
        out.push(' ');
    }
    if tokens.len() > TOKENS {
        let _ = write!(out, "… and {} more", tokens.len() - TOKENS);
    }
    out.push_str("</p>\n");
    out
}

/// A head's figure with its caption.
fn draw(report: &Report, tokens: &[Token], head_map: &HeadMap, style: &Style) -> Result<String> {
    let names: Vec<&str> = tokens.iter().map(|t| t.text.as_str()).collect();
    let name = format!("L{}H{}", head_map.layer, head_map.head);
    let svg = plain(&heatmap(&head_map.map, &name, &names, style)?);
    let mut out = format!("<figure id=\"figure-{name}\">{svg}<figcaption>");
    let judged = report.heads.iter().find(|h| (h.layer, h.head) == (head_map.layer, head_map.head));
    if let Some(summary) = judged {
        let kinds = if summary.kinds.is_empty() { String::new() } else { format!("{}. ", summary.recognised_as()) };
        let class = summary.class.map_or("not testable", attractor_judge::Class::name);
        let number = |v: Option<f64>| v.map_or("–".to_string(), crate::canvas::numbers::number);
        let _ = write!(
            out,
            "<b>{kinds}</b>{class}; sharpness {}, previous {}, induction {}. ",
            number(summary.sharpness.map(thousandths)),
            number(summary.previous.map(thousandths)),
            number(summary.induction.map(thousandths))
        );
    }
    if !head_map.links.is_empty() {
        out.push_str("Strongest links, relative to a uniform row: ");
        let show = |position: usize| match tokens.get(position) {
            Some(token) => format!("{} <span class=\"at\">{position}</span>", text::html(&token.text, TOKEN)),
            None => position.to_string(),
        };
        let all: Vec<String> = head_map
            .links
            .iter()
            .take(LINKS)
            .map(|l| {
                let weight = crate::canvas::numbers::number(f64::from(l.weight));
                format!("<span class=\"link\">{} → {} {weight}</span>", show(l.query), show(l.key))
            })
            .collect();
        let _ = write!(out, "{}. ", all.join(", "));
    }
    if head_map.origin == CellSource::Pooled {
        out.push_str("The weights were not kept; these are the pooled maxima that were. ");
    }
    if judged.is_some() {
        let _ = write!(out, "<a href=\"#row-{name}\">In the table</a>");
    }
    out.push_str("</figcaption></figure>\n");
    Ok(out)
}
