//! `attractor metrics`: one line a head.

mod pictures;

use std::path::PathBuf;

use attractor_judge::analysis::table::{Extras, columns};
use attractor_nn::evidence::{self, Ablate, Options};
use attractor_nn::model::Input;
use attractor_record::evidence::{Evidence, Scope};
use attractor_record::table::{Column, Table};
use attractor_record::{Patterns, Selection};
use clap::{Args, ValueEnum};

use crate::args::{Chosen, Common, Inputs};
use crate::console::{Progress, print, write};
use crate::error::Outcome;
use crate::forward::{self, Opened};
use crate::inputs::{self, Prepared};
use crate::target::{self, Live};
use crate::{output, picture};
use attractor::Error;

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
/// Columns that stand before every part of a wide table: layer and head.
const NAMES: usize = 2;

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
    let (names, rest) = cells.split_at(NAMES.min(cells.len()));
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

/// What importance needs of a live model, for the selected heads.
fn gather(
    live: &Live,
    prepared: &Prepared,
    selection: &Selection,
    metrics: &Metrics,
    common: &Common,
) -> Outcome<Evidence> {
    let progress = Progress::new(common.quiet);
    let inputs: Vec<Input> = prepared.items.iter().map(|item| item.input.clone()).collect();
    let options = Options {
        seed: common.seed,
        ablate: Ablate::Standard,
        gradients: true,
        mask_token: prepared.mask_token,
        special: &prepared.special,
        labels: metrics.labels.as_deref(),
        ..Options::default()
    };
    let mut step = |p: evidence::Progress| progress.step(p.stage, p.done, p.total);
    let mut evidence = evidence::gather(&live.model, &inputs, &options, &mut step)?;
    let selected = |layer: usize, head: usize| selection.heads(layer, live.info.heads).contains(&head);
    evidence.ablations.retain(|a| matches!(a.scope, Scope::Head { layer, head } if selected(layer, head)));
    Ok(evidence)
}

/// The table of row statistics, and the columns that need maps or a model.
fn table(patterns: &dyn Patterns, extras: &Extras<'_>, metrics: &Metrics) -> Outcome<Table> {
    let more = columns(patterns, extras)?;
    if extras.rank && !more.iter().any(|(name, _)| name == "effective_rank") {
        return Err(Error::usage(format!(
            "{}: --rank needs maps, and there is none of finite numbers here; capture with --keep stats+qk",
            metrics.target.display()
        )));
    }
    Ok(Table::of(patterns)?.with(more)?)
}

/// Runs the command.
pub fn run(metrics: &Metrics, common: &Common) -> Outcome {
    let format = Format::of(metrics, common)?;
    let selection = metrics.chosen.selection()?;
    if metrics.importance && target::is_run(&metrics.target) {
        return Err(Error::usage(format!(
            "{}: is a run, and --importance needs the model; name the checkpoint",
            metrics.target.display()
        )));
    }
    let given = &metrics.inputs;
    let Opened { patterns, live } =
        forward::open(&metrics.target, given, selection.clone(), common, |live| inputs::prepare(live, given, common))?;
    let evidence = match &live {
        Some((live, prepared)) if metrics.importance => Some(gather(live, prepared, &selection, metrics, common)?),
        _ => None,
    };
    let image = live.as_ref().and_then(|(live, _)| live.checkpoint.config().image.as_ref());
    let patch = image.map(|image| [image.patch_height as f64, image.patch_width as f64]);
    let table = table(
        patterns.as_ref(),
        &Extras { rank: metrics.rank, patch, evidence: evidence.as_ref(), seed: common.seed },
        metrics,
    )?;
    let json = || format!("{}\n", table.json());
    if let Some(path) = &metrics.output {
        match format.picture() {
            Some(ending) => {
                let figure =
                    pictures::figure(patterns.as_ref(), &table, &metrics.draw, metrics.histogram, common.seed)?;
                picture::save(path, ending, &figure)?;
            }
            None => write(path, &written(&table, format)?)?,
        }
        if common.json {
            print(&json());
        }
        return Ok(());
    }
    match common.json {
        true => print(&json()),
        false => print(&String::from_utf8_lossy(&written(&table, format)?)),
    }
    Ok(())
}

/// The table as bytes.
fn written(table: &Table, format: Format) -> Outcome<Vec<u8>> {
    Ok(match format {
        Format::Csv => table.csv().into_bytes(),
        Format::Json => format!("{}\n", table.json()).into_bytes(),
        Format::Parquet => attractor_capture::parquet(table)?,
        _ => aligned(table).into_bytes(),
    })
}
