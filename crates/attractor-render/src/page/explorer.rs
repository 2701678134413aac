//! The heads' maps for the script, as many as fit, those worth a look first.

use std::collections::BTreeMap;

use attractor_judge::Report;
use attractor_record::{Patterns, Steps};
use rayon::prelude::*;

use super::maps::Maps;
use super::payload::{self, CodedMap, Payload, VERSION, Without};
use super::places::{LINKS, Place, inputs, side};
use super::read::{Read, read};
use super::{Budget, embedded, heads};
use crate::maps::map::HeadMap;

/// The same where there are very many heads.
const FEWER_LINKS: usize = 8;
/// What very many heads are.
const MANY: usize = 400;
/// Bytes by which a head without a map is named.
const REASON: usize = 20;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Explorer {
    /// The payload as JSON, ready to stand in a script element; empty if there is no map.
    pub json: String,
    /// Every head that could be read, with its links.
    pub maps: BTreeMap<Place, HeadMap>,
    /// Why heads could not be read.
    pub problems: Vec<String>,
    /// Heads of which neither weights nor pooled maps were kept.
    pub not_kept: usize,
}

/// Every head of the drawn inputs, those worth a look first.
fn places(report: &Report, patterns: &dyn Patterns, inputs: &[usize]) -> Vec<Place> {
    let kept = patterns.layers();
    let has = |layer, head| kept.iter().any(|l| l.layer == layer && l.heads.contains(&head));
    let judged = heads::by_interest(report);
    let mut order: Vec<(usize, usize)> = judged.iter().map(|h| (h.layer, h.head)).filter(|p| has(p.0, p.1)).collect();
    let named: std::collections::BTreeSet<(usize, usize)> = order.iter().copied().collect();
    for shape in &kept {
        // Not judged, but captured.
        order.extend(shape.heads.iter().map(|&head| (shape.layer, head)).filter(|place| !named.contains(place)));
    }
    inputs.iter().flat_map(|&input| order.iter().map(move |&(layer, head)| (layer, head, input))).collect()
}

/// Codes every head of the drawn inputs, as far as it fits.
pub(super) fn explorer(
    report: &Report,
    patterns: &dyn Patterns,
    seen: &Maps,
    budget: &mut Budget,
    left_out: &mut Vec<String>,
) -> Explorer {
    let options = &seen.options;
    let inputs = inputs(patterns, options);
    let places = places(report, patterns, &inputs);
    if places.is_empty() {
        return Explorer::default();
    }
    let steps = Steps::of(patterns);
    let tokens = inputs
        .iter()
        .map(|&i| payload::tokens(i, steps.origin(i), patterns.tokens(i), patterns.prompt_length(i)))
        .collect();
    let mut payload = Payload {
        version: VERSION,
        palettes: payload::palettes(options.colours),
        inputs: tokens,
        maps: Vec::new(),
        without: Vec::new(),
    };
    let fixed = embedded(&payload).len();
    // Where not all heads fit at full size, all of them at a smaller one say more than a few.
    let room = budget.left.saturating_sub(fixed + REASON * places.len());
    let side = side(options.side, room / places.len());
    let links = if places.len() > MANY { FEWER_LINKS } else { LINKS };
    let each: Vec<crate::Result<Option<(HeadMap, CodedMap)>>> = places
        .par_iter()
        .map(|&place| {
            let coded = |read: Read| {
                let map = payload::coded(&read, links);
                (read.head, map)
            };
            // What was seen while the maps were walked, if at this size.
            let read = match seen.taken(place, side) {
                Some(read) => Some(read),
                None => read(patterns, place, side, LINKS)?,
            };
            Ok(read.map(coded))
        })
        .collect();

    let mut out = Explorer::default();
    let (mut left, mut lost, mut too_large) = (room, Vec::new(), Vec::new());
    for (place, read) in places.into_iter().zip(each) {
        match read {
            Ok(Some((map, coded))) => {
                let bytes = embedded(&coded).len() + 1;
                if bytes <= left {
                    left -= bytes;
                    payload.maps.push(coded);
                } else {
                    too_large.push(place);
                }
                out.maps.insert(place, map);
            }
            Ok(None) => lost.push(place),
            Err(e) => {
                out.problems.push(format!("L{}H{}: {e}", place.0, place.1));
                payload.without.push(Without { why: e.to_string(), heads: vec![place] });
            }
        }
    }
    out.not_kept = lost.len();
    if side < options.side && out.maps.values().any(|m| m.map.is_pooled()) {
        left_out.push(format!(
            "a finer grid: maps are pooled to {side} × {side} cells instead of {0} × {0}, so that all heads have one",
            options.side
        ));
    }
    if !too_large.is_empty() {
        left_out.push(format!("the maps of {} heads in the explorer: {}", too_large.len(), named(&too_large)));
        let why = "There was no room for this map in the page; a report of fewer heads has room.".to_string();
        payload.without.push(Without { why, heads: too_large });
    }
    if !lost.is_empty() {
        let why = "Neither weights nor pooled maps were kept.".to_string();
        payload.without.push(Without { why, heads: lost });
    }
    let json = embedded(&payload);
    // Reasons of very many heads may not fit either; then there is no explorer, and the page says so.
    if budget.take(json.len()) {
        out.json = json;
    } else {
        left_out.push("the maps of the explorer".to_string());
    }
    out
}

fn named(places: &[Place]) -> String {
    let shown: Vec<String> = places.iter().take(40).map(|(layer, head, _)| format!("L{layer}H{head}")).collect();
    let more = if places.len() > 40 { format!(" and {} more", places.len() - 40) } else { String::new() };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use crate::page::places::side;

    #[test]
    fn a_smaller_grid_comes_before_no_grid() {
        assert_eq!(side(128, 30_000), 128);
        assert_eq!(side(128, 20_000), 112);
        assert_eq!(side(128, 9_000), 64);
        assert_eq!(side(128, 100), 32);
        assert_eq!(side(20, 100), 20);
    }
}
