//! A ball on a curve: where it may rest, where it only balances, and how it rolls.
//!
//! The ball moves by SMIL, which browsers play also where a figure is embedded as an image; a program that does not play it
//! shows every ball where it came to rest.

use crate::canvas::axis::{Panel, Side};
use crate::canvas::layout::{self, Heading, INK, Legend, SMALL, Sign};
use crate::canvas::svg::{Anchor, Svg, short};
use crate::canvas::text;
use attractor::{Error, Result};

/// Most points of the curve, and of a ball's path.
const MOST: usize = 100_000;
/// Places of a ball that are played.
const FRAMES: usize = 120;
/// Seconds of a roll, and of the rest after it.
const ROLLS: f64 = 4.0;
const RESTS: f64 = 1.5;
/// Height of a line of what is said of a level point.
const LINE: f64 = 12.5;

/// What a ball does at a level point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It comes back.
    Stable,
    /// It rolls away on both sides.
    Unstable,
    /// It rolls away on one side.
    Saddle,
}

impl Rest {
    const ALL: [Self; 3] = [Self::Stable, Self::Unstable, Self::Saddle];

    fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable: a displaced ball returns",
            Self::Unstable => "unstable: a push, and it rolls away",
            Self::Saddle => "saddle: it rolls away on one side",
        }
    }

    /// Square, triangle, diamond.
    fn shape(self) -> usize {
        1 + self as usize
    }
}

/// A level point with what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Level<'a> {
    /// (x, y).
    pub place: (f64, f64),
    /// What a ball does there.
    pub rest: Rest,
    /// Lines beside it: under a valley, above a peak.
    pub said: &'a [&'a str],
}

/// A ball's way.
#[derive(Debug, Clone, PartialEq)]
pub struct Ball<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// (x, y), first to last: a ring marks the first, the ball lies at the last.
    pub path: &'a [(f64, f64)],
}

/// A figure of a curve with balls.
#[derive(Debug, Clone, PartialEq)]
pub struct Rolling<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// What runs across.
    pub x: Side,
    /// What runs up.
    pub y: Side,
    /// The curve, left to right.
    pub curve: &'a [(f64, f64)],
    /// Level points of the curve.
    pub levels: &'a [Level<'a>],
    /// Balls on it.
    pub balls: &'a [Ball<'a>],
    /// True: the balls roll where the figure is played.
    pub moves: bool,
}

