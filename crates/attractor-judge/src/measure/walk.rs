//! One head: all its maps walked once, and everybody who takes something from them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use attractor::{Context, Result};
use attractor_record::{Patterns, Walk, Watch, Watcher};
use rayon::prelude::*;

use super::across::{self, ByCell, Content, Distances};
use super::divergence::Chosen;
use super::head::Tally;
use super::null::Gathering;
use super::{Geometry, HeadInput, HeadMeasure, Plan, Row};

/// A head to be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Task {
    /// Index among the kept layers.
    pub index: usize,
    /// The model's own number.
    pub layer: usize,
    pub head: usize,
}

/// The kept heads, in the order of layers, then heads.
pub(crate) fn tasks(patterns: &dyn Patterns) -> Vec<Task> {
    let layers = patterns.layers();
    let of = |(index, shape): (usize, &attractor_record::LayerShape)| -> Vec<Task> {
        shape.heads.iter().map(|&head| Task { index, layer: shape.layer, head }).collect()
    };
    layers.iter().enumerate().flat_map(of).collect()
}

/// Does the work of every head, in parallel; says how far it is and can be stopped between two heads.
pub(crate) fn watched<T: Send>(
    patterns: &dyn Patterns,
    stage: &str,
    context: &Context<'_>,
    work: impl Fn(Task) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let tasks = tasks(patterns);
    let done = AtomicUsize::new(0);
    let each = tasks.par_iter().map(|&task| {
        context.check()?;
        let answer = work(task)?;
        let done = 1 + done.fetch_add(1, Ordering::Relaxed);
        context.step(stage, done, tasks.len());
        Ok(answer)
    });
    each.collect()
}

/// Who sees the maps of a head pass by, besides those who measure: rows as distributions, and what each came to before.
pub(crate) trait Eye {
    fn strip(&mut self, g: &Geometry, rows: Range<usize>, block: &[f32], facts: &[Row]);
}

/// Nobody looks on.
impl Eye for () {
    fn strip(&mut self, _: &Geometry, _: Range<usize>, _: &[f32], _: &[Row]) {}
}

/// Those who take something from one map.
struct Passing<'a, E> {
    g: &'a Geometry,
    masked: bool,
    tally: Option<Tally<'a>>,
    eye: E,
    chosen: Option<Chosen<'a>>,
    gathering: Gathering<'a>,
    watches: Vec<Box<dyn Watch + 'a>>,
    facts: Vec<Row>,
}

impl<E: Eye> Passing<'_, E> {
    /// Shows the rows as they are stored, makes them distributions and shows them again.
    fn strip(&mut self, rows: Range<usize>, block: &mut [f32]) {
        let (g, keys) = (self.g, self.g.keys);
        self.watches.iter_mut().for_each(|watch| watch.rows(rows.clone(), block));
        if keys == 0 {
            return;
        }
        let logs = self.tally.as_ref().is_some_and(Tally::wants_logs);
        self.facts.clear();
        let facts = rows.clone().zip(block.chunks_exact(keys));
        self.facts.extend(facts.map(|(query, weights)| Row::of(g, query, weights, self.masked, logs)));
        if let Some(tally) = &mut self.tally {
            tally.strip(rows.clone(), block, &self.facts, self.masked);
        }
        for ((query, weights), fact) in rows.clone().zip(block.chunks_exact_mut(keys)).zip(&self.facts) {
            fact.normalise(g, query, weights);
        }
        self.eye.strip(g, rows.clone(), block, &self.facts);
        if let Some(chosen) = &mut self.chosen {
            chosen.strip(rows.clone(), block);
        }
        self.gathering.strip(rows, block);
    }
}

