//! `attractor generate rbm`: samples of a machine, and how it completes what is missing.

use std::path::PathBuf;

use attractor_render::memories::rbm::{self as figures, Sheet};
use attractor_render::terminal;
use attractor_session::generate::{self, Cue, Format, Generated, Made, Options, Rows, Wanted};
use attractor_session::learn::Standard;
use attractor_session::patterns::Source;
use attractor_session::sample::rbm::sampling::Sampling;
use attractor_session::{Error, Machine};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::args::{Common, choice, same};
use crate::console::{answer, counted, print, work};
use crate::error::Outcome;
use crate::files::{self, OutputFile};
use crate::output;
use crate::picture::{self, Look};

#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Samples of a restricted Boltzmann machine, or the completion of masked inputs
    Rbm(Box<GenerateRbm>),
}

#[derive(Debug, Args)]
pub struct GenerateRbm {
    /// A folder of attractor train rbm, its rbm.safetensors, or a BernoulliRBM of scikit-learn as .npz (components_,
    /// intercept_hidden_, intercept_visible_)
    #[arg(required_unless_present = "demo")]
    pub model: Option<PathBuf>,
    /// The bundled model: 16 hidden units, trained on the digits
    #[arg(long, conflicts_with = "model")]
    pub demo: bool,
    /// Number of samples, or of rows to complete
    #[arg(long, default_value_t = 50)]
    pub samples: usize,
    /// Gibbs steps
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
    /// Plain Gibbs sampling instead of parallel tempering at eight inverse temperatures, which can move between modes
    #[arg(long, conflicts_with_all = ["complete", "mask", "noise", "threshold", "against", "chain"])]
    pub gibbs: bool,
    /// Sampled states instead of the means of the visible units in the last step
    #[arg(long, conflicts_with_all = ["complete", "mask", "noise", "threshold", "against", "chain"])]
    pub drawn: bool,
    /// Complete these rows instead: a file, a folder of pictures, or digits, glyphs-5, glyphs-8
    #[arg(long, value_name = "SOURCE")]
    pub complete: Option<String>,
    /// Fraction of the units to mask in the rows to complete, the last ones
    #[arg(long, default_value_t = 0.5, requires = "complete")]
    pub mask: f64,
    /// Flip this fraction of the units instead, at random: the rows are denoised
    #[arg(long, requires = "complete", conflicts_with_all = ["mask", "chain"])]
    pub noise: Option<f64>,
    /// In the rows to complete, numbers above it are 1, others 0 [default: as in the training of the model]
    #[arg(long, requires = "complete")]
    pub threshold: Option<f32>,
    /// Divide the numbers of the rows to complete by this [default: as in the training of the model]
    #[arg(long, requires = "complete")]
    pub scale: Option<f32>,
    /// Also complete them with another memory and with all zeros, from the same cues, and compare the error on the unknown units
    #[arg(long, value_enum, requires = "complete", conflicts_with = "chain")]
    pub against: Option<Against>,
    /// How the Hopfield network of --against stores the rows
    #[arg(long, value_parser = choice::<Standard>(), default_value = "hebb", requires = "against")]
    pub rule: Standard,
    /// Show the Gibbs chain of contrastive divergence from the first of those rows, for this many steps
    #[arg(long, value_name = "STEPS", requires = "complete", conflicts_with_all = ["steps", "samples", "mask"])]
    pub chain: Option<usize>,
    /// Draw the machine itself instead: its layers and the weights between them
    #[arg(long, value_enum, conflicts_with_all = ["complete", "mask", "noise", "threshold", "scale", "against", "chain", "samples", "steps", "gibbs", "drawn"])]
    pub draw: Option<Draw>,
    /// Where it goes: a picture (.svg, .png, .pdf), .csv or .safetensors; else the terminal
    #[arg(long, short)]
    pub output: Option<OutputFile>,
    #[command(flatten)]
    pub look: Look,
}

/// What of the machine is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// Visible and hidden units, and a line for every weight; of large machines the strongest
    Architecture,
}

