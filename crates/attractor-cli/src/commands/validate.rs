//! `attractor validate`: nine groups of checks.

use std::path::{Path, PathBuf};

use attractor_capture::evidence::{Evidence, Scope};
use attractor_capture::record::Task;
use attractor_capture::{Patterns, Restricted, Selection};
use attractor_judge::{Config, Report, judge};
use attractor_nn::evidence::{self, Options};
use attractor_nn::model::Input;

use crate::args::{Ablate, Common, Validate};
use crate::console::{Progress, print, print_report, write};
use crate::error::{Failure, Outcome};
use crate::inputs::{self, Prepared};
use crate::target::{self, Live, Target};
use crate::{commands, forward};

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
            let text = std::fs::read_to_string(path).map_err(|e| {
                Failure::unreadable(format!("{}: the thresholds file cannot be read: {e}", path.display()))
            })?;
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

/// Judges a live model on prepared inputs.
pub fn judge_live(
    live: &Live,
    prepared: &Prepared,
    selection: &Selection,
    config: &Config,
    ablate: Ablate,
    labels: Option<&[usize]>,
    common: &Common,
) -> Outcome<Judged> {
    let progress = Progress::new(common.quiet);
    let captured = forward::all(live, prepared, selection, &progress)?;
    let mut evidence = gather(live, prepared, ablate, labels, config.seed, &progress)?;
    restrict(&mut evidence, selection, live.info.heads);
    progress.step("judging", 0, 1);
    let captured = Restricted::new(captured, selection.clone())?;
    let mut report = judge(&captured, Some(&evidence), config)?;
    report.provenance.extra.insert("target".into(), live.checkpoint.path().display().to_string());
    report.provenance.extra.insert("inputs".into(), prepared.source.clone());
    Ok(Judged { report, patterns: Box::new(captured) })
}

/// Judges whatever a target is.
pub fn judged(
    path: &Path,
    given: &crate::args::Inputs,
    selection: &Selection,
    config: &Config,
    ablate: Ablate,
    labels: Option<&[usize]>,
    common: &Common,
) -> Outcome<Judged> {
    match target::open(path, given.model_config.as_deref())? {
        Target::Live(live) => {
            if labels.is_some() && live.info.task != Task::Classifier {
                return Err(Failure::usage(format!(
                    "--labels: {} is no classifier; leave the labels out",
                    path.display()
                )));
            }
            let prepared = inputs::prepare(&live, given, common)?;
            judge_live(&live, &prepared, selection, config, ablate, labels, common)
        }
        Target::Run(run) => {
            given.refuse_for_a_run(path)?;
            let unfit = [("--labels", labels.is_some()), ("--ablate", ablate == Ablate::Full)];
            if let Some((option, _)) = unfit.iter().find(|(_, given)| *given) {
                return Err(Failure::usage(format!(
                    "{}: is a run, and {option} needs the model; name the checkpoint",
                    path.display()
                )));
            }
            if run.inputs() == 0 {
                return Err(Failure::unreadable(format!(
                    "{}: holds no input: its capture was cut short; go on with attractor capture --resume",
                    path.display()
                )));
            }
            if !selection.is_all() {
                return Err(Failure::usage(format!(
                    "{}: a run is judged as it was captured; choose --layers and --heads when capturing",
                    path.display()
                )));
            }
            let mut report = judge(run.as_ref(), None, config)?;
            report.provenance.extra.insert("target".into(), path.display().to_string());
            Ok(Judged { report, patterns: run })
        }
    }
}

/// Runs the command. `false` if a check failed.
pub fn run(validate: &Validate, common: &Common) -> Outcome<bool> {
    let mut config = thresholds(validate.config.as_deref(), common)?;
    config.legacy = validate.legacy;
    if validate.print_config {
        print(&config.to_toml());
        return Ok(true);
    }
    let path: PathBuf = validate.target.clone().or(validate.checkpoint.clone()).unwrap_or_default();
    let selection = Selection::parse(validate.layers.as_deref(), validate.heads.as_deref())?;
    let labels = validate.labels.as_deref();
    let judged = judged(&path, &validate.inputs, &selection, &config, validate.ablate, labels, common)?;
    let report = &judged.report;
    if let Some(file) = &validate.junit {
        write(file, report.to_junit().as_bytes())?;
    }
    if let Some(file) = &validate.output {
        write(file, report.to_json().as_bytes())?;
    }
    if let Some(file) = &validate.report {
        commands::report::page(file, &judged, &[0])?;
    }
    match common.json {
        true => print(&report.to_json()),
        false => print_report(report),
    }
    Ok(report.is_ok())
}
