//! The command line: every option, with what it does.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Shows, tests and trains the memory inside neural networks.
#[derive(Debug, Parser)]
#[command(name = "attractor", version, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Seed of everything random; recorded in the output
    #[arg(long, global = true, default_value_t = 0)]
    pub seed: u64,
    /// Threads; results do not depend on their number (default: all cores)
    #[arg(long, global = true)]
    pub threads: Option<usize>,
    /// No progress, no advice
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The main job on an embedded model and text: verdicts, and report.html; no network
    Demo(Demo),
    /// Nine groups of checks on the attention of a checkpoint or a run
    Validate(Validate),
    /// Run inputs through a checkpoint and keep what attention did
    Capture(Capture),
    /// What a checkpoint or a run is
    Info(Info),
    /// A table of metrics, one line a head
    Metrics(Metrics),
    /// Which head does what: previous, first, duplicate, induction... with null, interval and p
    Heads(Heads),
    /// Where a position's last state comes from: attention followed through all layers
    Rollout(Rollout),
    /// Two checkpoints or two runs on the same tokens: what changed, head by head
    Diff(DiffArgs),
    /// Attention from elsewhere (NPZ, safetensors, JSON) into a run, with its certificate
    Convert(Convert),
    /// The verdicts as one self-contained page, or for machines
    Report(ReportArgs),
    /// Maps for other programs: pictures (SVG, PNG, PDF) and numbers (NPZ, safetensors, CSV)
    Export(Export),
    /// Train a model
    #[command(subcommand)]
    Train(Train),
}

/// What goes through a checkpoint.
#[derive(Debug, Clone, Default, Args)]
pub struct Inputs {
    /// One input
    #[arg(long, conflicts_with_all = ["text_file", "input"])]
    pub text: Option<String>,
    /// A text file, cut into inputs of --seq-len tokens
    #[arg(long, conflicts_with = "input")]
    pub text_file: Option<PathBuf>,
    /// Inputs as they are: token ids (JSON, .npy, .safetensors) or images (PNG, JPEG, .npy); may be repeated for images
    #[arg(long)]
    pub input: Vec<PathBuf>,
    /// Tokens an input [default: 128, or what the model has positions for]
    #[arg(long)]
    pub seq_len: Option<usize>,
    /// Inputs at most, the first ones
    #[arg(long, default_value_t = 32)]
    pub max_inputs: usize,
    /// Configuration of a lone weight file (a config.json)
    #[arg(long)]
    pub model_config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Where the page goes
    #[arg(long, short, default_value = "report.html")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Validate {
    /// A checkpoint (folder, .pt, .bin, .safetensors) or a run
    #[arg(required_unless_present_any = ["checkpoint", "print_config"])]
    pub target: Option<PathBuf>,
    /// The same, as an option
    #[arg(long, conflicts_with = "target")]
    pub checkpoint: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Thresholds (TOML)
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// How much is ablated
    #[arg(long, value_enum, default_value_t = Ablate::Standard)]
    pub ablate: Ablate,
    /// Label of each input, for a classifier: 3,0,7
    #[arg(long, value_delimiter = ',')]
    pub labels: Option<Vec<usize>>,
    /// Also the formulas of the original guide, named legacy_*
    #[arg(long)]
    pub legacy: bool,
    /// Also write the verdicts as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write the verdicts as JSON
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Also write the page
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Restrict to layers, for example 0,3-5
    #[arg(long)]
    pub layers: Option<String>,
    /// Restrict to heads, for example 0-3 or 5.5,L0H2
    #[arg(long)]
    pub heads: Option<String>,
    /// Print the thresholds in force as TOML and stop
    #[arg(long)]
    pub print_config: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ablate {
    /// Nothing
    None,
    /// Each head by uniform and mean map; each layer and the whole by every mode
    Standard,
    /// Each head by every mode too
    Full,
}

#[derive(Debug, Args)]
pub struct Capture {
    /// A checkpoint
    #[arg(required_unless_present = "model")]
    pub target: Option<PathBuf>,
    /// The same, as an option
    #[arg(long, conflicts_with = "target")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: Inputs,
    /// The run, a folder
    #[arg(long, short)]
    pub output: PathBuf,
    /// stats | stats+qk | pattern | topk:K
    #[arg(long, default_value = "stats+qk")]
    pub keep: String,
    /// Precision of what is stored: f16 or f32
    #[arg(long, default_value = "f16")]
    pub dtype: String,
    /// Layers, for example 0,3-5
    #[arg(long)]
    pub layers: Option<String>,
    /// Heads, for example 0-3 or 5.5,L0H2
    #[arg(long)]
    pub heads: Option<String>,
    /// Disk that the run may take, for example 4GiB
    #[arg(long)]
    pub max_bytes: Option<String>,
    /// Memory that one input may take, for example 2GiB
    #[arg(long)]
    pub max_memory: Option<String>,
    /// Go on with a run that was interrupted
    #[arg(long)]
    pub resume: bool,
    /// Survive loss of power too (fsync every input)
    #[arg(long)]
    pub durable: bool,
}

#[derive(Debug, Args)]
pub struct Info {
    /// A checkpoint or a run
    pub target: PathBuf,
    /// Configuration of a lone weight file (a config.json)
    #[arg(long)]
    pub model_config: Option<PathBuf>,
    /// Also read every array of a run
    #[arg(long)]
    pub verify: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Csv,
    Json,
    Parquet,
}

#[derive(Debug, Args)]
pub struct Metrics {
    /// A checkpoint or a run
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// How the table is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Where it goes [default: the terminal]
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// Also effective and stable rank of each map (its first 512 tokens) beside the uniform map of its mask
    #[arg(long)]
    pub rank: bool,
    /// Also importance of each head by ablation and by gradient; needs a checkpoint
    #[arg(long)]
    pub importance: bool,
    /// Label of each input, for the importance of a classifier's heads: 3,0,7
    #[arg(long, value_delimiter = ',', requires = "importance")]
    pub labels: Option<Vec<usize>>,
    /// Layers, for example 0,3-5
    #[arg(long)]
    pub layers: Option<String>,
    /// Heads, for example 0-3 or 5.5,L0H2
    #[arg(long)]
    pub heads: Option<String>,
}

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

/// What one line of the answer stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// A token
    Token,
    /// A word: shares of its tokens are added
    Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// As in the input
    Text,
    /// The largest first
    Share,
}

