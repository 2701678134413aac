//! A landscape in bands of equal height with the paths that run over it: energies and the trajectories of a retrieval.

use crate::canvas::axis::{Panel, Side};
use crate::canvas::colour::{ColourMap, hex};
use crate::canvas::layout::frame;
use crate::canvas::layout::{self, Heading, INK, LABEL, Legend, SMALL, Sign, rect};
use crate::canvas::scale::{Spacing, labels, ticks};
use crate::canvas::svg::{Anchor, Svg, short};
use crate::canvas::text;
use crate::figures::heatmap::NAN_COLOUR;
pub use crate::maps::level::Field;
use crate::maps::level::above;
use attractor::{Error, Result};

/// Most samples of a landscape.
const MOST: usize = 4_000_000;

/// A path over a landscape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trajectory {
    /// Its name in the legend; an empty one stays out of it.
    pub name: String,
    /// (x, y), first to last. A ring marks the first, a dot the last.
    pub points: Vec<(f64, f64)>,
}

/// A figure of a landscape.
#[derive(Debug, Clone, PartialEq)]
pub struct Contour<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// The landscape; its first and last samples stand at the ends of the axes.
    pub field: Field<'a>,
    /// What runs across, from the first sample to the last: its range is needed.
    pub x: Side,
    /// What runs up, likewise.
    pub y: Side,
    /// What the bands measure.
    pub unit: &'a str,
    /// Colours of the bands, lowest first.
    pub colours: ColourMap,
    /// About how many bands; round numbers part them.
    pub bands: usize,
    /// The paths.
    pub paths: &'a [Trajectory],
    /// Points with a name: stored patterns, minima.
    pub marks: &'a [(f64, f64, &'a str)],
}

