//! `attractor export`: maps for other programs.

use std::path::Path;

use attractor_capture::export::{self, Array, Format};
use attractor_capture::{Patterns, Selection};
use attractor_judge::analysis::{self, Partition};
use serde_json::json;

use crate::args::{By, Common, Export, ExportFormat, bytes};
use crate::console::print;
use crate::error::{Failure, Outcome};
use crate::forward;

/// What is written: as asked for, else what the file's name says.
fn format(args: &Export) -> Outcome<ExportFormat> {
    let ending = args.output.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    match (args.format, ending.as_str()) {
        (Some(format), _) => Ok(format),
        (None, "npz") => Ok(ExportFormat::Npz),
        (None, "safetensors") => Ok(ExportFormat::Safetensors),
        (None, "csv") => Ok(ExportFormat::Csv),
        (None, _) => Err(Failure::usage(format!(
            "{}: the name does not say what is to be written; end it in .npz, .safetensors or .csv, or give --format",
            args.output.display()
        ))),
    }
}

/// Maps by words and by groups of heads, each a mean over heads and queries and a sum over keys.
fn aggregated<'a>(patterns: &dyn Patterns, args: &Export, words: &Partition) -> Outcome<Vec<Array<'a>>> {
    let input = args.input_number;
    let mut all = Vec::new();
    for shape in patterns.layers() {
        let (rows, columns) = patterns.shape(shape.layer, input)?;
        let of = |count: usize| match args.by {
            By::Word if words.positions() == count => words.clone(),
            _ => Partition::identity(count),
        };
        let (rows, columns) = (of(rows), of(columns));
        let groups: Vec<Vec<usize>> = match args.grouped {
            true => analysis::query_groups(&shape),
            false => shape.heads.iter().map(|&head| vec![head]).collect(),
        };
        let mut maps = Vec::new();
        for heads in &groups {
            let map = analysis::aggregate(patterns, shape.layer, heads, input, &rows, &columns)?.ok_or_else(|| {
                Failure::usage(format!(
                    "L{}: its maps were not kept; capture with --keep stats+qk, or name the checkpoint",
                    shape.layer
                ))
            })?;
            maps.push(map);
        }
        let whole = shape.heads.len() == shape.model_heads;
        // A group goes by its first head.
        let names: Vec<usize> = groups.iter().map(|group| group[0]).collect();
        let width = columns.len();
        let array = |heads: Vec<usize>, maps: Vec<Vec<f64>>| Array {
            layer: shape.layer,
            heads,
            whole,
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

fn told(path: &Path, size: u64, arrays: &[(String, [usize; 3])], common: &Common) {
    match common.json {
        true => {
            let arrays: Vec<_> = arrays.iter().map(|(name, shape)| json!({ "name": name, "shape": shape })).collect();
            print(&format!("{}\n", json!({ "output": path.display().to_string(), "bytes": size, "arrays": arrays })));
        }
        false if !common.quiet => {
            let [heads, rows, columns] = arrays.first().map_or([0; 3], |(_, shape)| *shape);
            print(&format!(
                "{}: {} maps of {heads} x {rows} x {columns} (head, query, key), {:.1} MB\n",
                path.display(),
                arrays.len(),
                size as f64 / 1e6
            ));
        }
        false => {}
    }
}

/// Runs the command.
pub fn run(args: &Export, common: &Common) -> Outcome {
    let format = format(args)?;
    if args.output.is_dir() {
        return Err(Failure::usage(format!("{}: is a folder; name a file to write", args.output.display())));
    }
    let max_bytes = bytes(&args.max_bytes).map_err(|e| Failure::usage(format!("--max-bytes: {e}")))?;
    let selection = Selection::parse(args.layers.as_deref(), args.heads.as_deref())?;
    let patterns = forward::patterns(&args.target, &args.inputs, selection, Some(args.input_number), common)?;
    let patterns = patterns.as_ref();
    let tokens = patterns.tokens(args.input_number);
    let words = match args.by {
        By::Word if tokens.is_empty() => {
            return Err(Failure::usage("--by word: the tokens are not known; leave it out"));
        }
        By::Word => Partition::words(tokens),
        By::Token => Partition::identity(tokens.len()),
    };
    // One head or many: the maps themselves are read as they are written.
    let plain = args.by == By::Token && !args.grouped;
    let arrays = match plain {
        true => export::arrays(patterns, args.input_number)?,
        false => aggregated(patterns, args, &words)?,
    };
    let names = words.names(tokens);
    let format = match format {
        ExportFormat::Npz => Format::Npz,
        ExportFormat::Safetensors => Format::Safetensors,
        ExportFormat::Csv => Format::Csv,
    };
    let size = export::write(&args.output, format, &arrays, (&names, &names), max_bytes)?;
    let shapes: Vec<_> = arrays.iter().map(|a| (a.name(), [a.heads.len(), a.rows, a.columns])).collect();
    told(&args.output, size, &shapes, common);
    Ok(())
}
