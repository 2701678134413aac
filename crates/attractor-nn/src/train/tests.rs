//! A run of a few steps: it learns, it repeats, it resumes, and what it writes can be read again.

use super::*;
use crate::checkpoint::{Checkpoint, Opening};
use crate::model::{Input, Overrides};

fn shape(tied: bool, inner: usize) -> Shape {
    Shape { vocab: 23, positions: 32, hidden: 24, layers: 2, heads: 3, inner, tied }
}

fn plan(steps: usize) -> Plan {
    Plan { steps, batch: 4, length: 20, learning_rate: 1e-2, warm_up: 5, ..Plan::default() }
}

fn text() -> Vec<u32> {
    // Every token says which one follows.
    std::iter::successors(Some(2u32), |t| Some((5 * t + 3) % 23)).take(600).collect()
}

fn weights(training: &Training) -> Vec<Vec<f32>> {
    training.model.clone().parameters().iter().map(|p| ops::values(p.tensor.clone())).collect()
}

#[test]
fn the_loss_falls_well_below_chance_on_a_text_that_can_be_known() {
    let mut training = Training::new(shape(true, 48), plan(150)).unwrap();
    let mut losses = Vec::new();
    let only_text = Mixture { repeated: 0.0 };
    training.plan.mixture = only_text;
    train_causal_lm(&mut training, &text(), &mut |_, step| {
        losses.push(step.loss);
        Ok(true)
    })
    .unwrap();
    let chance = 23f64.ln();
    assert!((losses[0] - chance).abs() < 1.0, "{}", losses[0]);
    assert!(losses[140..].iter().all(|&l| l < 0.1 * chance), "{:?}", &losses[140..]);
}

#[test]
fn a_run_that_was_kept_and_restored_ends_with_the_same_bits() {
    let mut whole = Training::new(shape(false, 0), plan(12)).unwrap();
    let mut part = whole.clone();
    train_causal_lm(&mut whole, &text(), &mut |_, _| Ok(true)).unwrap();
    train_causal_lm(&mut part, &text(), &mut |_, step| Ok(step.step < 7)).unwrap();
    let state = part.state();
    let mut resumed = Training::restored(shape(false, 0), plan(12), &state).unwrap();
    assert_eq!(resumed.step(), 7);
    train_causal_lm(&mut resumed, &text(), &mut |_, _| Ok(true)).unwrap();
    assert_eq!(weights(&whole), weights(&resumed));
    assert_eq!(whole.optimiser, resumed.optimiser);
    // A state that lacks an array, or is of another model, is refused.
    let mut torn = state.clone();
    torn.floats.pop_first();
    assert!(Training::restored(shape(false, 0), plan(12), &torn).unwrap_err().is_format());
    assert!(Training::restored(shape(false, 48), plan(12), &state).unwrap_err().is_format());
    assert!(Training::restored(shape(false, 0), plan(12), &Default::default()).unwrap_err().is_format());
}

#[test]
fn what_was_written_reads_back_as_the_same_model() {
    for (tied, inner) in [(true, 48), (false, 0)] {
        let shape = shape(tied, inner);
        let mut training = Training::new(shape, plan(3)).unwrap();
        train_causal_lm(&mut training, &text(), &mut |_, _| Ok(true)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let input = Input::tokens((0..19).map(|i| i % 23).collect());
        let run = |model: &Model| model.forward(&input, &mut (), &Overrides::none()).unwrap().logits.unwrap();
        for (precision, tolerance) in [(StoredPrecision::F32, 0.0), (StoredPrecision::F16, 1e-2)] {
            let files = model_files(&training.model, &shape, [Some(0), None, None], b"{}", precision).unwrap();
            files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
            let read = Model::load(&Checkpoint::open(folder.path(), &Opening::default()).unwrap()).unwrap();
            assert_eq!(read.spec().intermediate, inner);
            let error = run(&training.model).iter().zip(run(&read)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error <= tolerance, "{precision:?}: {error}");
        }
    }
}

#[test]
fn repeated_rows_count_only_what_can_be_known() {
    let plan = Plan { mixture: Mixture { repeated: 1.0 }, ..plan(1) };
    for step in 0..20 {
        let batch = batch::draw(&[], &plan, 1000, step).unwrap();
        for (&at, &target) in batch.predicted.iter().zip(&batch.targets) {
            let (row, i) = (&batch.rows[at / plan.length], at % plan.length);
            assert_eq!(row[i + 1] as usize, target);
            assert!((0..i).any(|j| row[j] == row[i] && row[j + 1] as usize == target), "step {step}: {i} of {row:?}");
        }
        assert!(!batch.targets.is_empty());
    }
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let text = text();
    assert!(Training::new(Shape { hidden: 25, ..shape(true, 0) }, plan(1)).unwrap_err().is_usage());
    assert!(Training::new(Shape { vocab: 1 << 20, hidden: 1 << 10, heads: 1, ..shape(true, 0) }, plan(1)).is_err());
    assert!(Training::new(shape(true, 0), Plan { length: 33, ..plan(1) }).unwrap_err().is_usage());
    assert!(Training::new(shape(true, 0), Plan { learning_rate: f64::NAN, ..plan(1) }).unwrap_err().is_usage());
    let mut training = Training::new(shape(true, 0), plan(1)).unwrap();
    assert!(training.advance(&text[..20]).unwrap_err().is_usage());
    assert!(training.advance(&[vec![23], text].concat()).unwrap_err().is_usage());
    let mut wild = Training::new(shape(true, 0), Plan { learning_rate: 1e30, warm_up: 0, ..plan(9) }).unwrap();
    let text = self::text();
    let error = train_causal_lm(&mut wild, &text, &mut |_, _| Ok(true)).unwrap_err();
    assert!(error.is_non_finite(), "{error}");
}
