//! Every job of the library, in at most ten lines each.
//!
//!     cargo run --release --workspace --example jobs -- CHECKPOINT FOLDER
//!
//! CHECKPOINT is a Hugging Face folder with a tokenizer; FOLDER receives runs, files and machines. Without arguments the
//! embedded model and a temporary folder serve.

use std::path::{Path, PathBuf};

use attractor_session::energy::problems::Problem;
use attractor_session::experiment::{annealing, boltzmann, capacity, dense, hopfield, landscape, modern};
use attractor_session::generate::{self, Rows, Wanted};
use attractor_session::learn::Standard;
use attractor_session::likelihood::{self, Evaluation};
use attractor_session::patterns::Source;
use attractor_session::sample::rbm::completion::Cue;
use attractor_session::sample::rbm::sampling::Sampling;
use attractor_session::training::{causal_lm, rbm};
use attractor_session::{
    Advance, Context, Error, Inputs, Note, Result, Selection, capture, compare, demo, evidence, export, follow, heads,
    import, info, inputs, judgement, metrics, target,
};

fn main() -> Result<()> {
    let failed = |e: std::io::Error| Error::io(e.to_string()).because(e);
    let scratch = tempfile::tempdir().map_err(failed)?;
    let mut given = std::env::args_os().skip(1).map(PathBuf::from);
    let model = given.next().unwrap_or(scratch.path().join("model"));
    let folder = given.next().unwrap_or(scratch.path().to_path_buf());
    if !model.exists() {
        std::fs::create_dir_all(&model).map_err(failed)?;
        demo::unpack(&model)?;
    }
    // Progress and notes are the caller's; nothing is printed by the jobs themselves.
    let progress = |step: Advance<'_>| eprint!("\r{:<20} {}/{}   ", step.stage, step.done, step.total);
    let notes = |note: &Note| eprintln!("\r{note:?}");
    let context = Context::new(7).with_progress(&progress).with_listener(&notes);

    attention(&model, &folder, &context)?;
    trainings(&folder, &context)?;
    memories(&context)?;
    eprintln!();
    Ok(())
}

/// What attention did in a model.
pub fn attention(model: &Path, folder: &Path, context: &Context<'_>) -> Result<()> {
    let few = || Inputs { max_inputs: Some(6), seq_len: Some(48), ..Inputs::default() };

    // What a checkpoint is.
    let info::Info::Checkpoint(found) = info::run(&info::Options::new(model), context)? else { return Ok(()) };
    println!("{}: {} layers of {} heads", found.model.family, found.model.layers, found.model.heads);

    // Open a target, and prepare inputs for it.
    let live = target::live(model, &few().opening(), context)?;
    let prepared = inputs::prepare(&live, &few(), context)?;
    println!("{} inputs: {}", prepared.items.len(), prepared.source);

    // Gather what only a live model can show: losses, gradients, ablations, the causality probe.
    let shown = evidence::run(&live, &prepared, &evidence::Options::default(), context)?;
    println!("{} ablations, {} probes", shown.ablations.len(), shown.probes.len());

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
    for detector in &found.detections.detectors {
        println!("{}: {} found", detector.detector.kind(), detector.found.len());
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

/// Models that are trained, and what they make.
pub fn trainings(folder: &Path, context: &Context<'_>) -> Result<()> {
    // A small causal language model of a text.
    let text = folder.join("text.txt");
    std::fs::write(&text, "one two three ".repeat(400)).map_err(|e| Error::io(e.to_string()).because(e))?;
    let sizes =
        causal_lm::Options { width: 16, vocab: 264, seq_len: 16, batch_size: 4, steps: 5, ..Default::default() };
    let options = causal_lm::Options { text_file: text, output: folder.join("lm"), ..sizes };
    println!("loss {:?}", causal_lm::run(&options, context)?.loss);

    // A restricted Boltzmann machine of rows of bits, its likelihood watched.
    let data = Source { data: Some("glyphs-5".to_string()), ..Source::default() };
    let sizes = rbm::Options { hidden: Some(6), epochs: Some(3), held_out: Some(0.0), ..Default::default() };
    let options = rbm::Options { data: data.clone(), output: folder.join("rbm"), ..sizes };
    println!("log-likelihood {:?} nats per row", rbm::run(&options, context)?.log_likelihood);

    // What the machine makes: samples.
    let wanted = Wanted::Samples(Sampling { samples: 4, steps: 100, gibbs: false, drawn: true });
    let made = generate::run(&generate::Options { model: Some(folder.join("rbm")), wanted }, context)?;
    println!("{} states", made.values().len());

    // Rows that it completes from their first half.
    let rows = Rows { source: data.clone(), most: 4 };
    let wanted = Wanted::Completion { rows, cue: Cue::Mask(0.5), steps: 20, against: None };
    let made = generate::run(&generate::Options { model: Some(folder.join("rbm")), wanted }, context)?;
    println!("{} numbers", made.values().len());

    // How likely data are under it, between two estimates.
    let evaluation = Evaluation { betas: 100, runs: 20, steps: 50 };
    let options = likelihood::Options { model: Some(folder.join("rbm")), data, evaluation };
    println!("ln Z {:.2}", likelihood::run(&options, context)?.evaluated.ais.log_partition);
    Ok(())
}

/// Associative memories: what they store and recall.
pub fn memories(context: &Context<'_>) -> Result<()> {
    let stored = Source { demo: true, ..Source::default() }.stored("glyphs-5", context)?;

    // Patterns stored by a learning rule, recalled from corrupted cues.
    let found =
        hopfield::Hopfield { rule: Standard::PseudoInverse, ..Default::default() }.run(&stored.patterns, context)?;
    println!("{} of {} recalled", found.recalled.exact(), found.recalled.recalls.len());

    // Dense associative memory.
    let found = dense::Dense::default().run(&stored.patterns, context)?;
    println!("{} of {} recalled", found.recalled.exact(), found.recalled.recalls.len());

    // A modern Hopfield network of real patterns.
    let rows = Source { demo: true, ..Source::default() }.real("glyphs-8", context)?;
    let found = modern::run(rows.patterns, &modern::Options::default(), context)?;
    println!("{} retrievals at beta {}", found.retrievals.len(), found.beta);

    // How much a memory holds, beside theory.
    let plan = capacity::Plan { seeds: 2, ..capacity::Plan::small(Standard::Hebb.rule(0)) };
    println!("overlap {:.3} at the last load", capacity::run(&plan, context)?.loads[6].overlap);

    // Boltzmann's law of a small one.
    let few = Source { random: Some("2x8".to_string()), ..Source::default() }.stored("", context)?;
    let law = boltzmann::law(&few.patterns, &boltzmann::Options::default(), context)?;
    println!("ln Z {:.3} at T = {}", law.at[0].log_z, law.at[0].temperature);

    // The ground state of a spin glass.
    let options =
        annealing::Options { sweeps: 50, reads: 8, ..annealing::Options::new(Problem::PlantedLoops { side: 8 }) };
    println!("energy {}", annealing::run(&options, context)?.energy);

    // Energy as a landscape, in one dimension and in two.
    let curve = landscape::curve(&landscape::CurveOptions::two_valleys(), context)?;
    let plane = landscape::plane(&landscape::PlaneOptions::default(), context)?;
    println!("{} balls, {} patterns", curve.balls.len(), plane.patterns.len());
    Ok(())
}
