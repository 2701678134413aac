//! Imported attention maps into a run, certified as far as their content allows; runs of an earlier schema into one of
//! this.

use std::fmt;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use attractor::{Choice as _, Context, Error, Hint, Result};
use attractor_capture::Run;
pub use attractor_capture::certificate::{Certificate, Grade};
use attractor_capture::import::{self, Absent, Import, ImportOptions};
use attractor_capture::run::{Keep, RunOptions, migrate};
use attractor_data::archive::{Array, zip};
use attractor_nn::checkpoint::Dtype;
use attractor_nn::checkpoint::torch::Torch;
use attractor_record::selection::numbers;
use attractor_record::{Patterns, Precision, Stack, Steps, file};
use serde::{Serialize, Serializer};

use crate::target;

/// What is imported, and to where.
#[derive(Debug, Clone)]
pub struct Options {
    /// NPZ, NPY, safetensors, JSON or a file of torch.save with attention maps; or a run of an earlier schema.
    pub source: PathBuf,
    /// The run, a folder.
    pub output: PathBuf,
    /// Precision of what is stored: f16 or f32; `None`: f32 for imported maps, and a run keeps its own.
    pub dtype: Option<Precision>,
    /// What the axes of every array count, as [`Axes`](import::Axes) reads it; `None`: by their number, and said so.
    pub axes: Option<String>,
    /// Which keys a query may see, as [`MaskRule`](import::MaskRule) reads it; `None`: as the layers show, and said so.
    pub mask: Option<String>,
    /// Position of the first query among the keys; `None`: the queries are the last positions.
    pub offset: Option<usize>,
    /// Numbers of the heads in the file, such as 0,3-5; `None`: by their names, or counted from 0.
    pub heads: Option<String>,
    /// Numbers of the layers in the file, such as 0,3-5; `None`: by their names, or counted from 0.
    pub layers: Option<String>,
    /// The stack of every array; `None`: by their names.
    pub stack: Option<Stack>,
    /// Bytes that its numbers may take, 256 MiB of them in memory; `None`: 64 times the file, from 1 to 8 GiB.
    pub max_bytes: Option<u64>,
}

impl Options {
    /// Stored as it is; read by names and shapes.
    pub fn new(source: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            output: output.into(),
            dtype: None,
            axes: None,
            mask: None,
            offset: None,
            heads: None,
            layers: None,
            stack: None,
            max_bytes: None,
        }
    }

    /// The options that say how maps are read, by name, as far as they are given.
    fn of_maps(&self) -> Option<&'static str> {
        let given = [
            ("axes", self.axes.is_some()),
            ("mask", self.mask.is_some()),
            ("offset", self.offset.is_some()),
            ("heads", self.heads.is_some()),
            ("layers", self.layers.is_some()),
            ("stack", self.stack.is_some()),
            ("max_bytes", self.max_bytes.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// How maps are read.
    fn reading(&self) -> Result<ImportOptions> {
        let numbers = |what, text: &Option<String>| text.as_deref().map(|text| numbers(what, text)).transpose();
        Ok(ImportOptions {
            axes: self.axes.as_deref().map(str::parse).transpose()?,
            mask: self.mask.as_deref().map(str::parse).transpose()?,
            offset: self.offset,
            heads: numbers("heads", &self.heads)?,
            layers: numbers("layers", &self.layers)?,
            stack: self.stack,
            memory_budget: self.max_bytes.unwrap_or_else(|| {
                let length = std::fs::metadata(&self.source).map_or(0, |found| found.len());
                length.saturating_mul(64).clamp(1 << 30, ImportOptions::default().memory_budget)
            }),
        })
    }

    /// Refuses a source that is not there, options that are not understood, and for a run what only maps need.
    ///
    /// # Errors
    /// `is_io`, `is_usage`.
    pub fn check(&self) -> Result<()> {
        target::exists(&self.source, "a file with attention maps (NPZ, NPY, safetensors, JSON, or of torch.save)")?;
        self.reading()?;
        if !target::is_run(&self.source) {
            return Ok(());
        }
        let why = format!("{} is a run, and its arrays are kept as they are", self.source.display());
        match (self.dtype, self.of_maps()) {
            (Some(dtype), _) => Err(Error::option("dtype", dtype, why)),
            (None, Some(option)) => Err(Error::option(option, "", why)),
            (None, None) => Ok(()),
        }
    }
}

/// A layer that the file lacks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// Its stack, where the file has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// Its number.
    pub layer: usize,
    /// Why.
    pub why: Absent,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stack = self.stack.map_or(String::new(), |stack| format!("{stack} "));
        write!(f, "{stack}layer {}: {}", self.layer, self.why)
    }
}

