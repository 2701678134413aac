//! The Rust side of `bench/rbm.py`: updates of a binary restricted Boltzmann machine, timed.
//!
//! `rbm_worker FOLDER ROWS VISIBLE HIDDEN BATCH THREADS CENTRED(0|1)`; the folder holds data.bin [ROWS, VISIBLE], weights.bin
//! [VISIBLE, HIDDEN], little-endian f32. Commands on standard input, one JSON line each: `steps N` times N updates of CD-1
//! with momentum 0.5 and weight decay 2e-4 on the batches in turn; `products N` the five products alone; `dump FILE` writes
//! W, a, b.

use std::io::{BufRead, Write};
use std::time::Instant;

use attractor::sample::rbm::{Plan, Rates, Rbm, Rows, Sampler, Trainer, Visible};
use rayon::prelude::*;

fn read(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// The least work of a step: its products on matrices of its shapes, cut in two, and nothing else.
fn products(n: usize, m: usize, b: usize, times: usize) {
    let (w, u, h) = (vec![0.01f32; n * m], vec![0.5f32; n * 2 * b], vec![0.5f32; m * 2 * b]);
    let (mut x, mut y, mut g) = (vec![0.0f32; m * b], vec![0.0f32; n * b], vec![0.0f32; n * m]);
    // left [rows, depth] x right [depth, columns], strides (row, column) in numbers.
    type Matrix<'a> = (&'a [f32], usize, usize);
    let run = |out: &mut [f32], columns: usize, depth: usize, left: Matrix<'_>, right: Matrix<'_>| {
        let rows = out.len() / columns;
        let length = rows.div_ceil(2).next_multiple_of(16);
        out.par_chunks_mut(length * columns).with_max_len(1).enumerate().for_each(|(index, out)| {
            let rows = out.len() / columns;
            // SAFETY: the shapes are those of the vectors above.
            unsafe {
                gemm::gemm(
                    rows,
                    columns,
                    depth,
                    out.as_mut_ptr(),
                    1,
                    columns as isize,
                    false,
                    left.0.as_ptr().add(index * length * left.1),
                    left.2 as isize,
                    left.1 as isize,
                    right.0.as_ptr(),
                    right.2 as isize,
                    right.1 as isize,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        });
    };
    for _ in 0..times {
        run(&mut x, b, n, (&w, 1, m), (&u, 2 * b, 1));
        run(&mut y, b, m, (&w, m, 1), (&h, 2 * b, 1));
        run(&mut x, b, n, (&w, 1, m), (&u, 2 * b, 1));
        run(&mut g, m, 2 * b, (&u, 2 * b, 1), (&h, 1, 2 * b));
    }
    assert!(x[0] > 0.0 && y[0] > 0.0 && g[0] > 0.0);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<usize>().unwrap_or_else(|e| panic!("{}: {e}", arguments[at]));
    let (folder, n, m, batch) = (&arguments[1], number(3), number(4), number(5));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number(6)).build_global();
    pool.expect("the pool is built once");
    let data = read(&format!("{folder}/data.bin"));
    assert_eq!(data.len(), number(2) * n);
    let rbm = Rbm::new(Visible::Binary, read(&format!("{folder}/weights.bin")), vec![0.0; n], vec![0.0; m]);
    let rows = Rows::new(&data, n).expect("data.bin has whole rows");
    let plan = Plan {
        batch,
        sampler: Sampler::Contrastive { steps: 1 },
        rates: Rates::all(0.05),
        momentum: 0.5,
        weight_decay: 2e-4,
        centring: (number(7) == 1).then_some(0.01),
        ..Plan::new(1)
    };
    let mut trainer = Trainer::new(rbm.expect("weights.bin fits"), plan, rows).expect("the plan is sound");
    let batches: Vec<Rows<'_>> =
        data.chunks_exact(batch * n).map(|rows| Rows::new(rows, n).expect("whole rows")).collect();
    let mut at = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input is text");
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let start = Instant::now();
        match command {
            "steps" => {
                for _ in 0..rest.parse::<usize>().expect("a number of steps") {
                    trainer.update(batches[at % batches.len()]).expect("an update");
                    at += 1;
                }
            }
            "products" => {
                let times = rest.parse().expect("a number of rounds");
                rayon::scope(|_| products(n, m, batch, times));
            }
            "dump" => {
                let rbm = trainer.rbm();
                let all = rbm.weights().iter().chain(rbm.visible_bias()).chain(rbm.hidden_bias());
                let bytes: Vec<u8> = all.flat_map(|x| x.to_le_bytes()).collect();
                std::fs::write(rest, bytes).unwrap_or_else(|e| panic!("{rest}: {e}"));
            }
            other => panic!("{other:?} is no command"),
        }
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let check: f64 = trainer.rbm().weights().iter().map(|&w| f64::from(w.abs())).sum();
        println!("{{\"ms\": {ms:.4}, \"check\": {check}}}");
        std::io::stdout().flush().expect("standard output is open");
    }
}
