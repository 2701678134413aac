//! A number with its interval for every head, layer by layer.

use crate::canvas::axis::{DASHES, Panel, Side, reference_dashed};
use crate::canvas::labels::Labels;
use crate::canvas::layout::{self, COLOURS, Heading, LABEL, Legend, MUTED, SMALL, Sign};
use crate::canvas::svg::{Anchor, Svg, short};
use crate::canvas::text;
use attractor::{Error, Result};

/// Most heads that are drawn: more would be a dot a pixel.
const MOST: usize = 16_384;
/// Heads that are named where not all can be.
const NAMED: usize = 8;
/// Font size of a head's number under its dot.
const NUMBER: f64 = 8.5;

/// A head's number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Layer, the model's own number.
    pub layer: usize,
    /// Head, the model's own number.
    pub head: usize,
    /// The number; none where it could not be had.
    pub value: Option<f64>,
    /// Its interval, where there is one.
    pub interval: Option<(f64, f64)>,
}

/// Entropy, distance or any other number of every head: a dot and a strip a head, a line at each layer's mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervals<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading: what the strips are ("95 % BCa over 32 inputs").
    pub notes: Vec<String>,
    /// What is measured.
    pub y: Side,
    /// The heads, in any order.
    pub heads: &'a [Estimate],
    /// Lines of reference: value, name.
    pub references: &'a [(f64, &'a str)],
}