/// How p-values are corrected over heads and detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Correct {
    /// False discovery rate (Benjamini-Hochberg)
    Bh,
    /// False discovery rate under any dependence (Benjamini-Yekutieli)
    By,
    /// Not one false name (Westfall-Young step-down max-T)
    Maxt,
}

#[derive(Debug, Args)]
pub struct Heads {
    /// A checkpoint or a run
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Kinds of heads: previous, current, first, duplicate, induction, positional, sink, delimiter, or all. Without a text,
    /// induction and duplicate alone are looked for in random tokens that are read twice
    #[arg(long, default_value = "all", value_name = "LIST")]
    pub detect: String,
    /// Rate of false names, after correction
    #[arg(long, default_value_t = 0.05)]
    pub fdr: f64,
    /// How p-values are corrected
    #[arg(long, value_enum, default_value_t = Correct::Bh)]
    pub correction: Correct,
    /// Random permutations; fewer where fewer exist
    #[arg(long, default_value_t = 10_000)]
    pub permutations: usize,
    /// List every head, not only those found
    #[arg(long)]
    pub all: bool,
    /// Also write the findings as JSON
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Layers, for example 0,3-5
    #[arg(long)]
    pub layers: Option<String>,
    /// Heads, for example 0-3 or 5.5,L0H2
    #[arg(long)]
    pub heads: Option<String>,
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
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub top: usize,
    /// Also write it: .svg, .png, .pdf, .json or .csv
    #[arg(long, short, visible_alias = "output", value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A checkpoint or a run: before
    pub a: PathBuf,
    /// The same, after
    pub b: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Exit with 1 if B - A of any head satisfies this, for example "induction<-0.1"; may be repeated
    #[arg(long, value_name = "METRIC<NUMBER")]
    pub fail_on: Vec<String>,
    /// Also write what --fail-on found as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Layers, for example 0,3-5
    #[arg(long)]
    pub layers: Option<String>,
    /// Heads, for example 0-3 or 5.5,L0H2
    #[arg(long)]
    pub heads: Option<String>,
}

