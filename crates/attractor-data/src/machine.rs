//! Restricted Boltzmann machines as files.
//!
//! A safetensors file holds `weights` [visible, hidden], `visible_bias`, `hidden_bias`, `base_rates` and, for Gaussian units,
//! `variance` and, where they were standardised, `centre` and `spread`; its JSON says what the visible units are, the picture that a visible state is, and how it was trained.

use std::path::Path;

use attractor::sample::rbm::evaluation::Part;
use attractor::sample::rbm::{Rbm, Visible};
use attractor::{Context, DataNote, Error, Kind, Note, Result};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::Samples;
use crate::patterns::{Source, cut};
use crate::samples::{Encoding, StandardUnits};
use crate::training::{Numbers, SavedState};

/// The trained machine.
pub const MODEL: &str = "rbm.safetensors";
/// The machine as it was when its likelihood was best.
pub const BEST: &str = "best.safetensors";
pub use crate::training::TRAINING;

/// A machine of 16 hidden units that learnt 1347 of the digits: the training that is built in.
static DEMO: &[u8] = include_bytes!("../demo/rbm.safetensors");

/// A machine with what its pictures and chains need.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The machine.
    pub rbm: Rbm,
    /// Visible biases of the base-rate model, where chains start; one per visible unit.
    pub base: Vec<f32>,
    /// Rows and columns of a visible state; their product is the number of visible units.
    pub picture: (usize, usize),
    /// What was done to the numbers that it learnt.
    pub encoding: Encoding,
    /// What each number was centred at and divided by after that, if they were.
    pub standard: Option<StandardUnits>,
}

/// What the file of a machine says beside its arrays. Files of others say nothing.
#[derive(Serialize, Deserialize)]
struct About<T> {
    model: String,
    visible: Units,
    /// Rows and columns of a visible state.
    picture: (usize, usize),
    /// What was done to the numbers that it learnt.
    #[serde(default)]
    encoding: Encoding,
    /// How it was trained.
    #[serde(default = "Option::default")]
    trained: Option<T>,
}

/// What visible units are.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Units {
    Binary,
    Gaussian,
}

/// Writes visible states, [state, unit], as `samples` of a safetensors file that says `about` how they were made.
///
/// # Errors
/// `is_io`; `is_shape` if the states differ in length, `is_format` for what has no form in JSON.
pub fn write_states(path: &Path, states: &[Vec<f32>], about: &impl Serialize) -> Result<()> {
    let units = states.first().map_or(0, Vec::len);
    if let Some(at) = states.iter().position(|state| state.len() != units) {
        let got = states[at].len();
        return Err(Error::shape(format!(
            "states: state {at} has {got} units, the first has {units}; give equal ones"
        )));
    }
    let mut file = SavedState::describing(about)?;
    file.put("samples", &[states.len(), units], Numbers::F32(states.concat()));
    file.write(path)
}

/// The rows that are learnt from and those that are held out, where the data say which; else all of them.
pub fn parts(samples: &Samples) -> Vec<(Part, Samples)> {
    if samples.test.is_empty() {
        return vec![(Part::AllRows, samples.clone())];
    }
    let mut held = vec![false; samples.count];
    samples.test.iter().for_each(|&row| held[row] = true);
    let rows = |wanted: bool| -> Vec<usize> { (0..samples.count).filter(|&row| held[row] == wanted).collect() };
    vec![(Part::Training, samples.chosen(&rows(false))), (Part::Test, samples.chosen(&rows(true)))]
}

