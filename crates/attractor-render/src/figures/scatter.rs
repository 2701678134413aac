//! Points: one quantity against another, by class, outliers named.

use crate::canvas::axis::{Panel, Side};
use crate::canvas::labels::Labels;
use crate::canvas::layout::{self, Heading, Legend, MUTED, Sign, left_out};
use crate::canvas::svg::Svg;
use crate::canvas::text;
use attractor::{Error, Result};

/// Most points.
const MOST: usize = 100_000;
/// Longest name, characters.
const NAME: usize = 24;

/// A point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Which of the classes.
    pub class: usize,
    /// Its name; written if it is among the outliers.
    pub name: String,
}

/// A figure of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// What runs across.
    pub x: Side,
    /// What runs up.
    pub y: Side,
    /// The points.
    pub points: &'a [Point],
    /// Names of the classes; empty if there is but one.
    pub classes: &'a [&'a str],
    /// How many of the named points are labelled: those that are furthest from the middle of all, or from the diagonal
    /// if there is one.
    pub outliers: usize,
    /// True for a line at which both quantities are equal.
    pub diagonal: bool,
}

impl Scatter<'_> {
    /// The figure as SVG. Classes differ in colour and shape.
    ///
    /// "Furthest" is measured on the axes as drawn, from the medians in units of the median absolute deviation; with a
    /// diagonal, by the difference of both quantities. A name that finds no free place near its point is left out. What
    /// is not finite, or has no place on its axis, is left out and counted; without any point the frame stands empty.
    ///
    /// # Errors
    /// `is_shape` above 100 000 points and for a class without a name; `is_usage` for an axis whose ends are not in
    /// order.
    pub fn svg(&self) -> Result<String> {
        let count = self.points.len();
        if count > MOST {
            return Err(Error::shape(format!(
                "scatter {:?}: {count} points; at most {MOST} are drawn, take a sample",
                self.title
            )));
        }
        let classes = self.classes.len().max(1);
        if let Some(p) = self.points.iter().find(|p| p.class >= classes) {
            return Err(Error::shape(format!(
                "scatter {:?}: class {} of point {:?} has no name; there are {}",
                self.title,
                p.class,
                text::label(&p.name, NAME),
                self.classes.len()
            )));
        }
        let across = self.x.axis(self.points.iter().map(|p| p.x))?;
        let up = self.y.axis(self.points.iter().map(|p| p.y))?;
        let (width, height) = (380.0, 300.0);
        let left = Panel::left(&up, height);
        let missing = self.points.iter().filter(|p| across.position(p.x).and(up.position(p.y)).is_none()).count();
        let mut notes = self.notes.clone();
        notes.push(match self.x.range.or(self.y.range) {
            Some(_) if missing > 0 => format!("points outside the axes or not finite: {missing}"),
            _ => left_out(missing),
        });
        let heading = Heading::new(self.title, &notes, width);
        let dot = |class: usize| Sign::Dot(class, "series", layout::colour(class));
        let mut entries: Vec<(Sign, String)> =
            self.classes.iter().enumerate().map(|(c, name)| (dot(c), name.to_string())).collect();
        if self.diagonal {
            entries.push((Sign::Line("axis", MUTED, "5 3"), "equal".to_string()));
        }
        let legend = Legend::new(entries, width);
        let top = heading.height() + legend.height() + 4.0;
        let below = Panel::below(&across);
        let panel = Panel { x: left, y: top, width, height, across, up };
        let whole = left + width.max(heading.width()).max(legend.width()) + 16.0;
        let name = format!("{}: {} against {}, {count} points", self.title, self.y.label, self.x.label);
        let mut svg = Svg::new(whole, top + height + below, &name);
        heading.draw(&mut svg, left);
        legend.draw(&mut svg, (left, heading.height()));
        panel.draw(&mut svg, true);
        if self.diagonal {
            let low = panel.across.low.max(panel.up.low);
            let high = panel.across.high.min(panel.up.high);
            if let (Some(a), Some(b)) = (panel.place(low, low), panel.place(high, high)) {
                crate::canvas::axis::reference(&mut svg, a, b);
            }
        }
        let radius = if count > 2000 {
            1.5
        } else if count > 300 {
            2.3
        } else {
            3.2
        };
        let places: Vec<Option<(f64, f64)>> = self.points.iter().map(|p| panel.place(p.x, p.y)).collect();
        svg.group("g", &[("fill-opacity", &if count > 300 { "0.55" } else { "0.8" })]);
        for (point, place) in self.points.iter().zip(&places) {
            if let Some(place) = place {
                layout::dot(&mut svg, *place, radius, point.class, "series", layout::colour(point.class));
            }
        }
        svg.close();
        self.name_outliers(&mut svg, &panel, &places, radius);
        Ok(svg.finish())
    }

    fn name_outliers(&self, svg: &mut Svg, panel: &Panel, places: &[Option<(f64, f64)>], radius: f64) {
        let known: Vec<(f64, f64)> = places.iter().flatten().copied().collect();
        let spread = |of: fn(&(f64, f64)) -> f64| {
            let middle = median(known.iter().map(of).collect());
            (middle, median(known.iter().map(|p| (of(p) - middle).abs()).collect()).max(1.0))
        };
        let ((cx, sx), (cy, sy)) = (spread(|p| p.0), spread(|p| p.1));
        let mut order: Vec<(f64, usize)> = places
            .iter()
            .enumerate()
            .filter(|(i, _)| !self.points[*i].name.is_empty())
            .filter_map(|(i, p)| {
                p.map(|(x, y)| {
                    (
                        match self.diagonal {
                            true => (self.points[i].y - self.points[i].x).abs(),
                            false => ((x - cx) / sx).hypot((y - cy) / sy),
                        },
                        i,
                    )
                })
            })
            .collect();
        // The earlier point wins a tie.
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let room = (panel.x, panel.y - 6.0, panel.width + 8.0, panel.height + 6.0);
        let mut labels = Labels::new(room, known, radius);
        for &(_, index) in order.iter().take(self.outliers) {
            if let Some(place) = places[index] {
                labels.place(svg, place, &text::label(&self.points[index].name, NAME));
            }
        }
    }
}

