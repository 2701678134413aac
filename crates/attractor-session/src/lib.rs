//! The jobs of Attractor as a library: options in, typed results out.
//!
//! Every job is a module with plain `Options`, their `check()`, and `run(&options, &context)` that answers with a typed,
//! serialisable result. Nothing here prints, exits, reads the environment, handles signals or configures the global thread
//! pool: several callers in one process work side by side. A job runs on its context's threads, or on those of rayon's
//! global pool where it has none of its own; progress, notes and the question whether to stop come from those threads. The
//! command line, Python and the tests are its faces.
//!
//! | job           | from                    | to                                                     |
//! |---------------|-------------------------|--------------------------------------------------------|
//! | [`capture`]   | a checkpoint, inputs    | a run on disk, or patterns in memory                   |
//! | [`import`]    | imported maps     | a run with its certificate                             |
//! | [`info`]      | a checkpoint or a run   | what it is                                             |
//! | [`judgement`] | a checkpoint or a run   | verdicts                                               |
//! | [`demo`]      | the embedded model      | verdicts                                               |
//! | [`heads`]     | a checkpoint or a run   | which head does what                                   |
//! | [`metrics`]   | a checkpoint or a run   | a table, one row per head                              |
//! | [`follow`]    | a checkpoint or a run   | which tokens a query's final state comes from                  |
//! | [`compare`]   | two runs or two checkpoints           | what changed, head by head                             |
//! | [`export`]    | a checkpoint or a run   | maps for other programs                                |
//! | [`training::causal_lm`] | a text        | a small language model                                 |
//! | [`training::rbm`]       | rows of data  | a restricted Boltzmann machine, its likelihood monitored |
//! | [`generate`]  | a machine               | samples, chains, rows completed or restored            |
//! | [`likelihood`]| a machine, rows of data | how likely they are, with its error                    |
//!
//! # Example
//! ```
//! use attractor_session::{Context, demo};
//! let judged = demo::run(&Context::new(0))?;
//! println!("{}", judged.report.conclusion.headline);
//! # Ok::<(), attractor_session::Error>(())
//! ```

pub mod capture;
pub mod compare;
pub mod demo;
pub mod evidence;
pub mod export;
pub mod follow;
pub mod generate;
mod given;
pub mod heads;
pub mod import;
pub mod info;
pub mod inputs;
pub mod judgement;
pub mod likelihood;
pub mod metrics;
pub mod stimuli;
pub mod target;
pub mod training;

// The experiments with memories, and the data they are fed: jobs that the hall itself holds.
pub use attractor::{
    Advance, Choice, Context, Error, Hint, Kind, Note, Result, energy, experiment, learn, numerals, sample, settle,
};
pub use attractor_capture::parquet;
pub use attractor_data::files::{Durability, check_output, write_whole};
pub use attractor_data::{Machine, graphs, machine, patterns};
pub use attractor_record::table::{Column, Table};
pub use attractor_record::{Patterns, Precision, Role, Selection, Stack, Steps, Token};
pub use inputs::Inputs;

/// Serialises what has words as its words.
fn as_words<T: std::fmt::Display, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
