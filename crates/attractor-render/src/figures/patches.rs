//! A weight for every patch of an image: rollout, or what one query looks at.

use crate::canvas::layout::frame;
use crate::canvas::layout::{Heading, LABEL, rect};
use crate::canvas::raster;
use crate::canvas::svg::{Anchor, Svg};
use crate::figures::heatmap::{BLANK, Bar, Style};
use crate::maps::map::Map;
use attractor::{Error, Result};

/// Longer side of a panel, CSS pixels.
const EXTENT: f64 = 240.0;
/// Largest image that is embedded, bytes.
const MOST: usize = 16 << 20;

/// Weights over the patches of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Patches<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// Patches down and across.
    pub grid: (usize, usize),
    /// [down, across], row by row; tokens that are no patches (CLS, registers) are not among them.
    pub weights: &'a [f32],
    /// The image itself, PNG or JPEG.
    pub image: Option<&'a [u8]>,
}

impl Patches<'_> {
    /// The figure as SVG: the weights; with an image also the image and both over each other.
    ///
    /// A weight that is not a number has its own colour.
    ///
    /// # Errors
    /// `is_shape` unless there is a weight a patch; `is_usage` for an image that is neither PNG nor JPEG, or above
    /// 16 MB.
    pub fn svg(&self, style: &Style) -> Result<String> {
        let (down, across) = self.grid;
        let map = Map::exact(self.weights.to_vec(), down, across).map_err(|_| {
            Error::shape(format!(
                "patches {:?}: {} weights for {down} x {across} patches; needs one per patch, at least one",
                self.title,
                self.weights.len()
            ))
        })?;
        let kind = self.image.map(|i| kind(i)).transpose()?;
        let size = EXTENT / down.max(across) as f64;
        let (width, height) = (size * across as f64, size * down as f64);
        let png = raster::png(&map, style.colours, &style.scale)?;
        let panels = if self.image.is_some() { 3 } else { 1 };
        let (left, gap) = (6.0, 14.0);
        let bar = Bar::new(style, height.clamp(72.0, 200.0));
        let content = panels as f64 * (width + gap) + 2.0 + bar.width();
        let mut notes = self.notes.clone();
        let bad = map.not_numbers();
        if bad > 0 {
            notes.push(format!("patches with a non-finite weight (magenta): {bad}"));
        }
        let heading = Heading::new(self.title, &notes, content.max(240.0));
        let top = heading.height();
        let whole = left + content.max(heading.width()) + 6.0;
        let name = format!("{}: {} over {down} x {across} patches", self.title, style.unit);
        let mut svg = Svg::new(whole, top + height.max(bar.height + 8.0) + 24.0, &name);
        heading.draw(&mut svg, left);
        let names = ["image", "weights over it", "weights"];
        for (index, name) in names.iter().enumerate().skip(3 - panels) {
            let x = left + (index + panels - 3) as f64 * (width + gap);
            let place = (x, top, width, height);
            if let (Some(image), Some(kind), true) = (self.image, kind, index < 2) {
                svg.picture(place, image, kind, 1.0, false);
            } else {
                rect(&mut svg, place, "forbidden", BLANK);
            }
            if index > 0 {
                svg.picture(place, &png, "image/png", if index == 1 { 0.55 } else { 1.0 }, true);
            }
            frame(&mut svg, x, top, width, height);
            svg.text((x + width / 2.0, top + height + 16.0), Anchor::Middle, LABEL, "ink", name);
        }
        bar.draw(&mut svg, (left + panels as f64 * (width + gap), top), style)?;
        Ok(svg.finish())
    }
}

/// The MIME type of an image, by its first bytes.
fn kind(image: &[u8]) -> Result<&'static str> {
    let fits = image.len() <= MOST;
    match image {
        [0x89, b'P', b'N', b'G', ..] if fits => Ok("image/png"),
        [0xFF, 0xD8, 0xFF, ..] if fits => Ok("image/jpeg"),
        _ => Err(Error::usage(format!(
            "patches: the image ({} bytes) is not a PNG or a JPEG of at most {MOST} bytes",
            image.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_an_image_there_are_three_panels() {
        let weights = [0.1, 0.2, 0.3, 0.4, 0.0, f32::NAN];
        let image = raster::rgb(2, 1, vec![0, 0, 0, 255, 255, 255]).unwrap();
        let patches = Patches { title: "t", notes: vec![], grid: (2, 3), weights: &weights, image: Some(&image) };
        let svg = patches.svg(&Style::default()).unwrap();
        // Image, image and weights, weights, bar.
        assert_eq!(svg.matches("<image").count(), 5);
        assert!(svg.contains("(magenta): 1"));
        let alone = Patches { image: None, ..patches.clone() }.svg(&Style::default()).unwrap();
        assert_eq!(alone.matches("<image").count(), 2);
        let odd = Patches { image: Some(b"GIF89a"), ..patches.clone() };
        assert!(odd.svg(&Style::default()).unwrap_err().is_usage());
        assert!(Patches { grid: (2, 2), ..patches }.svg(&Style::default()).unwrap_err().is_shape());
    }
}