impl Contour<'_> {
    /// The figure as SVG.
    ///
    /// Samples that are not finite are squares in the colour of NaN and are counted. A landscape of one height is one
    /// band; one without any finite sample is all NaN. What of a path lies outside is cut off.
    ///
    /// # Errors
    /// `is_shape` unless there are rows x columns values, two or more each way and at most four million; `is_usage`
    /// unless both axes are linear with a range.
    pub fn svg(&self) -> Result<String> {
        let Field { columns, rows, values } = self.field;
        if columns < 2 || rows < 2 || columns.checked_mul(rows) != Some(values.len()) || values.len() > MOST {
            return Err(Error::shape(format!(
                "landscape {:?}: {} values for {rows} rows and {columns} columns; needs rows x columns of them, two or \
                 more each way, at most {MOST}",
                self.title,
                values.len()
            )));
        }
        let (Some((x0, x1)), Some((y0, y1)), Spacing::Linear, Spacing::Linear) =
            (self.x.range, self.y.range, self.x.spacing, self.y.spacing)
        else {
            return Err(Error::usage(format!(
                "landscape {:?}: needs linear axes with the places of the first and the last sample",
                self.title
            )));
        };
        let (across, up) = (self.x.axis([])?, self.y.axis([])?);
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let low = finite().fold(f64::INFINITY, f64::min);
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        let holes = values.len() - finite().count();
        let edges = band_edges(low, high, self.bands.clamp(2, 64));

        let width = 340.0;
        let height = (width * ((y1 - y0) / (x1 - x0)).abs()).clamp(200.0, 400.0);
        let left = Panel::left(&up, height);
        let heading = Heading::new(self.title, &self.notes, width);
        let mut entries: Vec<(Sign, String)> = (self.paths.iter().enumerate())
            .filter(|(_, p)| !p.name.is_empty())
            .map(|(i, p)| (Sign::Line("series", path_colour(i), ""), p.name.clone()))
            .collect();
        if holes > 0 {
            entries.push((Sign::Square("nan", NAN_COLOUR), format!("NaN: {holes}")));
        }
        let legend = Legend::new(entries, width);
        let top = heading.height() + legend.height() + 4.0;
        let below = Panel::below(&across);
        let panel = Panel { x: left, y: top, width, height, across, up };
        let bar = labels(&edges, Spacing::Linear);
        let widest = bar.iter().map(|t| text::width(t) * SMALL).fold(0.0, f64::max);
        let bar_x = left + width + 16.0;
        let whole = (bar_x + 11.0 + 9.0 + widest + 22.0).max(left + heading.width().max(legend.width()) + 8.0);
        let mut svg = Svg::new(whole, top + height + below, &format!("{}: landscape of {}", self.title, self.unit));
        heading.draw(&mut svg, left);
        legend.draw(&mut svg, (left, heading.height()));

        self.draw_bands(&mut svg, &panel, &edges);
        self.draw_holes(&mut svg, &panel);
        self.draw_paths(&mut svg, &panel);
        for &(x, y, name) in self.marks {
            if let Some(place) = panel.place(x, y) {
                layout::dot(&mut svg, place, 5.6, 3, "boundary", "#fff");
                layout::dot(&mut svg, place, 3.8, 3, "boundary", INK);
                let label = text::label(name, 24);
                let fits = place.0 + 9.0 + text::width(&label) * SMALL < left + width;
                let (at, anchor) = if fits { (place.0 + 9.0, Anchor::Start) } else { (place.0 - 9.0, Anchor::End) };
                let outlined = "paint-order:stroke;stroke:#fff;stroke-width:2.6px;stroke-linejoin:round";
                svg.styled((at, place.1 + 3.5), anchor, SMALL, "on-light", &label, outlined);
            }
        }
        frame(&mut svg, left, top, width, height);
        panel.draw(&mut svg, false);

        // The bar has the bands, each as high as the others are if they span as much.
        let place = |v: f64| top + height * (1.0 - (v - edges[0]) / (edges[edges.len() - 1] - edges[0]));
        for (band, pair) in edges.windows(2).enumerate() {
            let (from, to) = (place(pair[1]), place(pair[0]));
            rect(&mut svg, (bar_x, from, 11.0, to - from), "band", &self.colour(band, edges.len() - 1));
        }
        frame(&mut svg, bar_x, top, 11.0, height);
        let every = (edges.len() as f64 * 16.0 / height).ceil().max(1.0) as usize;
        for (edge, text) in edges.iter().zip(&bar).step_by(every) {
            let y = place(*edge);
            svg.line((bar_x + 11.0, y), (bar_x + 15.0, y));
            svg.text((bar_x + 18.0, y + 3.5), Anchor::Start, SMALL, "ink", text);
        }
        if !self.unit.is_empty() {
            let at = (bar_x + 32.0 + widest, top + height / 2.0);
            svg.rotated(at, -90.0, Anchor::Middle, LABEL, "ink", self.unit);
        }
        Ok(svg.finish())
    }

    fn colour(&self, band: usize, bands: usize) -> String {
        hex(self.colours.at(if bands > 1 { band as f64 / (bands - 1) as f64 } else { 0.5 }))
    }

    /// Each band over the one below it, so that no seam shows between them.
    fn draw_bands(&self, svg: &mut Svg, panel: &Panel, edges: &[f64]) {
        let ground = (panel.x, panel.y, panel.width, panel.height);
        rect(svg, ground, "band", &self.colour(0, edges.len() - 1));
        let (last_x, last_y) = ((self.field.columns - 1) as f64, (self.field.rows - 1) as f64);
        let place =
            |(x, y): (f64, f64)| (panel.x + x / last_x * panel.width, panel.y + (1.0 - y / last_y) * panel.height);
        let mut lines = String::new();
        for (band, &edge) in edges.iter().enumerate().take(edges.len() - 1).skip(1) {
            let mut d = String::new();
            for outline in above(&self.field, edge) {
                let mut pen = false;
                for (index, &(point, line)) in outline.iter().enumerate() {
                    let (x, y) = place(point);
                    d.push_str(&format!("{}{} {}", if index == 0 { "M" } else { "L" }, short(x), short(y)));
                    if line {
                        let (to_x, to_y) = place(outline[(index + 1) % outline.len()].0);
                        if !pen {
                            lines.push_str(&format!("M{} {}", short(x), short(y)));
                        }
                        lines.push_str(&format!("L{} {}", short(to_x), short(to_y)));
                    }
                    pen = line;
                }
                d.push('Z');
            }
            if !d.is_empty() {
                layout::area(svg, &d, "band", &self.colour(band, edges.len() - 1), 1.0);
            }
        }
        if !lines.is_empty() {
            svg.group("g", &[("stroke-opacity", &"0.28")]);
            layout::path(svg, &lines, "boundary", "#000", 0.6, "");
            svg.close();
        }
    }

    fn draw_holes(&self, svg: &mut Svg, panel: &Panel) {
        let Field { columns, rows, values } = self.field;
        let (step_x, step_y) = (panel.width / (columns - 1) as f64, panel.height / (rows - 1) as f64);
        let mut d = String::new();
        for row in 0..rows {
            let mut start = 0;
            while start < columns {
                let bad = |c: usize| !values[row * columns + c].is_finite();
                let end = (start..columns).find(|&c| bad(c) != bad(start)).unwrap_or(columns);
                if bad(start) {
                    // A sample stands for half a step around it, within the panel.
                    let x = |c: f64| panel.x + (c * step_x).clamp(0.0, panel.width);
                    let y = |r: f64| panel.y + panel.height - (r * step_y).clamp(0.0, panel.height);
                    let (x0, x1) = (x(start as f64 - 0.5), x(end as f64 - 0.5));
                    let (y0, y1) = (y(row as f64 - 0.5), y(row as f64 + 0.5));
                    d.push_str(&format!("M{} {}H{}V{}H{}Z", short(x0), short(y0), short(x1), short(y1), short(x0)));
                }
                start = end;
            }
        }
        if !d.is_empty() {
            layout::area(svg, &d, "nan", NAN_COLOUR, 1.0);
        }
    }

    fn draw_paths(&self, svg: &mut Svg, panel: &Panel) {
        // The longest first: where a shorter one joins it, both are seen.
        let mut order: Vec<(usize, &Trajectory)> = self.paths.iter().enumerate().collect();
        order.sort_by(|a, b| panel.length(&b.1.points).total_cmp(&panel.length(&a.1.points)));
        for (index, path) in order {
            let d = panel.path(path.points.iter().copied());
            // White under the colour: seen on every band.
            layout::path(svg, &d, "boundary", "#fff", 3.6, "");
            layout::path(svg, &d, "series", path_colour(index), 1.9, "");
        }
        for (index, path) in self.paths.iter().enumerate() {
            let ends = [path.points.first(), path.points.last()].map(|p| p.and_then(|p| panel.place(p.0, p.1)));
            if let Some(last) = ends[1] {
                layout::dot(svg, last, 5.0, 0, "boundary", "#fff");
                layout::dot(svg, last, 3.8, 0, "series", path_colour(index));
            }
            if let Some(first) = ends[0] {
                layout::dot(svg, first, 4.4, 0, "series", path_colour(index));
                layout::dot(svg, first, 2.5, 0, "boundary", "#fff");
            }
        }
    }
}

