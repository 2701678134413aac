//! `attractor export`: maps for other programs, as numbers and as pictures.

use std::ops::Range;
use std::path::PathBuf;

use attractor_capture::export::{self, Array, Format};
use attractor_judge::analysis::{self, Partition};
use attractor_record::LayerShape;
use attractor_record::Patterns;
use attractor_record::Role;
use serde_json::json;

use attractor_render::canvas::scale::{Scale, Spacing};
use attractor_render::canvas::text::label;
use attractor_render::figures::grid::{self, Panels};
use attractor_render::figures::heatmap::{Style, heatmap};
use attractor_render::figures::positions::Bands;
use attractor_render::maps::map::{self, HeadMap, Map, Origin, SIDE};
use attractor_render::maps::transform::without_keys;
use clap::{Args, ValueEnum};

use crate::args::{By, Chosen, Common, Inputs, bytes};
use crate::console::{counted, print};
use crate::error::Outcome;
use crate::{forward, output, picture};
use attractor::Error;

#[derive(Debug, Args)]
pub struct Export {
    /// A checkpoint or a run
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// What is written [default: what the name of --output says]
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
    /// The file
    #[arg(long, short)]
    pub output: PathBuf,
    /// Which input, counted from 0
    #[arg(long, default_value_t = 0)]
    pub input_number: usize,
    /// Tokens or whole words: over keys weights add up, over queries they are averaged, so rows still sum to one
    #[arg(long, value_enum, default_value_t = By::Token)]
    pub by: By,
    /// Positions that become one row and one column each, first and last: 1-4,7-9; others stand by themselves
    #[arg(long, value_delimiter = ',', conflicts_with = "by", value_name = "FIRST-LAST")]
    pub spans: Vec<String>,
    /// Query heads that share a key head become their mean
    #[arg(long)]
    pub grouped: bool,
    /// The chosen heads of each layer become their mean
    #[arg(long, conflicts_with = "grouped")]
    pub mean: bool,
    #[command(flatten)]
    pub chosen: Chosen,
    /// Of pictures: from weights to colours
    #[arg(long, value_enum, default_value_t = ColourScale::Linear)]
    pub scale: ColourScale,
    /// Of pictures of several heads: each head has a scale of its own
    #[arg(long)]
    pub own_scale: bool,
    /// Of pictures: positions of keys to hide, for example 0 for a sink at the first token; rows are renormalised, and the
    /// picture says so
    #[arg(long, value_delimiter = ',')]
    pub hide: Vec<usize>,
    /// Of numbers: size that the file may have, for example 4GiB
    #[arg(long, default_value = "4GiB")]
    pub max_bytes: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColourScale {
    /// From zero to the largest weight
    Linear,
    /// By decades
    Log,
    /// By rank
    Quantile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A picture: one head's map, the heads of a layer, or all layers
    Svg,
    /// The picture, two pixels for each of the SVG's
    Png,
    /// The picture, on one page
    Pdf,
    /// numpy.load
    Npz,
    /// safetensors.numpy.load_file
    Safetensors,
    /// A line a weight
    Csv,
}

/// Characters of a token along an axis.
const LABEL: usize = 14;

/// What the endings of a file's name say.
const ENDINGS: [(&str, ExportFormat); 6] = [
    ("svg", ExportFormat::Svg),
    ("png", ExportFormat::Png),
    ("pdf", ExportFormat::Pdf),
    ("npz", ExportFormat::Npz),
    ("safetensors", ExportFormat::Safetensors),
    ("csv", ExportFormat::Csv),
];

/// Groups of positions, as "1-4,7-9" names them: first and last.
fn spans(given: &[String], positions: usize) -> Outcome<Partition> {
    let read = |text: &String| {
        let (first, last) = text.trim().split_once('-')?;
        let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
        Some(first..last.checked_add(1)?)
    };
    let ranges = given
        .iter()
        .map(|text| {
            let range =
                read(text).ok_or_else(|| Error::usage(format!("--spans {text}: give first and last, such as 1-4")))?;
            match (range.is_empty(), range.end > positions) {
                (true, _) => Err(Error::usage(format!("--spans {text}: the first lies behind the last"))),
                (_, true) => Err(Error::usage(format!("--spans {text}: the positions are 0 to {}", positions - 1))),
                _ => Ok(range),
            }
        })
        .collect::<Outcome<Vec<_>>>()?;
    Partition::spans(positions, &ranges).map_err(|e| Error::usage(format!("--spans: {e}")))
}

/// The heads that become one map each; a group of which some heads are left out would be another mean.
fn head_groups(shape: &LayerShape, args: &Export) -> Outcome<Vec<Vec<usize>>> {
    if args.mean {
        return Ok(vec![shape.heads.clone()]);
    }
    if !args.grouped {
        return Ok(shape.heads.iter().map(|&head| vec![head]).collect());
    }
    let groups = analysis::query_groups(shape);
    let size = (shape.model_heads / shape.key_heads.max(1)).max(1);
    match groups.iter().find(|group| group.len() < size) {
        None => Ok(groups),
        Some(part) => {
            let first = part[0] / size * size;
            Err(Error::usage(format!(
                "--grouped: heads {first} to {} of layer {} share a key head and not all of them are here; choose or \
                 capture whole groups, or leave --grouped out",
                first + size - 1,
                shape.layer
            )))
        }
    }
}

/// Maps by words and by groups of heads, each a mean over heads and queries and a sum over keys.
fn aggregated<'a>(patterns: &dyn Patterns, args: &Export, words: &Partition) -> Outcome<Vec<Array<'a>>> {
    let input = args.input_number;
    let mut all = Vec::new();
    for shape in patterns.layers() {
        let (rows, columns) = patterns.shape(shape.layer, input)?;
        let of = |count: usize| match words.positions() == count {
            true => words.clone(),
            false => Partition::identity(count),
        };
        let (rows, columns) = (of(rows), of(columns));
        let groups = head_groups(&shape, args)?;
        let mut maps = Vec::new();
        for heads in &groups {
            let map = analysis::aggregate(patterns, shape.layer, heads, input, &rows, &columns)?.ok_or_else(|| {
                Error::usage(format!(
                    "L{}: its maps were not kept; capture with --keep stats+qk, or name the checkpoint",
                    shape.layer
                ))
            })?;
            maps.push(map);
        }
        let whole = shape.heads.len() == shape.model_heads && !args.mean;
        // A group goes by its first head.
        let names: Vec<usize> = groups.iter().map(|group| group[0]).collect();
        let width = columns.len();
        let array = |heads: Vec<usize>, maps: Vec<Vec<f64>>| Array {
            layer: shape.layer,
            heads,
            whole,
            is_mean: args.mean,
            rows: rows.len(),
            columns: width,
            read: Box::new(move |slot, rows| {
                Ok(maps[slot][rows.start * width..rows.end * width].iter().map(|&w| w as f32).collect())
            }),
        };
        match whole {
            true => all.push(array(names, maps)),
            false => all.extend(names.into_iter().zip(maps).map(|(head, map)| array(vec![head], vec![map]))),
        }
    }
    Ok(all)
}

/// "L3, mean of heads 0, 2, 5".
fn mean_in_words(shape: &LayerShape) -> String {
    let numbers: Vec<String> = shape.heads.iter().map(usize::to_string).collect();
    match shape.heads.len() == shape.model_heads || numbers.len() > 12 {
        true => format!("L{}, mean of {}", shape.layer, counted(numbers.len(), "head")),
        false => format!("L{}, mean of heads {}", shape.layer, numbers.join(", ")),
    }
}

/// True if the maps are those that were captured, token by token and head by head.
fn is_plain(args: &Export) -> bool {
    args.by == By::Token && args.spans.is_empty() && !args.grouped && !args.mean
}

/// The heads' maps, ready to be drawn.
fn maps(patterns: &dyn Patterns, args: &Export, words: &Partition) -> Outcome<Vec<HeadMap>> {
    let input = args.input_number;
    let mut all = Vec::new();
    // Read in strips and pooled: of any length.
    let hiding = |error: attractor_render::Error| Error::usage(format!("--hide: {error}"));
    if is_plain(args) {
        for shape in patterns.layers() {
            for &head in &shape.heads {
                let place = (shape.layer, head, input);
                all.extend(match args.hide.is_empty() {
                    true => map::read(patterns, shape.layer, head, input, SIDE)?,
                    false => map::read_hiding(patterns, place, SIDE, &args.hide).map_err(hiding)?,
                });
            }
        }
    } else {
        for array in aggregated(patterns, args, words)? {
            for (slot, &head) in array.heads.iter().enumerate() {
                let weights = (array.read)(slot, 0..array.rows)?;
                let mut map = Map::exact(weights, array.rows, array.columns)?;
                if patterns.info().causal {
                    map = map.causal()?;
                }
                if !args.hide.is_empty() {
                    map = without_keys(&map, &args.hide).map_err(hiding)?;
                }
                let map = map.pooled(SIDE)?;
                all.push(HeadMap { layer: array.layer, head, input, map, links: Vec::new(), origin: Origin::Weights });
            }
        }
    }
    match all.is_empty() {
        true => Err(Error::usage("no map was kept; capture with --keep stats+qk, or name the checkpoint")),
        false => Ok(all),
    }
}

/// One head with its tokens, the heads of a layer side by side, or layers by heads.
fn drawn(patterns: &dyn Patterns, args: &Export, words: &Partition) -> Outcome<String> {
    let maps = maps(patterns, args, words)?;
    let heads: Vec<&HeadMap> = maps.iter().collect();
    let tokens = patterns.tokens(args.input_number);
    let spacing = match args.scale {
        ColourScale::Linear => Spacing::Linear,
        ColourScale::Log => Spacing::Log,
        ColourScale::Quantile => Spacing::Quantile,
    };
    let mut style = Style { scale: Scale::fit(spacing, maps.iter().flat_map(|m| m.map.values())), ..Style::default() };
    // Where the continuation begins with a group of its own.
    let prompt = patterns.prompt_length(args.input_number);
    style.boundary = words.groups().iter().position(|group| Some(group.start) == prompt).filter(|&at| at > 0);
    let class = |role: Role| match role {
        Role::Punctuation => Some(0),
        role if role.is_special() => Some(1),
        _ => None,
    };
    let of_group = |group: &Range<usize>| match tokens.get(group.clone()) {
        Some([token]) => class(token.role),
        _ => None,
    };
    let classes: Vec<Option<usize>> = words.groups().iter().map(of_group).collect();
    if classes.iter().any(Option::is_some) {
        style.bands = Bands::both(vec!["punctuation".to_string(), "special token".to_string()], classes);
    }
    let input = args.input_number;
    let (by, unit) = match (args.by, args.spans.is_empty()) {
        (_, false) => (", by span", "span"),
        (By::Word, _) => (", by word", "word"),
        (By::Token, _) => ("", "token"),
    };
    if unit != "token" {
        style.rows = format!("query ({unit}: mean of its tokens)");
        style.columns = format!("key ({unit}: sum of its tokens)");
    }
    let mean = if args.grouped { ", means of the heads that share keys, named by the first" } else { "" };
    let family = format!("{}{by}{mean}", patterns.info().family);
    if !args.hide.is_empty() {
        style.unit = "attention weight, renormalised".to_string();
    }
    let shapes = patterns.layers();
    let layers: usize = shapes.len();
    Ok(match heads.as_slice() {
        [one] => {
            let names: Vec<String> = words.names(tokens).iter().map(|name| label(name, LABEL)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let which = match (args.mean, shapes.first()) {
                (true, Some(shape)) => mean_in_words(shape),
                _ => format!("L{}H{}", one.layer, one.head),
            };
            heatmap(&one.map, &format!("{family}, {which}, input {input}"), &names, &style)?
        }
        [_, ..] if args.mean => {
            return Err(Error::usage("--mean: the picture shows one layer; choose it with --layers"));
        }
        [_, ..] if args.own_scale && args.scale != ColourScale::Linear => {
            return Err(Error::usage("--own-scale: each head has a linear scale of its own; leave --scale out"));
        }
        [first, ..] if layers == 1 => {
            let panels = Panels { shared: !args.own_scale, ..Panels::default() };
            grid::layer(&heads, &format!("{family}, layer {}, input {input}", first.layer), &style, &panels)?
        }
        _ if args.own_scale => {
            return Err(Error::usage("--own-scale: draws the heads of one layer; choose one with --layers"));
        }
        _ => grid::model(&heads, &format!("{family}, every head, input {input}"), &style)?.unwrap_or_default(),
    })
}

fn told(args: &Export, size: u64, maps: &[(String, [usize; 3])], common: &Common) {
    let path = args.output.display();
    match common.json {
        true => {
            let maps: Vec<_> = maps.iter().map(|(name, shape)| json!({ "name": name, "shape": shape })).collect();
            print(&format!("{}\n", json!({ "output": path.to_string(), "bytes": size, "maps": maps })));
        }
        false if !common.quiet => {
            let heads: usize = maps.iter().map(|(_, [heads, ..])| heads).sum();
            let [_, rows, columns] = maps.first().map_or([0; 3], |(_, shape)| *shape);
            print(&format!(
                "{path}: {} of {rows} queries x {columns} keys, {:.2} MB\n",
                counted(heads, "head"),
                size as f64 / 1e6
            ));
        }
        false => {}
    }
}

/// Runs the command.
pub fn run(args: &Export, common: &Common) -> Outcome {
    let format = output::format(Some(&args.output), args.format, &ENDINGS, ExportFormat::Svg)?;
    let max_bytes = bytes(&args.max_bytes).map_err(|e| Error::usage(format!("--max-bytes: {e}")))?;
    let selection = args.chosen.selection()?;
    let opened = forward::open_input(&args.target, &args.inputs, args.input_number, selection, common)?;
    let patterns = opened.patterns.as_ref();
    let tokens = patterns.tokens(args.input_number);
    let words = match args.by {
        By::Word if tokens.is_empty() => {
            return Err(Error::usage("--by word: the tokens are not known; leave it out"));
        }
        By::Word => Partition::words(tokens),
        By::Token if args.spans.is_empty() => Partition::identity(tokens.len()),
        By::Token => {
            let shape = patterns.layers().first().map(|shape| patterns.shape(shape.layer, args.input_number));
            spans(&args.spans, shape.transpose()?.map_or(0, |(_, keys)| keys))?
        }
    };
    let size_of_file = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |m| m.len());
    let picture = match format {
        ExportFormat::Svg => Some("svg"),
        ExportFormat::Png => Some("png"),
        ExportFormat::Pdf => Some("pdf"),
        _ => None,
    };
    if let Some(ending) = picture {
        picture::save(&args.output, ending, &drawn(patterns, args, &words)?)?;
        let shapes = patterns.layers().into_iter().map(|shape| {
            let (rows, columns) = patterns.shape(shape.layer, args.input_number)?;
            let of = |count: usize| if words.positions() == count { words.len() } else { count };
            Ok((format!("L{}", shape.layer), [head_groups(&shape, args)?.len(), of(rows), of(columns)]))
        });
        told(args, size_of_file(&args.output), &shapes.collect::<Outcome<Vec<_>>>()?, common);
        return Ok(());
    }
    if !args.hide.is_empty() || args.own_scale || args.scale != ColourScale::Linear {
        return Err(Error::usage("--hide, --scale and --own-scale are for pictures (.svg, .png, .pdf)"));
    }
    // The maps themselves are read as they are written.
    let arrays = match is_plain(args) {
        true => export::arrays(patterns, args.input_number)?,
        false => aggregated(patterns, args, &words)?,
    };
    let names = words.names(tokens);
    let format = match format {
        ExportFormat::Npz => Format::Npz,
        ExportFormat::Safetensors => Format::Safetensors,
        _ => Format::Csv,
    };
    let size = export::write(&args.output, format, &arrays, (&names, &names), max_bytes)
        .map_err(|e| e.at(args.output.display()))?;
    let shapes: Vec<_> = arrays.iter().map(|a| (a.name(), [a.heads.len(), a.rows, a.columns])).collect();
    told(args, size, &shapes, common);
    Ok(())
}
