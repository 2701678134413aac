//! Every kind of figure of any data: a picture or a clear refusal, never a panic and never a broken document.

mod common;

use attractor_render::canvas::axis::Side;
use attractor_render::canvas::colour::ColourMap;
use attractor_render::canvas::scale::{Scale, Spacing};
use attractor_render::figures::classes::{Classes, Member};
use attractor_render::figures::compare::before_after;
use attractor_render::figures::contour::{Contour, Field, Trajectory};
use attractor_render::figures::heatmap::{Style, heatmap};
use attractor_render::figures::histogram::Histogram;
use attractor_render::figures::images::{Images, Picture};
use attractor_render::figures::intervals::{Estimate, Intervals};
use attractor_render::figures::lines::{Lines, Series, profile};
use attractor_render::figures::network::Network;
use attractor_render::figures::panels::beside;
use attractor_render::figures::patches::Patches;
use attractor_render::figures::positions::Bands;
use attractor_render::figures::rolling::{Ball, Level, Rest, Rolling};
use attractor_render::figures::scatter::{Point, Scatter};
use attractor_render::figures::stacked::stacked;
use attractor_render::figures::words::Words;
use attractor_render::maps::map::Map;
use attractor_render::maps::transform::without_keys;
use common::xml;
use proptest::prelude::*;

/// Well-formed, and every number in it a number.
fn sound(svg: &str) {
    if let Err(e) = xml::check(svg) {
        panic!("{e:?}: {svg}");
    }
    for attribute in ["NaN\"", "inf\"", "=\"NaN", "LNaN", "MNaN"] {
        assert!(!svg.contains(attribute), "{attribute}: {svg}");
    }
    assert!(!svg.contains("<script") && !svg.contains('\u{202E}'), "{svg}");
}

/// Numbers of every kind: the extremes of f64, zeros of both signs, what is not a number.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -10.0..10.0f64,
        1 => prop::sample::select(vec![
            0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 1e300,
            -1e-300,
        ]),
        1 => any::<f64>(),
    ]
}

fn numbers(most: usize) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        4 => prop::collection::vec(number(), 0..most),
        // All alike.
        1 => (number(), 0..most).prop_map(|(v, n)| vec![v; n]),
    ]
}

fn side(log: bool, range: Option<(f64, f64)>) -> Side {
    let side = Side::new("a <b> \u{202E}");
    let side = if log { side.log() } else { side };
    range.map_or(side.clone(), |(low, high)| side.between(low, high))
}