/// Colours of paths: the strong ones first, those near to the middle of the maps last.
fn path_colour(index: usize) -> &'static str {
    layout::colour([1, 0, 3, 4, 2, 5, 7, 6][index % 8])
}

/// Round numbers around `low` to `high`, `count` bands or so: the outer ones reach beyond the data.
fn band_edges(low: f64, high: f64, count: usize) -> Vec<f64> {
    if !(low < high) || !(high - low).is_finite() {
        // One band about the only height, or about nothing.
        let middle = if low.is_finite() { low } else { 0.0 };
        let room = if middle == 0.0 { 1.0 } else { 0.5 * middle.abs() };
        return vec![middle - room, middle + room];
    }
    let mut edges = ticks(low, high, count);
    let step = if edges.len() > 1 { edges[1] - edges[0] } else { high - low };
    if edges.first().is_some_and(|e| *e > low) {
        edges.insert(0, edges[0] - step);
    }
    if edges.last().is_some_and(|e| *e < high) {
        edges.push(edges[edges.len() - 1] + step);
    }
    if edges.len() < 2 {
        return vec![low, high];
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure<'a>(values: &'a [f64], columns: usize, paths: &'a [Trajectory]) -> Contour<'a> {
        Contour {
            title: "t",
            notes: vec![],
            field: Field { columns, rows: values.len() / columns.max(1), values },
            x: Side::new("x").between(-1.0, 1.0),
            y: Side::new("y").between(-1.0, 1.0),
            unit: "energy",
            colours: ColourMap::Viridis,
            bands: 8,
            paths,
            marks: &[(0.0, 0.0, "minimum")],
        }
    }

    #[test]
    fn bands_are_parted_by_round_numbers_and_hold_all_heights() {
        assert_eq!(band_edges(0.1, 0.9, 4), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(band_edges(2.0, 2.0, 4), [1.0, 3.0]);
        assert_eq!(band_edges(f64::INFINITY, f64::NEG_INFINITY, 4), [-1.0, 1.0]);
        assert_eq!(band_edges(0.0, 1.0, 5).len(), 6);
    }

    #[test]
    fn paths_are_cut_and_have_their_ends() {
        let values: Vec<f64> = (0..100).map(|i| (i % 10 + i / 10) as f64).collect();
        let paths = [Trajectory { name: "retrieval".into(), points: vec![(-0.5, 0.0), (0.5, 0.5), (5.0, 0.5)] }];
        let svg = figure(&values, 10, &paths).svg().unwrap();
        assert!(svg.contains(">retrieval<") && svg.contains(">minimum<"), "{svg}");
        // The last point lies outside: only the ring of the first is drawn.
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn holes_are_counted_flat_land_is_one_band_and_bad_shapes_are_refused() {
        let mut values = vec![0.5; 25];
        assert!(figure(&values, 5, &[]).svg().is_ok());
        values[7] = f64::NAN;
        assert!(figure(&values, 5, &[]).svg().unwrap().contains("NaN: 1"));
        assert!(figure(&[f64::NAN; 25], 5, &[]).svg().unwrap().contains("NaN: 25"));
        assert!(figure(&values, 0, &[]).svg().unwrap_err().is_shape());
        assert!(figure(&[], 5, &[]).svg().unwrap_err().is_shape());
        assert!(figure(&values[..24], 5, &[]).svg().unwrap_err().is_shape());
        let free = Contour { x: Side::new("x"), ..figure(&values, 5, &[]) };
        assert!(free.svg().unwrap_err().is_usage());
    }
}
