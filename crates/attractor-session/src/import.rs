//! Attention maps from elsewhere into a run, certified as far as their content allows.

use std::path::PathBuf;

use attractor::{Context, Result};
pub use attractor_capture::certificate::{Certificate, Verdict};
use attractor_capture::import::{Import, ImportOptions};
use attractor_capture::run::{Keep, RunOptions};
use attractor_record::{Patterns, Precision};
use serde::Serialize;

use crate::target;

/// What is imported, and to where.
#[derive(Debug, Clone)]
pub struct Options {
    /// NPZ, NPY, safetensors or JSON with attention maps.
    pub source: PathBuf,
    /// The run, a folder.
    pub output: PathBuf,
    /// Precision of what is stored: f16 or f32.
    pub dtype: Precision,
}

impl Options {
    /// Stored as it is.
    pub fn new(source: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self { source: source.into(), output: output.into(), dtype: Precision::F32 }
    }

    /// Refuses a source that is not there.
    ///
    /// # Errors
    /// `is_io`.
    pub fn check(&self) -> Result<()> {
        target::exists(&self.source, "a file with attention maps (NPZ, NPY, safetensors, JSON)")
    }
}

/// A layer that the file lacks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// Its number.
    pub layer: usize,
    /// Why.
    pub why: String,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Imported {
    /// "attractor.convert/1".
    pub schema: &'static str,
    /// The run.
    pub run: PathBuf,
    /// Inputs in it.
    pub inputs: usize,
    /// Layers in it.
    pub layers: usize,
    /// Layers that the file lacks.
    pub missing: Vec<Missing>,
    /// What was left aside or inferred.
    pub notes: Vec<String>,
    /// Is what was imported what attention computed?
    pub certificate: Certificate,
}

impl Imported {
    /// True unless the certificate fails.
    pub fn is_ok(&self) -> bool {
        self.certificate.verdict() != Verdict::Fail
    }
}

/// Imports.
///
/// # Errors
/// What reading the file and writing the run answer.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Imported> {
    context.install(|| {
        options.check()?;
        let import = Import::open(&options.source, &ImportOptions::default())?;
        let kept =
            RunOptions { keep: Keep::Pattern, dtype: options.dtype, seed: context.seed(), ..RunOptions::default() };
        import.write(&options.output, &kept)?;
        let missing =
            import.missing().iter().map(|(layer, why)| Missing { layer: *layer, why: why.to_string() }).collect();
        Ok(Imported {
            schema: "attractor.convert/1",
            run: options.output.clone(),
            inputs: import.inputs(),
            layers: import.layers().len(),
            missing,
            notes: import.notes().to_vec(),
            certificate: import.certificate()?,
        })
    })
}