impl Rolling<'_> {
    /// The figure as SVG. What lies outside of the axes is cut off.
    ///
    /// # Errors
    /// `is_shape` for a curve of less than two points, a ball without any, or more than 100 000; `is_usage` for an axis
    /// whose ends are not in order.
    pub fn svg(&self) -> Result<String> {
        let longest = self.balls.iter().map(|ball| ball.path.len()).max().unwrap_or(0).max(self.curve.len());
        if self.curve.len() < 2 || longest > MOST || self.balls.iter().any(|ball| ball.path.is_empty()) {
            return Err(Error::shape(format!(
                "rolling ball {:?}: a curve of {} points and paths of up to {longest}; needs two for the curve, one for each \
                 ball, at most {MOST}",
                self.title,
                self.curve.len()
            )));
        }
        let across = self.x.axis(self.curve.iter().map(|p| p.0))?;
        let up = self.y.axis(self.curve.iter().map(|p| p.1))?;
        let (width, height) = (460.0, 290.0);
        let left = Panel::left(&up, height);
        let heading = Heading::new(self.title, &self.notes, width);
        let occurs = |rest: &Rest| self.levels.iter().any(|level| level.rest == *rest);
        let rests = Rest::ALL.into_iter().filter(occurs);
        let balls = self.balls.iter().enumerate();
        let entries = rests
            .map(|rest| (Sign::Dot(rest.shape(), "line", INK), rest.name().to_string()))
            .chain(balls.map(|(at, ball)| (Sign::Dot(0, "series", colour(at)), ball.name.to_string())));
        let legend = Legend::new(entries, width);
        let top = heading.height() + legend.height() + 4.0;
        let below = Panel::below(&across);
        let panel = Panel { x: left, y: top, width, height, across, up };
        let whole = left + width.max(heading.width()).max(legend.width()) + 16.0;
        let name = format!("{}: {} against {}", self.title, self.y.label, self.x.label);
        let mut svg = Svg::new(whole, top + height + below, &name);
        heading.draw(&mut svg, left);
        legend.draw(&mut svg, (left, heading.height()));
        panel.draw(&mut svg, true);
        layout::path(&mut svg, &panel.path(self.curve.iter().copied()), "line", INK, 1.8, "");
        // The longest way first: where a shorter one joins it, both are seen.
        let mut order: Vec<(usize, &Ball<'_>)> = self.balls.iter().enumerate().collect();
        order.sort_by(|a, b| panel.length(b.1.path).total_cmp(&panel.length(a.1.path)));
        for (at, ball) in order {
            self.draw_ball(&mut svg, &panel, ball, colour(at));
        }
        // Left, top, right, bottom of what is written: names of neighbours that would touch step aside.
        let mut taken: Vec<[f64; 4]> = Vec::new();
        for level in self.levels {
            let Some((x, y)) = panel.place(level.place.0, level.place.1) else { continue };
            layout::dot(&mut svg, (x, y), 4.4, level.rest.shape(), "line", INK);
            let wide = level.said.iter().map(|said| text::width(said) * SMALL).fold(0.0, f64::max);
            let high = LINE * level.said.len() as f64;
            // Kept inside: a name must not run over the axis.
            let middle = x.clamp(left + wide / 2.0 + 4.0, (left + width - wide / 2.0).max(left + wide / 2.0 + 4.0));
            let below = level.rest == Rest::Stable;
            let mut first = if below { y + 10.0 } else { y - 10.0 - high };
            let touches = |first: f64, other: &[f64; 4]| {
                let [l, t, r, b] = *other;
                middle - wide / 2.0 < r + 4.0
                    && middle + wide / 2.0 > l - 4.0
                    && first < b + 2.0
                    && first + high > t - 2.0
            };
            // Away from the point, past one name at a time; it ends, since each name is passed at most once.
            while let Some(other) = taken.iter().find(|other| touches(first, other)) {
                first = if below { other[3] + 3.0 } else { other[1] - 3.0 - high };
            }
            taken.push([middle - wide / 2.0, first, middle + wide / 2.0, first + high]);
            for (at, said) in level.said.iter().enumerate() {
                svg.text((middle, first + 10.0 + LINE * at as f64), Anchor::Middle, SMALL, "ink", said);
            }
        }
        Ok(svg.finish())
    }

    /// Its way, its start and itself.
    fn draw_ball(&self, svg: &mut Svg, panel: &Panel, ball: &Ball<'_>, colour: &str) {
        const RADIUS: f64 = 6.0;
        let places: Vec<(f64, f64)> = ball.path.iter().filter_map(|&(x, y)| panel.place(x, y)).collect();
        let (Some(&first), Some(&last)) = (places.first(), places.last()) else { return };
        layout::path(svg, &panel.path(ball.path.iter().copied()), "series", colour, 3.4, "");
        layout::dot(svg, first, RADIUS - 0.5, 0, "series", colour);
        layout::dot(svg, first, RADIUS - 2.5, 0, "boundary", "#fff");
        let (cx, cy, r) = (short(last.0), short(last.1), short(RADIUS));
        svg.group(
            "circle",
            &[("class", &"series"), ("cx", &cx), ("cy", &cy), ("r", &r), ("fill", &colour), ("fill-opacity", &"0.85")],
        );
        if self.moves && places.len() > 1 {
            // Even steps: the ball is slow where the curve is level. Its last creeping, within a pixel, is not played.
            let near = |place: &(f64, f64)| (place.0 - last.0).hypot(place.1 - last.1) < 1.0;
            let arrived = places.iter().rposition(|place| !near(place)).map_or(1, |at| at + 1);
            let shown = (arrived + 1).min(FRAMES);
            let at = |frame: usize| places[frame * arrived / (shown - 1)];
            let rolled = ROLLS / (ROLLS + RESTS);
            let times: Vec<String> = (0..shown)
                .map(|frame| format!("{:.4}", rolled * frame as f64 / (shown - 1) as f64))
                .chain(["1".to_string()])
                .collect();
            let list = |of: &dyn Fn((f64, f64)) -> f64| -> String {
                let all: Vec<String> = (0..shown).map(|f| short(of(at(f)))).chain([short(of(last))]).collect();
                all.join(";")
            };
            for (name, values) in [("cx", list(&|p| p.0)), ("cy", list(&|p| p.1))] {
                svg.element(
                    "animate",
                    &[
                        ("attributeName", &name),
                        ("values", &values),
                        ("keyTimes", &times.join(";")),
                        ("dur", &format!("{:.2}s", ROLLS + RESTS)),
                        ("repeatCount", &"indefinite"),
                    ],
                );
            }
        }
        svg.close();
    }
}