const HOSTILE: &str = "</text><script>\u{202E}\u{0}&\"'";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn curves_points_and_histograms(
        xs in numbers(40), ys in numbers(40), logs in any::<(bool, bool)>(),
        range in prop::option::of((number(), number())), bins in 0usize..600,
    ) {
        let points: Vec<(f64, f64)> = xs.iter().copied().zip(ys.iter().copied()).collect();
        let band = points.iter().map(|p| (p.1 - 1.0, p.1 + p.0)).collect();
        let series = [Series::new(HOSTILE, points.clone()).with_band(band), Series::new("", points.clone()).null()];
        let (x, y) = (side(logs.0, range), side(logs.1, None));
        let lines = Lines { title: HOSTILE, notes: vec![HOSTILE.into()], x: x.clone(), y: y.clone(), series: &series };
        if let Ok(svg) = lines.svg() { sound(&svg) } else { prop_assert!(range.is_some()) }

        let points: Vec<Point> = points.iter().enumerate()
            .map(|(i, p)| Point { x: p.0, y: p.1, class: i % 2, name: HOSTILE.into() }).collect();
        let scatter = Scatter {
            title: HOSTILE, notes: vec![], x: x.clone(), y, points: &points, classes: &[HOSTILE, "b"], outliers: 9,
            diagonal: logs.0,
        };
        if let Ok(svg) = scatter.svg() { sound(&svg) } else { prop_assert!(range.is_some()) }

        let thresholds: Vec<(f64, &str)> = ys.iter().take(3).map(|&v| (v, HOSTILE)).collect();
        let values = [(HOSTILE, &xs[..]), ("null", &ys[..])];
        let histogram =
            Histogram { title: HOSTILE, notes: vec![], x, values: &values, bins, thresholds: &thresholds };
        if let Ok(svg) = histogram.svg() { sound(&svg) } else { prop_assert!(range.is_some() || bins > 512) }
        sound(&profile(HOSTILE, &[(HOSTILE.to_string(), xs), (String::new(), ys)], logs.1).unwrap());
    }

    #[test]
    fn balls_stacks_networks_and_panels(
        xs in numbers(40), ys in numbers(40), range in prop::option::of((number(), number())), lower in 0usize..90,
        moves in any::<bool>(),
    ) {
        let points: Vec<(f64, f64)> = xs.iter().copied().zip(ys.iter().copied()).collect();
        let levels: Vec<Level<'_>> = points.iter().enumerate()
            .map(|(i, &place)| Level { place, rest: [Rest::Stable, Rest::Unstable, Rest::Saddle][i % 3], said: &[HOSTILE] })
            .collect();
        let balls = [Ball { name: HOSTILE, path: &points }];
        let rolling = Rolling {
            title: HOSTILE, notes: vec![HOSTILE.into()], x: side(false, range), y: side(false, None), curve: &points,
            levels: &levels, balls: &balls, moves,
        };
        if let Ok(svg) = rolling.svg() { sound(&svg) } else { prop_assert!(range.is_some() || points.len() < 2) }

        let series = [Series::new(HOSTILE, points.clone()), Series::new("b", points.clone()).null()];
        let panel = |y| Lines { title: HOSTILE, notes: vec![], x: side(moves, range), y, series: &series };
        let both = stacked(HOSTILE, &[HOSTILE.into()], &[panel(side(false, None)), panel(side(true, None))]);
        match both {
            Ok(svg) => {
                sound(&svg);
                sound(&beside(HOSTILE, &[HOSTILE.into()], &[svg.clone(), svg]).unwrap());
            }
            Err(_) => prop_assert!(range.is_some()),
        }

        let weights: Vec<f32> = ys.iter().cycle().take(if ys.is_empty() { 0 } else { 3 * lower }).map(|&y| y as f32).collect();
        let network =
            Network { title: HOSTILE, notes: vec![], layers: (HOSTILE, "b"), units: (lower, 3), weights: &weights };
        if let Ok(svg) = network.svg() { sound(&svg) } else { prop_assert!(weights.is_empty()) }
    }

    #[test]
    fn intervals_classes_and_words(values in numbers(40), log in any::<bool>(), seed in any::<usize>()) {
        let heads: Vec<Estimate> = values.iter().enumerate().map(|(i, &v)| Estimate {
            layer: i / 5,
            head: i % 5,
            value: (i % 7 != 3).then_some(v),
            interval: (i % 3 != 0).then_some((v - 1.0, v + 1.0)),
        }).collect();
        let references: Vec<(f64, &str)> = values.iter().take(2).map(|&v| (v, HOSTILE)).collect();
        let figure =
            Intervals { title: HOSTILE, notes: vec![], y: side(log, None), heads: &heads, references: &references };
        if let Ok(svg) = figure.svg() { sound(&svg) } else { prop_assert!(heads.is_empty()) }

        let members: Vec<Member> = heads.iter()
            .map(|h| Member { layer: h.layer, head: h.head, classes: if h.head == 2 { vec![] } else { vec![(h.layer + seed % 3) % 3] } }).collect();
        let figure = Classes { title: HOSTILE, notes: vec![], names: &[HOSTILE, "", "c"], heads: &members };
        if let Ok(svg) = figure.svg() { sound(&svg) } else { prop_assert!(members.is_empty()) }

        let tokens: Vec<&str> = values.iter().enumerate().map(|(i, _)| [" a", "", HOSTILE, "\n", "語"][i % 5]).collect();
        let words = Words { title: HOSTILE, notes: vec![], tokens: &tokens, weights: &values, query: None, width: 200.0 };
        let spacing = [Spacing::Linear, Spacing::Log, Spacing::Quantile][seed % 3];
        let style = Style { scale: Scale::fit(spacing, values.iter().copied()), unit: HOSTILE.into(), ..Style::default() };
        if let Ok(svg) = words.svg(&style) { sound(&svg) } else { prop_assert!(values.is_empty()) }
    }

    #[test]
    fn landscapes_maps_and_pictures(
        values in numbers(64), columns in 0usize..9, bands in 0usize..99,
        low in -5.0..0.0f64, width in 0.001..9.0f64, boundary in 0usize..12,
    ) {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        let kept = &values[..rows * columns];
        let paths = [Trajectory { name: HOSTILE.into(), points: values.iter().map(|&v| (v, -v)).collect() }];
        let marks = [(low, low, HOSTILE)];
        let axis = Side::new(HOSTILE).between(low, low + width);
        let figure = Contour {
            title: HOSTILE, notes: vec![], field: Field { columns, rows, values: kept }, x: axis.clone(), y: axis,
            unit: HOSTILE, colours: ColourMap::Magma, bands, paths: &paths, marks: &marks,
        };
        if let Ok(svg) = figure.svg() { sound(&svg) } else { prop_assert!(rows < 2 || columns < 2) }

        let single: Vec<f32> = kept.iter().map(|&v| v as f32).collect();
        let Ok(map) = Map::exact(single.clone(), rows, columns) else { return Ok(()) };
        let bands = Bands { classes: vec![HOSTILE.into()], queries: vec![Some(0); rows], keys: vec![None; columns] };
        for spacing in [Spacing::Linear, Spacing::Log, Spacing::Quantile] {
            let style = Style {
                scale: Scale::fit(spacing, map.values()), boundary: Some(boundary), bands: bands.clone(), ..Style::default()
            };
            sound(&heatmap(&map, HOSTILE, &[HOSTILE; 9], &style).unwrap());
            let after = without_keys(&map, &[0]).unwrap();
            sound(&heatmap(&after, HOSTILE, &[], &style).unwrap());
            sound(&before_after((&map, &after), (HOSTILE, "b"), HOSTILE, &[], &style).unwrap());
            let patches = Patches { title: HOSTILE, notes: vec![], grid: (rows, columns), weights: &single, image: None };
            sound(&patches.svg(&style).unwrap());
            let picture = Picture { width: columns, height: rows, values: &single, name: HOSTILE };
            let images = Images {
                title: HOSTILE, notes: vec![], pictures: &[picture], across: boundary, rows: &[HOSTILE], columns: &[HOSTILE],
                shared: spacing == Spacing::Log,
            };
            sound(&images.svg(&style).unwrap());
        }
    }
}

