//! Where a query's last state comes from, over the text or the patches of an image.

use attractor::Result;
use attractor_judge::analysis::distance::PatchGrid;
use attractor_judge::analysis::{Attribution, Fuse, FuseOptions, Method, Share};
use attractor_record::Token;

use super::percent;
use crate::canvas::colour::ColourMap;
use crate::canvas::scale::{Scale, Spacing};
use crate::canvas::text::label;
use crate::figures::heatmap::Style;
use crate::figures::patches::Patches;
use crate::figures::words::Words;

/// Characters of a token.
const TEXT: usize = 24;

fn name(tokens: &[Token], at: usize) -> String {
    match tokens.get(at) {
        Some(token) => format!("{at} ({})", label(&token.text, TEXT)),
        None => at.to_string(),
    }
}

/// What is shown, and how it was found, in words.
pub fn title(found: &Attribution, tokens: &[Token], options: &FuseOptions) -> (String, String) {
    let layers = match (found.layers.first(), found.layers.last()) {
        (Some(first), Some(last)) if first != last => format!("layers {first} to {last}"),
        (Some(only), _) => format!("layer {only}"),
        _ => "no layer".to_string(),
    };
    let what = match found.method {
        Method::Rollout => "rollout",
        Method::Flow => "flow",
    };
    let how = match options.fuse {
        Fuse::Mean => "mean over heads",
        Fuse::Max => "maximum over heads",
        Fuse::Min => "minimum over heads",
    };
    let discard = match options.discard > 0.0 {
        true => format!(", smallest {} of cells discarded", percent(options.discard)),
        false => String::new(),
    };
    (
        format!("{what} of position {} in input {}", name(tokens, found.query), found.input),
        format!("{layers}, {how}, residual share {}{discard}", options.residual),
    )
}

/// Positions of the patches, row by row, where they form a full grid.
pub fn grid(tokens: &[Token]) -> Option<Vec<Vec<usize>>> {
    let grid = PatchGrid::of(tokens)?;
    let (_, columns) = grid.shape()?;
    Some(grid.patches.chunks(columns).map(|row| row.iter().map(|patch| patch.0).collect()).collect())
}

/// The shares as a picture: over the patches of an image, or over the text.
///
/// The query's own share, most of which is the residual stream, would leave all others pale: the scale ends at the
/// largest of the others, and the picture says so.
///
/// # Errors
/// `is_usage` for an image that cannot be read.
pub fn figure(
    lines: &[Share],
    found: &Attribution,
    tokens: &[Token],
    options: &FuseOptions,
    (image, colours): (Option<&[u8]>, Option<ColourMap>),
) -> Result<String> {
    let (title, how) = title(found, tokens, options);
    let mut notes = vec![how];
    notes.extend(found.notes.iter().map(ToString::to_string));
    let mut style = Style { unit: "share of the query's final state".to_string(), ..Style::default() };
    style.colours = colours.unwrap_or_default();
    if let Some(grid) = grid(tokens) {
        let weights: Vec<f32> = grid.iter().flatten().map(|&at| found.shares[at] as f32).collect();
        let rest = 1.0 - grid.iter().flatten().map(|&at| found.shares[at]).sum::<f64>();
        notes.push(format!("{} goes to positions that are not patches", percent(rest)));
        style.scale = Scale::fit(Spacing::Linear, weights.iter().map(|&w| f64::from(w)));
        let grid = (grid.len(), grid[0].len());
        return Patches { title: &title, notes, grid, weights: &weights, image }.svg(&style);
    }
    let query = lines.iter().position(|line| line.positions.contains(&found.query));
    let others = lines.iter().enumerate().filter(|(at, _)| Some(*at) != query).map(|(_, line)| line.share);
    let most = others.fold(0.0, f64::max);
    let own = query.map_or(0.0, |at| lines[at].share);
    let end = if most > 0.0 { most } else { 1.0 };
    if own > end {
        notes.push(format!("the query's own share, {}, is beyond the scale", percent(own)));
    }
    style.scale = Scale::linear(0.0, end)?;
    // Words of little share stand on white, as in print.
    style.colours = colours.unwrap_or(ColourMap::Blues);
    let texts: Vec<&str> = lines.iter().map(|line| line.token.as_str()).collect();
    let weights: Vec<f64> = lines.iter().map(|line| line.share).collect();
    Words { title: &title, notes, tokens: &texts, weights: &weights, query, width: 0.0 }.svg(&style)
}
