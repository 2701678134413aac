//! Capacity of dense memories against theory: K at 0.5 % wrong units after one update, its growth with N.
//!
//! `cargo run --release -p attractor --example dense_capacity`; one JSON line a degree.

use attractor::experiment::dense_capacity::{DensePlan, capacity_slope, measure_dense};

fn main() {
    for (degree, cues) in [(2, 100), (3, 100), (4, 40)] {
        let plan = DensePlan { degree, error: 0.005, sets: if degree == 2 { 400 } else { 16 }, cues, seed: 1 };
        let measured = [40, 64, 100].map(|units| measure_dense(&plan, units).expect("the plan is within range"));
        let (slope, error) = capacity_slope(&measured).expect("three sizes");
        let rows: Vec<String> = measured
            .iter()
            .map(|one| {
                format!(
                    "{{\"units\": {}, \"patterns\": {:.2}, \"log_error\": {:.4}, \"theory\": {:.2}}}",
                    one.units, one.patterns, one.log_error, one.theory
                )
            })
            .collect();
        println!(
            "{{\"degree\": {degree}, \"slope\": {slope:.3}, \"slope_error\": {error:.3}, \"theory\": {}, \"sizes\": [{}]}}",
            degree - 1,
            rows.join(", ")
        );
    }
}