/// The middle of the sorted, of an even number the mean of the middle two; zero of none.
fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    match (all.get(all.len().saturating_sub(1) / 2), all.get(all.len() / 2)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64, name: &str) -> Point {
        Point { x, y, class: 0, name: name.to_string() }
    }

    fn figure(points: &[Point]) -> Scatter<'_> {
        Scatter {
            title: "t",
            notes: vec![],
            x: Side::new("x"),
            y: Side::new("y"),
            points,
            classes: &[],
            outliers: 1,
            diagonal: false,
        }
    }

    #[test]
    fn the_furthest_point_is_named() {
        let mut points: Vec<Point> = (0..20).map(|i| point(f64::from(i % 5), f64::from(i / 5), "inner")).collect();
        points.push(point(40.0, 2.0, "outer"));
        points.push(point(f64::NAN, 2.0, "none"));
        let svg = figure(&points).svg().unwrap();
        assert!(svg.contains(">outer<") && !svg.contains(">inner<") && !svg.contains(">none<"), "{svg}");
        assert!(svg.contains("1 non-finite value is left out"));
        assert_eq!(svg.matches("<circle").count(), 21);
    }

    #[test]
    fn names_do_not_stand_on_each_other() {
        let points: Vec<Point> = (0..30).map(|_| point(1.0, 1.0, "a long name")).collect();
        let svg = Scatter { outliers: 30, ..figure(&points) }.svg().unwrap();
        let places: Vec<&str> = svg.split("<text ").filter(|text| text.contains(">a long name<")).collect();
        let places: Vec<&str> = places.iter().map(|text| text.split("class=").next().unwrap()).collect();
        assert!(
            places.len() >= 4 && places.iter().enumerate().all(|(at, place)| !places[..at].contains(place)),
            "{svg}"
        );
    }

    #[test]
    fn bad_shapes_are_refused_and_no_points_are_an_empty_frame() {
        let points = [Point { class: 1, ..point(0.0, 0.0, "a") }];
        assert!(figure(&points).svg().unwrap_err().is_shape());
        assert!(Scatter { classes: &["a"], ..figure(&points) }.svg().unwrap_err().is_shape());
        assert!(!figure(&[]).svg().unwrap().contains("<circle"));
    }
}
