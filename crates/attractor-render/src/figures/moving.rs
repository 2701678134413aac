//! A picture that moves: states on their way downhill, one after the other, with the energy of each.
//!
//! The frames are switched by SMIL, which browsers play also where a figure is embedded as an image; a program that does
//! not play it shows the last frame.

use crate::canvas::layout::frame;
use crate::canvas::layout::{self, Heading, INK, LABEL, MUTED, SMALL};
use crate::canvas::raster;
use crate::canvas::scale::labels;
use crate::canvas::svg::{Anchor, Svg, short};
use crate::figures::heatmap::Style;
use crate::maps::map::Map;
use attractor::{Error, Result};

/// Most frames: more make a large file, and nobody sees them.
const MOST: usize = 400;
/// Longest side of the picture, CSS pixels.
const SIDE: f64 = 220.0;
/// The curve beside it.
const CURVE: (f64, f64) = (260.0, 150.0);
/// Seconds that a frame stands; all together take between 3 and 12, and the last stands longer.
const STANDS: f64 = 0.25;

/// States one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Moving<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// Pixels across and down.
    pub size: (usize, usize),
    /// A frame each, [down, across].
    pub frames: &'a [Vec<f32>],
    /// What each frame's number is: an energy.
    pub numbers: &'a [f64],
    /// What the numbers measure.
    pub unit: &'a str,
}

impl Moving<'_> {
    /// The figure as SVG.
    ///
    /// # Errors
    /// `is_shape` without frames, above 400 of them, for frames of another size, or unless there is a number a frame.
    pub fn svg(&self, style: &Style) -> Result<String> {
        let ((across, down), count) = (self.size, self.frames.len());
        let whole = across * down > 0 && self.frames.iter().all(|frame| frame.len() == across * down);
        if count == 0 || count > MOST || !whole || self.numbers.len() != count {
            return Err(Error::shape(format!(
                "moving picture {:?}: {count} frames of {down} x {across} and {} numbers; needs 1 to {MOST} frames of one size \
                 and a number each",
                self.title,
                self.numbers.len()
            )));
        }
        let factor = (SIDE / across.max(down) as f64).floor().max(1.0);
        let (width, height) = (across as f64 * factor, down as f64 * factor);
        let (left, gap) = (10.0, 78.0);
        let heading = Heading::new(self.title, &self.notes, width + gap + CURVE.0);
        let top = heading.height();
        let (x, y) = (left + width + gap, top + 6.0);
        let size = (x + CURVE.0 + 14.0, top + height.max(CURVE.1 + 44.0) + 12.0);
        let mut svg = Svg::new(size.0, size.1, &format!("{}: {count} states, the last one shown first", self.title));
        heading.draw(&mut svg, left);

        let finite = || self.numbers.iter().copied().filter(|e| e.is_finite());
        let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if high > low { (low, high) } else { (low.min(0.0) - 1.0, high.max(0.0) + 1.0) };
        let at = |index: usize| {
            let t = index as f64 / (count - 1).max(1) as f64;
            let e = self.numbers[index];
            let e = if e.is_finite() { e } else { high };
            (x + t * CURVE.0, y + CURVE.1 * (high - e) / (high - low))
        };
        frame(&mut svg, x, y, CURVE.0, CURVE.1);
        let ends = [low, high];
        for (value, text) in ends.iter().zip(labels(&ends, crate::canvas::scale::Spacing::Linear)) {
            let level = y + CURVE.1 * (high - value) / (high - low);
            svg.text((x - 6.0, level + 3.5), Anchor::End, SMALL, "ink", &text);
        }
        svg.rotated((x - 46.0, y + CURVE.1 / 2.0), -90.0, Anchor::Middle, LABEL, "ink", self.unit);
        svg.text(
            (x + CURVE.0 / 2.0, y + CURVE.1 + 18.0),
            Anchor::Middle,
            LABEL,
            "ink",
            "units flipped, one after the other",
        );
        let curve: Vec<String> = (0..count).map(at).map(|(x, y)| format!("{} {}", short(x), short(y))).collect();
        layout::path(&mut svg, &format!("M{}", curve.join("L")), "line", MUTED, 1.4, "");

        // The last frame stands as long as six.
        let total = (count + 5) as f64;
        let seconds = (STANDS * total).clamp(3.0, 12.0);
        for (index, values) in self.frames.iter().enumerate() {
            let last = index + 1 == count;
            svg.group("g", &[("display", &if last { "inline" } else { "none" })]);
            if count > 1 {
                let (start, end) = (index as f64 / total, (index + 1) as f64 / total);
                let (shown, times) = match (index, last) {
                    (0, _) => ("inline;none".to_string(), format!("0;{end:.5}")),
                    (_, true) => ("none;inline".to_string(), format!("0;{start:.5}")),
                    _ => ("none;inline;none".to_string(), format!("0;{start:.5};{end:.5}")),
                };
                svg.element(
                    "animate",
                    &[
                        ("attributeName", &"display"),
                        ("values", &shown),
                        ("keyTimes", &times),
                        ("calcMode", &"discrete"),
                        ("dur", &format!("{seconds:.2}s")),
                        ("repeatCount", &"indefinite"),
                    ],
                );
            }
            let map = Map::exact(values.clone(), down, across)?;
            svg.image((left, top + 6.0, width, height), &raster::png(&map, style.colours, &style.scale)?);
            let (cx, cy) = at(index);
            svg.element("circle", &[("cx", &short(cx)), ("cy", &short(cy)), ("r", &"4"), ("fill", &INK)]);
            let said = format!("{} {}", self.unit, crate::canvas::numbers::number(self.numbers[index]));
            svg.text((x + CURVE.0 / 2.0, y + CURVE.1 + 38.0), Anchor::Middle, LABEL, "ink", &said);
            svg.close();
        }
        frame(&mut svg, left, top + 6.0, width, height);
        Ok(svg.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_stands_in_its_turn_and_the_last_without_a_player() {
        let frames = vec![vec![1.0, -1.0], vec![1.0, 1.0], vec![-1.0, 1.0]];
        let moving = Moving {
            title: "t",
            notes: vec![],
            size: (2, 1),
            frames: &frames,
            numbers: &[0.0, -1.0, -2.5],
            unit: "energy",
        };
        let svg = moving.svg(&Style::default()).unwrap();
        assert_eq!((svg.matches("<animate ").count(), svg.matches("<image").count()), (3, 3));
        assert_eq!(svg.matches("display=\"inline\"").count(), 1);
        assert!(svg.find("display=\"inline\"") > svg.rfind("display=\"none\""), "the last is the one that stands");
        assert!(svg.contains("keyTimes=\"0;0.12500;0.25000\"") && svg.contains("energy −2.5"), "{svg}");
        let still = Moving { frames: &frames[..1], numbers: &[0.0], ..moving.clone() };
        assert!(!still.svg(&Style::default()).unwrap().contains("<animate"));
        assert!(Moving { numbers: &[0.0], ..moving.clone() }.svg(&Style::default()).unwrap_err().is_shape());
        assert!(Moving { size: (3, 1), ..moving }.svg(&Style::default()).unwrap_err().is_shape());
    }
}
