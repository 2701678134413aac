//! `attractor train rbm`: a restricted Boltzmann machine from data.

use attractor_render::memories::rbm::Training;
use attractor_session::machine::{BEST, MODEL};
use attractor_session::training::rbm::{self, Diagnostics, Trained};

use super::options::TrainRbm;
use crate::args::{Common, refuse_unused};
use crate::commands::resume;
use crate::console::{answer, counted, work_until_asked};
use crate::error::Outcome;

/// Writes the figures of a training into its folder; their names.
fn draw(args: &TrainRbm, trained: &Trained) -> Outcome<Vec<String>> {
    let Diagnostics { machine, samples, activations, history } = &trained.diagnostics;
    let training = Training { rbm: &machine.rbm, picture: machine.picture, samples, activations, history };
    let save = |(name, svg): (&str, String)| {
        let name = name.replace(".svg", &format!(".{}", args.figures));
        args.look.save(&args.output.join(&name), &args.figures, &svg).map(|()| name)
    };
    training.figures()?.into_iter().map(save).collect()
}

fn text(args: &TrainRbm, trained: &Trained, drawn: &[String]) -> String {
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
        let also = |held: Option<f64>| held.map_or(String::new(), |held| format!(", held out {held:.3}"));
        let (held, base) = (also(trained.log_likelihood_held_out), trained.base_rate_log_likelihood);
        out += &format!("log-likelihood per row: {train:.3}{held} nats; ln Z {log_partition:.2}{error}\n");
        let held = also(trained.base_rate_log_likelihood_held_out);
        out += &format!("each unit by itself (base rates): {base:.3}{held} nats per row\n");
        if let Some(found) = &trained.log_partition_caution {
            out += &format!("caution: {found} (--betas)\n");
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
    if args.figures != "png" {
        refuse_unused!(common, args.look, [dpi], "figures without pixels; give --figures png")?;
    }
    let options = args.options();
    let trained = work_until_asked(common, |context| rbm::run(&options, context)).map_err(resume::worded)?;
    let drawn = draw(args, &trained)?;
    answer(common, &trained, || text(args, &trained, &drawn));
    Ok(())
}
