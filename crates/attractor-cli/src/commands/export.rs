//! `attractor export`: maps for other programs, as numbers and as pictures.

use std::ops::Range;
use std::path::PathBuf;

use attractor_render::canvas::colour::ColourMap;
use attractor_render::canvas::scale::Spacing;
use attractor_render::results::export::{MapPicture, MapUnit, check, figure};
use attractor_session::Error;
use attractor_session::export::{self, By, Format, HeadGroups, Options, Written};
use attractor_session::numerals::bytes;
use clap::{Args, ValueEnum};

use crate::args::{Chosen, Common, Inputs, OneInput, choice, refuse_unused};
use crate::console::{answer, counted, work};
use crate::error::Outcome;
use crate::files::OutputFile;
use crate::output;
use crate::picture::Look;

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
    pub output: OutputFile,
    #[command(flatten)]
    pub one: OneInput,
    /// By token or by word: weights are summed over the keys and averaged over the queries of a word, so rows still sum to one
    #[arg(long, value_parser = choice::<By>(), default_value = "token")]
    pub by: By,
    /// Ranges of positions to merge into one row and column each: 1-4,7-9; all other positions stay separate
    #[arg(long, value_delimiter = ',', conflicts_with = "by", value_name = "FIRST-LAST")]
    pub spans: Vec<String>,
    /// Average the query heads that share a key head
    #[arg(long)]
    pub grouped: bool,
    /// Average the chosen heads of each layer
    #[arg(long, conflicts_with = "grouped")]
    pub mean: bool,
    #[command(flatten)]
    pub chosen: Chosen,
    /// For pictures: how weights spread over the colours
    #[arg(long, alias = "scale", value_parser = choice::<Spacing>(), default_value = "linear")]
    pub colour_scale: Spacing,
    /// For pictures of several heads: give each head its own colour scale
    #[arg(long)]
    pub own_scale: bool,
    /// For pictures: key positions to hide, for example 0 for a sink at the first token; rows are renormalised, and the
    /// picture says so
    #[arg(long, value_delimiter = ',')]
    pub hide: Vec<usize>,
    /// For numbers: limit on the file size, for example 4GiB
    #[arg(long, value_name = "SIZE", value_parser = bytes, default_value = "4GiB")]
    pub max_bytes: u64,
    #[command(flatten)]
    pub look: Look,
    /// Colours of maps
    #[arg(long, alias = "colors", value_parser = choice::<ColourMap>(), default_value = "viridis", help_heading = "Pictures")]
    pub colours: ColourMap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A picture: one head's map, the heads of a layer, or all layers
    Svg,
    /// The same picture at twice the SVG's resolution
    Png,
    /// The picture, on one page
    Pdf,
    /// numpy.load
    Npz,
    /// safetensors.numpy.load_file
    Safetensors,
    /// One line per weight
    Csv,
}

/// Positions as "1-4" names them: first and last.
fn span(text: &String) -> Outcome<Range<usize>> {
    let read = || {
        let (first, last) = text.trim().split_once('-')?;
        let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
        Some(first..last.checked_add(1)?)
    };
    read().ok_or_else(|| Error::option("spans", text, "give first and last, such as 1-4"))
}

fn told(written: &Written, common: &Common) {
    answer(common, written, || {
        let heads: usize = written.maps.iter().map(|map| map.shape[0]).sum();
        let [_, rows, columns] = written.maps.first().map_or([0; 3], |map| map.shape);
        let (path, heads, size) = (written.output.display(), counted(heads, "head"), written.bytes as f64 / 1e6);
        format!("{path}: {heads} of {rows} queries x {columns} keys, {size:.2} MB\n")
    });
}

/// Runs the command.
pub fn run(args: &Export, common: &Common) -> Outcome {
    let format = output::format(Some(&args.output), args.format, ExportFormat::Svg)?;
    let options = Options {
        inputs: args.inputs.given(),
        input_number: args.one.input_number,
        step: args.one.step,
        selection: args.chosen.selection()?,
        by: args.by,
        spans: args.spans.iter().map(span).collect::<Outcome<Vec<_>>>()?,
        groups: match (args.grouped, args.mean) {
            (true, _) => HeadGroups::Shared,
            (_, true) => HeadGroups::Mean,
            _ => HeadGroups::Each,
        },
        ..Options::new(&args.target)
    };
    let numbers = match format {
        ExportFormat::Npz => Format::Npz,
        ExportFormat::Safetensors => Format::Safetensors,
        ExportFormat::Csv => Format::Csv,
        _ => return draw(args, &options, &output::name(&format), common),
    };
    refuse_unused!(
        common,
        args,
        [hide, own_scale, colour_scale, colours],
        "numbers; it is for pictures (.svg, .png, .pdf)"
    )?;
    let written = work(common, |context| export::run(&options, context)?.write(&args.output, numbers, args.max_bytes))?;
    told(&written, common);
    Ok(())
}

fn draw(args: &Export, options: &Options, ending: &str, common: &Common) -> Outcome {
    refuse_unused!(common, args, [max_bytes], "a picture; it is for numbers (.npz, .safetensors, .csv)")?;
    check(args.own_scale, args.colour_scale, args.colours)?;
    let (svg, exported) = work(common, |context| {
        let exported = export::run(options, context)?;
        let svg = figure(&MapPicture {
            name: &exported.name,
            patterns: exported.patterns.as_ref(),
            input: exported.entry,
            captured: &exported.captured,
            by: match (args.by, args.spans.is_empty()) {
                (_, false) => MapUnit::Span,
                (By::Word, _) => MapUnit::Word,
                (By::Token, _) => MapUnit::Token,
            },
            groups: exported.heads,
            hide: &args.hide,
            spacing: args.colour_scale,
            colours: args.colours,
            own_scale: args.own_scale,
        })?;
        Ok((svg, exported))
    })?;
    args.look.save(&args.output, ending, &svg)?;
    let bytes = std::fs::metadata(&*args.output).map_or(0, |m| m.len());
    told(&exported.drawn(&args.output, bytes)?, common);
    Ok(())
}
