//! What a training is, as its checkpoint keeps it; and a training that is taken up again: what must be as it was, what may
//! change.
//!
//! May change: the number of epochs, the learning rates and how they fall, the clipping of the gradient, and everything that
//! only watches. A change is kept in the checkpoint under `changes`, and the rate of every epoch stands in the metric log.
//! All else is what the training is: data, sizes, sampler, batch, seed.

use attractor::sample::rbm::{Alarm, Changed, Plan, Sampler};
use attractor::{Context, Error, Hint, Note, Result};
use serde::{Deserialize, Serialize};

use crate::training::folder::{Folder, Setting, shown};

/// What the visible units are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Units {
    /// Bits.
    Binary,
    /// Real numbers, normal with variance one.
    Gaussian,
}

/// Parts of a plan that may be others when a training goes on.
const MAY_CHANGE: [&str; 3] = ["rates", "decay", "clip"];

/// A change, and when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The last epoch without it.
    pub after_epoch: u64,
    /// What changed.
    #[serde(flatten)]
    pub changed: Changed,
}

/// What a training is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Where the rows came from.
    pub source: String,
    /// A number that tells the rows apart from others, in hexadecimal.
    pub data: String,
    /// Rows that are learnt from.
    pub rows: usize,
    /// Numbers per row.
    pub features: usize,
    /// Hidden units.
    pub hidden: usize,
    /// A number that tells the machine apart that it began with, in hexadecimal; none: it began with weights of its own.
    pub weights: Option<String>,
    /// How it is trained.
    pub plan: Plan,
    /// What the visible units are.
    pub visible: Units,
    /// Rows that are held out.
    pub held_out: usize,
    /// Seed.
    pub seed: u64,
    /// What has changed on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// What stands in a checkpoint beside the arrays.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub training: About,
    pub alarm: Alarm,
}

/// A sampler in words.
fn sampler(sampler: &Sampler) -> String {
    match sampler {
        Sampler::Contrastive { steps } => format!("cd of k {steps}"),
        Sampler::Persistent { steps, chains } => format!("pcd of k {steps} on {chains} chains"),
        Sampler::Tempering { steps, chains, betas } => {
            format!("pt of k {steps} on {chains} chains at {} betas", betas.len())
        }
    }
}

impl About {
    /// Refuses to go on with other data or other settings than those of `earlier`.
    pub(super) fn same(&self, earlier: &Self, folder: &Folder<'_>) -> Result<()> {
        if earlier.data != self.data {
            return Err(Error::usage(format!(
                "{}: was started with {} rows of {}, now there are {} of {}, or cut, scaled or held out otherwise; name a new \
                 folder, or go on with the same data",
                folder.state().display(),
                earlier.rows,
                earlier.source,
                self.rows,
                self.source
            ))
            .hinted(Hint::GiveOne(vec!["threshold", "scale", "held_out"])));
        }
        let mut settings = vec![
            Setting::new("hidden", &earlier.hidden, &self.hidden, shown),
            Setting::new("visible", &earlier.visible, &self.visible, shown),
            Setting::new("weights", &earlier.weights, &self.weights, shown),
        ];
        settings.extend(Setting::fields(&earlier.plan, &self.plan, &[&MAY_CHANGE[..], &["sampler"]].concat()));
        settings.push(Setting::new("sampler", &earlier.plan.sampler, &self.plan.sampler, sampler));
        folder.same(&settings)
    }

    /// Takes over what has changed until now, and notes what changes from here on, after so many epochs.
    pub(super) fn go_on(&mut self, earlier: &Self, epochs: u64, context: &Context<'_>) {
        self.changes.clone_from(&earlier.changes);
        for changed in self.plan.changed_since(&earlier.plan) {
            self.changes.push(Change { after_epoch: epochs, changed });
            context.note(&Note::Changed { changed, epoch: epochs + 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The form in which checkpoints of before lie on disk, betas under their earlier name.
    #[test]
    fn earlier_checkpoints_are_read() {
        let about = json!({
            "source": "digits", "data": "00ff", "rows": 7, "features": 4, "hidden": 3, "weights": null,
            "plan": {
                "batch": 5, "sampler": { "tempering": { "steps": 1, "chains": 5, "temperatures": [0.0, 0.5, 1.0] } },
                "rates": { "weights": 0.1f32, "visible": 0.1f32, "hidden": 0.1f32 }, "warm_up": 0, "decay": "none",
                "momentum": 0.0, "weight_decay": 0.0, "centring": 0.01f32, "sparsity": null, "clip": null, "seed": 1,
            },
            "visible": "binary", "held_out": 0, "seed": 1,
            "changes": [
                { "after_epoch": 2, "option": "clip", "was": null, "is": 5.0 },
                { "after_epoch": 4, "option": "decay", "was": "none", "is": { "linear": { "updates": 9, "end": 0.5 } } },
            ],
        });
        let mut read: About = serde_json::from_value(about.clone()).unwrap();
        assert!(matches!(&read.plan.sampler, Sampler::Tempering { betas, .. } if betas == &[0.0, 0.5, 1.0]));
        assert_eq!(read.changes[0], Change { after_epoch: 2, changed: Changed::Clip { was: None, is: Some(5.0) } });
        let mut written = about;
        let of = |about: &mut serde_json::Value| about["plan"]["sampler"]["tempering"].take();
        assert_eq!(of(&mut written)["temperatures"], of(&mut serde_json::to_value(&read).unwrap())["betas"]);
        read.changes.clear();
        assert!(serde_json::to_value(&read).unwrap().get("changes").is_none());
    }
}
