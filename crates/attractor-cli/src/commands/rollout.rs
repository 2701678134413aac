//! `attractor rollout`: where a query's last state comes from.

use std::ops::Range;
use std::path::PathBuf;

use attractor_judge::analysis::distance::PatchGrid;
use attractor_judge::analysis::{self, Attribution, Fuse, Method, Partition, StackOptions};
use attractor_record::table::{Column, Table};
use attractor_record::{Patterns, Selection};
use attractor_record::{Role, Token};
use attractor_render::canvas::colour::ColourMap;
use attractor_render::canvas::scale::{Scale, Spacing};
use attractor_render::canvas::text::label;
use attractor_render::figures::heatmap::Style;
use attractor_render::figures::patches::Patches;
use attractor_render::figures::words::Words;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::args::{By, Common, Inputs};
use crate::console::{print, write};
use crate::error::Outcome;
use crate::forward::{self, Opened};
use crate::target::Live;
use crate::{output, picture};

/// How the heads of a layer become one map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FuseHow {
    /// Their mean: the definition
    Mean,
    /// The largest weight of any head (an extra)
    Max,
    /// The smallest weight of any head (an extra)
    Min,
}

/// How attention is followed through the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FollowHow {
    /// Products of the layers' maps
    Rollout,
    /// The largest flow from the query to each token (short inputs)
    Flow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// As in the input
    Text,
    /// The largest first
    Share,
}