/// What was ignored, inferred or changed.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportNote {
    /// Something that the file does not say.
    Inferred(import::Inferred),
    /// Something in the file that was not read.
    Ignored(import::Aside),
    /// A run of the first of these schemas is one of the second now.
    Migrated(u32, u32),
}

impl ImportNote {
    /// What says otherwise.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::Inferred(inferred) => inferred.hint(),
            _ => None,
        }
    }
}

/// The sentence, without the hint.
impl fmt::Display for ImportNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inferred(inferred) => inferred.fmt(f),
            Self::Ignored(note) => note.fmt(f),
            Self::Migrated(from, to) => {
                write!(f, "the run was of schema {from} and is of schema {to} now; every array is the same")
            }
        }
    }
}

impl Serialize for ImportNote {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Inferred(inferred) => inferred.serialize(serializer),
            _ => serializer.collect_str(self),
        }
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
    /// Layers in it, of all stacks.
    pub layers: usize,
    /// The stacks, where they are named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<Stack>,
    /// Layers that the file lacks.
    pub missing: Vec<Missing>,
    /// What was ignored or changed.
    pub notes: Vec<ImportNote>,
    /// Is what was imported what attention computed?
    pub certificate: Certificate,
}

impl Imported {
    /// "6 steps of 1 input, 2 layers (encoder, decoder)".
    pub fn counted(&self) -> String {
        let stacks: Vec<&str> = self.stacks.iter().map(|stack| stack.name()).collect();
        let stacks = if stacks.is_empty() { String::new() } else { format!(" ({})", stacks.join(", ")) };
        let inputs = attractor_record::counted(None, self.inputs, self.steps);
        format!("{inputs}, {} layer{}{stacks}", self.layers, if self.layers == 1 { "" } else { "s" })
    }

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
        let import = opened(&options.source, &options.reading()?)?;
        let dtype = options.dtype.unwrap_or(Precision::F32);
        let kept = RunOptions { keep: Keep::Pattern, dtype, seed: context.seed(), ..RunOptions::default() };
        import.write(&options.output, &kept)?;
        let (mut missing, mut layers, mut certificate) = (Vec::new(), 0, Certificate::default());
        let stacks = import.stacks();
        for &stack in &stacks {
            let import = import.of_stack(stack);
            let named = Some(stack).filter(|stack| !stack.is_only());
            missing.extend(import.missing().into_iter().map(|(layer, why)| Missing { stack: named, layer, why }));
            layers += import.layers().len();
            certificate.entries.extend(import.certificate()?.entries);
        }
        let inferred = import.inferred().iter().cloned().map(ImportNote::Inferred);
        let ignored = import.notes().iter().cloned().map(ImportNote::Ignored);
        Ok(Imported {
            schema: "attractor.convert/1",
            run: options.output.clone(),
            inputs: Steps::of(&import).inputs(),
            steps: Steps::of(&import).several(),
            layers,
            stacks: stacks.into_iter().filter(|stack| !stack.is_only()).collect(),
            missing,
            notes: inferred.chain(ignored).collect(),
            certificate,
        })
    })
}

/// Maps by the reader of their format: what torch.save wrote is read as a checkpoint's tensors are, and no code is run.
fn opened(path: &Path, reading: &ImportOptions) -> Result<Import> {
    if path.is_dir() || !is_saved_by_torch(path)? {
        return Import::open(path, reading);
    }
    let saved = Torch::nested(path)?;
    let names: Vec<String> = saved.names().map(str::to_string).collect();
    let arrays = names.iter().map(|name| {
        let precision = match saved.dtype(name) {
            Some(Dtype::F16) => Precision::F16,
            Some(Dtype::BF16) => Precision::Bf16,
            Some(Dtype::F64) => Precision::F64,
            _ => Precision::F32,
        };
        let attractor_nn::checkpoint::Array { shape, values } = saved.values(name)?;
        Ok((name.clone(), Array { shape, data: values, precision }))
    });
    Import::of_arrays(arrays, saved.hash()?, reading).map_err(|error| error.at(path.display()))
}

/// True of a file of torch.save: an archive with a pickle, or torch's older format.
fn is_saved_by_torch(path: &Path) -> Result<bool> {
    let (mut file, length) = file::open(path, "attention maps")?;
    let mut start = vec![0; length.min(16) as usize];
    file.read_exact(&mut start).map_err(|error| file::unreadable(path, "its first bytes", &error))?;
    if !zip::is_zip(&start) {
        return Ok(Torch::is_older(&start));
    }
    let archive = zip::Archive::open(BufReader::new(file)).map_err(|error| error.at(path.display()))?;
    Ok(archive.members().iter().any(|member| member.name.ends_with("data.pkl")))
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
        stacks: new.stacks().into_iter().filter(|stack| !stack.is_only()).collect(),
        missing: Vec::new(),
        notes: vec![ImportNote::Migrated(from, to)],
        certificate: new.certificate()?,
    })
}