/// The ball's colour: warm first, the curve is dark.
fn colour(index: usize) -> &'static str {
    layout::colour([1, 0, 2, 3, 4, 5, 6, 7][index % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure<'a>(curve: &'a [(f64, f64)], levels: &'a [Level<'a>], balls: &'a [Ball<'a>]) -> Rolling<'a> {
        Rolling {
            title: "t",
            notes: vec![],
            x: Side::new("x"),
            y: Side::new("energy"),
            curve,
            levels,
            balls,
            moves: true,
        }
    }

    #[test]
    fn the_ball_rolls_from_its_ring_and_lies_where_it_rests_without_a_player() {
        let curve: Vec<(f64, f64)> = (-20..=20).map(|i| (f64::from(i) / 10.0, f64::from(i * i) / 100.0)).collect();
        let path = [(-1.0, 1.0), (-0.5, 0.25), (0.0, 0.0)];
        let balls = [Ball { name: "from -1", path: &path }];
        let levels = [Level { place: (0.0, 0.0), rest: Rest::Stable, said: &["valley", "E 0"] }];
        let svg = figure(&curve, &levels, &balls).svg().unwrap();
        assert_eq!(svg.matches("<animate ").count(), 2);
        for said in [">valley<", ">E 0<", ">from -1<", "stable: a displaced ball returns"] {
            assert!(svg.contains(said), "{said}: {svg}");
        }
        assert!(!svg.contains("unstable"), "only what occurs is in the legend");
        // x = 0 lies in the middle of the axis: that is where the ball is drawn, and where its journey ends.
        let middle = svg.find("values=\"").map(|at| &svg[at + 8..]).and_then(|rest| rest.split('"').next()).unwrap();
        let last = middle.rsplit(';').next().unwrap();
        assert!(svg.contains(&format!("cx=\"{last}\"")), "{middle}");
        let still = Rolling { moves: false, ..figure(&curve, &levels, &balls) };
        assert!(!still.svg().unwrap().contains("<animate"));
    }

    #[test]
    fn names_of_neighbours_do_not_touch() {
        let curve = [(0.0, 0.0), (1.0, 1.0)];
        let level = |x: f64, rest| Level { place: (x, 0.5), rest, said: &["a name that is long", "x = 0.50"] };
        let levels = [0.5, 0.5, 0.55].map(|x| level(x, Rest::Stable));
        let svg = figure(&curve, &levels, &[]).svg().unwrap();
        let mut heights: Vec<f64> = svg
            .split("<text ")
            .filter(|text| text.contains("a name that is long") || text.contains("x = 0.50"))
            .map(|text| text.split("y=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        heights.sort_by(f64::total_cmp);
        assert!(heights.len() == 6 && heights.windows(2).all(|pair| pair[1] - pair[0] > 12.0), "{heights:?}");
    }

    #[test]
    fn curves_and_balls_without_points_are_refused() {
        let balls = [Ball { name: "b", path: &[] }];
        assert!(figure(&[(0.0, 0.0)], &[], &[]).svg().unwrap_err().is_shape());
        assert!(figure(&[(0.0, 0.0), (1.0, 1.0)], &[], &balls).svg().unwrap_err().is_shape());
    }
}