/// What a machine is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// A Hopfield network that stores the very rows that are to be completed
    Hopfield,
}

impl GenerateRbm {
    /// What is made, and how.
    fn options(&self) -> Options {
        let steps = self.steps;
        let source = same!(self => Source { threshold, scale }, data: self.complete.clone(), ..Source::default());
        let rows = || Rows { source: source.clone(), most: self.samples };
        let wanted = match (&self.complete, self.chain) {
            (None, _) => Wanted::Samples(same!(self => Sampling { samples, steps, gibbs, drawn })),
            (Some(_), Some(steps)) => Wanted::Chain { rows: rows(), steps },
            (Some(_), None) => {
                let cue = self.noise.map_or(Cue::Mask(self.mask), Cue::Noise);
                let against = self.against.map(|Against::Hopfield| self.rule);
                Wanted::Completion { rows: rows(), cue, steps, against }
            }
        };
        Options { model: self.model.clone(), wanted }
    }
}

/// Draws the machine itself.
fn draw_machine(args: &GenerateRbm, common: &Common) -> Outcome {
    let path = args.output.as_deref().filter(|path| picture::is_picture(&files::ending(path)));
    let path =
        path.ok_or_else(|| Error::usage("--draw architecture: a picture; name an --output .svg, .png or .pdf"))?;
    let rbm = Machine::open(args.model.as_deref())?.rbm;
    args.look.save(path, &files::ending(path), &figures::architecture(&rbm)?)?;
    if common.json {
        let (visible, hidden) = (rbm.visible_units(), rbm.hidden_units());
        print(&format!("{}\n", json!({ "output": path, "visible": visible, "hidden": hidden })));
    }
    Ok(())
}

/// The first states of each row in a terminal's characters.
fn text(sheet: &Sheet, found: &Generated) -> String {
    let Sheet { states, across, rows, .. } = sheet;
    let shown = terminal::states(states, found.machine.picture, *across, rows);
    shown.unwrap_or_else(|| format!("{}: too wide for a terminal\n", counted(found.values().len(), "state")))
}

/// Runs the command.
pub fn run(args: &GenerateRbm, common: &Common) -> Outcome {
    if let Some(path) = &args.output {
        output::ending(path, &["svg", "png", "pdf", "csv", "safetensors"])?;
    }
    if args.draw == Some(Draw::Architecture) {
        return draw_machine(args, common);
    }
    let found = work(common, |context| generate::run(&args.options(), context))?;
    let (mut document, mut wrong) = (json!(found), String::new());
    let sheet = match &found.made {
        Made::Samples(made) => Sheet::of_samples(made),
        Made::Chain(made) => Sheet::of_chain(made),
        Made::Completion(made) => {
            for (at, answer) in made.against.iter().enumerate() {
                document["against"][at]["name"] = json!(figures::answer(answer));
                wrong += &(figures::wrong(answer, made.known.len()) + "\n");
            }
            Sheet::of_completion(made)
        }
    };
    let Some(path) = &args.output else {
        let advice = "next: an --output .svg, .png or .pdf draws them, .csv and .safetensors hold the numbers\n";
        let advice = if common.quiet { "" } else { advice };
        print(&match common.json {
            true => format!("{document}\n"),
            false => format!("{}\n{}{wrong}{advice}", sheet.title, text(&sheet, &found)),
        });
        return Ok(());
    };
    match files::ending(path).as_str() {
        "csv" => found.write(path, Format::Csv)?,
        "safetensors" => found.write(path, Format::Safetensors)?,
        ending => args.look.save(path, ending, &sheet.svg(found.machine.picture)?)?,
    }
    let count = found.values().len();
    if let Some(fields) = document.as_object_mut() {
        fields.remove("values");
        fields.extend([("output".to_string(), json!(**path)), ("count".to_string(), json!(count))]);
    }
    answer(common, &document, || format!("{wrong}{}: {}\n", path.display(), counted(count, "state")));
    Ok(())
}
