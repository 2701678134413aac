//! Level sets of a sampled field: the regions above a level and the lines at it, by marching squares.

use std::collections::HashMap;

/// Values on a regular grid, row by row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field<'a> {
    /// Samples across.
    pub columns: usize,
    /// Samples up; the first row is the lowest.
    pub rows: usize,
    /// [rows, columns]; what is not finite is a hole.
    pub values: &'a [f64],
}

/// A point in units of the grid: (0, 0) is the first sample, (columns - 1, rows - 1) the last.
type Place = (f64, f64);

/// The region where the field is at least `level`, as closed outlines (even-odd), each with a mark at the points from
/// which the outline runs along a level line and not along the edge of the grid or of a hole.
///
/// Between samples the field is linear along the sides of a cell. At a saddle the two sides above the level are joined
/// if the mean of the four corners is above it.
pub(crate) fn above(field: &Field<'_>, level: f64) -> Vec<Vec<(Place, bool)>> {
    // A ring of nothing around the grid closes every outline at its edge.
    let (across, up) = (field.columns + 2, field.rows + 2);
    let value = |x: usize, y: usize| match x >= 1 && y >= 1 && x <= field.columns && y <= field.rows {
        true => field.values[(y - 1) * field.columns + x - 1],
        false => f64::NAN,
    };
    let inside = |x: usize, y: usize| value(x, y) >= level;
    // From the side where a cell is left to the side where it is entered again; `true` along a level line.
    let mut next: HashMap<usize, (usize, bool)> = HashMap::new();
    let mut order = Vec::new();
    for y in 0..up - 1 {
        for x in 0..across - 1 {
            let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)];
            let sides = [
                2 * (y * across + x),
                2 * (y * across + x + 1) + 1,
                2 * ((y + 1) * across + x),
                2 * (y * across + x) + 1,
            ];
            let held = corners.map(|(x, y)| inside(x, y));
            let (mut leaves, mut enters) = (Vec::new(), Vec::new());
            for i in 0..4 {
                match (held[i], held[(i + 1) % 4]) {
                    (true, false) => leaves.push(i),
                    (false, true) => enters.push(i),
                    _ => {}
                }
            }
            let values = corners.map(|(x, y)| value(x, y));
            let line = values.iter().all(|v| v.is_finite());
            let joined = leaves.len() == 2 && values.iter().sum::<f64>() / 4.0 >= level;
            for &leave in &leaves {
                // Going round, the entry behind the exit closes another corner, the one before it the same corner.
                let behind = |e: &&usize| (**e + 4 - leave) % 4;
                let entry = if joined { enters.iter().min_by_key(behind) } else { enters.iter().max_by_key(behind) };
                if let Some(&entry) = entry {
                    next.insert(sides[leave], (sides[entry], line));
                    order.push(sides[leave]);
                }
            }
        }
    }
    // Where the level lies on a side: at the sample itself where the other end is a hole or beyond the edge.
    let place = |side: usize| {
        let (x, y) = (side / 2 % across, side / 2 / across);
        let (dx, dy) = if side % 2 == 0 { (1, 0) } else { (0, 1) };
        let (a, b) = (value(x, y), value(x + dx, y + dy));
        let t = match (a.is_finite(), b.is_finite()) {
            (true, true) => (level - a) / (b - a),
            (true, false) => 0.0,
            _ => 1.0,
        };
        let t = if t.is_finite() { t.clamp(0.0, 1.0) } else { 0.5 };
        (x as f64 - 1.0 + t * dx as f64, y as f64 - 1.0 + t * dy as f64)
    };
    let mut outlines = Vec::new();
    for start in order {
        let mut outline = Vec::new();
        let mut side = start;
        while let Some((to, line)) = next.remove(&side) {
            outline.push((place(side), line));
            side = to;
        }
        if outline.len() > 1 {
            outlines.push(outline);
        }
    }
    outlines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Area by the shoelace formula, holes taken away.
    fn area(outlines: &[Vec<(Place, bool)>]) -> f64 {
        let one = |o: &Vec<(Place, bool)>| {
            let pairs = o.iter().zip(o.iter().cycle().skip(1));
            pairs.map(|((a, _), (b, _))| a.0 * b.1 - b.0 * a.1).sum::<f64>() / 2.0
        };
        outlines.iter().map(one).sum::<f64>().abs()
    }

    fn sampled(n: usize, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        (0..n * n).map(|i| f((i % n) as f64, (i / n) as f64)).collect()
    }

    #[test]
    fn a_disc_has_its_area_and_one_line() {
        let values = sampled(101, |x, y| -(x - 50.0).hypot(y - 50.0));
        let field = Field { columns: 101, rows: 101, values: &values };
        let outlines = above(&field, -30.3);
        assert_eq!(outlines.len(), 1);
        assert!(outlines[0].iter().all(|p| p.1));
        let exact = std::f64::consts::PI * 30.3 * 30.3;
        assert!((area(&outlines) / exact - 1.0).abs() < 1e-3, "{}", area(&outlines));
        for ((x, y), _) in &outlines[0] {
            assert!(((x - 50.0).hypot(y - 50.0) - 30.3).abs() < 0.02);
        }
    }

    #[test]
    fn a_slope_is_cut_at_the_edge_of_the_grid() {
        let values = sampled(11, |x, _| x);
        let field = Field { columns: 11, rows: 11, values: &values };
        let outlines = above(&field, 2.5);
        assert_eq!(outlines.len(), 1);
        assert!((area(&outlines) - 75.0).abs() < 1e-9);
        // Only the side at 2.5 is a level line.
        assert!(outlines[0].iter().filter(|p| p.1).all(|p| (p.0.0 - 2.5).abs() < 1e-9));
        assert_eq!(area(&above(&field, -1.0)), 100.0);
        assert!(above(&field, 11.0).is_empty());
    }

    #[test]
    fn saddles_are_joined_where_the_middle_is_above() {
        // Two high corners across from each other.
        let corners = |centre: f64| [1.0, centre, centre, 1.0];
        let count = |centre: f64| {
            let values = corners(centre);
            above(&Field { columns: 2, rows: 2, values: &values }, 0.5).len()
        };
        assert_eq!((count(0.2), count(-0.2)), (1, 2));
    }

    #[test]
    fn a_ring_has_a_hole_and_a_hole_in_the_data_is_no_level_line() {
        let values = sampled(41, |x, y| -((x - 20.0).hypot(y - 20.0) - 10.0).abs());
        let ring = above(&Field { columns: 41, rows: 41, values: &values }, -3.0);
        assert_eq!(ring.len(), 2);
        let exact = std::f64::consts::PI * (169.0 - 49.0);
        assert!((area(&ring) / exact - 1.0).abs() < 0.01, "{}", area(&ring));
        let mut values = vec![1.0; 25];
        values[12] = f64::NAN;
        let holed = above(&Field { columns: 5, rows: 5, values: &values }, 0.0);
        assert!(holed.iter().flatten().all(|p| !p.1));
        // The whole less the diamond about the hole.
        assert!((area(&holed) - 14.0).abs() < 1e-9, "{}", area(&holed));
    }
}
