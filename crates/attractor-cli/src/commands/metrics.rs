//! `attractor metrics`: one line a head.

use attractor_capture::table::{Column, Table};
use attractor_capture::{Restricted, Selection};

use crate::args::{Common, Format, Metrics};
use crate::console::{Progress, print, write};
use crate::error::{Failure, Outcome};
use crate::target::{self, Target};
use crate::{forward, inputs};

/// The table as aligned text.
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
                Column::Text(x) => x[row].clone(),
            }));
            let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            lines.into_iter().map(|line| format!("{line:>width$}")).collect()
        })
        .collect();
    (0..=table.rows())
        .map(|line| cells.iter().map(|column| column[line].as_str()).collect::<Vec<_>>().join("  ") + "\n")
        .collect()
}

/// Runs the command.
pub fn run(metrics: &Metrics, common: &Common) -> Outcome {
    let selection = Selection::parse(metrics.layers.as_deref(), metrics.heads.as_deref())?;
    let table = match target::open(&metrics.target, metrics.inputs.model_config.as_deref())? {
        Target::Live(live) => {
            let prepared = inputs::prepare(&live, &metrics.inputs, common)?;
            let captured = forward::all(&live, &prepared, &selection, &Progress::new(common.quiet))?;
            Table::of(&Restricted::new(captured, selection)?)?
        }
        Target::Run(run) => {
            metrics.inputs.refuse_for_a_run(&metrics.target)?;
            Table::of(&Restricted::new(*run, selection)?)?
        }
    };
    let format = if common.json { Format::Json } else { metrics.format };
    let bytes = match format {
        Format::Table => aligned(&table).into_bytes(),
        Format::Csv => table.csv().into_bytes(),
        Format::Json => format!("{}\n", table.json()).into_bytes(),
        Format::Parquet => table.parquet()?,
    };
    match &metrics.output {
        Some(path) => write(path, &bytes),
        None if format == Format::Parquet => {
            Err(Failure::usage("--format parquet is not for a terminal; name a file with --output heads.parquet"))
        }
        None => {
            print(&String::from_utf8_lossy(&bytes));
            Ok(())
        }
    }
}