impl Intervals<'_> {
    /// The figure as SVG; layers across, heads beside each other within their layer.
    ///
    /// A head without a number is left out and counted. Without any number the frame stands empty.
    ///
    /// # Errors
    /// `is_shape` without heads and above 16 384 of them; `is_usage` for an interval whose ends are not in order and
    /// for an axis whose ends are not.
    pub fn svg(&self) -> Result<String> {
        if self.heads.is_empty() || self.heads.len() > MOST {
            return Err(Error::shape(format!(
                "intervals {:?}: {} heads; needs 1 to {MOST}",
                self.title,
                self.heads.len()
            )));
        }
        for head in self.heads {
            if let Some((low, high)) = head.interval.filter(|(low, high)| low > high) {
                return Err(Error::usage(format!(
                    "intervals {:?}: L{}H{} from {low} to {high}; the lower end comes first",
                    self.title, head.layer, head.head
                )));
            }
        }
        let mut heads = self.heads.to_vec();
        heads.sort_by_key(|h| (h.layer, h.head));
        let mut layers: Vec<usize> = heads.iter().map(|h| h.layer).collect();
        layers.dedup();
        let of = |layer: usize| heads.iter().filter(move |h| h.layer == layer);
        let most = layers.iter().map(|&l| of(l).count()).max().unwrap_or(1);
        let ends = heads.iter().filter_map(|h| h.interval).flat_map(|i| [i.0, i.1]);
        let values = heads.iter().filter_map(|h| h.value);
        let up = self.y.axis(values.chain(ends).chain(self.references.iter().map(|r| r.0)))?;
        let missing = heads.iter().filter(|h| h.value.is_none_or(|v| !up.unbounded(v).is_finite())).count();

        // Wide enough that strips do not touch, but no wider than a page.
        let longest = heads.iter().map(|h| text::width(&h.head.to_string()) * NUMBER).fold(0.0, f64::max);
        let columns = (layers.len() * (most + 1)) as f64;
        // Where every head has room for its number, all are named; of more those that stand out.
        let numbered = (longest + 3.0).max(10.0) * columns <= 840.0;
        let step = if numbered { (longest + 3.0).max(10.0) } else { 7.0f64.min(840.0 / columns) };
        let block = (step * (most as f64 + 1.0)).max(14.0);
        let (width, height) = ((block * layers.len() as f64).max(240.0), 260.0);
        let block = width / layers.len() as f64;
        let left = Panel::left(&up, height);
        let mut notes = self.notes.clone();
        if !numbered {
            notes.push(format!("named: up to {NAMED} heads, those furthest from the median"));
        }
        notes.push(match missing {
            0 => String::new(),
            n => format!("heads without a number: {n}"),
        });
        let heading = Heading::new(self.title, &notes, width.max(300.0));
        let mut entries = vec![(Sign::Dot(0, "series", COLOURS[0]), "head".to_string())];
        if heads.iter().any(|h| h.interval.is_some()) {
            entries.push((Sign::Line("series", COLOURS[0], ""), "its interval".to_string()));
        }
        entries.push((Sign::Line("line", layout::INK, ""), "mean of the layer".to_string()));
        let dashes = |index: usize| DASHES[index % DASHES.len()];
        let lines = self.references.iter().enumerate();
        entries.extend(lines.map(|(index, r)| (Sign::Line("axis", MUTED, dashes(index)), r.1.to_string())));
        let legend = Legend::new(entries, width.max(300.0));
        let top = heading.height() + legend.height() + 2.0;
        let across = Side::new("").between(0.0, layers.len() as f64).axis([])?;
        let panel = Panel { x: left, y: top, width, height, across, up };
        let whole = left + width.max(heading.width()).max(legend.width()) + 12.0;
        let mut svg = Svg::new(
            whole,
            top + height + if numbered { 52.0 } else { 40.0 },
            &format!("{}: {} by layer and head", self.title, self.y.label),
        );
        heading.draw(&mut svg, left);
        legend.draw(&mut svg, (left, heading.height()));
        frame(&mut svg, &panel, &layers, block, if numbered { 12.0 } else { 0.0 });
        for (index, &(value, _)) in self.references.iter().enumerate() {
            if let Some((_, y)) = panel.place(0.0, value) {
                reference_dashed(&mut svg, (panel.x, y), (panel.x + width, y), dashes(index));
            }
        }
        let mut dots: Vec<(&Estimate, (f64, f64))> = Vec::new();
        for (index, &layer) in layers.iter().enumerate() {
            let own: Vec<_> = of(layer).collect();
            let gap = block / (own.len() as f64 + 1.0);
            let start = panel.x + index as f64 * block;
            for (place, head) in own.iter().enumerate() {
                let x = start + (place as f64 + 1.0) * gap;
                if let Some((low, high)) = head.interval {
                    strip(&mut svg, &panel, x, (low, high));
                }
                if numbered {
                    svg.text((x, top + height + 12.0), Anchor::Middle, NUMBER, "muted", &head.head.to_string());
                }
                if let Some((_, y)) = head.value.and_then(|v| panel.place(0.0, v)) {
                    dots.push((head, (x, y)));
                    layout::dot(&mut svg, (x, y), (gap * 0.42).clamp(1.0, 2.8), 0, "series", COLOURS[0]);
                }
            }
            let known: Vec<f64> = own.iter().filter_map(|h| h.value).filter(|v| v.is_finite()).collect();
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            if let Some((_, y)) = panel.place(0.0, mean) {
                let d = format!("M{} {}h{}", short(start + block * 0.08), short(y), short(block * 0.84));
                layout::path(&mut svg, &d, "line", layout::INK, 1.6, "");
            }
        }
        if !numbered {
            name_outliers(&mut svg, &panel, dots);
        }
        Ok(svg.finish())
    }
}

/// Names of the heads that stand furthest from the median, where there is room.
fn name_outliers(svg: &mut Svg, panel: &Panel, mut dots: Vec<(&Estimate, (f64, f64))>) {
    let points: Vec<(f64, f64)> = dots.iter().map(|dot| dot.1).collect();
    let mut heights: Vec<f64> = points.iter().map(|point| point.1).collect();
    heights.sort_by(f64::total_cmp);
    let Some(&middle) = heights.get(heights.len() / 2) else { return };
    // The earlier head wins a tie.
    dots.sort_by(|a, b| (b.1.1 - middle).abs().total_cmp(&(a.1.1 - middle).abs()));
    let mut labels = Labels::new((panel.x, panel.y, panel.width + 8.0, panel.height), points, 2.8);
    for (head, place) in dots.into_iter().take(NAMED) {
        labels.place(svg, place, &format!("L{}H{}", head.layer, head.head));
    }
}

