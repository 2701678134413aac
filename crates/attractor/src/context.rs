//! What every job gets from its caller: a seed, threads, and the way to say how far it is and to ask whether to stop.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::data_note::DataNote;
use crate::error::{Error, Result};
use crate::rates::Changed;

/// How far long work is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Advance<'a> {
    /// What is being done: "capturing", "ablations".
    pub stage: &'a str,
    /// Steps of it that are done.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
    /// A number to look at while it runs, with its name: ("loss", 2.31).
    pub figure: Option<(&'a str, f64)>,
}

/// What a caller should know although the work goes on. Faces word it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// No input was given: the built-in text is used.
    BuiltInText,
    /// Heads that look for what repeats are measured on random tokens, each sequence repeated.
    RepeatedTokens {
        /// Their seed.
        seed: u64,
    },
    /// Inputs are so long that memory is what they cost most.
    LongInputs {
        /// Positions of the longest.
        positions: usize,
    },
    /// Ablations begin, within a budget that does not allow all of them; in passes of the longest input.
    Ablations {
        /// The budget.
        passes: u64,
        /// What everything would take.
        everything: u64,
    },
    /// What should be known of how a checkpoint was read.
    ReadAs {
        /// In words.
        remark: String,
    },
    /// Patterns that no memory can tell apart.
    EqualPatterns {
        /// The first pattern that occurs again.
        first: usize,
        /// Where it does.
        second: usize,
        /// Further patterns that repeat an earlier one.
        more: usize,
    },
    /// A pattern that is the same at every unit.
    ConstantPattern {
        /// The first of them.
        first: usize,
        /// Others.
        more: usize,
    },
    /// What became of data on their way in.
    Data(DataNote),
    /// An option of a training that goes on is another than before.
    Changed {
        /// Which, with both values.
        #[serde(flatten)]
        changed: Changed,
        /// The first epoch with it.
        epoch: u64,
    },
    /// The metric log of a training lacks epochs.
    LogGap {
        /// Before this epoch.
        epochs: u64,
    },
    /// As many epochs are done as were asked for.
    NothingLeft {
        /// Epochs that are done.
        done: u64,
        /// Epochs that were asked for.
        asked: u64,
    },
    /// The likelihood falls although the reconstruction improves.
    Diverging {
        /// When it was noticed.
        epoch: u64,
        /// By how much it has fallen, nats per row.
        drop: f64,
        /// The epoch of the best likelihood.
        best: u64,
        /// True if training ends here with the best machine.
        rolls_back: bool,
    },
}