#[test]
fn bands_that_do_not_fit_their_map_are_refused() {
    let map = Map::exact(vec![0.25; 16], 4, 4).unwrap();
    let of = |bands: Bands| heatmap(&map, "t", &[], &Style { bands, ..Style::default() });
    let named = || vec!["a".to_string()];
    assert!(of(Bands::both(named(), vec![Some(0); 3])).unwrap_err().is_shape());
    assert!(of(Bands::both(named(), vec![Some(1); 4])).unwrap_err().is_shape());
    let svg = of(Bands::both(named(), vec![Some(0), Some(0), None, Some(0)])).unwrap();
    // Two runs on each side, and the legend.
    assert_eq!(svg.matches("class=\"band\"").count(), 5);
}

#[test]
fn the_end_of_the_prompt_is_where_it_is_said_to_be() {
    let lines = |map: &Map, boundary| {
        let svg = heatmap(map, "t", &[], &Style { boundary, ..Style::default() }).unwrap();
        (svg.matches("class=\"boundary\"").count() / 2, svg)
    };
    let square = Map::exact(vec![0.1; 100], 10, 10).unwrap();
    assert_eq!(lines(&square, None).0, 0);
    assert_eq!(lines(&square, Some(0)).0, 0);
    assert_eq!(lines(&square, Some(10)).0, 0);
    let (count, svg) = lines(&square, Some(5));
    assert!(count == 2 && svg.contains(">prompt<") && svg.contains(">generated<"));
    // Four new queries against ten keys: position 6 is the first row, so only the keys are parted.
    let step = Map::exact(vec![0.1; 40], 4, 10).unwrap();
    assert_eq!((lines(&step, Some(6)).0, lines(&step, Some(8)).0), (1, 2));
}
