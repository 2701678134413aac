//! Every job of the library, in at most ten lines each.
//!
//!     cargo run --release -p attractor-session --example jobs -- CHECKPOINT FOLDER
//!
//! CHECKPOINT is a Hugging Face folder with a tokenizer; FOLDER receives a run, files and pictures. Without arguments the embedded
//! model and a temporary folder serve.

use std::path::{Path, PathBuf};

use attractor_session::{
    Context, Inputs, Note, Result, Selection, Step, capture, compare, demo, export, follow, heads, import, info,
    judgement, metrics,
};

fn main() -> Result<()> {
    let scratch = tempfile::tempdir().map_err(|e| attractor_session::Error::io(e.to_string()))?;
    let mut given = std::env::args_os().skip(1).map(PathBuf::from);
    let model = given.next().unwrap_or(scratch.path().join("model"));
    let folder = given.next().unwrap_or(scratch.path().to_path_buf());
    if !model.exists() {
        std::fs::create_dir_all(&model).map_err(|e| attractor_session::Error::io(e.to_string()))?;
        demo::unpack(&model)?;
    }
    // Progress and notes are the caller's; nothing is printed by the jobs themselves.
    let progress = |step: Step<'_>| eprint!("\r{:<20} {}/{}   ", step.stage, step.done, step.total);
    let notes = |note: &Note| eprintln!("\r{note:?}");
    let context = Context::new(7).with_progress(&progress).with_listener(&notes);

    run(&model, &folder, &context)?;
    eprintln!();
    Ok(())
}

fn run(model: &Path, folder: &Path, context: &Context<'_>) -> Result<()> {
    let few = || Inputs { max_inputs: 6, seq_len: Some(48), ..Inputs::default() };

    // What a checkpoint is.
    let info::Info::Checkpoint(found) = info::run(&info::Options::new(model), context)? else { return Ok(()) };
    println!("{}: {} layers of {} heads", found.model.family, found.model.layers, found.model.heads);

    // Capture: inputs through the model, attention onto disk.
    let path = folder.join("run");
    let options = capture::Options { inputs: few(), ..capture::Options::new(model, &path) };
    let captured = capture::run(&options, context)?;
    println!("{} inputs, {} bytes", captured.inputs, captured.bytes);

    // Judge: nine groups of checks.
    let options = judgement::Options { inputs: few(), ..judgement::Options::new(model) };
    let judged = judgement::run(&options, context)?;
    println!("{}", judged.report.conclusion.headline);

    // Which head does what.
    let found = heads::run(&heads::Options::new(&path), context)?;
    for detector in &found.detectors {
        println!("{}: {:?}", detector.detector.name(), detector.found);
    }

    // A table, one row per head.
    let measured = metrics::run(&metrics::Options::new(&path), context)?;
    println!("{}", measured.table.csv().lines().next().unwrap_or_default());

    // Where the last state of a position comes from.
    let followed = follow::run(&follow::Options { input_number: 1, ..follow::Options::new(&path) }, context)?;
    let most = followed.shares.iter().max_by(|a, b| a.share.total_cmp(&b.share));
    println!("most of position {} comes from {:?}", followed.query.position, most.map(|share| &share.token));

    // What changed between two of a kind.
    let options = compare::Options { inputs: few(), ..compare::Options::new(model, model) };
    let compared = compare::run(&options, context)?;
    println!("loss: {:?}", compared.diff.loss.map(|loss| loss.difference));

    // Maps for other programs, and back into a run with its certificate.
    let maps = folder.join("maps.npz");
    let options = export::Options { selection: Selection::parse(Some("0"), None)?, ..export::Options::new(&path) };
    let written = export::run(&options, context)?.write(&maps, export::Format::Npz, 1 << 30)?;
    let imported = import::run(&import::Options::new(&maps, folder.join("imported")), context)?;
    println!("{} bytes; certificate: {}", written.bytes, imported.certificate.verdict());

    // All of it on the embedded model.
    println!("{}", demo::run(context)?.report.conclusion.headline);
    Ok(())
}
