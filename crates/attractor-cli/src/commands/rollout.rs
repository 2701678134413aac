//! `attractor rollout`: where a query's last state comes from.

use std::path::PathBuf;

use attractor_render::canvas::colour::ColourMap;
use attractor_render::{results, terminal};
use attractor_session::Selection;
use attractor_session::export::By;
use attractor_session::follow::{self, Fuse, FuseOptions, Method, Options};
use clap::{Args, ValueEnum};

use crate::args::{Common, Inputs, OneInput, choice, refuse_unused, same};
use crate::console::{json, print, work};
use crate::error::Outcome;
use crate::files::{OutputFile, write};
use crate::output;
use crate::picture::Look;

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
    /// Position to explain: cls, last, a number, a token's text or a word (token:TEXT if the text is digits) [default: cls, else last]
    #[arg(long)]
    pub query: Option<String>,
    /// Method
    #[arg(long, value_parser = choice::<Method>(), default_value = "rollout")]
    pub method: Method,
    /// What one line of the output is
    #[arg(long, value_parser = choice::<By>(), default_value = "token")]
    pub by: By,
    /// How the heads of a layer are combined into one map
    #[arg(long, value_parser = choice::<Fuse>(), default_value = "mean")]
    pub fuse: Fuse,
    /// Weight r of the residual connection: r I + (1 - r) A in each layer
    #[arg(long, default_value_t = 0.5)]
    pub residual: f64,
    /// First set this fraction of each map's weights, the smallest, to zero (not part of the definition)
    #[arg(long, default_value_t = 0.0)]
    pub discard: f64,
    /// First layer
    #[arg(long, default_value_t = 0)]
    pub start: usize,
    /// Treat layers without a map as the identity
    #[arg(long)]
    pub skip_missing: bool,
    #[command(flatten)]
    pub one: OneInput,
    /// Only these heads, for example 0-3 or 5.5,L0H2
    #[arg(long)]
    pub heads: Option<String>,
    /// How tokens are listed [default: text while they fit on a screen, else share]
    #[arg(long, value_enum)]
    pub order: Option<Order>,
    /// List at most this many tokens, those with the largest share [default: all in text order, else 24]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    /// Also write it: .svg, .png, .pdf, .json or .csv
    #[arg(long, short, alias = "out", value_name = "FILE")]
    pub output: Option<OutputFile>,
    #[command(flatten)]
    pub look: Look,
    /// Colours of maps [default: blues over text, viridis over an image]
    #[arg(long, alias = "colors", value_parser = choice::<ColourMap>(), help_heading = "Pictures")]
    pub colours: Option<ColourMap>,
}

fn options(args: &Rollout) -> Outcome<Options> {
    Ok(Options {
        inputs: args.inputs.given(),
        input_number: args.one.input_number,
        step: args.one.step,
        selection: Selection::parse(None, args.heads.as_deref())?,
        query: args.query.clone(),
        method: args.method,
        by: args.by,
        fuse: same!(args => FuseOptions { fuse, residual, discard, start, skip_missing }),
        ..Options::new(&args.target)
    })
}

/// Runs the command.
pub fn run(args: &Rollout, common: &Common) -> Outcome {
    let options = options(args)?;
    options.check()?;
    if common.json {
        refuse_unused!(common, args, [order, top], "--json, which lists all")?;
    }
    // Refused before any work is done.
    let ending = match &args.output {
        Some(path) => output::ending(path, &["svg", "png", "pdf", "json", "csv"])?,
        None => String::new(),
    };
    let colours = args.colours.map(ColourMap::sequential).transpose()?;
    let found = work(common, |context| follow::run(&options, context))?;
    let (tokens, how) = (&found.tokens, &found.options);
    let document = format!("{}\n", json(&found));
    if let Some(path) = &args.output {
        match ending.as_str() {
            "json" => write(path, document.as_bytes())?,
            "csv" => write(path, found.table()?.csv().as_bytes())?,
            _ => {
                let image = found.image.as_deref();
                let svg = results::rollout::figure(&found.shares, &found.attribution, tokens, how, (image, colours))?;
                args.look.save(path, &ending, &svg)?;
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
        out += &terminal::shades(&grid, &found.attribution.shares);
    }
    let (by_share, top) = (args.order.map(|order| order == Order::Share), args.top.map(|top| top as usize));
    out += &terminal::shares(&found.attribution, &found.shares, by_share, top);
    found.notes.iter().for_each(|note| out += &format!("note: {note}\n"));
    print(&out);
    Ok(())
}
