//! Results serialise, and say of which form they are.

#[path = "../../attractor-capture/tests/common/records.rs"]
mod records;

use attractor_capture::run::{RunOptions, RunWriter};
use attractor_session::{Context, judgement, metrics};
use records::{HEADS, LAYERS, info, input};
use serde_json::to_value;

#[test]
fn verdicts_and_metrics_are_what_the_command_line_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut writer = RunWriter::create(&path, &RunOptions::default(), &info()).unwrap();
    (0..2).for_each(|index| writer.append(&input(1, index, 12)).unwrap());
    writer.finish().unwrap();
    let context = Context::new(7);

    let judged = judgement::run(&judgement::Options::new(&path), &context).unwrap();
    assert_eq!(to_value(&judged).unwrap(), to_value(&judged.report).unwrap());
    assert_eq!(to_value(&judged).unwrap()["schema_version"], 1);

    let measured = to_value(metrics::run(&metrics::Options::new(&path), &context).unwrap()).unwrap();
    assert_eq!(measured["schema"], "attractor.metrics/1");
    // Without steps the table has one row per head.
    assert_eq!(measured["table"], measured["heads"]);
    assert_eq!(measured["table"].as_array().unwrap().len(), LAYERS.len() * HEADS);
    assert!(measured["table"][0]["entropy"].as_f64().unwrap() > 0.0);
}
