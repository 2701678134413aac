//! An order statistic of more numbers than are held.

use attractor::Result;

/// Numbers that are held to be sorted: 16 MiB.
const HELD: usize = 1 << 20;
/// Ranges that a pass tells apart.
const RANGES: usize = 1 << 16;

/// The `nth` smallest of many numbers, from 0, with its place; of equal numbers the one of the lower place is smaller.
///
/// `pass` shows all of them in the order of their places, the same each time. A pass counts how many fall into each of 65 536
/// ranges, and the next looks into the one range that matters, until what is left can be held: two passes for weights of
/// attention, five at most.
///
/// # Errors
/// What a pass answers.
pub(crate) fn nth_smallest(
    nth: usize,
    pass: impl FnMut(&mut dyn FnMut(f64, usize)) -> Result<()>,
) -> Result<(f64, usize)> {
    holding(HELD, nth, pass)
}

#[derive(Clone, Copy)]
struct Counted {
    count: usize,
    least: u64,
    most: u64,
}

fn holding(
    held: usize,
    mut nth: usize,
    mut pass: impl FnMut(&mut dyn FnMut(f64, usize)) -> Result<()>,
) -> Result<(f64, usize)> {
    let (mut least, mut most) = (0, u64::MAX);
    loop {
        let width = most - least;
        let shift = (u64::BITS - width.leading_zeros()).saturating_sub(RANGES.trailing_zeros());
        let mut ranges = vec![Counted { count: 0, least: u64::MAX, most: 0 }; RANGES];
        pass(&mut |x, _| {
            let key = key(x);
            if (least..=most).contains(&key) {
                let range = &mut ranges[((key - least) >> shift) as usize];
                range.count += 1;
                range.least = range.least.min(key);
                range.most = range.most.max(key);
            }
        })?;
        let mut found = ranges[RANGES - 1];
        for range in ranges {
            if nth < range.count {
                found = range;
                break;
            }
            nth -= range.count;
        }
        (least, most) = (found.least, found.most);
        if found.count <= held || least == most {
            break;
        }
    }
    if least == most {
        let mut seen = 0;
        let mut last = 0;
        pass(&mut |x, place| {
            if key(x) == least {
                if seen == nth {
                    last = place;
                }
                seen += 1;
            }
        })?;
        return Ok((number(least), last));
    }
    let mut left = Vec::new();
    pass(&mut |x, place| {
        let key = key(x);
        if (least..=most).contains(&key) {
            left.push((key, place));
        }
    })?;
    let &mut (key, place) = left.select_nth_unstable(nth).1;
    Ok((number(key), place))
}

/// Orders as [`f64::total_cmp`] does.
fn key(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn number(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ (1 << 63) } else { !key })
}

#[cfg(test)]
mod tests {
    use attractor::random::Philox;

    use super::*;

    /// Every rank agrees with a sort, whatever may be held: spread numbers, many that are equal, signs, both zeros.
    #[test]
    fn every_rank_is_what_sorting_gives() {
        let mut random = Philox::new(7, 1);
        let spread: Vec<f64> = (0..600).map(|_| (-30.0 * random.uniform()).exp()).collect();
        let causal: Vec<f64> = (0..900).map(|at| if at % 30 > at / 30 { 0.0 } else { random.uniform() }).collect();
        let signed: Vec<f64> = (0..400).map(|at| [-0.0, 0.0, 1.0, -1.0, random.uniform() - 0.5][at % 5]).collect();
        for numbers in [spread, causal, signed, vec![0.25; 50], vec![3.0]] {
            let mut sorted: Vec<(f64, usize)> = numbers.iter().copied().zip(0..).collect();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for held in [1, 7, 10_000] {
                for (nth, &(x, place)) in sorted.iter().enumerate() {
                    let mut passes = 0;
                    let found = holding(held, nth, |see| {
                        passes += 1;
                        numbers.iter().enumerate().for_each(|(place, &x)| see(x, place));
                        Ok(())
                    });
                    let (found, at) = found.unwrap();
                    assert_eq!((found.to_bits(), at), (x.to_bits(), place), "rank {nth} of {}", numbers.len());
                    assert!(passes <= 5, "{passes} passes");
                }
            }
        }
    }
}