impl Machine {
    /// Writes it, with what is to be known about its training.
    ///
    /// # Errors
    /// `is_io`; `is_format` for what has no form in JSON.
    pub fn write(&self, path: &Path, about: &impl Serialize) -> Result<()> {
        let (n, m) = (self.rbm.visible_units(), self.rbm.hidden_units());
        let visible = if self.rbm.visible().variance().is_some() { Units::Gaussian } else { Units::Binary };
        let (model, picture, encoding, trained) = ("rbm".to_string(), self.picture, self.encoding, Some(about));
        let mut file = SavedState::describing(&About { model, visible, picture, encoding, trained })?;
        file.put("weights", &[n, m], Numbers::F32(self.rbm.weights().to_vec()));
        file.put("visible_bias", &[n], Numbers::F32(self.rbm.visible_bias().to_vec()));
        file.put("hidden_bias", &[m], Numbers::F32(self.rbm.hidden_bias().to_vec()));
        file.put("base_rates", &[n], Numbers::F32(self.base.clone()));
        if let Some(variance) = self.rbm.visible().variance() {
            file.put("variance", &[n], Numbers::F32(variance.to_vec()));
        }
        if let Some(StandardUnits { centre, spread }) = &self.standard {
            file.put("centre", &[n], Numbers::F32(centre.clone()));
            file.put("spread", &[n], Numbers::F32(spread.clone()));
        }
        file.write(path)
    }

