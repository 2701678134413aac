//! The example of all jobs runs, and keeps to ten lines each.

use attractor_session::{Context, demo};

#[allow(dead_code)]
#[path = "../../../examples/jobs.rs"]
mod jobs;

#[test]
fn every_job_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (model, context) = (folder.path().join("model"), Context::new(7));
    std::fs::create_dir(&model).unwrap();
    demo::unpack(&model).unwrap();
    jobs::attention(&model, folder.path(), &context).unwrap();
    jobs::trainings(folder.path(), &context).unwrap();
    jobs::memories(&context).unwrap();
}

#[test]
fn every_job_takes_ten_lines_at_most() {
    let text = include_str!("../../../examples/jobs.rs");
    let jobs = text.split("\n    // ").skip(2).map(|job| job.split("\n\n").next().unwrap());
    let long: Vec<&str> = jobs.filter(|job| job.lines().count() > 11).collect();
    assert!(long.is_empty(), "{long:#?}");
}
