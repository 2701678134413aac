//! Names beside points: near them where there is room, else a little away with a line that leads there.

use crate::canvas::layout::{MUTED, SMALL, path};
use crate::canvas::svg::{Anchor, Svg, short};
use crate::canvas::text;

/// Height of a name, CSS pixels.
const HIGH: f64 = 10.0;
/// How far from its point a name may stand, CSS pixels, nearest first.
const DISTANCES: [f64; 6] = [0.0, 9.0, 18.0, 30.0, 44.0, 60.0];

/// A rectangle: left, top, width, height.
type Area = (f64, f64, f64, f64);

/// Names as they find their places among points and each other.
pub(crate) struct Labels {
    /// Where names may stand.
    room: Area,
    points: Vec<(f64, f64)>,
    radius: f64,
    taken: Vec<Area>,
}

impl Labels {
    /// Names within `room` among points of a radius.
    pub(crate) fn new(room: Area, points: Vec<(f64, f64)>, radius: f64) -> Self {
        Self { room, points, radius, taken: Vec::new() }
    }

    /// Writes a name for a point; false if there is no place for it anywhere near.
    pub(crate) fn place(&mut self, svg: &mut Svg, (x, y): (f64, f64), name: &str) -> bool {
        let wide = text::width(name) * SMALL;
        let near = self.radius + 3.0;
        for distance in DISTANCES {
            let away = near + distance;
            // Diagonals last: a name straight beside its point is read first.
            let slant = away * 0.75;
            let around = [
                (x + away, y - HIGH / 2.0, Anchor::Start),
                (x - away - wide, y - HIGH / 2.0, Anchor::End),
                (x - wide / 2.0, y - away - HIGH, Anchor::Middle),
                (x - wide / 2.0, y + away, Anchor::Middle),
                (x + slant, y - slant - HIGH, Anchor::Start),
                (x - slant - wide, y - slant - HIGH, Anchor::End),
                (x + slant, y + slant, Anchor::Start),
                (x - slant - wide, y + slant, Anchor::End),
            ];
            let Some((left, top, anchor)) =
                around.into_iter().find(|&(left, top, _)| self.is_free((left, top, wide, HIGH), (x, y)))
            else {
                continue;
            };
            if distance > 0.0 {
                // To the nearest place of the name.
                let (to_x, to_y) = (x.clamp(left, left + wide), y.clamp(top, top + HIGH));
                let length = (to_x - x).hypot(to_y - y).max(1e-9);
                let from = (x + (to_x - x) / length * self.radius, y + (to_y - y) / length * self.radius);
                let d = format!("M{} {}L{} {}", short(from.0), short(from.1), short(to_x), short(to_y));
                path(svg, &d, "axis", MUTED, 0.75, "");
            }
            let at = match anchor {
                Anchor::Start => left,
                Anchor::Middle => left + wide / 2.0,
                Anchor::End => left + wide,
            };
            svg.text((at, top + 8.5), anchor, SMALL, "ink", name);
            self.taken.push((left, top, wide, HIGH));
            return true;
        }
        false
    }

    fn is_free(&self, (left, top, wide, high): Area, own: (f64, f64)) -> bool {
        let (x, y, width, height) = self.room;
        let inside = left >= x && left + wide <= x + width && top >= y && top + high <= y + height;
        let apart = |&(a, b, w, h): &Area| left >= a + w || left + wide <= a || top >= b + h || top + high <= b;
        let r = self.radius;
        let dots = self
            .points
            .iter()
            .filter(|point| **point != own)
            .all(|&(px, py)| px + r < left || px - r > left + wide || py + r < top || py - r > top + high);
        inside && dots && self.taken.iter().all(apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_room_beside_its_point_stands_away_with_a_line() {
        // A point in a ring of others.
        let ring = (0..24).map(|i| f64::from(i) * std::f64::consts::TAU / 24.0);
        let points: Vec<(f64, f64)> =
            ring.map(|a| (100.0 + 12.0 * a.cos(), 100.0 + 12.0 * a.sin())).chain([(100.0, 100.0)]).collect();
        let mut svg = Svg::new(200.0, 200.0, "t");
        let mut labels = Labels::new((0.0, 0.0, 200.0, 200.0), points.clone(), 3.0);
        assert!(labels.place(&mut svg, (100.0, 100.0), "L0H1"));
        let (left, top, wide, high) = labels.taken[0];
        assert!(points.iter().all(|p| p.0 < left || p.0 > left + wide || p.1 < top || p.1 > top + high));
        let drawn = svg.finish();
        assert!(drawn.contains(">L0H1<") && drawn.contains("stroke-width=\"0.75\""), "{drawn}");
        // Alone it stands beside, without a line.
        let mut svg = Svg::new(200.0, 200.0, "t");
        assert!(Labels::new((0.0, 0.0, 200.0, 200.0), vec![(50.0, 50.0)], 3.0).place(&mut svg, (50.0, 50.0), "a"));
        assert!(!svg.finish().contains("<path"));
    }

    #[test]
    fn names_of_one_place_do_not_stand_on_each_other() {
        let mut svg = Svg::new(300.0, 300.0, "t");
        let mut labels = Labels::new((0.0, 0.0, 300.0, 300.0), vec![(150.0, 150.0)], 3.0);
        let placed = (0..30).filter(|_| labels.place(&mut svg, (150.0, 150.0), "a long name")).count();
        assert!(placed > 8, "{placed}");
        for (at, a) in labels.taken.iter().enumerate() {
            for b in &labels.taken[..at] {
                let apart = a.0 >= b.0 + b.2 || b.0 >= a.0 + a.2 || a.1 >= b.1 + b.3 || b.1 >= a.1 + a.3;
                assert!(apart, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn there_may_be_no_place_at_all() {
        let mut svg = Svg::new(20.0, 20.0, "t");
        assert!(!Labels::new((0.0, 0.0, 20.0, 20.0), vec![(10.0, 10.0)], 3.0).place(
            &mut svg,
            (10.0, 10.0),
            "a long name"
        ));
    }
}
