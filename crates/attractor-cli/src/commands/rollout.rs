//! `attractor rollout`: where a query's last state comes from.

use std::path::PathBuf;

use attractor_render::canvas::text::label;
use attractor_render::results;
use attractor_session::Selection;
use attractor_session::follow::{self, Followed, Fuse, Method, Options, Share, StackOptions};
use clap::{Args, ValueEnum};

use crate::args::{By, Common, Inputs};
use crate::console::{json, print, work, write};
use crate::error::Outcome;
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

fn options(args: &Rollout) -> Outcome<Options> {
    Ok(Options {
        inputs: args.inputs.given(),
        input_number: args.input_number,
        selection: Selection::parse(None, args.heads.as_deref())?,
        query: args.query.clone(),
        method: match args.method {
            FollowHow::Rollout => Method::Rollout,
            FollowHow::Flow => Method::Flow,
        },
        by: args.by.into(),
        stack: StackOptions {
            fuse: match args.fuse {
                FuseHow::Mean => Fuse::Mean,
                FuseHow::Max => Fuse::Max,
                FuseHow::Min => Fuse::Min,
            },
            residual: args.residual,
            discard: args.discard,
            start: args.start,
            skip_missing: args.skip_missing,
        },
        ..Options::new(&args.target)
    })
}

/// A bar of eighths of a character.
fn bar(share: f64, most: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // Negated, so that nothing is drawn for what is not a number.
    if !(share > 0.0 && most > 0.0) {
        return String::new();
    }
    let eighths = (share / most * BAR * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// The shares as a table with bars: in order while they fit on a screen, else the largest first.
fn text(found: &Followed, order: Option<Order>, top: Option<u32>) -> String {
    let lines: &[Share] = &found.shares;
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
    let labels: Vec<String> = shown.iter().map(|&at| label(&lines[at].token, TEXT)).collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(5);
    let places = lines.len().to_string().len().max(8);
    let mut out = format!("{:>places$}  {:<width$}  {:>8}\n", "position", "token", "share");
    for (&at, label) in shown.iter().zip(labels) {
        let line = &lines[at];
        let mark = if line.positions.contains(&found.query.position) { "  <- query" } else { "" };
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

/// Runs the command.
pub fn run(args: &Rollout, common: &Common) -> Outcome {
    let options = options(args)?;
    options.check()?;
    // Refused before any work is done.
    let ending = match &args.out {
        Some(path) => output::ending(path, &["svg", "png", "pdf", "json", "csv"])?,
        None => String::new(),
    };
    let found = work(common, |context| follow::run(&options, context))?;
    let (tokens, how) = (&found.tokens, &found.options);
    let document = format!("{}\n", json(&found));
    if let Some(path) = &args.out {
        match ending.as_str() {
            "json" => write(path, document.as_bytes())?,
            "csv" => write(path, found.table()?.csv().as_bytes())?,
            _ => {
                let image = found.image.as_deref();
                let svg = results::rollout::figure(&found.shares, &found.attribution, tokens, how, image)?;
                picture::save(path, &ending, &svg)?;
            }
        }
    }
    if common.json {
        print(&document);
        return Ok(());
    }
    let (title, how) = results::rollout::title(&found.attribution, tokens, how);
    let mut out = format!("{title}: {how}\n");
    if let Some(grid) = results::rollout::grid(tokens) {
        out.push_str(&shades(&grid, &found.attribution.shares));
    }
    out.push_str(&text(&found, args.order, args.top));
    found.notes.iter().for_each(|note| out.push_str(&format!("note: {note}\n")));
    print(&out);
    Ok(())
}
