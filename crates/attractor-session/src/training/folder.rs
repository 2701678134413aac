//! The protocol of a training with its folder.

use std::fmt;
use std::path::{Path, PathBuf};

use attractor::{Error, Hint, Kind, Result, State};
use attractor_data::files::check_folder;
use attractor_data::training::{Claim, MetricLog, SavedState, TRAINING};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a training counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Passes over the data.
    Epochs,
    /// Updates.
    Steps,
}

impl Counted {
    /// Its name in the log.
    pub(super) fn counter(self) -> &'static str {
        match self {
            Self::Epochs => "epoch",
            Self::Steps => "step",
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Epochs => "epochs",
            Self::Steps => "steps",
        })
    }
}

/// How far a training was when somebody stopped it: the source of its `is_interrupted` error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// What is counted.
    pub counted: Counted,
    /// So many are whole and kept; none: there is nothing to go on from.
    pub done: u64,
    /// So many were asked for.
    pub asked: u64,
    /// Where they are kept.
    pub folder: PathBuf,
}

impl Stopped {
    /// What an error knows of a stopped training; none if it is another one.
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counted, done, asked, folder } = self;
        write!(f, "stopped: {done} of {asked} {counted} are done and kept in {}", folder.display())
    }
}

impl std::error::Error for Stopped {}

/// A setting of a training: its name, and both values in words where they differ.
pub(super) struct Setting {
    name: String,
    differs: Option<(String, String)>,
}

impl Setting {
    /// A setting that is compared as JSON, and told as `shown` says.
    pub fn new<T: Serialize>(name: &str, was: &T, is: &T, shown: impl Fn(&T) -> String) -> Self {
        let differs = (json(was) != json(is)).then(|| (shown(was), shown(is)));
        Self { name: name.replace('_', " "), differs }
    }

    /// Every field of a structure, in the order of their names, but for those in `but`.
    pub fn fields<T: Serialize>(was: &T, is: &T, but: &[&str]) -> Vec<Self> {
        let (was, is) = (json(was), json(is));
        let fields = is.as_object().into_iter().flatten().filter(|(name, _)| !but.contains(&name.as_str()));
        fields.map(|(name, is)| Self::new(name, &was[name], is, shown)).collect()
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A value as it was given.
pub(super) fn shown(value: &impl Serialize) -> String {
    match json(value) {
        Value::Null => "nothing".to_string(),
        Value::String(text) => text,
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let single = number as f32;
            // What was single precision is told as it was given.
            if f64::from(single) == number { single.to_string() } else { number.to_string() }
        }
        value => value.to_string(),
    }
}

/// What tells a capture, or a model of another kind, of which a training must not become part.
const FOREIGN: [&str; 3] = ["run.json", "zarr.json", "config.json"];

/// The folder of a training.
#[derive(Debug, Clone, Copy)]
pub(super) struct Folder<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Whether a training is to go on.
    pub resume: bool,
    /// What is counted.
    pub counted: Counted,
    /// Files that a new training would overwrite: of another training, or somebody's only copy.
    pub files: &'static [&'static str],
}

