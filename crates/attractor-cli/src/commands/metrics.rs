//! `attractor metrics`: one row per head.

use std::path::PathBuf;

use attractor_render::{results, terminal};
use attractor_session::metrics::{self, Measured, Options};
use attractor_session::{Error, Table, parquet};
use clap::{Args, ValueEnum};

use crate::args::{Chosen, Common, Inputs};
use crate::console::{json, print, work};
use crate::error::Outcome;
use crate::files::{OutputFile, write};
use crate::picture::Look;
use crate::{output, picture};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[value(alias = "txt")]
    Table,
    Csv,
    Json,
    Parquet,
    /// A picture of a column, by layer and head
    Svg,
    Png,
    Pdf,
}

impl Format {
    /// What is asked for, with what does not go together refused before any work.
    fn of(metrics: &Metrics, common: &Common) -> Outcome<Self> {
        let otherwise = if common.json { Self::Json } else { Self::Table };
        let format = output::format(metrics.output.as_deref(), metrics.format, otherwise)?;
        let pictured = picture::is_picture(&output::name(&format));
        let refused =
            |what: &str| Err(Error::usage(format!("{what}: name the picture with -o FILE.svg, .png or .pdf")));
        match (&metrics.output, metrics.draw.first()) {
            (None, _) if pictured => refused("--format"),
            (None, _) if format == Self::Parquet => {
                Err(Error::usage("--format parquet is not for a terminal; name a file with --output heads.parquet"))
            }
            (_, Some(column)) if !pictured => refused(&format!("--draw {column}")),
            _ if metrics.histogram && !pictured => refused("--histogram"),
            _ => Ok(format),
        }
    }
}

#[derive(Debug, Args)]
pub struct Metrics {
    /// A checkpoint, a run, or demo for the embedded model
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Output format [default: as the ending of --output says, else as a table]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Where it goes [default: the terminal]: .csv, .json, .parquet, .txt; .svg, .png or .pdf: a picture of one column, by
    /// layer and head
    #[arg(long, short)]
    pub output: Option<OutputFile>,
    /// What the picture shows: a column by layer and head, two columns against each other (sink,normalised_entropy), or
    /// "profile", the attention by distance [default: normalised_entropy]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub draw: Vec<String>,
    /// Draw a histogram of the column over heads
    #[arg(long)]
    pub histogram: bool,
    /// Also the effective and stable rank of each map (first 512 tokens), next to those of the uniform map with the same mask
    #[arg(long)]
    pub rank: bool,
    /// Also the importance of each head: the change of the loss under zero, uniform and mean-map ablation, and the gradient
    /// with respect to its gate; needs a checkpoint
    #[arg(long)]
    pub importance: bool,
    /// Label of each input, for the importance of a classifier's heads: 3,0,7
    #[arg(long, value_delimiter = ',', requires = "importance")]
    pub labels: Option<Vec<usize>>,
    #[command(flatten)]
    pub chosen: Chosen,
    #[command(flatten)]
    pub look: Look,
}

/// Characters of a line of text; a wider table goes on below.
const WIDTH: usize = 118;

/// The table as bytes.
fn written(table: &Table, format: Format) -> Outcome<Vec<u8>> {
    Ok(match format {
        Format::Csv => table.csv().into_bytes(),
        Format::Json => format!("{}\n", json(table)).into_bytes(),
        Format::Parquet => parquet(table)?,
        _ => terminal::table(table, WIDTH).into_bytes(),
    })
}

/// Runs the command.
pub fn run(args: &Metrics, common: &Common) -> Outcome {
    let format = Format::of(args, common)?;
    if picture::is_picture(&output::name(&format)) {
        results::metrics::check(&args.draw, args.histogram, &metrics::names(args.rank, args.importance))?;
    }
    let options = Options {
        inputs: args.inputs.given(),
        selection: args.chosen.selection()?,
        rank: args.rank,
        importance: args.importance,
        labels: args.labels.clone(),
        ..Options::new(&args.target)
    };
    let (table, figure) = work(common, |context| {
        let Measured { table, heads, patterns, .. } = metrics::run(&options, context)?;
        let (draw, histogram, seed) = (&args.draw, args.histogram, common.seed);
        let figure = || results::metrics::figure(patterns.as_ref(), &heads, draw, histogram, seed);
        let figure = picture::is_picture(&output::name(&format)).then(figure).transpose()?;
        Ok((table, figure))
    })?;
    if let Some(path) = &args.output {
        match &figure {
            Some(figure) => args.look.save(path, &output::name(&format), figure)?,
            None => write(path, &written(&table, format)?)?,
        }
    }
    match (common.json, &args.output) {
        (true, _) => print(&format!("{}\n", json(&table))),
        (false, None) => print(&String::from_utf8_lossy(&written(&table, format)?)),
        (false, Some(_)) => {}
    }
    Ok(())
}
