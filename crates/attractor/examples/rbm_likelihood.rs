//! What training does to the exact likelihood, as JSON: bars and stripes by CD-1, PCD-1 and parallel tempering with the
//! divergence alarm, or data from a file with a held-out part.
//!
//! `rbm_likelihood bars [SEEDS] [UPDATES]` (4 x 4, 16 hidden units), or
//! `rbm_likelihood file TRAIN TEST VISIBLE [HIDDEN] [SEEDS] [EPOCHS]`: raw little-endian f32 of 0 and 1, rows of VISIBLE numbers, or
//! `rbm_likelihood sandwich TRAIN TEST VISIBLE [HIDDEN] [EPOCHS]`: the same files, a machine too large for exact numbers, by CD-25 and
//! by persistent chains, its likelihood between annealed importance sampling and its reverse.

use std::time::Instant;

use attractor::sample::rbm::ais::{self, Annealing};
use attractor::sample::rbm::{
    Alarm, Decay, Plan, Rates, Rbm, Reading, Rows, Sampler, Trainer, Trend, Visible, even_betas, exact, generate,
    likelihood, monitor,
};

const QUIET: exact::Progress<'static> = &|_, _| {};

/// Horizontal and vertical bars of a square, each pattern once.
fn bars(side: usize) -> Vec<f32> {
    let mut rows = Vec::new();
    for lines in 0..1usize << side {
        let on = |line: usize| (lines >> line & 1) as f32;
        rows.extend((0..side * side).map(|at| on(at / side)));
        if lines != 0 && lines != (1 << side) - 1 {
            rows.extend((0..side * side).map(|at| on(at % side)));
        }
    }
    rows
}

/// Mean ln p of rows, exact.
fn value(rbm: &Rbm, rows: Rows<'_>) -> (f64, f64) {
    let log_z = exact::log_partition(rbm, QUIET).expect("a small machine");
    (likelihood::mean_log_likelihood(rbm, rows, log_z).expect("data that fit").value, log_z)
}

fn bars_and_stripes(seeds: u64, updates: u64) {
    let data = bars(4);
    let data = Rows::new(&data, 16).expect("whole rows");
    let chains = 30;
    // One rate without decay for all three: what differs is the sampler. The last line adds a rate that falls.
    let runs = [
        ("cd1", Sampler::Contrastive { steps: 1 }, None, Decay::None),
        ("pcd1", Sampler::Persistent { steps: 1, chains }, None, Decay::None),
        ("pt", Sampler::Tempering { steps: 1, chains, betas: even_betas(7) }, None, Decay::None),
        ("cd1_centred", Sampler::Contrastive { steps: 1 }, Some(0.01), Decay::None),
        ("pcd1_centred", Sampler::Persistent { steps: 1, chains }, Some(0.01), Decay::None),
        ("pt_centred", Sampler::Tempering { steps: 1, chains, betas: even_betas(7) }, Some(0.01), Decay::None),
        (
            "pt_centred_falling_rate",
            Sampler::Tempering { steps: 1, chains, betas: even_betas(7) },
            Some(0.01),
            Decay::Linear { updates, end: 0.05 },
        ),
    ];
    for (name, sampler, centring, decay) in runs {
        for seed in 0..seeds {
            let start = Instant::now();
            let rbm = Rbm::initial(Visible::Binary, 16, data, seed).expect("data");
            let plan = Plan {
                batch: 30,
                sampler: sampler.clone(),
                rates: Rates::all(0.1),
                centring,
                decay,
                ..Plan::new(seed)
            };
            let mut trainer = Trainer::new(rbm, plan, data).expect("a sound plan");
            let mut alarm = Alarm::default();
            let mut last = f64::NAN;
            let mut worst_swap = f64::NAN;
            for epoch in 1..=updates {
                trainer.epoch(data).expect("an epoch");
                if epoch % 100 == 0 {
                    last = value(trainer.rbm(), data).0;
                    let reconstruction_error = monitor::reconstruction_error(trainer.rbm(), data).expect("data");
                    let reading = Reading { epoch, log_likelihood: last, standard_error: 0.0, reconstruction_error };
                    let _: Trend = alarm.observe(reading).expect("finite numbers");
                    worst_swap = trainer.swap_rates().into_iter().fold(f64::NAN, f64::min);
                }
            }
            let best = alarm.best().expect("a reading");
            let fired = alarm.fired().map_or("null".into(), |r| {
                format!(
                    "{{\"epoch\": {}, \"log_likelihood\": {:.4}, \"reconstruction\": {:.5}, \"reconstruction_at_best\": {:.5}}}",
                    r.epoch, r.log_likelihood, r.reconstruction_error, best.reconstruction_error
                )
            });
            println!(
                "{{\"run\": \"{name}\", \"seed\": {seed}, \"updates\": {updates}, \"best\": {:.4}, \"best_epoch\": {}, \
                 \"final\": {last:.4}, \"drop\": {:.4}, \"alarm\": {fired}, \"lowest_swap_rate\": {}, \"seconds\": {:.1}}}",
                best.log_likelihood,
                best.epoch,
                best.log_likelihood - last,
                if worst_swap.is_nan() { "null".into() } else { format!("{worst_swap:.3}") },
                start.elapsed().as_secs_f64()
            );
        }
    }
}

