//! `attractor metrics`: one row per head.

use std::path::PathBuf;

use attractor_render::results;
use attractor_session::metrics::{self, Measured, Options};
use attractor_session::{Column, Error, Table, parquet};
use clap::{Args, ValueEnum};

use crate::args::{Chosen, Common, Inputs};
use crate::console::{print, work, write};
use crate::error::Outcome;
use crate::{output, picture};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Csv,
    Json,
    Parquet,
    /// A picture of columns, by layer and head
    Svg,
    Png,
    Pdf,
}

impl Format {
    /// What the endings of a file's name say.
    const ENDINGS: [(&str, Self); 7] = [
        ("csv", Self::Csv),
        ("json", Self::Json),
        ("parquet", Self::Parquet),
        ("txt", Self::Table),
        ("svg", Self::Svg),
        ("png", Self::Png),
        ("pdf", Self::Pdf),
    ];

    /// The ending of the picture that it is.
    fn picture(self) -> Option<&'static str> {
        match self {
            Self::Svg => Some("svg"),
            Self::Png => Some("png"),
            Self::Pdf => Some("pdf"),
            _ => None,
        }
    }

    /// What is asked for, with what does not go together refused before any work.
    fn of(metrics: &Metrics, common: &Common) -> Outcome<Self> {
        let otherwise = if common.json { Self::Json } else { Self::Table };
        let format = output::format(metrics.output.as_deref(), metrics.format, &Self::ENDINGS, otherwise)?;
        let pictured = format.picture().is_some();
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
    /// A checkpoint or a run
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// How the table is written [default: as the ending of --output says, else as a table]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Where it goes [default: the terminal]: .csv, .json, .parquet, .txt; .svg, .png or .pdf: a picture of one column, by
    /// layer and head
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// What the picture shows: a column by layer and head, two columns against each other (sink,normalised_entropy), or
    /// "profile", the attention by distance [default: normalised_entropy]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub draw: Vec<String>,
    /// How many heads have which value of the column
    #[arg(long)]
    pub histogram: bool,
    /// Also effective and stable rank of each map (its first 512 tokens) beside the uniform map of its mask
    #[arg(long)]
    pub rank: bool,
    /// Also importance of each head: the loss without it (its output zeroed, its map uniform or the mean of the other
    /// inputs') and the gradient of its gate; needs a checkpoint
    #[arg(long)]
    pub importance: bool,
    /// Label of each input, for the importance of a classifier's heads: 3,0,7
    #[arg(long, value_delimiter = ',', requires = "importance")]
    pub labels: Option<Vec<usize>>,
    #[command(flatten)]
    pub chosen: Chosen,
}

/// Characters of a line of text; a wider table goes on below.
const WIDTH: usize = 118;
/// Columns that stand before every part of a wide table.
const NAMES: [&str; 3] = ["step", "layer", "head"];

/// The table as aligned text, in parts that fit on a screen, each with layer and head.
fn aligned(table: &Table) -> String {
    let cells: Vec<Vec<String>> = table
        .columns()
        .iter()
        .map(|(name, column)| {
            let mut lines = vec![name.clone()];
            lines.extend((0..table.rows()).map(|row| match column {
                Column::Whole(x) => x[row].to_string(),
                Column::Number(x) if x[row].is_nan() => "-".to_string(),
                Column::Number(x) => format!("{:.4}", x[row]),
                Column::MaybeWhole(x) => x[row].map_or("-".to_string(), |x| x.to_string()),
                Column::Text(x) => x[row].clone(),
            }));
            let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            lines.into_iter().map(|line| format!("{line:>width$}")).collect()
        })
        .collect();
    let width = |column: &Vec<String>| column[0].chars().count() + 2;
    let named = table.columns().iter().take_while(|(name, _)| NAMES.contains(&name.as_str())).count();
    let (names, rest) = cells.split_at(named);
    let own: usize = names.iter().map(width).sum();
    let mut parts: Vec<Vec<&Vec<String>>> = vec![names.iter().collect()];
    let mut used = own;
    for column in rest {
        if used + width(column) > WIDTH && used > own {
            parts.push(names.iter().collect());
            used = own;
        }
        used += width(column);
        parts.last_mut().into_iter().for_each(|part| part.push(column));
    }
    let part = |part: &Vec<&Vec<String>>| -> String {
        (0..=table.rows())
            .map(|line| part.iter().map(|column| column[line].as_str()).collect::<Vec<_>>().join("  ") + "\n")
            .collect()
    };
    parts.iter().map(part).collect::<Vec<_>>().join("\n")
}

/// The table as bytes.
fn written(table: &Table, format: Format) -> Outcome<Vec<u8>> {
    Ok(match format {
        Format::Csv => table.csv().into_bytes(),
        Format::Json => format!("{}\n", table.json()).into_bytes(),
        Format::Parquet => parquet(table)?,
        _ => aligned(table).into_bytes(),
    })
}

/// Runs the command.
pub fn run(args: &Metrics, common: &Common) -> Outcome {
    let format = Format::of(args, common)?;
    let options = Options {
        inputs: args.inputs.given(),
        selection: args.chosen.selection()?,
        rank: args.rank,
        importance: args.importance,
        labels: args.labels.clone(),
        ..Options::new(&args.target)
    };
    let (table, figure) = work(common, |context| {
        let Measured { table, heads, patterns } = metrics::run(&options, context)?;
        let (draw, histogram, seed) = (&args.draw, args.histogram, common.seed);
        let figure = match format.picture() {
            Some(_) => Some(results::metrics::figure(patterns.as_ref(), &heads, draw, histogram, seed)?),
            None => None,
        };
        Ok((table, figure))
    })?;
    if let Some(path) = &args.output {
        match (format.picture(), &figure) {
            (Some(ending), Some(figure)) => picture::save(path, ending, figure)?,
            _ => write(path, &written(&table, format)?)?,
        }
    }
    match (common.json, &args.output) {
        (true, _) => print(&format!("{}\n", table.json())),
        (false, None) => print(&String::from_utf8_lossy(&written(&table, format)?)),
        (false, Some(_)) => {}
    }
    Ok(())
}
