//! `attractor train rbm`: a restricted Boltzmann machine from data.

use attractor_render::memories::rbm::Training;
use attractor_session::machine::{BEST, MODEL};
use attractor_session::training::rbm::{self, Trained};

use super::options::TrainRbm;
use crate::args::Common;
use crate::commands::memory::likelihood::caution;
use crate::commands::resume;
use crate::console::{answer, counted, work_until_asked};
use crate::error::Outcome;
use crate::files::write;

/// Writes the figures of a training into its folder; their names.
fn draw(args: &TrainRbm, trained: &Trained) -> Outcome<Vec<&'static str>> {
    let found = &trained.diagnostics;
    let training = Training {
        rbm: &found.machine.rbm,
        picture: found.machine.picture,
        samples: &found.samples,
        activations: &found.activations,
        history: &found.history,
    };
    let figures = training.figures()?;
    figures.into_iter().map(|(name, svg)| write(&args.output.join(name), svg.as_bytes()).map(|()| name)).collect()
}

fn text(args: &TrainRbm, trained: &Trained, drawn: &[&str]) -> String {
    let about = &trained.training;
    let mut out = format!(
        "restricted Boltzmann machine of {} x {} units on {} ({}), {}\n",
        about.features,
        about.hidden,
        about.source,
        counted(about.rows, "row"),
        counted(trained.epochs as usize, "epoch")
    );
    let measured = (trained.log_likelihood, trained.log_partition, trained.log_partition_error);
    if let (Some(train), Some(log_partition), Some(error)) = measured {
        let error = if error > 0.0 { format!(" +- {error:.2} (AIS)") } else { " (exact)".to_string() };
        let held = trained.log_likelihood_held_out.map_or(String::new(), |held| format!(", held out {held:.3}"));
        out += &format!("log-likelihood per row: {train:.3}{held} nats; ln Z {log_partition:.2}{error}\n");
        if let Some(found) = &trained.log_partition_caution {
            out += &format!("caution: {} (--betas)\n", caution(found));
        }
    }
    if let Some(best) = trained.best {
        out += &format!("best at epoch {}: {:.3} nats per row ({BEST})\n", best.epoch, best.log_likelihood);
    }
    if trained.rolled_back {
        out += "the best machine was restored\n";
    }
    let folder = args.output.display();
    out + &format!("{folder}: {MODEL}, metrics.jsonl, {}\nnext: attractor generate rbm {folder}\n", drawn.join(", "))
}

/// Runs the command.
pub fn run(args: &TrainRbm, common: &Common) -> Outcome {
    let options = args.options();
    let trained = work_until_asked(common, |context| rbm::run(&options, context)).map_err(resume::worded)?;
    let drawn = draw(args, &trained)?;
    answer(common, &trained, || text(args, &trained, &drawn));
    Ok(())
}
