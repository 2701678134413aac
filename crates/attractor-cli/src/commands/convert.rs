//! `attractor convert`: imported attention maps into a run, certified as far as their content allows; a run of an
//! earlier schema into one of this.

use std::path::PathBuf;

use attractor_session::Stack;
use attractor_session::import::{self, Options};
use attractor_session::numerals::bytes;
use clap::Args;

use crate::args::{Common, choice, same};
use crate::console::{answer, work};
use crate::error::{Outcome, worded};

#[derive(Debug, Args)]
pub struct Convert {
    /// NPZ, NPY, safetensors, JSON or a file of torch.save with attention maps; or a run of an earlier schema
    pub source: PathBuf,
    /// The run, a folder
    #[arg(required_unless_present = "output")]
    pub run: Option<PathBuf>,
    /// Alias for RUN
    #[arg(long, short, conflicts_with = "run")]
    pub output: Option<PathBuf>,
    /// Precision of what is stored: f16 or f32 [default: f32; a run keeps its own]
    #[arg(long)]
    pub dtype: Option<String>,
    /// What the arrays' axes count, in order: batch, step, layer, head, q, k [default: by their number, and said]
    #[arg(long, value_name = "AXIS,...")]
    pub axes: Option<String>,
    /// Keys that a query sees: causal, full or window:N, the last N [default: as the layers show, and said]
    #[arg(long)]
    pub mask: Option<String>,
    /// Position of the first query among the keys [default: the queries come last]
    #[arg(long)]
    pub offset: Option<usize>,
    /// Numbers of the heads in the file, such as 0,3-5
    #[arg(long)]
    pub heads: Option<String>,
    /// Numbers of the layers in the file, such as 0,3-5
    #[arg(long)]
    pub layers: Option<String>,
    /// The stack of layers that the maps are of
    #[arg(long, value_parser = choice::<Stack>())]
    pub stack: Option<Stack>,
    /// Bytes that its numbers may take: 256 MiB in memory, then in a temporary file [default: 64 times the file, 1 to 8 GiB]
    #[arg(long, value_parser = bytes)]
    pub max_bytes: Option<u64>,
}

/// Runs the command. `false` if the certificate fails.
pub fn run(args: &Convert, common: &Common) -> Outcome<bool> {
    let output = args.run.clone().or(args.output.clone()).unwrap_or_default();
    let dtype = args.dtype.as_deref().map(str::parse).transpose()?;
    let options = same!(args => Options { source, axes, mask, offset, heads, layers, stack, max_bytes }, output, dtype);
    let found = work(common, |context| import::run(&options, context))?;
    answer(common, &found, || {
        let mut text = format!("{} in {}\n", found.counted(), found.run.display());
        for note in &found.notes {
            let hint = note.hint().map_or(String::new(), |hint| format!(", {}", worded(&hint)));
            text += &format!("note: {note}{hint}\n");
        }
        found.missing.iter().for_each(|missing| text += &format!("missing: {missing}\n"));
        text + &found.certificate.to_string()
    });
    Ok(found.is_ok())
}