    /// Reads a machine, the one in a folder of a training, or one of scikit-learn (an `.npz` of `components_`,
    /// `intercept_hidden_` and `intercept_visible_`).
    ///
    /// # Errors
    /// `is_io` for what is not there or is no machine, or for a training that has not ended; `is_format` for a file that is
    /// torn.
    pub fn read(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join(MODEL) } else { path.to_path_buf() };
        if path.is_dir() && !file.exists() && path.join(TRAINING).exists() {
            return Err(Error::io(format!(
                "{}: the training here has not ended; let it end, or name {BEST} in it if there is one",
                path.display()
            )));
        }
        Self::of(&SavedState::read(&file)?, &file)
    }

    /// The machine at a path, or the built-in one without.
    ///
    /// # Errors
    /// As [`Machine::read`].
    pub fn open(path: Option<&Path>) -> Result<Self> {
        path.map_or_else(Self::demo, Self::read)
    }

    /// The machine that is built in: 16 hidden units that learnt the digits.
    ///
    /// # Errors
    /// None in a sound build.
    pub fn demo() -> Result<Self> {
        Self::of(&SavedState::parse(DEMO)?, Path::new("the built-in machine"))
    }

    /// Rows of the machine's size, brought into its unit: scaled and cut as `source` says; where it says nothing and the numbers
    /// lie outside 0 to 1, or are real, as those that the machine learnt, which is noted. Of data that are not bits a machine
    /// of bits takes the threshold of its training.
    ///
    /// # Errors
    /// As [`Source::samples`]; `is_usage` for rows of another width.
    pub fn samples(&self, source: &Source, example: &str, context: &Context<'_>) -> Result<Samples> {
        let (gaussian, learnt) = (self.rbm.visible().variance().is_some(), self.encoding);
        let (mut samples, given) = source.scaled(example, context)?;
        if samples.features != self.rbm.visible_units() {
            return Err(Error::usage(format!(
                "{}: rows of {} numbers for a machine of {} visible units; give rows of its size",
                samples.source,
                samples.features,
                self.rbm.visible_units()
            )));
        }
        let left = learnt.divided_by / samples.encoding.divided_by;
        let fits = !gaussian && samples.values.iter().all(|value| (0.0..=1.0).contains(value));
        if source.scale.is_none() && left != 1.0 && !fits {
            samples.values.iter_mut().for_each(|value| *value /= left);
            samples.encoding.divided_by = learnt.divided_by;
            context.note(&Note::Data(DataNote::DividedAsLearnt { by: learnt.divided_by }));
        }
        let bits = samples.values.iter().all(|&value| value == 0.0 || value == 1.0);
        let threshold = match (given, learnt.threshold, samples.source == "digits" || bits || gaussian) {
            (None, Some(threshold), false) => {
                context.note(&Note::Data(DataNote::CutAsLearnt { threshold }));
                Some(threshold)
            }
            (given, ..) => given,
        };
        let mut samples = cut(samples, threshold, gaussian, context)?;
        if let Some(standard) = &self.standard {
            standard.apply(&mut samples.values);
        }
        if !gaussian {
            samples.check_unit()?;
        }
        Ok(samples)
    }

    /// Visible states in the unit of the data that it learnt, but for their scale.
    pub fn in_data_units(&self, states: &mut [Vec<f32>]) {
        if let Some(standard) = &self.standard {
            states.iter_mut().for_each(|state| standard.undo(state));
        }
    }

    /// Rows of the machine's size to complete: those that the data hold out from training, or all if they name none; at most
    /// `most`, the first ones.
    ///
    /// # Errors
    /// As [`Machine::samples`]; `is_usage` for none.
    pub fn held_out(&self, source: &Source, most: usize, context: &Context<'_>) -> Result<Samples> {
        if most == 0 {
            return Err(Error::option("samples", 0, "give at least 1"));
        }
        let samples = self.samples(source, "digits", context)?;
        let few: Vec<usize> = if samples.test.is_empty() { (0..samples.count).collect() } else { samples.test.clone() };
        Ok(samples.chosen(&few[..few.len().min(most)]))
    }

    fn of(read: &SavedState, file: &Path) -> Result<Self> {
        let wrong = |e: Error| e.at(file.display());
        if read.tensors.contains_key("components_") {
            return Self::of_scikit_learn(read).map_err(|e| e.of_kind(Kind::Format).at(file.display()));
        }
        let shape = |name: &str| -> Result<Vec<usize>> {
            read.tensors.get(name).map(|tensor| tensor.shape.clone()).ok_or_else(|| {
                Error::io(format!(
                    "{}: holds no {name}; it is not a restricted Boltzmann machine (nor one of scikit-learn, whose arrays are \
                     components_, intercept_hidden_ and intercept_visible_)",
                    file.display()
                ))
            })
        };
        let (n, m) = match shape("weights")?[..] {
            [n, m] => (n, m),
            ref other => {
                return Err(Error::io(format!(
                    "{}: weights of shape {other:?}; expected [visible, hidden]",
                    file.display()
                )));
            }
        };
        let floats = |name: &str, shape: &[usize]| read.floats(name, shape).map(<[f32]>::to_vec).map_err(wrong);
        let about: Option<About<IgnoredAny>> = read.about().map_err(wrong)?;
        let visible = match about.as_ref().map(|about| about.visible) {
            Some(Units::Gaussian) => Visible::Gaussian { variance: floats("variance", &[n])? },
            Some(Units::Binary) | None => Visible::Binary,
        };
        let rbm =
            Rbm::new(visible, floats("weights", &[n, m])?, floats("visible_bias", &[n])?, floats("hidden_bias", &[m])?)
                .map_err(|e| Error::io(format!("{}: {e}", file.display())).because(e))?;
        // Without base rates chains start at one half.
        let base = if read.tensors.contains_key("base_rates") { floats("base_rates", &[n])? } else { vec![0.0; n] };
        let encoding = about.as_ref().map_or(Encoding::default(), |about| about.encoding);
        let picture = about.map(|about| about.picture);
        let picture = picture.filter(|(a, b)| a.checked_mul(*b) == Some(n)).unwrap_or((1, n));
        let standard = match read.tensors.contains_key("centre") {
            true => Some(StandardUnits { centre: floats("centre", &[n])?, spread: floats("spread", &[n])? }),
            false => None,
        };
        Ok(Self { rbm, base, picture, encoding, standard })
    }

    /// A `BernoulliRBM`; it says nothing of base rates or pictures, so chains start at one half, and what can be a square is.
    fn of_scikit_learn(read: &SavedState) -> Result<Self> {
        let [m, n] = read.tensors["components_"].shape[..] else {
            return Err(Error::io(format!(
                "components_ of shape {:?}; expected [hidden, visible]",
                read.tensors["components_"].shape
            )));
        };
        let components = read.floats("components_", &[m, n])?;
        let (visible, hidden) = (read.floats("intercept_visible_", &[n])?, read.floats("intercept_hidden_", &[m])?);
        let rbm = Rbm::from_scikit_learn(components, visible, hidden)?;
        let side = n.isqrt();
        let picture = if side * side == n { (side, side) } else { (1, n) };
        Ok(Self { rbm, base: vec![0.0; n], picture, encoding: Encoding::default(), standard: None })
    }
}
