//! What changed between two sources: maps of the head that changed most, or a metric by layer and head.

use attractor::{Error, Hint, Result};
use attractor_judge::diff::{Diff, Metric};
use attractor_record::Patterns;

use crate::canvas::axis::Side;
use crate::canvas::colour::ColourMap;
use crate::canvas::scale::{Scale, Spacing};
use crate::canvas::text::label;
use crate::figures::compare::before_after;
use crate::figures::heatmap::Style;
use crate::figures::intervals::{Estimate, Intervals};
use crate::maps::map::{self, SIDE};

/// Characters of a token along an axis.
const LABEL: usize = 14;

/// B - A of a metric by layer and head.
///
/// # Errors
/// Never for a difference of this house.
pub fn differences(found: &Diff, metric: Metric, names: [&str; 2]) -> Result<String> {
    let heads: Vec<Estimate> = found
        .heads
        .iter()
        .map(|head| {
            let change = head.changes.get(&metric);
            let interval = change.and_then(|c| c.interval.as_ref()).map(|i| (i.low, i.high));
            Estimate { layer: head.layer, head: head.head, value: change.map(|c| c.difference), interval }
        })
        .collect();
    let title = match metric {
        Metric::Divergence => "Divergence between the maps".to_string(),
        metric => format!("Change of {metric}"),
    };
    let notes = vec![
        format!("from {} to {}", names[0], names[1]),
        match heads.iter().any(|head| head.interval.is_some()) {
            true => format!("bars: paired 95 % BCa intervals over {} inputs", found.inputs),
            false => "no intervals: they need five inputs".to_string(),
        },
    ];
    let y = Side::new(&match metric {
        Metric::Divergence => format!("divergence ({})", metric.unit()),
        metric => format!("{metric}, B − A ({})", metric.unit()),
    });
    Intervals { title: &title, notes, y, heads: &heads, references: &[(0.0, "no change")] }.svg()
}

/// Before, after and what changed, of the head that changed most, on the first input.
///
/// # Errors
/// `is_usage` if one side kept no maps; what reading them answers.
pub fn maps(found: &Diff, sides: [&dyn Patterns; 2], names: [&str; 2], colours: ColourMap) -> Result<String> {
    let colours = colours.sequential()?;
    let most = found.most(Metric::Divergence).ok_or_else(|| {
        Error::option("draw", "map", "one of the two kept no maps; draw a metric")
            .hinted(Hint::Capture { keep: "stats+qk" })
    })?;
    let (layer, head) = (most.0.layer, most.0.head);
    let read = |side: &dyn Patterns| {
        map::read(side, layer, head, 0, SIDE)?
            .map(|read| read.map)
            .ok_or_else(|| Error::option("draw", "map", format!("{}: input 0 has no map", most.0.place())))
    };
    let (before, after) = (read(sides[0])?, read(sides[1])?);
    let tokens: Vec<String> = sides[0].tokens(0).iter().map(|token| label(&token.text, LABEL)).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let scale = Scale::fit(Spacing::Linear, before.values().chain(after.values()));
    let style = Style { scale, colours, ..Style::default() };
    let title = format!(
        "{}, which changed most (divergence {} of ln 2), input 0: A {}, B {}",
        most.0.place(),
        format_args!("{:.4}", most.1.difference),
        names[0],
        names[1]
    );
    before_after((&before, &after), ("A", "B"), &title, &tokens, &style)
}