/// Shows the maps of one head to one eye per input; gives back those that saw one.
pub(crate) fn seen<E: Eye>(
    patterns: &dyn Patterns,
    task: Task,
    geometry: &[Arc<Geometry>],
    eyes: Vec<E>,
) -> Result<Vec<Option<E>>> {
    let mut all = Vec::with_capacity(eyes.len());
    for (input, eye) in eyes.into_iter().enumerate() {
        let Some(mut walk) = Walk::of(patterns, (task.layer, task.head), input)? else {
            all.push(None);
            continue;
        };
        let mut passing = Passing {
            g: &geometry[input],
            masked: walk.are_masked()[0],
            tally: None,
            eye,
            chosen: None,
            gathering: Gathering::Nothing,
            watches: Vec::new(),
            facts: Vec::new(),
        };
        while let Some(strip) = walk.next()? {
            passing.strip(strip.rows, &mut strip.blocks[0]);
        }
        all.push(Some(passing.eye));
    }
    Ok(all)
}

impl Plan {
    /// Measures one head; `eyes`, one per input, and `watchers` see its maps as well. Gives back the eyes that saw one.
    pub(crate) fn head<E: Eye>(
        &self,
        patterns: &dyn Patterns,
        task: Task,
        eyes: Vec<E>,
        watchers: &[&dyn Watcher],
    ) -> Result<(HeadMeasure, Vec<Option<E>>)> {
        let geometry = &self.geometry[task.index];
        let inputs = geometry.len();
        let place = (task.layer, task.head);
        let mut figures: Vec<HeadInput> = (0..inputs).map(|_| HeadInput::default()).collect();
        let mut gathered: Vec<Gathering<'_>> = (0..inputs).map(|_| Gathering::Nothing).collect();
        let mut content = vec![Content::default(); inputs];
        let mut row_divergence: Vec<Vec<f32>> = vec![Vec::new(); self.compared.len()];
        let mut pair_distance = Vec::new();
        let mut testable = vec![false; inputs];
        let mut eyes: Vec<Option<E>> = eyes.into_iter().map(Some).collect();
        // Inputs that are compared with each other only by what positions they attend to.
        let mut alone: Vec<(usize, Vec<usize>)> = Vec::new();
        for moment in self.moments() {
            let mut groups: Vec<Vec<usize>> = Vec::new();
            for set in sets(geometry, &moment) {
                let g = &*geometry[set[0]];
                let mut walk = Walk::abreast(patterns, place, &set)?;
                let here = walk.inputs().to_vec();
                let mut passing = Vec::with_capacity(here.len());
                for (&input, masked) in here.iter().zip(walk.are_masked()) {
                    let Some(eye) = eyes[input].take() else { continue };
                    passing.push(Passing {
                        g: &geometry[input],
                        masked,
                        tally: Some(Tally::new(&geometry[input], patterns.statistics(task.layer, task.head, input)?)),
                        eye,
                        chosen: self.compared.contains(&input).then(|| Chosen::new(&geometry[input])),
                        gathering: self.null_plan.gather(geometry, input),
                        watches: watches(watchers, patterns, (task.layer, task.head, input)),
                        facts: Vec::new(),
                    });
                }
                for &input in set.iter().filter(|input| !here.contains(input)) {
                    eyes[input] = None;
                    let statistics = patterns.statistics(task.layer, task.head, input)?;
                    figures[input] = Tally::new(&geometry[input], statistics).finish();
                }
                let mut cells = (here.len() >= 2).then(|| ByCell::new(g, (0..here.len()).collect()));
                let slots: Vec<usize> =
                    self.paired.iter().filter_map(|input| here.iter().position(|own| own == input)).collect();
                let are_paired = slots.len() == self.paired.len() && slots.len() >= 2;
                let mut distances = are_paired.then(|| Distances::new(g, slots));
                while let Some(strip) = walk.next()? {
                    for (passing, block) in passing.iter_mut().zip(strip.blocks.iter_mut()) {
                        passing.strip(strip.rows.clone(), block);
                    }
                    if let Some(cells) = &mut cells {
                        cells.strip(strip.rows.clone(), strip.blocks);
                    }
                    if let Some(distances) = &mut distances {
                        distances.strip(strip.rows.clone(), strip.blocks);
                    }
                }
                for (&input, passing) in here.iter().zip(passing) {
                    figures[input] = passing.tally.map(Tally::finish).unwrap_or_default();
                    testable[input] = figures[input].unfit.is_none();
                    gathered[input] = passing.gathering;
                    eyes[input] = Some(passing.eye);
                    passing.watches.into_iter().for_each(Watch::end);
                    if let Some(slot) = self.compared.iter().position(|&entry| entry == input && testable[input]) {
                        row_divergence[slot] = passing.chosen.map(|c| c.divergences()).unwrap_or_default();
                    }
                }
                if let Some(distances) = distances
                    && self.paired.iter().all(|&input| testable[input])
                {
                    pair_distance = distances.finish();
                }
                let fit: Vec<usize> = here.iter().copied().filter(|&input| testable[input]).collect();
                if let Some(cells) = cells.filter(|_| fit.len() >= 2) {
                    let cells = if fit.len() == here.len() { cells } else { compared_again(patterns, place, g, &fit)? };
                    fit.iter().zip(cells.finish()).for_each(|(&input, own)| content[input] = own);
                }
                if !fit.is_empty() {
                    groups.push(fit);
                }
            }
            for group in groups.iter().filter(|group| group.len() == 1) {
                let others = groups.iter().flatten().copied().filter(|&other| other != group[0]).collect();
                alone.push((group[0], others));
            }
        }
        for (input, others) in alone.into_iter().filter(|(_, others)| !others.is_empty()) {
            content[input].position = across::by_offset(patterns, place, geometry, &others, &figures, input)?;
        }
        let repeat_null = self.null_plan.apply(&gathered, geometry, &testable, &figures);
        // The profiles have done their work; kept for every head they would be most of the memory.
        for figure in &mut figures {
            figure.profile = Vec::new();
            figure.text_profile = Vec::new();
        }
        let measure = HeadMeasure {
            index: task.index,
            layer: task.layer,
            head: task.head,
            position_content: content.iter().map(|content| content.position).collect(),
            query_content: content.iter().map(|content| content.query).collect(),
            inputs: figures,
            repeat_null,
            row_divergence,
            pair_distance,
        };
        Ok((measure, eyes))
    }

