//! Machines and trainings as files.

use std::path::Path;

use attractor::sample::rbm::{Rbm, State, Visible};
use attractor_capture::Samples;
use attractor_capture::training::{Checkpoint, Numbers, Tensor};
use serde_json::{Value, json};

use crate::error::{Code, Failure, Outcome};

/// The trained machine.
pub const MODEL: &str = "rbm.safetensors";
/// The machine as it was when its likelihood was best.
pub const BEST: &str = "best.safetensors";
/// All that is needed to go on.
pub const TRAINING: &str = "training.safetensors";

/// A machine of 16 hidden units that learnt 1347 of the digits: `attractor train rbm --demo`.
static DEMO: &[u8] = include_bytes!("../../../demo/rbm.safetensors");

/// Rows as a machine takes them: bits, cut at the threshold (the digits have one of their own), or numbers as they are.
pub fn cut(samples: Samples, threshold: Option<f32>, gaussian: bool) -> Samples {
    // Of the digits' seventeen levels the upper nine, as everywhere in this project.
    match threshold.or((samples.source == "digits").then_some(7.5 / 16.0)) {
        Some(threshold) if !gaussian => samples.binary(threshold),
        _ => samples,
    }
}

/// A machine with what its pictures and chains need.
pub struct Stored {
    /// The machine.
    pub rbm: Rbm,
    /// Visible biases of the base-rate model, where chains start.
    pub base: Vec<f32>,
    /// Rows and columns of a visible state.
    pub picture: (usize, usize),
}

impl Stored {
    /// Writes it.
    pub fn write(&self, path: &Path, about: Value) -> Outcome {
        let (n, m) = (self.rbm.visible_units(), self.rbm.hidden_units());
        let kind = if self.rbm.visible().variance().is_some() { "gaussian" } else { "binary" };
        let mut file = Checkpoint {
            about: json!({
                "model": "rbm", "visible": kind, "picture": [self.picture.0, self.picture.1], "trained": about,
            }),
            ..Checkpoint::default()
        };
        file.put("weights", &[n, m], Numbers::F32(self.rbm.weights().to_vec()));
        file.put("visible_bias", &[n], Numbers::F32(self.rbm.visible_bias().to_vec()));
        file.put("hidden_bias", &[m], Numbers::F32(self.rbm.hidden_bias().to_vec()));
        file.put("base_rates", &[n], Numbers::F32(self.base.clone()));
        if let Some(variance) = self.rbm.visible().variance() {
            file.put("variance", &[n], Numbers::F32(variance.to_vec()));
        }
        Ok(file.write(path)?)
    }

    /// Reads a machine, the one in a folder of a training, or one of scikit-learn (an `.npz` of `components_`,
    /// `intercept_hidden_` and `intercept_visible_`).
    pub fn read(path: &Path) -> Outcome<Self> {
        let file = if path.is_dir() { path.join(MODEL) } else { path.to_path_buf() };
        if path.is_dir() && !file.exists() && path.join(TRAINING).exists() {
            return Err(Failure::unreadable(format!(
                "{}: the training here has not ended; let it end with --resume, or name {BEST} in it if there is one",
                path.display()
            )));
        }
        Self::of(&Checkpoint::read(&file)?, &file)
    }

    /// The machine that the program brings along.
    pub fn demo() -> Outcome<Self> {
        Self::of(&Checkpoint::parse(DEMO)?, Path::new("the built-in machine"))
    }

    /// Rows of the machine's size.
    pub fn fitting(&self, samples: Samples, threshold: Option<f32>) -> Outcome<Samples> {
        if samples.features != self.rbm.visible_units() {
            return Err(Failure::usage(format!(
                "{}: rows of {} numbers for a machine of {} visible units; give rows of its size",
                samples.source,
                samples.features,
                self.rbm.visible_units()
            )));
        }
        Ok(cut(samples, threshold, self.rbm.visible().variance().is_some()))
    }