/// The axes, with a number under each layer and a faint ground under every second; `lower`: room for the heads' numbers.
fn frame(svg: &mut Svg, panel: &Panel, layers: &[usize], block: f64, lower: f64) {
    let bottom = panel.y + panel.height;
    for index in (1..layers.len()).step_by(2) {
        let x = panel.x + index as f64 * block;
        let (x, y, w, h) = (short(x), short(panel.y), short(block), short(panel.height));
        svg.element(
            "rect",
            &[
                ("class", &"grid"),
                ("x", &x),
                ("y", &y),
                ("width", &w),
                ("height", &h),
                ("fill", &"#888"),
                ("fill-opacity", &"0.08"),
            ],
        );
    }
    panel.draw_up(svg, true);
    let wide = layers.iter().map(|l| text::width(&l.to_string()) * SMALL).fold(0.0, f64::max);
    let every = ((wide + 5.0) / block).ceil().max(1.0) as usize;
    for (index, layer) in layers.iter().enumerate().step_by(every) {
        let x = panel.x + (index as f64 + 0.5) * block;
        svg.text((x, bottom + 15.0 + lower), Anchor::Middle, SMALL, "ink", &layer.to_string());
    }
    svg.line((panel.x, bottom), (panel.x + panel.width, bottom));
    let title = if lower > 0.0 { "head, and below it its layer" } else { "layer" };
    svg.text((panel.x + panel.width / 2.0, bottom + 33.0 + lower), Anchor::Middle, LABEL, "ink", title);
}

/// An interval, cut at the panel's edge.
fn strip(svg: &mut Svg, panel: &Panel, x: f64, (low, high): (f64, f64)) {
    let (top, bottom) = (panel.y, panel.y + panel.height);
    let end = |v: f64| {
        let y = panel.anywhere(0.0, v).1;
        // An end of minus infinity, or below a logarithmic axis, reaches its floor.
        if y.is_nan() && v <= 0.0 { bottom } else { y }
    };
    let (from, to) = (end(low), end(high));
    if from.is_nan() || to.is_nan() || from < top || to > bottom {
        return;
    }
    let (from, to) = (from.min(bottom), to.max(top));
    let d = format!("M{} {}V{}", short(x), short(from), short(to));
    svg.element(
        "path",
        &[
            ("class", &"series"),
            ("d", &d),
            ("fill", &"none"),
            ("stroke", &COLOURS[0]),
            ("stroke-width", &"1.6"),
            ("stroke-opacity", &"0.45"),
        ],
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(layer: usize, head: usize, value: f64) -> Estimate {
        Estimate { layer, head, value: Some(value), interval: Some((value - 0.1, value + 0.1)) }
    }

    #[test]
    fn every_head_has_a_dot_and_a_strip_and_every_layer_a_mean() {
        let heads = [head(3, 1, 0.5), head(0, 0, 0.25), head(0, 1, 0.75)];
        let figure =
            Intervals { title: "t", notes: vec![], y: Side::new("y"), heads: &heads, references: &[(0.9, "uniform")] };
        let svg = figure.svg().unwrap();
        // One of each is in the legend.
        assert_eq!((svg.matches("<circle").count(), svg.matches("stroke-opacity=\"0.45\"").count()), (4, 3));
        assert_eq!(svg.matches("class=\"line\"").count(), 3);
        assert!(svg.contains(">uniform<") && !svg.contains("without a number"));
    }

    #[test]
    fn heads_without_a_number_are_counted_and_bad_shapes_refused() {
        let mut heads = [head(0, 0, f64::NAN), head(0, 1, 1.0)];
        heads[0].interval = None;
        let figure = Intervals { title: "t", notes: vec![], y: Side::new("y"), heads: &heads, references: &[] };
        assert!(figure.svg().unwrap().contains("heads without a number: 1"));
        assert!(Intervals { heads: &[], ..figure.clone() }.svg().unwrap_err().is_shape());
        let reversed = [Estimate { interval: Some((1.0, 0.0)), ..heads[1] }];
        assert!(Intervals { heads: &reversed, ..figure.clone() }.svg().unwrap_err().is_usage());
        let none = [Estimate { value: None, interval: None, ..heads[1] }];
        assert!(Intervals { heads: &none, ..figure }.svg().unwrap().contains("heads without a number: 1"));
    }
}
