//! The maps of one input as a picture.

use attractor::{Error, Hint, Result};
use attractor_judge::analysis::HeadGroups;
use attractor_record::{LayerShape, Patterns, Role, Steps};

use crate::canvas::colour::ColourMap;
use crate::canvas::numbers::counted;
use crate::canvas::scale::{Scale, Spacing};
use crate::canvas::text::label;
use crate::figures::grid::{self, Panels};
use crate::figures::heatmap::{Style, heatmap};
use crate::figures::positions::Bands;
use crate::maps::map::{self, HeadMap, SIDE};

/// Characters of a token along an axis.
const LABEL: usize = 14;

/// What a row and a column stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapUnit {
    /// A token.
    Token,
    /// A word.
    Word,
    /// A span that was named.
    Span,
}

/// What is drawn of the maps of one input.
#[derive(Clone, Copy)]
pub struct MapPicture<'a> {
    /// What the target is called.
    pub name: &'a str,
    /// Where the maps come from.
    pub patterns: &'a dyn Patterns,
    /// The input.
    pub input: usize,
    /// The layers and heads that were captured, of which `patterns` may show groups.
    pub captured: &'a [LayerShape],
    /// What a row and a column stand for.
    pub by: MapUnit,
    /// Which heads became one map.
    pub groups: HeadGroups,
    /// Keys that are hidden; rows are renormalised.
    pub hide: &'a [usize],
    /// From weights to colours.
    pub spacing: Spacing,
    /// The colours.
    pub colours: ColourMap,
    /// Each head has a scale of its own.
    pub own_scale: bool,
}

/// The heads' maps, ready to be drawn; read in strips and pooled, of any length.
fn maps(picture: &MapPicture<'_>) -> Result<Vec<HeadMap>> {
    let MapPicture { patterns, input, hide, .. } = *picture;
    let hiding = |error: Error| match error.is_usage() || error.is_shape() {
        true => Error::option("hide", "", error.message()),
        false => error,
    };
    let mut all = Vec::new();
    for shape in patterns.layers() {
        for &head in &shape.heads {
            let place = (shape.layer, head, input);
            all.extend(match hide.is_empty() {
                true => map::read(patterns, shape.layer, head, input, SIDE)?,
                false => map::read_hiding(patterns, place, SIDE, hide).map_err(hiding)?,
            });
        }
    }
    match all.is_empty() {
        true => Err(Error::usage("no map was kept").hinted(Hint::Capture { keep: "stats+qk" })),
        false => Ok(all),
    }
}

/// "L3, mean of heads 0, 2, 5".
fn mean_in_words(shape: &LayerShape) -> String {
    let numbers: Vec<String> = shape.heads.iter().map(usize::to_string).collect();
    match shape.heads.len() == shape.model_heads || numbers.len() > 12 {
        true => format!("L{}, mean of {}", shape.layer, counted(numbers.len(), "head")),
        false => format!("L{}, mean of heads {}", shape.layer, numbers.join(", ")),
    }
}

/// Refuses, before any map is read, what no picture can have.
///
/// # Errors
/// `is_usage`.
pub fn check(own_scale: bool, spacing: Spacing, colours: ColourMap) -> Result<()> {
    match own_scale && spacing != Spacing::Linear {
        true => Err(Error::option("own_scale", "", "each head has a linear scale of its own")
            .hinted(Hint::Omit("colour_scale"))),
        false => colours.sequential().map(drop),
    }
}

/// One head with its tokens, the heads of a layer side by side, or layers by heads.
///
/// # Errors
/// `is_usage` if no map was kept, or an option does not fit what is shown; what reading the maps answers.
pub fn figure(picture: &MapPicture<'_>) -> Result<String> {
    let MapPicture { patterns, captured, input, by, groups, spacing, own_scale, .. } = *picture;
    check(own_scale, spacing, picture.colours)?;
    let maps = maps(picture)?;
    let heads: Vec<&HeadMap> = maps.iter().collect();
    let tokens = patterns.tokens(input);
    let entry = Steps::of(patterns).name(input);
    let scale = Scale::fit(spacing, maps.iter().flat_map(|m| m.map.values()));
    let mut style = Style { scale, colours: picture.colours, ..Style::default() };
    // Where the continuation begins with a group of its own.
    style.boundary = patterns.prompt_length(input).filter(|&at| at > 0 && at < tokens.len());
    let class = |role: Role| match role {
        Role::Punctuation => Some(0),
        role if role.is_special() => Some(1),
        _ => None,
    };
    let classes: Vec<Option<usize>> = tokens.iter().map(|token| class(token.role)).collect();
    if classes.iter().any(Option::is_some) {
        style.bands = Bands::both(vec!["punctuation".to_string(), "special token".to_string()], classes);
    }
    let (by, unit) = match by {
        MapUnit::Span => (", by span", "span"),
        MapUnit::Word => (", by word", "word"),
        MapUnit::Token => ("", "token"),
    };
    if unit != "token" {
        style.rows = format!("query ({unit}: mean of its tokens)");
        style.columns = format!("key ({unit}: sum of its tokens)");
    }
    let mean =
        if groups == HeadGroups::Shared { ", means of the heads that share keys, named by the first" } else { "" };
    let name = format!("{}{by}{mean}", picture.name);
    if !picture.hide.is_empty() {
        style.unit = "attention weight, renormalised".to_string();
    }
    let is_mean = groups == HeadGroups::Mean;
    let layers = captured.len();
    Ok(match heads.as_slice() {
        [one] => {
            let names: Vec<String> = tokens.iter().map(|token| label(&token.text, LABEL)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let which = match (is_mean, captured.first()) {
                (true, Some(shape)) => mean_in_words(shape),
                _ => format!("L{}H{}", one.layer, one.head),
            };
            heatmap(&one.map, &format!("{name}, {which}, {entry}"), &names, &style)?
        }
        [_, ..] if is_mean => {
            return Err(Error::option("mean", "", "the picture shows one layer").hinted(Hint::GiveOne(vec!["layers"])));
        }
        [first, ..] if layers == 1 => {
            let panels = Panels { shared: !own_scale, ..Panels::default() };
            grid::layer(&heads, &format!("{name}, layer {}, {entry}", first.layer), &style, &panels)?
        }
        _ if own_scale => {
            return Err(
                Error::option("own_scale", "", "draws the heads of one layer").hinted(Hint::GiveOne(vec!["layers"]))
            );
        }
        _ => grid::model(&heads, &format!("{name}, every head, {entry}"), &style)?.unwrap_or_default(),
    })
}
