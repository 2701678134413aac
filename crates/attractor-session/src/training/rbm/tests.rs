//! Trainings that are stopped, taken up again, and what they leave behind.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use attractor::{Advance, Context, Note};
use attractor_data::patterns::Source;

use super::*;
use crate::training::Stopped;

fn options(here: &std::path::Path, name: &str) -> Options {
    Options {
        data: Source { data: Some("glyphs-8".to_string()), ..Source::default() },
        output: here.join(name),
        hidden: Some(5),
        batch_size: Some(4),
        lr: Some(0.1),
        held_out: Some(0.2),
        epochs: Some(6),
        likelihood_every: 2,
        ..Options::default()
    }
}

/// Stopped in its third epoch and taken up again, a training has the machine of one that was not; rates may change, sizes not.
#[test]
fn a_stopped_training_goes_on_to_the_same_bits() {
    let here = tempfile::tempdir().unwrap();
    let context = Context::new(3);
    let whole = run(&options(here.path(), "whole"), &context).unwrap();
    assert_eq!((whole.epochs, whole.updates, whole.training.rows), (6, 12, 8));
    assert!(whole.log_partition_error == Some(0.0) && whole.log_likelihood_held_out.is_some());
    assert!(whole.diagnostics.history.len() == 6 && whole.diagnostics.samples.len() == 50);

    let epochs = AtomicUsize::new(0);
    let tell = |_: Advance<'_>| {
        epochs.fetch_add(1, Ordering::Relaxed);
    };
    let in_the_third = || epochs.load(Ordering::Relaxed) > 2;
    let stopping = Context::new(3).with_progress(&tell).with_interrupt(&in_the_third);
    let error = run(&options(here.path(), "parts"), &stopping).unwrap_err();
    let stopped = Stopped::of(&error).unwrap();
    assert_eq!((stopped.done, stopped.asked), (2, 6), "{error}");
    let resumed = Options { resume: true, ..options(here.path(), "parts") };
    let other = run(&Options { hidden: Some(6), ..resumed.clone() }, &context).unwrap_err();
    assert!(other.to_string().contains("started with hidden 5, now it is 6"), "{other}");
    let other = run(&Options { k: Some(2), ..resumed.clone() }, &context).unwrap_err();
    assert!(other.to_string().contains("sampler cd of k 1, now it is cd of k 2"), "{other}");
    let parts = run(&resumed, &context).unwrap();
    assert_eq!((parts.updates, parts.log_likelihood), (whole.updates, whole.log_likelihood));
    assert!(std::fs::read(&whole.model).unwrap() == std::fs::read(&parts.model).unwrap());

    let notes = Mutex::new(Vec::new());
    let listen = |note: &Note| notes.lock().unwrap().push(note.clone());
    let slower = Options { lr: Some(0.05), epochs: Some(7), ..resumed };
    let found = run(&slower, &Context::new(3).with_listener(&listen)).unwrap();
    assert_eq!(found.training.changes.len(), 1);
    assert!(matches!(
        notes.lock().unwrap()[..],
        [Note::Changed { changed: attractor::sample::rbm::Changed::Rates { .. }, epoch: 7 }]
    ));
}

/// Nothing is whole yet: there is nothing to go on from, and the folder can be used again.
#[test]
fn a_training_without_a_whole_epoch_is_started_again() {
    let here = tempfile::tempdir().unwrap();
    let asked = AtomicUsize::new(0);
    // The first question comes before the folder is taken.
    let at_once = || asked.fetch_add(1, Ordering::Relaxed) > 0;
    let error = run(&options(here.path(), "out"), &Context::new(0).with_interrupt(&at_once)).unwrap_err();
    assert_eq!(Stopped::of(&error).unwrap().done, 0);
    assert!(!here.path().join("out/training.safetensors").exists());
    run(&options(here.path(), "out"), &Context::new(0)).unwrap();
    let again = run(&options(here.path(), "out"), &Context::new(0)).unwrap_err();
    assert!(again.is_usage() && again.to_string().contains("already holds a training run"), "{again}");
}
