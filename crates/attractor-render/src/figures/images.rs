//! Pictures side by side: stored patterns, corrupted ones and what was retrieved; filters; digits.

use crate::canvas::colour::{NAN, Rgb};
use crate::canvas::layout::frame;
use crate::canvas::layout::{Heading, LABEL, SMALL};
use crate::canvas::raster;
use crate::canvas::scale::Scale;
use crate::canvas::svg::{Anchor, Svg};
use crate::canvas::text;
use crate::figures::heatmap::{Bar, Style};
use crate::maps::map::Map;
use attractor::{Error, Result};

/// Most pictures of a figure.
const MOST: usize = 1024;
/// Longest name, characters.
const NAME: usize = 32;
/// Longest word of a name under a picture, characters.
const WORD: usize = 16;

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture<'a> {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// [height, width], drawn in the colours of the style, or [height, width, 3]: red, green, blue from 0 to 1.
    pub values: &'a [f32],
    /// What stands under it.
    pub name: &'a str,
}

/// A grid of pictures, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Images<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// The pictures.
    pub pictures: &'a [Picture<'a>],
    /// Pictures in a row.
    pub across: usize,
    /// Names of the rows, or none.
    pub rows: &'a [&'a str],
    /// Names of the columns, or none.
    pub columns: &'a [&'a str],
    /// True: pictures of one channel share the scale of the style, and there is a bar. False: each has its own range.
    pub shared: bool,
}

impl Images<'_> {
    /// The figure as SVG.
    ///
    /// A pixel that is not a number has its own colour. A picture of one value is the lowest colour of its own range if
    /// that value is zero, else the highest (see [`Scale::fit`]).
    ///
    /// # Errors
    /// `is_shape` without pictures, above 1024 of them, and for a picture whose values are not one or three a pixel.
    pub fn svg(&self, style: &Style) -> Result<String> {
        let count = self.pictures.len();
        if count == 0 || count > MOST {
            return Err(Error::shape(format!("images {:?}: {count} pictures; needs 1 to {MOST}", self.title)));
        }
        if let Some(wrong) = self.pictures.iter().find(|p| p.channels().is_none()) {
            return Err(Error::shape(format!(
                "images {:?}: picture {:?} of {} x {} pixels has {} values; needs one or three a pixel, and a pixel",
                self.title,
                text::label(wrong.name, NAME),
                wrong.width,
                wrong.height,
                wrong.values.len()
            )));
        }
        let across = self.across.clamp(1, count);
        let down = count.div_ceil(across);
        let longest = self.pictures.iter().map(|p| p.width.max(p.height)).max().unwrap_or(1) as f64;
        let side = (560.0 / across as f64 - 8.0).floor().clamp(24.0, 96.0);
        // Small pictures in whole pixels, so that theirs have one size.
        let factor = if longest <= side { (side / longest).floor().max(1.0) } else { side / longest };
        let side = (longest * factor).max(24.0);
        // Names stand whole: words wider than their picture make room, and several take several lines.
        let words = self.pictures.iter().flat_map(|p| p.name.split_whitespace());
        let widest = words.map(|word| text::width(&text::label(word, WORD)) * SMALL).fold(0.0, f64::max);
        let gap = (widest + 6.0 - side).max(8.0);
        let lines = |name: &str| text::wrap(&text::label(name, NAME), (side + gap - 2.0) / SMALL);
        let most = self.pictures.iter().map(|p| lines(p.name).len()).max().unwrap_or(0);
        let line = if most > 0 { 2.0 + 12.0 * most as f64 } else { 0.0 };
        let label = |name: &str| text::label(name, NAME);
        let left = 6.0 + self.rows.iter().map(|r| text::width(&label(r)) * LABEL).fold(-4.0, f64::max) + 8.0;
        let (width, height) = (across as f64 * (side + gap) - gap, down as f64 * (side + gap + line) - gap);
        let grey = self.pictures.iter().any(|p| p.channels() == Some(1));
        let bar = (self.shared && grey).then(|| Bar::new(style, height.clamp(60.0, 180.0)));
        let content = width + bar.as_ref().map_or(0.0, |b| 16.0 + b.width());
        let mut notes = self.notes.clone();
        let range = |picture: &Picture<'_>| {
            let finite = || picture.values.iter().copied().filter(|v| v.is_finite());
            (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max))
        };
        // Pictures of the same two values, as spins are, look alike on any range.
        let values = || self.pictures.iter().flat_map(|p| p.values).copied().filter(|v| v.is_finite());
        let (low, high) = (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max));
        let alike = values().all(|v| v == low || v == high)
            || self.pictures.windows(2).all(|pair| range(&pair[0]) == range(&pair[1]));
        if !self.shared && grey && !alike {
            notes.push("each picture on its own range".to_string());
        }
        let heading = Heading::new(self.title, &notes, content.max(240.0));
        let top = heading.height() + if self.columns.is_empty() { 0.0 } else { 18.0 };
        let mut svg = Svg::new(
            left + content.max(heading.width()) + 6.0,
            top + height.max(bar.as_ref().map_or(0.0, |b| b.height)) + 8.0,
            &format!("{}: {count} pictures", self.title),
        );
        heading.draw(&mut svg, left);
        for (column, name) in self.columns.iter().take(across).enumerate() {
            let x = left + column as f64 * (side + gap) + side / 2.0;
            svg.text((x, top - 6.0), Anchor::Middle, LABEL, "ink", &label(name));
        }
        for (row, name) in self.rows.iter().take(down).enumerate() {
            let y = top + row as f64 * (side + gap + line) + side / 2.0 + 4.0;
            svg.text((left - 8.0, y), Anchor::End, LABEL, "ink", &label(name));
        }
        for (index, picture) in self.pictures.iter().enumerate() {
            let x = left + (index % across) as f64 * (side + gap);
            let y = top + (index / across) as f64 * (side + gap + line);
            let (w, h) = (picture.width as f64 * factor, picture.height as f64 * factor);
            let (px, py) = (x + (side - w) / 2.0, y + (side - h) / 2.0);
            svg.image((px, py, w, h), &self.png(picture, style)?);
            frame(&mut svg, px, py, w, h);
            for (at, name) in lines(picture.name).iter().enumerate() {
                let y = y + side + 12.0 * (at + 1) as f64;
                svg.text((x + side / 2.0, y), Anchor::Middle, SMALL, "muted", name);
            }
        }
        if let Some(bar) = bar {
            bar.draw(&mut svg, (left + width + 16.0, top), style)?;
        }
        Ok(svg.finish())
    }

    fn png(&self, picture: &Picture<'_>, style: &Style) -> Result<Vec<u8>> {
        if picture.channels() == Some(1) {
            let map = Map::exact(picture.values.to_vec(), picture.height, picture.width)?;
            let scale = match self.shared {
                true => style.scale,
                false => Scale::fit(style.scale.spacing(), map.values()),
            };
            return raster::png(&map, style.colours, &scale);
        }
        let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
        let colour = |p: &[f32]| -> Rgb {
            if p.iter().all(|v| v.is_finite()) { [byte(p[0]), byte(p[1]), byte(p[2])] } else { NAN }
        };
        raster::rgb(picture.width, picture.height, picture.values.chunks_exact(3).flat_map(colour).collect())
    }
}

