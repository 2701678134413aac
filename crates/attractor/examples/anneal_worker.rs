//! The Rust side of `bench/anneal.py`: `anneal_worker GRAPH START END THREADS` (START `default`: both temperatures by default)
//! reads a graph in the Gset format, then answers commands on standard input, one JSON line each: `ENGINE READS SWEEPS SEED
//! [FILE]` (engine: auto, plain, single, bytes, shorts, floats) anneals its MaxCut energy, Metropolis, geometrically in 1 / T,
//! and writes the states to the file (+1 and -1, one byte each: every read's last, then the local minimum of every read).
//!
//! `anneal_worker planted ROWS COLUMNS LOOPS SEED FILE` writes such a graph, frustrated loops on a torus, and prints the
//! ground energy.

use std::io::{BufRead, Write};
use std::time::Instant;

use attractor::Context;
use attractor::energy::problems::{grid, planted_loops};
use attractor::energy::{MaxCut, SpinMemory};
use attractor::random::Philox;
use attractor::sample::{Annealing, Dynamics, Engine, Schedule, temperatures};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<f64>().unwrap_or_else(|e| panic!("{}: {e}", arguments[at]));
    if arguments[1] == "planted" {
        let [rows, columns, loops] = [2, 3, 4].map(|at| number(at) as usize);
        let pairs = grid(rows, columns, true).expect("at least three sites a side");
        let mut random = Philox::new(number(5) as u64, 0);
        let planted = planted_loops(rows * columns, &pairs, loops, &mut random).expect("a torus has loops");
        // The energy of a MaxCut is that of its couplings, J = -w.
        let against: Vec<_> = planted.couplings.edges().map(|(i, j, weight)| (i, j, -weight)).collect();
        let graph = MaxCut::new(rows * columns, &against).expect("the couplings hold");
        std::fs::write(&arguments[6], graph.to_text()).unwrap_or_else(|e| panic!("{}: {e}", arguments[6]));
        println!("{{\"ground\": {}}}", planted.energy);
        return;
    }
    let text = std::fs::read_to_string(&arguments[1]).unwrap_or_else(|e| panic!("{}: {e}", arguments[1]));
    let graph = MaxCut::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", arguments[1]));
    let (start, end) = match arguments[2].as_str() {
        "default" => temperatures(graph.couplings()),
        _ => (number(2), number(3)),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number(4) as usize).build_global();
    pool.expect("the pool is built once");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input is text");
        let words: Vec<&str> = line.split_whitespace().collect();
        let whole = |at: usize| words[at].parse::<usize>().unwrap_or_else(|e| panic!("{line:?}: {e}"));
        let (reads, sweeps) = (whole(1), whole(2));
        let schedule = Schedule::geometric(start, end, sweeps).expect("the arguments cool");
        let run = Annealing { schedule, dynamics: Dynamics::Metropolis, reads, trace: false };
        let context = Context::new(whole(3) as u64);
        let clock = Instant::now();
        // Choosing the engine and preparing the couplings for it is part of the time.
        let engine = match words[0] {
            "auto" => run.engine(graph.couplings()),
            "plain" => Engine::Plain,
            "single" => Engine::Single,
            "bytes" => Engine::Bytes,
            "shorts" => Engine::Shorts,
            "floats" => Engine::Floats,
            other => panic!("{other:?} is no engine"),
        };
        let annealed = run.run_by(engine, graph.couplings(), &context).unwrap_or_else(|e| panic!("{line:?}: {e}"));
        let seconds = clock.elapsed().as_secs_f64();
        let all = &annealed.reads;
        let mean = |of: &dyn Fn(usize) -> f64| (0..all.len()).map(of).sum::<f64>() / all.len() as f64;
        // The states are there before the answer is.
        if let Some(path) = words.get(4) {
            let states = all.iter().map(|read| &read.last).chain(all.iter().map(|read| &read.state));
            let bytes: Vec<u8> = states.flat_map(|state| state.to_signs()).map(|sign| sign as u8).collect();
            std::fs::write(path, bytes).unwrap_or_else(|e| panic!("{path}: {e}"));
        }
        println!(
            "{{\"engine\": \"{engine:?}\", \"seconds\": {seconds:.6}, \"updates_per_second\": {:.1}, \"best\": {}, \
             \"mean_best\": {}, \"mean_last\": {}}}",
            (graph.couplings().units() * reads * sweeps) as f64 / seconds,
            annealed.best().energy,
            mean(&|read| all[read].energy),
            mean(&|read| all[read].last_energy),
        );
        std::io::stdout().flush().expect("standard output is open");
    }
}