fn read(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn held_out(arguments: &[String]) {
    let number =
        |at: usize, or: u64| arguments.get(at).map_or(or, |x| x.parse().unwrap_or_else(|e| panic!("{x}: {e}")));
    let n = number(2, 64) as usize;
    let (hidden, seeds, epochs) = (number(3, 16) as usize, number(4, 3), number(5, 1000));
    let (train, test) = (read(&arguments[0]), read(&arguments[1]));
    let train = Rows::new(&train, n).expect("whole rows");
    let test = Rows::new(&test, n).expect("whole rows");
    let batch = 50;
    let per_epoch = train.count().div_ceil(batch) as u64;
    for seed in 0..seeds {
        let start = Instant::now();
        let rbm = Rbm::initial(Visible::Binary, hidden, train, seed).expect("data");
        let plan = Plan {
            batch,
            sampler: Sampler::Tempering { steps: 1, chains: 50, betas: even_betas(8) },
            rates: Rates::all(0.05),
            decay: Decay::Linear { updates: epochs * per_epoch, end: 0.01 },
            ..Plan::new(seed)
        };
        let mut trainer = Trainer::new(rbm, plan, train).expect("a sound plan");
        for epoch in 1..=epochs {
            trainer.epoch(train).expect("an epoch");
            if epoch == epochs || epoch * 4 % epochs.next_multiple_of(4) == 0 {
                let rbm = trainer.rbm();
                let (on_test, log_z) = value(rbm, test);
                let on_train = value(rbm, train).0;
                let pseudo = likelihood::pseudo_log_likelihood(rbm, test).expect("bits").value;
                let base = trainer.base_rates();
                let annealing = Annealing::linear(1000, 20, seed);
                let forward = ais::forward(rbm, base, &annealing, QUIET).expect("base rates");
                let drawn = generate::tempered(rbm, base, &even_betas(8), 20, 500, seed).expect("base rates");
                let drawn = Rows::new(&drawn.samples, n).expect("whole rows");
                let reverse = ais::reverse(rbm, base, &annealing, drawn, QUIET).expect("samples");
                println!(
                    "{{\"seed\": {seed}, \"epoch\": {epoch}, \"train\": {on_train:.4}, \"test\": {on_test:.4}, \"log_z\": {log_z:.4}, \
                     \"pseudo_test\": {pseudo:.4}, \"ais\": {:.4}, \"ais_error\": {:.4}, \"ais_off_in_errors\": {:.2}, \"ais_effective\": {:.1}, \
                     \"reverse\": {:.4}, \"reverse_error\": {:.4}, \"seconds\": {:.1}}}",
                    forward.log_partition,
                    forward.standard_error,
                    (forward.log_partition - log_z) / forward.standard_error,
                    forward.effective_runs,
                    reverse.log_partition,
                    reverse.standard_error,
                    start.elapsed().as_secs_f64()
                );
            }
        }
    }
}

/// Large machines: ln Z from both sides.
fn sandwich(arguments: &[String]) {
    let number =
        |at: usize, or: u64| arguments.get(at).map_or(or, |x| x.parse().unwrap_or_else(|e| panic!("{x}: {e}")));
    let n = number(2, 784) as usize;
    let (hidden, epochs) = (number(3, 500) as usize, number(4, 10));
    let (train, test) = (read(&arguments[0]), read(&arguments[1]));
    let train = Rows::new(&train, n).expect("whole rows");
    let test = Rows::new(&test, n).expect("whole rows");
    let batch = 128;
    let updates = epochs * train.count().div_ceil(batch) as u64;
    let samplers = [
        ("cd25", Sampler::Contrastive { steps: 25 }),
        ("pcd1", Sampler::Persistent { steps: 1, chains: batch }),
        ("pcd25", Sampler::Persistent { steps: 25, chains: batch }),
    ];
    for (name, sampler) in samplers {
        let start = Instant::now();
        let rbm = Rbm::initial(Visible::Binary, hidden, train, 0).expect("data");
        let decay = Decay::Linear { updates, end: 0.01 };
        let plan = Plan { batch, sampler, rates: Rates::all(0.05), decay, ..Plan::new(0) };
        let mut trainer = Trainer::new(rbm, plan, train).expect("a sound plan");
        (0..epochs).for_each(|_| drop(trainer.epoch(train).expect("an epoch")));
        let training = start.elapsed().as_secs_f64();
        let (rbm, base) = (trainer.rbm(), trainer.base_rates());
        let annealing = Annealing::linear(5000, 100, 0);
        let forward = ais::forward(rbm, base, &annealing, QUIET).expect("base rates");
        let drawn = generate::tempered(rbm, base, &even_betas(24), 100, 2000, 0).expect("base rates");
        let samples = Rows::new(&drawn.samples, n).expect("whole rows");
        let reverse = ais::reverse(rbm, base, &annealing, samples, QUIET).expect("samples");
        let of = |rows, log_z| likelihood::mean_log_likelihood(rbm, rows, log_z).expect("data that fit").value;
        let sides = |rows| [of(rows, reverse.log_partition), of(rows, forward.log_partition)];
        println!(
            "{{\"run\": \"{name}\", \"epochs\": {epochs}, \"test_between\": {:.2?}, \"train_between\": {:.2?}, \"log_z\": [{:.2}, {:.2}], \
             \"errors\": [{:.3}, {:.3}], \"effective_runs\": [{:.1}, {:.1}], \"reconstruction\": {:.4}, \"lowest_swap_rate\": {:.2}, \
             \"training_seconds\": {training:.0}, \"seconds\": {:.0}}}",
            sides(test),
            sides(train),
            forward.log_partition,
            reverse.log_partition,
            forward.standard_error,
            reverse.standard_error,
            forward.effective_runs,
            reverse.effective_runs,
            monitor::reconstruction_error(rbm, test).expect("data"),
            drawn.swap_rates.into_iter().fold(f64::NAN, f64::min),
            start.elapsed().as_secs_f64()
        );
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("bars") => {
            let number = |at: usize, or: u64| arguments.get(at).map_or(or, |x| x.parse().expect("a whole number"));
            bars_and_stripes(number(1, 2), number(2, 20_000));
        }
        Some("file") => held_out(&arguments[1..]),
        Some("sandwich") => sandwich(&arguments[1..]),
        _ => {
            eprintln!(
                "rbm_likelihood bars [SEEDS] [UPDATES] | file TRAIN TEST VISIBLE [HIDDEN] [SEEDS] [EPOCHS] | \
                 sandwich TRAIN TEST VISIBLE [HIDDEN] [EPOCHS]"
            );
            std::process::exit(2);
        }
    }
}
