//! The Rust side of `bench/attention.py`: reads f32 queries, keys and values, then answers commands on standard input,
//! one JSON line each: `core`, `all`, `retrieve` (one timed call) or `answers FILE` (the core statistics, raw f32).
//!
//! `bench_worker FOLDER HEADS KEYS WIDTH THREADS`; the folder holds q.bin, k.bin, v.bin, little-endian.

use std::io::{BufRead, Write};
use std::time::Instant;

use attractor::retrieve::{Class, Dot, HeadStatistics, Heads, Mask, Modifiers, Problem, Request, Separation, tiled};

fn read(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Peak resident memory, KiB, as the kernel counts it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// The core statistics of a head, in the order that the Python side writes them.
fn answers(s: &HeadStatistics) -> Vec<f32> {
    let mut all = Vec::new();
    for row in [&s.log_sum_exp, &s.entropy, &s.participation, &s.peak, &s.self_mass, &s.first_mass, &s.window_mass] {
        all.extend(row);
    }
    all.extend(&s.previous_mass);
    all.extend(s.argmax.iter().map(|&x| x as f32));
    s.class_mass.iter().for_each(|class| all.extend(class));
    all.extend(s.distance_mass.iter().map(|&x| x as f32));
    all.extend(s.column_mass.iter().map(|&x| x as f32));
    all
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<usize>().unwrap_or_else(|e| panic!("{}: {e}", arguments[at]));
    let (folder, h, n, d) = (&arguments[1], number(2), number(3), number(4));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number(5)).build_global();
    pool.expect("the pool is built once");
    let [q, k, v] = ["q", "k", "v"].map(|name| read(&format!("{folder}/{name}.bin")));
    let mask = Mask::causal();
    let problem = Problem {
        queries: Heads::new(&q[..], h, n, d).expect("q.bin has heads x keys x width numbers"),
        keys: Heads::new(&k[..], h, n, d).expect("k.bin has heads x keys x width numbers"),
        values: Some(Heads::new(&v[..], h, n, d).expect("v.bin has heads x keys x width numbers")),
        similarity: &Dot,
        separation: Separation::Softmax { beta: 1.0 / (d as f32).sqrt() },
        modifiers: Modifiers::masked(&mask),
    };
    let classes = vec![
        Class { name: "special".into(), members: (0..n).map(|j| j % 97 == 0).collect() },
        Class { name: "prompt".into(), members: (0..n).map(|j| j < n / 2).collect() },
    ];
    let core = Request { classes: classes.clone(), ..Request::core() };
    let all = Request { classes, tokens: (0..n as u32).map(|j| j * 31 % 499).collect(), ..Request::all() };
    let loaded = peak();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input is text");
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let start = Instant::now();
        let check: f64 = match command {
            "retrieve" => tiled::retrieve(&problem).expect("checked").output.iter().map(|&x| f64::from(x)).sum(),
            "core" | "all" | "answers" => {
                let request = if command == "all" { &all } else { &core };
                let heads = tiled::statistics(&problem, request).expect("checked");
                if command == "answers" {
                    let bytes: Vec<u8> = heads.iter().flat_map(answers).flat_map(f32::to_le_bytes).collect();
                    std::fs::write(rest, bytes).unwrap_or_else(|e| panic!("{rest}: {e}"));
                }
                heads.iter().map(|s| s.column_mass.iter().sum::<f64>()).sum()
            }
            other => panic!("{other:?} is no command"),
        };
        let ms = start.elapsed().as_secs_f64() * 1e3;
        println!("{{\"ms\": {ms:.3}, \"check\": {check}, \"peak_kib\": {}, \"loaded_kib\": {loaded}}}", peak());
        std::io::stdout().flush().expect("standard output is open");
    }
}
