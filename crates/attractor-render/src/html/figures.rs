//! The maps: the heads of each layer side by side, then one figure a head.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use attractor_capture::Patterns;
use attractor_capture::record::Token;
use attractor_judge::Report;

use super::{Budget, Options, heads, thousandths};
use crate::colour::Scale;
use crate::error::Result;
use crate::grid::layer_grid;
use crate::heatmap::{Style, heatmap};
use crate::map::{self, HeadMap, Origin};
use crate::text::{self, escape};

/// Tokens of an input that are written out.
const TOKENS: usize = 160;
/// Longest token in a caption, characters.
const TOKEN: usize = 24;
/// Layers are open if there are at most this many heads.
const OPEN: usize = 48;

/// The inputs whose maps are drawn; none if there is no head to draw.
pub(super) fn inputs(patterns: &dyn Patterns, options: &Options) -> Vec<usize> {
    if patterns.layers().iter().all(|l| l.heads.is_empty()) {
        return Vec::new();
    }
    let mut all: Vec<usize> = Vec::new();
    for &input in options.inputs.iter().filter(|&&i| i < patterns.inputs()) {
        if !all.contains(&input) {
            all.push(input);
        }
    }
    all
}

pub(super) fn section(
    report: &Report,
    patterns: Option<&dyn Patterns>,
    options: &Options,
    budget: &mut Budget,
    left_out: &mut Vec<String>,
) -> String {
    let mut out = String::from("<section id=\"figures\"><h2>Figures</h2>\n");
    let Some(patterns) = patterns else {
        out.push_str("<p>This page was made from a report alone: there are no maps to show.</p></section>\n");
        return out;
    };
    let inputs = inputs(patterns, options);
    if inputs.is_empty() {
        out.push_str("<p>There are no maps to show: no head of these inputs was captured.</p></section>\n");
        return out;
    }
    let style = Style { colours: options.colours, scale: options.scale.unwrap_or(Scale::unit()), ..Style::default() };
    let mut small = style.clone();
    if let (None, Ok(scale)) = (options.scale, Scale::log(1e-4, 1.0)) {
        (small.scale, small.unit) = (scale, "weight, log".to_string());
    }
    out.push_str(
        "<p class=\"key\">A row is a query, a column a key: the row says where its token looked. Colours mean the same in \
         every figure of a kind. What the mask forbids is blank; a weight that is no number is magenta.</p>\n",
    );
    for &input in &inputs {
        out.push_str(&of_input(report, patterns, (input, &inputs), options, (&style, &small), budget, left_out));
    }
    out.push_str("</section>\n");
    out
}

fn of_input(
    report: &Report,
    patterns: &dyn Patterns,
    (input, inputs): (usize, &[usize]),
    options: &Options,
    (style, small): (&Style, &Style),
    budget: &mut Budget,
    left_out: &mut Vec<String>,
) -> String {
    let tokens = patterns.tokens(input);
    let first = inputs.first() == Some(&input);
    let mut out = String::new();
    let _ = writeln!(out, "<h3>Input {input}{}</h3>", if inputs.len() > 1 { "" } else { ", the one that is drawn" });
    let strip = token_strip(tokens);
    if budget.take(strip.len()) {
        out.push_str(&strip);
    } else {
        left_out.push(format!("the tokens of input {input}"));
    }

    // Read once, in the order of interest, so that what does not fit is what is least worth a look.
    let mut places: Vec<(usize, usize)> = heads::by_interest(report).into_iter().map(|h| (h.layer, h.head)).collect();
    let kept = patterns.layers();
    let has = |&(layer, head): &(usize, usize)| kept.iter().any(|l| l.layer == layer && l.heads.contains(&head));
    places.retain(has);
    for shape in &kept {
        for &head in &shape.heads {
            // Not judged, but captured.
            if report.heads.iter().all(|h| (h.layer, h.head) != (shape.layer, head)) {
                places.push((shape.layer, head));
            }
        }
    }
    // Small maps take up to a third of the room, so that of very many heads each is at least seen.
    let mut for_small = budget.share(3).left;
    let mut figures: BTreeMap<(usize, usize), String> = BTreeMap::new();
    let mut maps: BTreeMap<usize, Vec<HeadMap>> = BTreeMap::new();
    let mut problems: Vec<String> = Vec::new();
    let (mut without, mut too_large) = (0usize, Vec::new());
    for &(layer, head) in &places {
        let name = format!("L{layer}H{head}");
        // Of several inputs the first has the short anchor, to which the table leads.
        let anchor = if first { name.clone() } else { format!("{name}-input-{input}") };
        match draw(report, patterns, (layer, head, input), &anchor, options.side, style) {
            Ok(Some((text, head_map))) => {
                // A small map is at most 48 x 48 bytes, its palette and its frame.
                let estimate = 4500;
                if for_small >= estimate
                    && let Ok(map) = head_map.map.pooled(48)
                {
                    for_small -= estimate;
                    maps.entry(layer).or_default().push(HeadMap { map, ..head_map });
                }
                if budget.left > text.len() + for_small_used(&maps) && budget.take(text.len()) {
                    figures.insert((layer, head), text);
                } else {
                    too_large.push(name);
                }
            }
            Ok(None) => without += 1,
            Err(e) => problems.push(format!("{name}: {e}")),
        }
    }
    if without > 0 {
        let _ = writeln!(out, "<p>{} heads have no map: neither weights nor pooled maps were kept.</p>", without);
    }
    for problem in problems.iter().take(12) {
        let _ = writeln!(out, "<p>Could not be drawn: {}</p>", escape(problem));
    }
    if !too_large.is_empty() {
        let shown = too_large.iter().take(40).cloned().collect::<Vec<_>>().join(", ");
        let more = if too_large.len() > 40 { format!(" and {} more", too_large.len() - 40) } else { String::new() };
        left_out.push(format!("{} figures of input {input}: {shown}{more}", too_large.len()));
    }

    let open = if figures.len() <= OPEN { " open=\"open\"" } else { "" };
    for shape in &kept {
        let mut own = maps.remove(&shape.layer).unwrap_or_default();
        own.sort_by_key(|m| m.head);
        let title = format!("Layer {}", shape.layer);
        let grid = match own.is_empty() {
            true => None,
            false => layer_grid(&own.iter().collect::<Vec<_>>(), "", small, true).ok(),
        };
        let _ = write!(out, "<section class=\"layer\"><h4>{title}</h4>\n");
        if let Some(grid) = grid {
            match budget.take(grid.len() + 64) {
                true => {
                    let _ = write!(out, "<figure class=\"grid\">{grid}</figure>\n");
                }
                false => left_out.push(format!("the small maps of layer {} of input {input}", shape.layer)),
            }
        }
        let mut body = String::new();
        for text in figures.range((shape.layer, 0)..=(shape.layer, usize::MAX)).map(|(_, text)| text) {
            body.push_str(text);
        }
        if !body.is_empty() {
            let _ = write!(
                out,
                "<details class=\"gallery\"{open}><summary>One figure a head</summary>\
                 <div class=\"maps\">{body}</div></details>\n"
            );
        }
        out.push_str("</section>\n");
    }
    if first {
        let judged = report.heads.iter().map(|h| (h.layer, h.head));
        let all: BTreeSet<(usize, usize)> = judged.chain(places.iter().copied()).collect();
        let gone = all.into_iter().filter(|place| !figures.contains_key(place));
        out.push_str(&super::anchors("Without a figure of their own", "", gone));
    }
    out
}

