//! Trainings that are stopped, taken up again, and what they leave behind.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use attractor::{Advance, Context, DataNote, Note};
use attractor_data::patterns::Source;

use super::*;
use crate::likelihood;
use crate::training::Stopped;

fn options(here: &std::path::Path, name: &str) -> Options {
    Options {
        data: Source { data: Some("glyphs-8".to_string()), ..Source::default() },
        output: here.join(name),
        hidden: Some(5),
        batch_size: Some(4),
        lr: Some(0.1),
        lr_end: Some(1.0),
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
    assert!(other.to_string().contains("sampler pcd of k 1 on 4 chains, now it is pcd of k 2"), "{other}");
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

/// The notes of a job on data.
fn noted(job: impl FnOnce(&Context<'_>)) -> Vec<DataNote> {
    let notes = Mutex::new(Vec::new());
    let listen = |note: &Note| {
        if let Note::Data(note) = note {
            notes.lock().unwrap().push(note.clone());
        }
    };
    job(&Context::new(3).with_listener(&listen));
    notes.into_inner().unwrap()
}

/// Ten rows of sixteenths, learnt over 16 and above a threshold: their likelihood is asked of the file as it is.
#[test]
fn data_are_measured_in_the_unit_in_which_they_were_learnt() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("sixteenths.csv");
    let line = |row: usize| (0..5).map(|unit| ((row * 7 + unit * 5) % 17).to_string()).collect::<Vec<_>>().join(",");
    std::fs::write(&file, (0..10).map(|row| line(row) + "\n").collect::<String>()).unwrap();
    let data = Source { data: Some(file.to_str().unwrap().to_string()), ..Source::default() };
    for threshold in [None, Some(0.4)] {
        let told = Source { scale: Some(16.0), threshold, ..data.clone() };
        let output = here.path().join(format!("rbm{}", threshold.is_some()));
        let sizes = Options { hidden: Some(3), epochs: Some(2), held_out: Some(0.0), ..Options::default() };
        let trained = run(&Options { data: told.clone(), output: output.clone(), ..sizes }, &Context::new(3)).unwrap();
        let evaluation = likelihood::Evaluation { betas: 50, runs: 5, steps: 5 };
        let options =
            |data: &Source| likelihood::Options { model: Some(output.clone()), data: data.clone(), evaluation };
        let mut exact = Vec::new();
        let notes = noted(|context| {
            let found = likelihood::run(&options(&data), context).unwrap();
            assert_eq!(found.base_rates[&likelihood::Part::AllRows].value, trained.base_rate_log_likelihood);
            exact.push(found.evaluated.exact.unwrap().log_likelihood[&likelihood::Part::AllRows].value);
        });
        exact.push(trained.log_likelihood.unwrap());
        assert!((exact[0] - exact[1]).abs() < 1e-9, "{exact:?}");
        assert!(notes.contains(&DataNote::DividedAsLearnt { by: 16.0 }), "{notes:?}");
        assert_eq!(notes.contains(&DataNote::CutAsLearnt { threshold: 0.4 }), threshold.is_some());
        let said = noted(|context| drop(likelihood::run(&options(&told), context).unwrap()));
        assert!(!said.iter().any(|note| matches!(note, DataNote::DividedAsLearnt { .. })), "{said:?}");
    }
}

/// Rows that occur again and again stand on both sides of a split, which is said; the split is drawn by the seed.
#[test]
fn held_out_rows_are_drawn_and_repeats_are_told() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("rows.csv");
    let row = |at: usize| (0..8).map(|bit| (at >> bit & 1).to_string()).collect::<Vec<_>>().join(",") + "\n";
    let source = |rows: &mut dyn Iterator<Item = usize>| {
        std::fs::write(&file, rows.map(row).collect::<String>()).unwrap();
        Source { data: Some(file.to_str().unwrap().to_string()), ..Source::default() }
    };
    let held = |data: Source, name: &str| {
        let output = here.path().join(name);
        noted(|context| {
            let sizes = Options { hidden: Some(3), epochs: Some(1), held_out: Some(0.25), ..Options::default() };
            run(&Options { data, output, likelihood_every: 0, ..sizes }, context).unwrap();
        })
    };
    let tiled = held(source(&mut (0..200).map(|row| row % 10 + 1)), "tiled");
    assert!(tiled.contains(&DataNote::HeldOutRepeats { repeats: 50, held_out: 50 }), "{tiled:?}");
    assert!(held(source(&mut (0..200)), "all").is_empty());
}

/// A rate that throws the machine away ends below the base rates of its data, which is said.
#[test]
fn a_machine_below_the_base_rates_is_told() {
    let here = tempfile::tempdir().unwrap();
    let with = |lr: f32, name: &str| {
        let options = Options { lr: Some(lr), held_out: Some(0.0), ..options(here.path(), name) };
        noted(|context| {
            let trained = run(&options, context).unwrap();
            let (machine, base) = (trained.log_likelihood.unwrap(), trained.base_rate_log_likelihood);
            assert_eq!(machine < base, lr > 1.0, "{machine} {base}");
            assert_eq!(trained.diagnostics.history[5].1["log_likelihood_base_rates"], base);
        })
    };
    let thrown = with(100.0, "thrown");
    assert!(matches!(thrown[..], [DataNote::BelowBaseRates { machine, base }] if machine < base), "{thrown:?}");
    assert!(with(0.1, "sound").is_empty());
}

/// Real numbers of means 50 and -3 and deviations 10 and 0.1 are learnt in standard units, measured in them, drawn in their own.
#[test]
fn standardised_numbers_come_back_in_their_own_unit() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("reals.csv");
    // Two numbers that go together, from a lattice of nine points.
    let line = |row: usize| {
        let (x, y) = ((row % 9) as f64 - 4.0, ((row / 9) % 3) as f64 - 1.0);
        format!("{},{}\n", 50.0 + 10.0 * x / 2.6, -3.0 + 0.1 * (x + y) / 2.7)
    };
    std::fs::write(&file, (0..108).map(line).collect::<String>()).unwrap();
    let data = Source { data: Some(file.to_str().unwrap().to_string()), ..Source::default() };
    let output = here.path().join("rbm");
    let sizes =
        Options { hidden: Some(4), epochs: Some(30), lr: Some(0.01), held_out: Some(0.0), ..Options::default() };
    let told = Options { gaussian: true, standardize: true, data: data.clone(), output: output.clone(), ..sizes };
    let trained = run(&told, &Context::new(3)).unwrap();
    // Two units of variance one: -ln(2 pi) - 1.
    let normal = -std::f64::consts::TAU.ln() - 1.0;
    assert!((trained.base_rate_log_likelihood - normal).abs() < 1e-5, "{}", trained.base_rate_log_likelihood);
    let evaluation = likelihood::Evaluation { betas: 50, runs: 5, steps: 5 };
    let options = likelihood::Options { model: Some(output), data, evaluation };
    let found = likelihood::run(&options, &Context::new(3)).unwrap();
    let exact = found.evaluated.exact.unwrap().log_likelihood[&likelihood::Part::AllRows].value;
    assert!((exact - trained.log_likelihood.unwrap()).abs() < 1e-9);
    let mean = |unit: usize| trained.diagnostics.samples.iter().map(|row| row[unit]).sum::<f32>() / 50.0;
    assert!((mean(0) - 50.0).abs() < 10.0 && (mean(1) + 3.0).abs() < 0.1, "{} {}", mean(0), mean(1));
}