impl Folder<'_> {
    /// The file of the whole state.
    pub fn state(&self) -> PathBuf {
        self.path.join(TRAINING)
    }

    /// Checks that the folder can be what is wanted of it.
    ///
    /// # Errors
    /// `is_usage` for a file, or a folder that holds a training or a model; `is_io` if there is nothing to go on with.
    pub fn fits(&self) -> Result<()> {
        let folder = self.path.display();
        check_folder(self.path)?;
        let is_there = |name: &&&str| self.path.join(name).metadata().is_ok_and(|file| file.len() > 0);
        match (self.resume, self.state().exists(), self.files.iter().find(is_there)) {
            (false, true, _) => Err(Error::usage(format!(
                "{folder}: already holds a training run; name a new folder, or resume this one"
            ))
            .hinted(Hint::GiveOne(vec!["resume"]))),
            (false, false, Some(name)) => {
                Err(Error::usage(format!("{folder}: holds {name} already, which would be lost; name a new folder")))
            }
            (false, false, None) if FOREIGN.iter().any(|name| self.path.join(name).exists()) => {
                Err(Error::usage(format!("{folder}: holds a capture or a model; name a new folder")))
            }
            (true, false, _) => {
                let why = format!("{}: there is nothing here to resume", self.state().display());
                Err(Error::io(why).hinted(Hint::Omit("resume")))
            }
            _ => Ok(()),
        }
    }

    /// Takes the folder for this process alone.
    ///
    /// # Errors
    /// As [`Folder::fits`] and [`Claim::take`].
    pub fn claim(&self) -> Result<Claim> {
        let claim = Claim::take(self.path)?;
        // Another training may have begun, and ended, since the options were read.
        self.fits()?;
        Ok(claim)
    }

    /// The checkpoint to go on from, and what it says about itself.
    ///
    /// # Errors
    /// As [`SavedState::read`]; `is_format` for one of another kind of training.
    pub fn read<T: DeserializeOwned>(&self) -> Result<(SavedState, T)> {
        let file = SavedState::read(&self.state())?;
        let about = file.about().map_err(|e| self.foreign(&e).because(e).of_kind(Kind::Format))?;
        Ok((file, about))
    }

    /// A refusal of a checkpoint that is none of this kind.
    pub fn foreign(&self, why: impl fmt::Display) -> Error {
        let state = self.state();
        Error::format(format!(
            "{}: not a checkpoint of this training ({why}); start again, or name its folder",
            state.display()
        ))
    }

    /// Refuses to go on with other settings.
    ///
    /// # Errors
    /// `is_usage`, naming the first that differs with both values.
    pub fn same(&self, settings: &[Setting]) -> Result<()> {
        let first = settings.iter().find_map(|setting| setting.differs.as_ref().map(|(was, is)| (setting, was, is)));
        match first {
            None => Ok(()),
            Some((Setting { name, .. }, was, is)) => Err(Error::usage(format!(
                "{}: was started with {name} {was}, now it is {is}; resume with the same data and options, or name a new folder",
                self.state().display()
            ))),
        }
    }

    /// Writes all that is needed to go on, in one file that is replaced whole.
    ///
    /// # Errors
    /// As [`SavedState::write`].
    pub fn save(&self, state: &State, about: &impl Serialize) -> Result<()> {
        SavedState::of_state(state, about)?.write(&self.state())
    }

    /// Removes the state of a training that has done nothing whole: nothing is lost, it is what the options say.
    ///
    /// # Errors
    /// `is_io`.
    pub fn forget(&self) -> Result<()> {
        let state = self.state();
        std::fs::remove_file(&state).map_err(|e| Error::io(format!("{}: {e}", state.display())).because(e))
    }

    /// The metric log, begun or gone on with behind what is done.
    ///
    /// # Errors
    /// As [`MetricLog::open`].
    pub fn log(&self, done: u64) -> Result<MetricLog> {
        MetricLog::open(self.path, self.counted.counter(), self.resume.then_some(done))
    }

    /// What is answered when somebody has stopped the training.
    pub fn stopped(&self, done: u64, asked: u64) -> Error {
        let stopped = Stopped { counted: self.counted, done, asked, folder: self.path.to_path_buf() };
        Error::interrupted(stopped.to_string()).because(stopped)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(path: &Path, resume: bool) -> Folder<'_> {
        Folder { path, resume, counted: Counted::Steps, files: &["model.safetensors"] }
    }

    #[test]
    fn a_folder_is_begun_once_and_gone_on_with_after_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let says = |resume: bool| at(&path, resume).fits().unwrap_err().to_string();
        assert!(says(true).contains("nothing here to resume") && at(&path, true).fits().unwrap_err().is_io());
        let claim = at(&path, false).claim().unwrap();
        assert!(at(&path, false).claim().unwrap_err().to_string().contains("another process is writing"));
        drop(claim);
        std::fs::write(path.join("model.safetensors"), b"").unwrap();
        at(&path, false).fits().unwrap();
        std::fs::write(path.join("model.safetensors"), b"mine").unwrap();
        assert!(says(false).contains("holds model.safetensors already"));
        at(&path, false).save(&State::default(), &json!({ "format": 1 })).unwrap();
        assert!(says(false).contains("already holds a training run"));
        let (_, about): (_, Value) = at(&path, true).read().unwrap();
        assert_eq!(about, json!({ "format": 1 }));
        assert!(at(&path, true).read::<Vec<u8>>().unwrap_err().is_format());
        at(&path, true).forget().unwrap();
        assert!(says(true).contains("nothing here"));
        let capture = folder.path().join("capture");
        std::fs::create_dir(&capture).unwrap();
        at(&capture, false).fits().unwrap();
        std::fs::write(capture.join("run.json"), b"{}").unwrap();
        let error = at(&capture, false).fits().unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("holds a capture"), "{error}");
        let file = path.join("model.safetensors");
        assert!(at(&file, false).fits().unwrap_err().to_string().contains("is a file"));
    }

    #[test]
    fn the_first_setting_that_differs_is_named() {
        let folder = at(Path::new("out"), true);
        let was = json!({ "batch": 4, "learning_rate": 0.1, "seed": 3, "weights": null });
        let settings = |is: Value, but: &[&str]| folder.same(&Setting::fields(&was, &is, but));
        settings(was.clone(), &[]).unwrap();
        let is = json!({ "batch": 4, "learning_rate": 0.25, "seed": 5, "weights": "a" });
        let error = settings(is.clone(), &["seed"]).unwrap_err();
        assert!(error.to_string().contains("started with learning rate 0.1, now it is 0.25"), "{error}");
        let error = settings(is, &["learning_rate", "seed"]).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("weights nothing, now it is a"), "{error}");
        assert_eq!([shown(&0.1f32), shown(&0.1f64), shown(&u64::MAX)], ["0.1", "0.1", "18446744073709551615"]);
    }

    #[test]
    fn a_stopped_training_says_how_far_it_was() {
        let error = at(Path::new("out"), false).stopped(3, 10);
        assert!(error.is_interrupted());
        let stopped = Stopped::of(&error).unwrap();
        assert_eq!((stopped.done, stopped.asked, stopped.counted), (3, 10, Counted::Steps));
        assert_eq!(error.to_string(), "stopped: 3 of 10 steps are done and kept in out");
        assert!(Stopped::of(&Error::usage("no")).is_none());
    }
}