#[derive(Debug, Args)]
pub struct Convert {
    /// NPZ, NPY, safetensors or JSON with attention maps
    pub source: PathBuf,
    /// The run, a folder
    #[arg(required_unless_present = "output")]
    pub run: Option<PathBuf>,
    /// The same, as an option
    #[arg(long, short, conflicts_with = "run")]
    pub output: Option<PathBuf>,
    /// Precision of what is stored: f16 or f32
    #[arg(long, default_value = "f32")]
    pub dtype: String,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A checkpoint or a run
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Where it goes [default: report.html; other formats are printed]
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// What is written
    #[arg(long, value_enum, default_value_t = ReportFormat::Html)]
    pub format: ReportFormat,
    /// Inputs whose maps the page holds, by number
    #[arg(long, value_delimiter = ',', default_value = "0")]
    pub show: Vec<usize>,
    /// Thresholds (TOML)
    #[arg(long)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One self-contained page
    Html,
    /// Everything, as docs/report.md describes it
    Json,
    /// One test case a check
    Junit,
    /// For a pull request
    Markdown,
    /// One line a check
    Csv,
    /// One row a check
    Parquet,
}

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
    pub output: PathBuf,
    /// Which input, counted from 0
    #[arg(long, default_value_t = 0)]
    pub input_number: usize,
    /// Tokens or whole words: over keys weights add up, over queries they are averaged, so rows still sum to one
    #[arg(long, value_enum, default_value_t = By::Token)]
    pub by: By,
    /// Query heads that share a key head become their mean
    #[arg(long)]
    pub grouped: bool,
    /// Layers, for example 0,3-5
    #[arg(long)]
    pub layers: Option<String>,
    /// Heads, for example 0-3 or 5.5,L0H2
    #[arg(long)]
    pub heads: Option<String>,
    /// Of pictures: from weights to colours
    #[arg(long, value_enum, default_value_t = ColourScale::Linear)]
    pub scale: ColourScale,
    /// Of pictures of several heads: each head has a scale of its own
    #[arg(long)]
    pub own_scale: bool,
    /// Of pictures: keys that are hidden, sinks for example; rows are renormalised, and the picture says so
    #[arg(long, value_delimiter = ',')]
    pub hide: Vec<usize>,
    /// Size that the file may have, for example 4GiB
    #[arg(long, default_value = "4GiB")]
    pub max_bytes: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColourScale {
    /// From zero to the largest weight
    Linear,
    /// By decades
    Log,
    /// By rank
    Quantile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A picture: one head's map, the heads of a layer, or all layers
    Svg,
    /// The picture, two pixels for each of the SVG's
    Png,
    /// The picture, on one page
    Pdf,
    /// numpy.load
    Npz,
    /// safetensors.numpy.load_file
    Safetensors,
    /// A line a weight
    Csv,
}

#[derive(Debug, Subcommand)]
pub enum Train {
    /// A small causal language model with GPT-2's layout
    CausalLm(Box<TrainLm>),
}

#[derive(Debug, Args)]
pub struct TrainLm {
    /// The text to learn (UTF-8)
    #[arg(long)]
    pub text_file: PathBuf,
    /// Where the checkpoint goes, a folder
    #[arg(long, short)]
    pub output: PathBuf,
    /// Layers
    #[arg(long, default_value_t = 2)]
    pub layers: usize,
    /// Heads a layer
    #[arg(long, default_value_t = 4)]
    pub heads: usize,
    /// Model width
    #[arg(long, default_value_t = 96)]
    pub width: usize,
    /// Width of the MLP; 0: attention only
    #[arg(long, default_value_t = 0)]
    pub mlp: usize,
    /// Tokens of the byte-pair vocabulary that is learnt from the text first
    #[arg(long, default_value_t = 512)]
    pub vocab: usize,
    /// Tokens a sequence
    #[arg(long, default_value_t = 128)]
    pub seq_len: usize,
    /// Sequences a step
    #[arg(long, default_value_t = 16)]
    pub batch_size: usize,
    /// Steps
    #[arg(long, default_value_t = 2000)]
    pub steps: usize,
    /// Peak learning rate (AdamW; warm-up, then cosine)
    #[arg(long, default_value_t = 4e-3)]
    pub lr: f64,
    /// Weight decay
    #[arg(long, default_value_t = 0.01)]
    pub weight_decay: f64,
    /// Share of sequences that are random tokens, repeated: what induction is learnt from
    #[arg(long, default_value_t = 0.5)]
    pub repeats: f64,
    /// Go on from the last checkpoint in --output
    #[arg(long)]
    pub resume: bool,
}

/// `--seq_len` is `--seq-len`: both spellings are in use.
pub fn hyphenated(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut plain = false;
    arguments
        .map(|argument| {
            plain |= argument == "--";
            match argument.to_str() {
                Some(text) if !plain && text.starts_with("--") => match text.split_once('=') {
                    Some((name, value)) => format!("{}={value}", name.replace('_', "-")).into(),
                    None => text.replace('_', "-").into(),
                },
                _ => argument,
            }
        })
        .collect()
}

/// Bytes as people write them: 4GiB, 500MB, 1048576.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0f64.powi(2),
        "g" | "gib" => 1024.0f64.powi(3),
        "t" | "tib" => 1024.0f64.powi(4),
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        other => return Err(format!("{text:?}: {other:?} is no unit of bytes; write 500MB or 4GiB")),
    };
    match text[..digits].parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((number * unit) as u64),
        _ => Err(format!("{text:?} is no number of bytes; write 500MB or 4GiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn both_spellings_are_read_and_values_are_left_alone() {
        let given = ["attractor", "--seq_len=a_b", "--text_file", "my_file", "--", "--x_y"].map(OsString::from);
        let read = hyphenated(given.into_iter());
        assert_eq!(read, ["attractor", "--seq-len=a_b", "--text-file", "my_file", "--", "--x_y"]);
    }

    #[test]
    fn bytes_are_read_with_their_units() {
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        assert_eq!(bytes("1.5MB"), Ok(1_500_000));
        assert_eq!(bytes("17"), Ok(17));
        assert!(bytes("4 parsecs").is_err());
        assert!(bytes("GiB").is_err());
    }
}