    /// Entries that are compared with each other: of one step, where inputs have several.
    fn moments(&self) -> Vec<Vec<usize>> {
        match self.steps.are_several() {
            true => self.steps.numbers().into_values().collect(),
            false => vec![(0..self.geometry.first().map_or(0, Vec::len)).collect()],
        }
    }
}

/// Entries of one shape and mask, to be walked side by side.
fn sets(geometry: &[Arc<Geometry>], moment: &[usize]) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = Vec::new();
    for &input in moment {
        match sets.iter_mut().find(|set| geometry[set[0]].is_alike(&geometry[input])) {
            Some(set) => set.push(input),
            None => sets.push(vec![input]),
        }
    }
    sets
}

fn watches<'a>(
    watchers: &[&'a dyn Watcher],
    patterns: &'a dyn Patterns,
    place: (usize, usize, usize),
) -> Vec<Box<dyn Watch + 'a>> {
    watchers.iter().filter_map(|watcher| watcher.begin(patterns, place)).collect()
}

/// Compares maps once more, without those that turned out to be none.
fn compared_again<'a>(
    patterns: &dyn Patterns,
    place: (usize, usize),
    g: &'a Geometry,
    fit: &[usize],
) -> Result<ByCell<'a>> {
    let mut cells = ByCell::new(g, (0..fit.len()).collect());
    let mut walk = Walk::abreast(patterns, place, fit)?;
    while let Some(strip) = walk.next()? {
        strip.blocks.iter_mut().for_each(|block| g.normalise(block, strip.rows.clone()));
        cells.strip(strip.rows, strip.blocks);
    }
    Ok(cells)
}