#[derive(Debug, Args)]
pub struct Rollout {
    /// A checkpoint or a run
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// cls, last, a position, a token's text or a word (token:TEXT for a text of digits) [default: cls, else last]
    #[arg(long)]
    pub query: Option<String>,
    /// How attention is followed
    #[arg(long, value_enum, default_value_t = FollowHow::Rollout)]
    pub method: FollowHow,
    /// What a line stands for
    #[arg(long, value_enum, default_value_t = By::Token)]
    pub by: By,
    /// How the heads of a layer become one map
    #[arg(long, value_enum, default_value_t = FuseHow::Mean)]
    pub fuse: FuseHow,
    /// Share of the residual stream in each layer
    #[arg(long, default_value_t = 0.5)]
    pub residual: f64,
    /// Set this share of each map's cells, the smallest, to zero first (an extra)
    #[arg(long, default_value_t = 0.0)]
    pub discard: f64,
    /// First layer
    #[arg(long, default_value_t = 0)]
    pub start: usize,
    /// Take layers without a map as the identity
    #[arg(long)]
    pub skip_missing: bool,
    /// Which input, from 0
    #[arg(long, default_value_t = 0)]
    pub input_number: usize,
    /// Only these heads, for example 0-3 or 5.5,L0H2
    #[arg(long)]
    pub heads: Option<String>,
    /// How tokens are listed [default: text while they fit on a screen, else share]
    #[arg(long, value_enum)]
    pub order: Option<Order>,
    /// Tokens that are listed at most, the largest [default: all in text order, else 24]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    /// Also write it: .svg, .png, .pdf, .json or .csv
    #[arg(long, short, visible_alias = "output", value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Positions that are shown in order; more of them are shown by share.
const IN_ORDER: usize = 48;
/// Characters of the longest bar.
const BAR: f64 = 32.0;
/// Characters of a token.
const TEXT: usize = 24;

/// One line of the answer: a token, or a word.
struct Line {
    /// The positions it stands for.
    positions: Range<usize>,
    text: String,
    /// Of its first token.
    role: Role,
    share: f64,
}

fn options(rollout: &Rollout) -> StackOptions {
    StackOptions {
        fuse: match rollout.fuse {
            FuseHow::Mean => Fuse::Mean,
            FuseHow::Max => Fuse::Max,
            FuseHow::Min => Fuse::Min,
        },
        residual: rollout.residual,
        discard: rollout.discard,
        start: rollout.start,
        skip_missing: rollout.skip_missing,
    }
}

fn lines(tokens: &[Token], found: &Attribution, by: By) -> Vec<Line> {
    let count = found.shares.len();
    let groups = match by {
        By::Word if tokens.len() == count => Partition::words(tokens),
        _ => Partition::identity(count),
    };
    let texts = groups.names(tokens).into_iter().zip(groups.add(&found.shares));
    let line = |(positions, (text, share)): (&Range<usize>, (String, f64))| {
        let first = tokens.get(positions.start);
        let text = if first.is_some() { text } else { format!("#{}", positions.start) };
        Line { positions: positions.clone(), text, role: first.map_or(Role::Text, |token| token.role), share }
    };
    groups.groups().iter().zip(texts).map(line).collect()
}

/// A bar of eighths of a character.
fn bar(share: f64, most: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // Negated, so that nothing is drawn for what is no number.
    if !(share > 0.0 && most > 0.0) {
        return String::new();
    }
    let eighths = (share / most * BAR * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn name(tokens: &[Token], at: usize) -> String {
    match tokens.get(at) {
        Some(token) => format!("{at} ({})", label(&token.text, TEXT)),
        None => at.to_string(),
    }
}

/// What is shown, and how it was found.
fn title(found: &Attribution, tokens: &[Token], options: &StackOptions) -> (String, String) {
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

/// The shares as a table with bars: in order while they fit on a screen, else the largest first.
fn text(lines: &[Line], found: &Attribution, order: Option<Order>, top: Option<u32>) -> String {
    let by_share = match order {
        Some(order) => order == Order::Share,
        None => lines.len() > IN_ORDER,
    };
    let mut shown: Vec<usize> = (0..lines.len()).collect();
    shown.sort_by(|&a, &b| lines[b].share.total_cmp(&lines[a].share).then(a.cmp(&b)));
    let kept = match (by_share, top) {
        (_, Some(top)) => top as usize,
        (true, None) => IN_ORDER / 2,
        (false, None) => shown.len(),
    };
    let rest: f64 = shown.iter().skip(kept).map(|&at| lines[at].share).sum();
    let left = shown.len().saturating_sub(kept);
    shown.truncate(kept);
    if !by_share {
        shown.sort_unstable();
    }
    let most = lines.iter().map(|line| line.share).fold(0.0, f64::max);
    let labels: Vec<String> = shown.iter().map(|&at| label(&lines[at].text, TEXT)).collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(5);
    let places = lines.len().to_string().len().max(8);
    let mut out = format!("{:>places$}  {:<width$}  {:>8}\n", "position", "token", "share");
    for (&at, label) in shown.iter().zip(labels) {
        let line = &lines[at];
        let mark = if line.positions.contains(&found.query) { "  <- query" } else { "" };
        let position = match line.positions.len() {
            1 => line.positions.start.to_string(),
            _ => format!("{}-{}", line.positions.start, line.positions.end - 1),
        };
        let bar = bar(line.share, most);
        let row = format!("{position:>places$}  {label:<width$}  {:>8}  {bar}{mark}", percent(line.share));
        out.push_str(row.trim_end());
        out.push('\n');
    }
    if left > 0 {
        out.push_str(&format!("{:>places$}  {:<width$}  {:>8}\n", "", format!("{left} others"), percent(rest)));
    }
    out
}

/// Positions of the patches, row by row, where they form a full grid.
fn grid(tokens: &[Token]) -> Option<Vec<Vec<usize>>> {
    let grid = PatchGrid::of(tokens)?;
    let (_, columns) = grid.shape()?;
    Some(grid.patches.chunks(columns).map(|row| row.iter().map(|patch| patch.0).collect()).collect())
}

/// Patches as shades: the darkest is the largest share.
fn shades(grid: &[Vec<usize>], shares: &[f64]) -> String {
    const SHADES: [&str; 5] = ["··", "░░", "▒▒", "▓▓", "██"];
    let cells = || grid.iter().flatten().map(|&at| shares[at]);
    let (least, most) = (cells().fold(f64::INFINITY, f64::min), cells().fold(0.0, f64::max));
    let mut out = format!("patches, {} (lightest) to {} (darkest)\n", percent(least), percent(most));
    for row in grid {
        for &at in row {
            let level = match most > least {
                true => ((shares[at] - least) / (most - least) * 5.0) as usize,
                false => 0,
            };
            out.push_str(SHADES[level.min(4)]);
        }
        out.push('\n');
    }
    out
}

fn document(lines: &[Line], found: &Attribution, options: &StackOptions, tokens: &[Token], target: &str) -> Value {
    let shares: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({ "position": line.positions.start, "positions": line.positions.len(), "token": line.text,
                    "role": line.role, "share": line.share })
        })
        .collect();
    json!({
        "schema": "attractor.rollout/1", "target": target, "method": found.method, "input": found.input,
        "query": { "position": found.query, "token": tokens.get(found.query).map(|token| &token.text) },
        "options": options, "layers": found.layers, "notes": found.notes, "shares": shares,
    })
}

fn table(lines: &[Line]) -> Outcome<Table> {
    Ok(Table::new(vec![
        ("position".into(), Column::Whole(lines.iter().map(|line| line.positions.start as i64).collect())),
        ("positions".into(), Column::Whole(lines.iter().map(|line| line.positions.len() as i64).collect())),
        ("token".into(), Column::Text(lines.iter().map(|line| line.text.clone()).collect())),
        ("share".into(), Column::Number(lines.iter().map(|line| line.share).collect())),
    ])?)
}

/// The image of an input, if it lies in a file of its own and the model sees all of it.
fn image(live: &Live, given: &Inputs, input: usize) -> Option<Vec<u8>> {
    live.checkpoint.config().image.as_ref()?;
    let is_image = |path: &PathBuf| {
        let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        ending.is_some_and(|ending| ["png", "jpg", "jpeg"].contains(&ending.as_str()))
    };
    let settings = std::fs::read(live.checkpoint.folder().join("preprocessor_config.json")).ok();
    let settings: Option<Value> = settings.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    // Patches of a cropped image do not lie where they would lie on the whole one.
    let crops = settings.is_some_and(|settings| settings["do_center_crop"] == true);
    match given.input.iter().all(is_image) && !crops {
        true => std::fs::read(given.input.get(input)?).ok(),
        false => None,
    }
}

/// The shares as a picture: over the patches of an image, or over the text.
///
/// The query's own share, most of which is the residual stream, would leave all others pale: the scale ends at the
/// largest of the others, and the picture says so.
fn figure(
    lines: &[Line],
    found: &Attribution,
    tokens: &[Token],
    options: &StackOptions,
    image: Option<&[u8]>,
) -> Outcome<String> {
    let (title, how) = title(found, tokens, options);
    let mut notes = vec![how];
    notes.extend(found.notes.iter().cloned());
    let mut style = Style { unit: "share of the query's last state".to_string(), ..Style::default() };
    if let Some(grid) = grid(tokens) {
        let weights: Vec<f32> = grid.iter().flatten().map(|&at| found.shares[at] as f32).collect();
        let rest = 1.0 - grid.iter().flatten().map(|&at| found.shares[at]).sum::<f64>();
        notes.push(format!("{} is in positions that are no patches", percent(rest)));
        style.scale = Scale::fit(Spacing::Linear, weights.iter().map(|&w| f64::from(w)));
        let grid = (grid.len(), grid[0].len());
        return Ok(Patches { title: &title, notes, grid, weights: &weights, image }.svg(&style)?);
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
    style.colours = ColourMap::Blues;
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    let weights: Vec<f64> = lines.iter().map(|line| line.share).collect();
    Ok(Words { title: &title, notes, tokens: &texts, weights: &weights, query, width: 0.0 }.svg(&style)?)
}

fn follow(patterns: &dyn Patterns, rollout: &Rollout, options: &StackOptions) -> Outcome<Attribution> {
    let tokens = patterns.tokens(rollout.input_number);
    let first = patterns.layers().first().map(|shape| shape.layer);
    let count = match first {
        Some(layer) if rollout.input_number < patterns.inputs() => patterns.shape(layer, rollout.input_number)?.0,
        _ => 0,
    };
    // An input that is not there is refused by its number, before anything is said about its tokens.
    analysis::Stack::open(patterns, rollout.input_number, options)?;
    let query = analysis::find_query(tokens, count, rollout.query.as_deref())?;
    Ok(match rollout.method {
        FollowHow::Rollout => analysis::rollout(patterns, rollout.input_number, query, options)?,
        FollowHow::Flow => analysis::flow(patterns, rollout.input_number, query, options)?,
    })
}

/// The ending of the file that is written, lower case; refused before any work is done.
fn ending(rollout: &Rollout) -> Outcome<String> {
    match &rollout.out {
        Some(path) => output::ending(path, &["svg", "png", "pdf", "json", "csv"]),
        None => Ok(String::new()),
    }
}

/// Runs the command.
pub fn run(rollout: &Rollout, common: &Common) -> Outcome {
    let options = options(rollout);
    options.check()?;
    let ending = ending(rollout)?;
    let selection = Selection::parse(None, rollout.heads.as_deref())?;
    let (given, number) = (&rollout.inputs, rollout.input_number);
    let Opened { patterns, live } = forward::open_input(&rollout.target, given, number, selection, common)?;
    let shown = live.and_then(|(live, _)| image(&live, given, number));
    let found = follow(patterns.as_ref(), rollout, &options)?;
    let tokens = patterns.tokens(found.input);
    let lines = lines(tokens, &found, rollout.by);
    let target = rollout.target.display().to_string();
    if let Some(path) = &rollout.out {
        match ending.as_str() {
            "json" => {
                let document = document(&lines, &found, &options, tokens, &target);
                write(path, format!("{document}\n").as_bytes())?;
            }
            "csv" => write(path, table(&lines)?.csv().as_bytes())?,
            _ => picture::save(path, &ending, &figure(&lines, &found, tokens, &options, shown.as_deref())?)?,
        }
    }
    if common.json {
        print(&format!("{}\n", document(&lines, &found, &options, tokens, &target)));
        return Ok(());
    }
    let (title, how) = title(&found, tokens, &options);
    let mut out = format!("{title}: {how}\n");
    if let Some(grid) = grid(tokens) {
        out.push_str(&shades(&grid, &found.shares));
    }
    out.push_str(&text(&lines, &found, rollout.order, rollout.top));
    found.notes.iter().for_each(|note| out.push_str(&format!("note: {note}\n")));
    print(&out);
    Ok(())
}