/// Room that the small maps will need.
fn for_small_used(maps: &BTreeMap<usize, Vec<HeadMap>>) -> usize {
    maps.values().map(|layer| 4500 * layer.len() + 2500).sum()
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

/// A head's figure with its caption; `None` if there is no map.
fn draw(
    report: &Report,
    patterns: &dyn Patterns,
    (layer, head, input): (usize, usize, usize),
    anchor: &str,
    side: usize,
    style: &Style,
) -> Result<Option<(String, HeadMap)>> {
    let Some(head_map) = map::read(patterns, layer, head, input, side)? else { return Ok(None) };
    let tokens = patterns.tokens(input);
    let names: Vec<&str> = tokens.iter().map(|t| t.text.as_str()).collect();
    let name = format!("L{layer}H{head}");
    let svg = heatmap(&head_map.map, &name, &names, style)?;
    let mut out = format!("<figure id=\"{anchor}\">{svg}<figcaption>");
    let judged = report.heads.iter().find(|h| (h.layer, h.head) == (layer, head));
    if let Some(summary) = judged {
        let kinds =
            if summary.kinds.is_empty() { String::new() } else { format!("{}. ", escape(&summary.kinds.join(", "))) };
        let class = summary.class.map_or("not testable", attractor_judge::Class::name);
        let number = |v: Option<f64>| v.map_or("–".to_string(), crate::colour::number);
        let _ = write!(
            out,
            "<b>{kinds}</b>{class}; sharpness {}, previous {}, induction {}. ",
            number(summary.sharpness.map(thousandths)),
            number(summary.previous.map(thousandths)),
            number(summary.induction.map(thousandths))
        );
    }
    if !head_map.links.is_empty() {
        out.push_str("Stand out from a uniform row: ");
        let show = |position: usize| match tokens.get(position) {
            Some(token) => format!("{} <span class=\"at\">{position}</span>", text::html(&token.text, TOKEN)),
            None => position.to_string(),
        };
        let all: Vec<String> = head_map
            .links
            .iter()
            .map(|l| {
                format!(
                    "<span class=\"link\">{} → {} {}</span>",
                    show(l.query),
                    show(l.key),
                    crate::colour::number(f64::from(l.weight))
                )
            })
            .collect();
        let _ = write!(out, "{}. ", all.join(", "));
    }
    if head_map.origin == Origin::Pooled {
        out.push_str("The weights were not kept; these are the pooled maxima that were. ");
    }
    if judged.is_some() {
        let _ = write!(out, "<a href=\"#row-{name}\">In the table</a>");
    }
    out.push_str("</figcaption></figure>\n");
    Ok(Some((out, head_map)))
}
