//! Imported attention maps into a run, certified as far as their content allows; runs of an earlier schema into one of
//! this.

use std::fmt;
use std::path::PathBuf;

use attractor::{Context, Error, Result};
use attractor_capture::Run;
pub use attractor_capture::certificate::{Certificate, Grade};
use attractor_capture::import::{self, Absent, Import, ImportOptions};
use attractor_capture::run::{Keep, RunOptions, migrate};
use attractor_record::{Patterns, Precision, Steps};
use serde::{Serialize, Serializer};

use crate::target;

/// What is imported, and to where.
#[derive(Debug, Clone)]
pub struct Options {
    /// NPZ, NPY, safetensors or JSON with attention maps; or a run of an earlier schema.
    pub source: PathBuf,
    /// The run, a folder.
    pub output: PathBuf,
    /// Precision of what is stored: f16 or f32; `None`: f32 for imported maps, and a run keeps its own.
    pub dtype: Option<Precision>,
}

impl Options {
    /// Stored as it is.
    pub fn new(source: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self { source: source.into(), output: output.into(), dtype: None }
    }

    /// Refuses a source that is not there, and a precision for a run.
    ///
    /// # Errors
    /// `is_io`, `is_usage`.
    pub fn check(&self) -> Result<()> {
        target::exists(&self.source, "a file with attention maps (NPZ, NPY, safetensors, JSON)")?;
        match self.dtype {
            Some(dtype) if target::is_run(&self.source) => {
                let why = format!("{} is a run, and its arrays are kept as they are", self.source.display());
                Err(Error::option("dtype", dtype, why))
            }
            _ => Ok(()),
        }
    }
}

/// A layer that the file lacks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// Its number.
    pub layer: usize,
    /// Why.
    pub why: Absent,
}

/// What was ignored or changed.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportNote {
    /// Something in the file that was not read.
    Ignored(import::Aside),
    /// A run of the first of these schemas is one of the second now.
    Migrated(u32, u32),
}

impl fmt::Display for ImportNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored(note) => note.fmt(f),
            Self::Migrated(from, to) => {
                write!(f, "the run was of schema {from} and is of schema {to} now; every array is the same")
            }
        }
    }
}

impl Serialize for ImportNote {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What was imported or converted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Imported {
    /// "attractor.convert/1".
    pub schema: &'static str,
    /// The run.
    pub run: PathBuf,
    /// Inputs in it.
    pub inputs: usize,
    /// Steps of them all, where inputs have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Layers in it.
    pub layers: usize,
    /// Layers that the file lacks.
    pub missing: Vec<Missing>,
    /// What was ignored or changed.
    pub notes: Vec<ImportNote>,
    /// Is what was imported what attention computed?
    pub certificate: Certificate,
}

impl Imported {
    /// True unless the certificate fails.
    pub fn is_ok(&self) -> bool {
        self.certificate.verdict() != Grade::Fail
    }
}

/// Imports, or migrates a run.
///
/// # Errors
/// `is_usage` for a run of the latest schema; what reading the source and writing the run answer.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Imported> {
    context.install(|| {
        options.check()?;
        if target::is_run(&options.source) {
            return migrated(options);
        }
        let import = Import::open(&options.source, &ImportOptions::default())?;
        let dtype = options.dtype.unwrap_or(Precision::F32);
        let kept = RunOptions { keep: Keep::Pattern, dtype, seed: context.seed(), ..RunOptions::default() };
        import.write(&options.output, &kept)?;
        let missing = import.missing().iter().map(|(layer, why)| Missing { layer: *layer, why: why.clone() }).collect();
        Ok(Imported {
            schema: "attractor.convert/1",
            run: options.output.clone(),
            inputs: Steps::of(&import).inputs(),
            steps: Steps::of(&import).several(),
            layers: import.layers().len(),
            missing,
            notes: import.notes().iter().cloned().map(ImportNote::Ignored).collect(),
            certificate: import.certificate()?,
        })
    })
}

fn migrated(options: &Options) -> Result<Imported> {
    let old = Run::open(&options.source)?;
    let new = migrate(&old, &options.output)?;
    let [from, to] = [&old, &new].map(|run| run.manifest().version);
    Ok(Imported {
        schema: "attractor.convert/1",
        run: options.output.clone(),
        inputs: Steps::of(&new).inputs(),
        steps: Steps::of(&new).several(),
        layers: new.layers().len(),
        missing: Vec::new(),
        notes: vec![ImportNote::Migrated(from, to)],
        certificate: new.certificate()?,
    })
}