impl Picture<'_> {
    /// 1 or 3; `None` if the values fit neither.
    fn channels(&self) -> Option<usize> {
        let pixels = self.width.checked_mul(self.height).filter(|&n| n > 0)?;
        [1, 3].into_iter().find(|c| pixels.checked_mul(*c) == Some(self.values.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure<'a>(pictures: &'a [Picture<'a>]) -> Images<'a> {
        Images { title: "t", notes: vec![], pictures, across: 2, rows: &[], columns: &[], shared: true }
    }

    #[test]
    fn grey_and_coloured_pictures_stand_side_by_side() {
        let pictures = [
            Picture { width: 2, height: 1, values: &[0.0, 1.0], name: "a" },
            Picture { width: 1, height: 1, values: &[1.0, 0.5, 0.0], name: "<b>" },
            Picture { width: 1, height: 2, values: &[f32::NAN, 3.0], name: "" },
        ];
        let svg = figure(&pictures).svg(&Style::default()).unwrap();
        // Three pictures and the bar.
        assert_eq!(svg.matches("<image").count(), 4);
        assert!(svg.contains("&lt;b&gt;"));
        let own = Images { shared: false, ..figure(&pictures) }.svg(&Style::default()).unwrap();
        assert!(own.contains("own range") && own.matches("<image").count() == 3);
    }

    #[test]
    fn a_name_stands_whole_under_its_picture() {
        let names = ["retrieved", "mean of twelve patterns"];
        let pictures = names.map(|name| Picture { width: 8, height: 8, values: &[0.0; 64], name });
        let ten: Vec<Picture<'_>> = pictures.iter().cycle().take(10).cloned().collect();
        let svg = Images { across: 10, ..figure(&ten) }.svg(&Style::default()).unwrap();
        assert!(svg.contains(">retrieved<") && svg.contains("patterns<") && !svg.contains("…<"), "{svg}");
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        for (width, height, n) in [(2, 2, 5), (0, 0, 0), (usize::MAX, 2, 4)] {
            let values = vec![0.0; n];
            let pictures = [Picture { width, height, values: &values, name: "a" }];
            assert!(figure(&pictures).svg(&Style::default()).unwrap_err().is_shape());
        }
        assert!(figure(&[]).svg(&Style::default()).unwrap_err().is_shape());
    }
}
