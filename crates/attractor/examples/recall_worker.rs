//! The Rust side of `bench/hopfield.py`: reads stored patterns and a cue, then answers commands on standard input, one
//! JSON line each: `asynchronous`, `sequential` or `synchronous` (one timed recall, from the cue to a fixed point).
//!
//! `recall_worker FOLDER UNITS PATTERNS THREADS`; the folder holds patterns.bin and cue.bin, signs as bytes.

use std::io::{BufRead, Write};
use std::time::Instant;

use attractor::energy::Hebb;
use attractor::pattern::{Spins, StoredPatterns};
use attractor::settle::{Order, asynchronous, synchronous};

fn read(path: &str) -> Vec<i8> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    bytes.into_iter().map(|b| b as i8).collect()
}

/// Peak resident memory, KiB, as the kernel counts it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<usize>().unwrap_or_else(|e| panic!("{}: {e}", arguments[at]));
    let (folder, units, count) = (&arguments[1], number(2), number(3));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number(4)).build_global();
    pool.expect("the pool is built once");
    let spins = |signs: &[i8]| Spins::from_signs(signs).expect("signs are +1 or -1");
    let patterns: Vec<Spins> = read(&format!("{folder}/patterns.bin")).chunks_exact(units).map(spins).collect();
    assert_eq!(patterns.len(), count, "patterns.bin has patterns x units signs");
    let cue = spins(&read(&format!("{folder}/cue.bin")));
    let memory = Hebb::new(StoredPatterns::new(&patterns).expect("patterns of one length"));
    let stored = memory.patterns().pattern(0);
    drop(patterns);
    let loaded = peak();
    let mut stream = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input is text");
        stream += 1;
        let start = Instant::now();
        let settled = match line.as_str() {
            "asynchronous" => asynchronous(&memory, &cue, Order::Random { seed: 1, stream }, 100),
            "sequential" => asynchronous(&memory, &cue, Order::Sequential, 100),
            "synchronous" => synchronous(&memory, &cue, 100),
            other => panic!("{other:?} is no command"),
        }
        .expect("the cue has as many units");
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let overlap = f64::from(settled.state.overlap(&stored)) / units as f64;
        println!(
            "{{\"ms\": {ms:.4}, \"overlap\": {overlap}, \"ended\": \"{:?}\", \"sweeps\": {}, \"flips\": {}, \
             \"peak_kib\": {}, \"loaded_kib\": {loaded}}}",
            settled.ended,
            settled.sweeps,
            settled.flips,
            peak()
        );
        std::io::stdout().flush().expect("standard output is open");
    }
}
