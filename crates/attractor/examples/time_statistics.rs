//! Times the streaming statistics of causal attention: `time_statistics KEYS HEADS core|all|retrieve ROUNDS`.

use std::time::Instant;

use attractor::random::Philox;
use attractor::retrieve::{Class, Dot, Heads, Mask, Modifiers, Problem, Request, Separation, tiled};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (n, h): (usize, usize) = (arguments[1].parse().unwrap(), arguments[2].parse().unwrap());
    let rounds: usize = arguments[4].parse().unwrap();
    let d = 64;
    let mut draw = Philox::new(0, 0);
    let mut normal = |count: usize| (0..count).map(|_| draw.normal() as f32).collect::<Vec<f32>>();
    let (q, k, v) = (normal(h * n * d), normal(h * n * d), normal(h * n * d));
    let mask = Mask::causal();
    let problem = Problem {
        queries: Heads::new(&q[..], h, n, d).unwrap(),
        keys: Heads::new(&k[..], h, n, d).unwrap(),
        values: Some(Heads::new(&v[..], h, n, d).unwrap()),
        similarity: &Dot,
        separation: Separation::Softmax { beta: 0.125 },
        modifiers: Modifiers::masked(&mask),
    };
    let classes = vec![
        Class { name: "special".into(), members: (0..n).map(|j| j % 97 == 0).collect() },
        Class { name: "prompt".into(), members: (0..n).map(|j| j < n / 2).collect() },
    ];
    let request = match arguments[3].as_str() {
        "core" => Request { classes, ..Request::core() },
        _ => Request { classes, tokens: (0..n as u32).map(|j| j * 31 % 499).collect(), ..Request::all() },
    };
    for _ in 0..rounds {
        let start = Instant::now();
        let check = match arguments[3].as_str() {
            "retrieve" => tiled::retrieve(&problem).unwrap().output.iter().map(|&x| f64::from(x)).sum::<f64>(),
            _ => tiled::statistics(&problem, &request).unwrap().iter().map(|s| s.column_mass.iter().sum::<f64>()).sum(),
        };
        println!("{:.2} ms  check {check:.3}", start.elapsed().as_secs_f64() * 1e3);
    }
}