    fn of(read: &Checkpoint, file: &Path) -> Outcome<Self> {
        let wrong = |e: attractor_capture::Error| Failure::from(e).at(file.display());
        if read.tensors.contains_key("components_") {
            return Self::of_scikit_learn(read).map_err(|e| Failure { code: Code::Unreadable, ..e }.at(file.display()));
        }
        let shape = |name: &str| -> Outcome<Vec<usize>> {
            read.tensors.get(name).map(|tensor| tensor.shape.clone()).ok_or_else(|| {
                Failure::unreadable(format!(
                    "{}: holds no {name}; it is no restricted Boltzmann machine (nor one of scikit-learn, whose arrays are \
                     components_, intercept_hidden_ and intercept_visible_)",
                    file.display()
                ))
            })
        };
        let (n, m) = match shape("weights")?[..] {
            [n, m] => (n, m),
            ref other => {
                return Err(Failure::unreadable(format!(
                    "{}: weights of shape {other:?}; expected [visible, hidden]",
                    file.display()
                )));
            }
        };
        let floats = |name: &str, shape: &[usize]| read.floats(name, shape).map(<[f32]>::to_vec).map_err(wrong);
        let visible = match read.about["visible"].as_str() {
            Some("gaussian") => Visible::Gaussian { variance: floats("variance", &[n])? },
            _ => Visible::Binary,
        };
        let rbm =
            Rbm::new(visible, floats("weights", &[n, m])?, floats("visible_bias", &[n])?, floats("hidden_bias", &[m])?)
                .map_err(|e| Failure::unreadable(format!("{}: {e}", file.display())))?;
        // Without base rates chains start at one half.
        let base = if read.tensors.contains_key("base_rates") { floats("base_rates", &[n])? } else { vec![0.0; n] };
        let side = |at: usize| read.about["picture"][at].as_u64().map(|x| x as usize);
        let picture = side(0).zip(side(1)).filter(|(a, b)| a.checked_mul(*b) == Some(n)).unwrap_or((1, n));
        Ok(Self { rbm, base, picture })
    }

    /// A `BernoulliRBM`; it says nothing of base rates or pictures, so chains start at one half, and what can be a square is.
    fn of_scikit_learn(read: &Checkpoint) -> Outcome<Self> {
        let [m, n] = read.tensors["components_"].shape[..] else {
            return Err(Failure::unreadable(format!(
                "components_ of shape {:?}; expected [hidden, visible]",
                read.tensors["components_"].shape
            )));
        };
        let components = read.floats("components_", &[m, n])?;
        let (visible, hidden) = (read.floats("intercept_visible_", &[n])?, read.floats("intercept_hidden_", &[m])?);
        let rbm = Rbm::from_scikit_learn(components, visible, hidden)?;
        let side = n.isqrt();
        let picture = if side * side == n { (side, side) } else { (1, n) };
        Ok(Self { rbm, base: vec![0.0; n], picture })
    }
}

/// The state of a training as a file.
pub fn training(state: &State, about: Value) -> Checkpoint {
    let mut file = Checkpoint { about, ..Checkpoint::default() };
    for (name, (shape, numbers)) in &state.floats {
        file.put(&format!("floats.{name}"), shape, Numbers::F32(numbers.clone()));
    }
    for (name, numbers) in &state.integers {
        file.put(&format!("integers.{name}"), &[numbers.len()], Numbers::U64(numbers.clone()));
    }
    file
}

/// And back.
pub fn state(file: &Checkpoint) -> Outcome<State> {
    let mut state = State { floats: Default::default(), integers: Default::default() };
    for (name, Tensor { shape, numbers }) in &file.tensors {
        match (name.split_once('.'), numbers) {
            (Some(("floats", name)), Numbers::F32(numbers)) => {
                state.floats.insert(name.to_string(), (shape.clone(), numbers.clone()));
            }
            (Some(("integers", name)), Numbers::U64(numbers)) => {
                state.integers.insert(name.to_string(), numbers.clone());
            }
            _ => return Err(Failure::unreadable(format!("{TRAINING}: the array {name:?} is none of a training"))),
        }
    }
    Ok(state)
}