type Progress<'a> = &'a (dyn Fn(Advance<'_>) + Sync);
type Listener<'a> = &'a (dyn Fn(&Note) + Sync);
type Interrupt<'a> = &'a (dyn Fn() -> bool + Sync);

/// What every job gets from its caller.
///
/// Several callers in one process work side by side: nothing here is global. Results do not depend on the number of
/// threads.
///
/// # Example
/// ```
/// use attractor::Context;
/// let steps = std::sync::Mutex::new(Vec::new());
/// let tell = |step: attractor::Advance| steps.lock().unwrap().push(step.done);
/// let context = Context::new(7).with_progress(&tell).with_threads(2)?;
/// context.step("counting", 1, 3);
/// assert_eq!((context.seed(), context.install(rayon::current_num_threads)), (7, 2));
/// assert_eq!(*steps.lock().unwrap(), [1]);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Context<'a> {
    seed: u64,
    threads: Option<Arc<rayon::ThreadPool>>,
    progress: Option<Progress<'a>>,
    listener: Option<Listener<'a>>,
    interrupt: Option<Interrupt<'a>>,
}

/// Threads at most.
const MOST_THREADS: usize = 4096;

impl<'a> Context<'a> {
    /// A silent context on the threads of whoever calls.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Says how far work is.
    pub fn with_progress(self, progress: &'a (dyn Fn(Advance<'_>) + Sync)) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Says what a caller should know.
    pub fn with_listener(self, listener: &'a (dyn Fn(&Note) + Sync)) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Asks whether to stop; what is whole is then kept.
    pub fn with_interrupt(self, interrupt: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { interrupt: Some(interrupt), ..self }
    }

    /// Works on so many threads of its own.
    ///
    /// # Errors
    /// `is_usage` for none, or for more than 4096.
    pub fn with_threads(self, threads: usize) -> Result<Self> {
        match threads {
            0 => Err(Error::option("threads", 0, "give at least 1")),
            1..=MOST_THREADS => {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let pool =
                    pool.map_err(|e| Error::usage(format!("threads: {threads} cannot be started: {e}")).because(e))?;
                Ok(Self { threads: Some(Arc::new(pool)), ..self })
            }
            _ => Err(Error::option("threads", threads, format!("give at most {MOST_THREADS}"))),
        }
    }

    /// Works on so many threads of its own; without a number on those that all callers share: one per core, or as many as the
    /// environment variable RAYON_NUM_THREADS says.
    ///
    /// # Errors
    /// `is_usage` for more than 4096, and for more than the system starts.
    pub fn on_threads(self, threads: Option<usize>) -> Result<Self> {
        if let Some(threads) = threads {
            return self.with_threads(threads);
        }
        let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.trim().parse::<usize>().ok());
        let refused = |why: String| Error::usage(format!("RAYON_NUM_THREADS = {}: {why}", asked.unwrap_or(0)));
        if asked.is_some_and(|asked| asked > MOST_THREADS) {
            return Err(refused(format!("give at most {MOST_THREADS}, or leave the variable out")));
        }
        // Threads that are there already are as good.
        match rayon::ThreadPoolBuilder::new().build_global() {
            Err(error) if std::error::Error::source(&error).is_some() => {
                Err(refused(format!("so many threads cannot be started: {error}")).because(error))
            }
            _ => Ok(self),
        }
    }

    /// The same with another seed.
    pub fn with_seed(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }

    /// The same, saying nothing.
    pub fn quiet(&self) -> Self {
        Self { progress: None, listener: None, ..self.clone() }
    }

    /// The same, with progress but without notes.
    pub fn without_notes(&self) -> Self {
        Self { listener: None, ..self.clone() }
    }

    /// Seed of everything random.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Says how far a stage is.
    pub fn step(&self, stage: &str, done: usize, total: usize) {
        self.tell(Advance { stage, done, total, figure: None });
    }

    /// Says how far work is, with a number to look at.
    pub fn tell(&self, step: Advance<'_>) {
        if let Some(progress) = self.progress {
            progress(step);
        }
    }

    /// Says what a caller should know although the work goes on.
    pub fn note(&self, note: &Note) {
        if let Some(listener) = self.listener {
            listener(note);
        }
    }

    /// True if somebody asked to stop.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_some_and(|asked| asked())
    }

    /// Refuses to go on if somebody asked to stop.
    ///
    /// # Errors
    /// `is_interrupted`.
    pub fn check(&self) -> Result<()> {
        match self.is_interrupted() {
            true => Err(Error::interrupted("stopped")),
            false => Ok(()),
        }
    }

    /// Works on this context's threads, or on those that all callers share: the job itself too, since every product that a
    /// thread outside hands to a pool costs two switches of threads.
    pub fn install<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        match &self.threads {
            Some(pool) => pool.install(job),
            None => rayon::scope(|_| job()),
        }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.threads.as_ref().map(|pool| pool.current_num_threads());
        f.debug_struct("Context").field("seed", &self.seed).field("threads", &threads).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_context_refuses_to_go_on() {
        assert!(Context::new(0).check().is_ok());
        let asked = || true;
        let error = Context::new(0).with_interrupt(&asked).check().unwrap_err();
        assert!(error.is_interrupted());
    }

    #[test]
    fn threads_that_cannot_be_had_are_refused() {
        assert!(Context::new(0).with_threads(0).unwrap_err().to_string().contains("at least 1"));
        assert!(Context::new(0).with_threads(5000).unwrap_err().to_string().contains("at most 4096"));
    }
}
