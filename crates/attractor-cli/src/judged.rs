//! From a target to verdicts and their page.

use std::path::Path;

use attractor_judge::{Config, Report, judge};
use attractor_nn::evidence::{self, Options};
use attractor_nn::model::Input;
use attractor_record::Task;
use attractor_record::evidence::{Evidence, Scope};
use attractor_record::{Patterns, Selection};

use crate::args::{Ablate, Common, Inputs};
use crate::console::{Progress, write};
use crate::error::Outcome;
use crate::forward::{self, Opened};
use crate::inputs::{self, Prepared};
use crate::target::{self, Live};
use attractor::Error;

/// A judged target, with what was judged.
pub struct Judged {
    /// The verdicts.
    pub report: Report,
    /// Where figures come from.
    pub patterns: Box<dyn Patterns>,
}

/// Reads thresholds.
pub fn thresholds(path: Option<&Path>, common: &Common) -> Outcome<Config> {
    let mut config = match path {
        None => Config::default(),
        Some(path) => {
            Config::check_name(path)?;
            let text = std::fs::read_to_string(path)
                .map_err(|e| Error::io(format!("{}: the thresholds file cannot be read: {e}", path.display())))?;
            Config::from_toml(&text, &path.display().to_string())?
        }
    };
    if common.seed != 0 {
        config.seed = common.seed;
    }
    Ok(config)
}

/// What a live model adds to its patterns.
fn gather(
    live: &Live,
    prepared: &Prepared,
    ablate: Ablate,
    labels: Option<&[usize]>,
    seed: u64,
    progress: &Progress,
) -> Outcome<Evidence> {
    let inputs: Vec<Input> = prepared.items.iter().map(|item| item.input.clone()).collect();
    let options = Options {
        seed,
        ablate: match ablate {
            Ablate::None => evidence::Ablate::None,
            Ablate::Standard => evidence::Ablate::Standard,
            Ablate::Full => evidence::Ablate::Full,
        },
        gradients: true,
        mask_token: prepared.mask_token,
        special: &prepared.special,
        labels,
        ..Options::default()
    };
    let mut step = |p: evidence::Progress| progress.step(p.stage, p.done, p.total);
    Ok(evidence::gather(&live.model, &inputs, &options, &mut step)?)
}

/// Leaves out what was measured of layers and heads that were not selected.
fn restrict(evidence: &mut Evidence, selection: &Selection, heads: usize) {
    let selected = |layer: usize, head: usize| selection.heads(layer, heads).contains(&head);
    if let Some(gradients) = &mut evidence.gradients {
        gradients.heads.retain(|gradient| selected(gradient.layer, gradient.head));
    }
    evidence.ablations.retain(|ablation| match ablation.scope {
        Scope::Head { layer, head } => selected(layer, head),
        Scope::Layer { layer } => selection.layer(layer),
        Scope::Whole => true,
    });
}

/// Judges whatever a target is.
pub fn judged(
    path: &Path,
    given: &Inputs,
    selection: &Selection,
    config: &Config,
    ablate: Ablate,
    labels: Option<&[usize]>,
    common: &Common,
) -> Outcome<Judged> {
    if target::is_run(path) {
        let unfit = [("--labels", labels.is_some()), ("--ablate", ablate == Ablate::Full)];
        if let Some((option, _)) = unfit.iter().find(|(_, given)| *given) {
            return Err(Error::usage(format!(
                "{}: is a run, and {option} needs the model; name the checkpoint",
                path.display()
            )));
        }
        if !selection.is_all() {
            return Err(Error::usage(format!(
                "{}: a run is judged as it was captured; choose --layers and --heads when capturing",
                path.display()
            )));
        }
    }
    let opened = forward::open(path, given, selection.clone(), common, |live| {
        if labels.is_some() && live.info.task != Task::Classifier {
            return Err(Error::usage(format!("--labels: {} is no classifier; leave the labels out", path.display())));
        }
        inputs::prepare(live, given, common)
    })?;
    of_opened(opened, path, selection, config, ablate, labels, common)
}

/// Judges a target that was opened.
pub fn of_opened(
    opened: Opened,
    path: &Path,
    selection: &Selection,
    config: &Config,
    ablate: Ablate,
    labels: Option<&[usize]>,
    common: &Common,
) -> Outcome<Judged> {
    let Opened { patterns, live } = opened;
    let progress = Progress::new(common.quiet);
    let mut evidence = None;
    if let Some((live, prepared)) = &live {
        let mut gathered = gather(live, prepared, ablate, labels, config.seed, &progress)?;
        restrict(&mut gathered, selection, live.info.heads);
        evidence = Some(gathered);
    }
    progress.step("judging", 0, 1);
    let mut report = judge(patterns.as_ref(), evidence.as_ref(), config)?;
    report.provenance.extra.insert("target".into(), path.display().to_string());
    if let Some((_, prepared)) = live {
        report.provenance.extra.insert("inputs".into(), prepared.source);
    }
    Ok(Judged { report, patterns })
}

/// Writes the page, with the maps of some inputs.
pub fn page(path: &Path, judged: &Judged, show: &[usize]) -> Outcome {
    let options = attractor_render::Options { inputs: show.to_vec(), ..Default::default() };
    let html = attractor_render::report_html(&judged.report, Some(judged.patterns.as_ref()), &options);
    write(path, html.as_bytes())
}
