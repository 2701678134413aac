//! One figure of every kind, of made-up data with the structure that such data has.
//!
//! Drawn by the example `gallery` and held to the pictures in `tests/golden`.

use attractor::random::Philox;
use attractor_render::canvas::axis::Side;
use attractor_render::canvas::colour::ColourMap;
use attractor_render::canvas::scale::{Scale, Spacing};
use attractor_render::figures::classes::{Classes, Member};
use attractor_render::figures::compare::before_after;
use attractor_render::figures::contour::{Contour, Field, Trajectory};
use attractor_render::figures::grid::{self, Overview, Panels, overview};
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
use attractor_render::maps::map::{CellSource, HeadMap, Map};
use attractor_render::maps::pyramid;
use attractor_render::maps::transform::without_keys;

/// Names, in the order in which they are shown, and figures.
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("heatmap", head()),
        ("heatmap-prompt", prompt()),
        ("heatmap-log", spaced(Spacing::Log)),
        ("heatmap-quantile", spaced(Spacing::Quantile)),
        ("heatmap-long", long().0),
        ("heatmap-mean", long().1),
        ("heatmap-nan", broken()),
        ("sink-shown", sink().0),
        ("sink-hidden", sink().1),
        ("difference", difference()),
        ("layer-shared", layer(true)),
        ("layer-own", layer(false)),
        ("model", model()),
        ("sink-map", sink_map()),
        ("head-types", head_types()),
        ("entropy", entropy()),
        ("distance", distance()),
        ("profile", distance_profile(false)),
        ("profile-log", distance_profile(true)),
        ("lines", lines()),
        ("rollout-text", words()),
        ("rollout-patches", patches(true)),
        ("patches-alone", patches(false)),
        ("histogram", histogram(false)),
        ("histogram-null", histogram(true)),
        ("scatter", scatter()),
        ("contour", contour()),
        ("images", images()),
        ("rolling", rolling()),
        ("stacked", stack()),
        ("network", network()),
        ("panels", beside("Two figures", &["each with its own axes".to_string()], &[lines(), contour()]).unwrap()),
    ]
}

/// A sentence that is read twice, as an induction head needs it.
pub const TOKENS: [&str; 17] = [
    "<s>", "The", " cat", " sat", " on", " the", " mat", ".", " Then", " the", " cat", " sat", " on", " my", " hat",
    "!", "</s>",
];

/// Causal weights of a head that is drawn to `favour` of (query, key), with noise.
pub fn causal(n: usize, seed: u64, favour: impl Fn(usize, usize) -> f64) -> Map {
    let mut random = Philox::new(seed, 3);
    let mut weights = vec![0.0f32; n * n];
    for query in 0..n {
        let scores: Vec<f64> = (0..=query).map(|key| (favour(query, key) + 0.6 * random.normal()).exp()).collect();
        let sum: f64 = scores.iter().sum();
        for (key, score) in scores.iter().enumerate() {
            weights[query * n + key] = (score / sum) as f32;
        }
    }
    Map::exact(weights, n, n).unwrap().causal().unwrap()
}

fn previous(q: usize, k: usize) -> f64 {
    if k + 1 == q { 4.0 } else { 0.0 }
}

fn head() -> String {
    heatmap(&causal(17, 1, previous), "L4H11: previous token", &TOKENS, &Style::default()).unwrap()
}

/// What followed the last occurrence of the same word.
fn induction(q: usize, k: usize) -> f64 {
    let word = |i: usize| TOKENS[i].trim();
    let hit = k > 0 && k <= q && word(k - 1).eq_ignore_ascii_case(word(q)) && k != q;
    if hit {
        4.5
    } else if k == 0 {
        2.2
    } else {
        0.0
    }
}

fn prompt() -> String {
    let classes = ["special", "word", "punctuation"].map(String::from).to_vec();
    let role = |t: &&str| match *t {
        "<s>" | "</s>" => Some(0),
        "." | "!" => Some(2),
        _ => Some(1),
    };
    let bands = Bands::both(classes, TOKENS.iter().map(role).collect());
    let style = Style { boundary: Some(8), bands, ..Style::default() };
    heatmap(&causal(17, 2, induction), "L5H5: induction", &TOKENS, &style).unwrap()
}

fn spaced(spacing: Spacing) -> String {
    let n = 96;
    let map = causal(n, 5, |q, k| if k == 0 { 5.0 } else { -0.12 * (q - k) as f64 });
    let style = Style { scale: Scale::fit(spacing, map.values()), colours: ColourMap::Magma, ..Style::default() };
    let title = if spacing == Spacing::Log { "Logarithmic scale" } else { "Scale by rank" };
    heatmap(&map, title, &[], &style).unwrap()
}

/// A stripe of 0.9 at 4096 tokens, by maximum and by mean.
fn long() -> (String, String) {
    let n = 4096;
    let mut builder = pyramid::Builder::new(n, n, 128, 64).unwrap();
    let mut row = vec![0.0f32; n];
    for query in 0..n {
        row[..=query].fill(0.1 / (query + 1) as f32);
        row[query.saturating_sub(700)] = 0.9;
        builder.add(query, &row, |key| key <= query);
        row[query.saturating_sub(700)] = 0.0;
    }
    let pyramid = builder.finish().unwrap();
    let level = pyramid.at_least(64).unwrap();
    let style = Style { boundary: Some(3000), ..Style::default() };
    (
        heatmap(&level.maximum, "A stripe of 0.9, 700 positions back", &[], &style).unwrap(),
        heatmap(&level.mean, "The same head by mean", &[], &Style::default()).unwrap(),
    )
}

fn broken() -> String {
    let mut map = causal(12, 4, previous);
    map.cells[5 * 12..5 * 12 + 6].fill(f32::NAN);
    let tokens = ["<s>", "שלום", " naïve", "語", "a\u{202E}b", "\n", " ", "→", " β", "</script>", "é", "🙂"];
    heatmap(&map, "A row that is not a number, and tokens of every kind", &tokens, &Style::default()).unwrap()
}

fn sink() -> (String, String) {
    let map = causal(17, 8, |q, k| if k == 0 { 5.0 } else { -0.5 * (q - k) as f64 });
    let style = Style::default();
    let hidden = without_keys(&map, &[0]).unwrap();
    let renormalised = Style { unit: "attention weight, renormalised".to_string(), ..style.clone() };
    (
        heatmap(&map, "L9H2: a sink", &TOKENS, &style).unwrap(),
        heatmap(&hidden, "L9H2 without its sink", &TOKENS, &renormalised).unwrap(),
    )
}

fn difference() -> String {
    let (base, tuned) = (causal(17, 2, previous), causal(17, 2, induction));
    before_after((&base, &tuned), ("base", "fine-tuned"), "L5H5: what training changed", &TOKENS, &Style::default())
        .unwrap()
}

/// Heads of several kinds, of a few layers.
fn heads(layers: usize, count: usize, n: usize) -> Vec<HeadMap> {
    let one = |index: usize| {
        let (layer, head) = (index / count, index % count);
        let mut random = Philox::new(11, index as u64);
        let strength = 2.0 + 3.0 * random.uniform();
        let kind = (head * 5 + layer * 3) % 7;
        let half = n / 2;
        let map = causal(n, index as u64, |q, k| match kind {
            0 => strength * f64::from(u8::from(k + 1 == q)) * 2.0,
            1 => strength * f64::from(u8::from(k == 0)) * 1.6,
            2 => -0.2 * strength * (q - k) as f64,
            3 => strength * 2.0 * f64::from(u8::from(q >= half && k + half == q + 1)),
            4 => strength * 0.6 * (0.7 * (q - k) as f64).cos(),
            5 => 0.0,
            _ => strength * f64::from(u8::from(k % 6 == 5)) * 1.3,
        });
        HeadMap { layer, head, input: 0, map, links: Vec::new(), origin: CellSource::Weights }
    };
    (0..layers * count).map(one).collect()
}

fn layer(shared: bool) -> String {
    let all = heads(1, 12, 40);
    let style = Style { scale: Scale::log(1e-3, 1.0).unwrap(), ..Style::default() };
    let title = if shared { "Layer 0 on one scale" } else { "Layer 0, each head on its own scale" };
    grid::layer(&all.iter().collect::<Vec<_>>(), title, &style, &Panels { shared, across: 6, ..Panels::default() })
        .unwrap()
}

fn model() -> String {
    let all = heads(12, 12, 32);
    let style = Style { scale: Scale::log(1e-3, 1.0).unwrap(), ..Style::default() };
    grid::model(&all.iter().collect::<Vec<_>>(), "All heads of a model of 12 layers", &style).unwrap().unwrap()
}

/// A number for each of 12 x 12 heads that falls with depth, and its spread.
fn numbers(seed: u64) -> Vec<(usize, usize, f64)> {
    let mut random = Philox::new(seed, 0);
    (0..144)
        .map(|i| (i / 12, i % 12, (0.75 - 0.05 * (i / 12) as f64 + 0.16 * random.normal()).clamp(0.01, 1.0)))
        .collect()
}

fn sink_map() -> String {
    let all: Vec<(usize, usize, Option<f64>)> =
        numbers(21).into_iter().map(|(l, h, v)| (l, h, (l * h != 35).then_some(1.0 - v))).collect();
    let style = Style { unit: "share of weight on the first token".to_string(), ..Style::default() };
    overview(&Overview { title: "Sinks", heads: &all, linked: false }, &style).unwrap().unwrap()
}

fn head_types() -> String {
    let names = ["previous token", "sink", "induction", "duplicate", "delimiter", "positional"];
    let mut random = Philox::new(5, 5);
    let heads: Vec<Member> = (0..144)
        .map(|i| {
            let (layer, head) = (i / 12, i % 12);
            let draw = random.below(14);
            let class = if layer < 3 { [0, 0, 5, 3].get(draw) } else { [2, 1, 1, 1, 4, 1].get(draw) };
            // Some do two things.
            let also = (i % 19 == 4).then_some(3).filter(|c| class != Some(c));
            Member { layer, head, classes: class.copied().into_iter().chain(also).collect() }
        })
        .collect();
    let notes = vec!["at a false discovery rate of 0.05, 32 inputs".to_string()];
    Classes { title: "What kind of head each one is", notes, names: &names, heads: &heads }.svg().unwrap()
}

fn entropy() -> String {
    let heads: Vec<Estimate> = numbers(3)
        .into_iter()
        .map(|(layer, head, v)| Estimate {
            layer,
            head,
            value: Some(4.6 * v),
            interval: Some((4.6 * v - 0.12 - 0.2 * v, 4.6 * v + 0.16 + 0.1 * v)),
        })
        .collect();
    let uniform = (256f64).ln();
    Intervals {
        title: "Entropy by layer and head",
        notes: vec!["95 % BCa intervals over 32 inputs of 256 tokens".to_string()],
        y: Side::new("entropy (nats)"),
        heads: &heads,
        references: &[(uniform, "uniform over 256 keys")],
    }
    .svg()
    .unwrap()
}

fn distance() -> String {
    let mut heads: Vec<Estimate> = numbers(9)
        .into_iter()
        .filter(|(layer, head, _)| *layer < 4 && *head < 6)
        .map(|(layer, head, v)| Estimate {
            layer,
            head,
            value: Some(90.0 * v * v + 1.0),
            interval: Some((80.0 * v * v, 110.0 * v * v + 2.0)),
        })
        .collect();
    heads[7] = Estimate { value: None, interval: None, ..heads[7] };
    Intervals {
        title: "Mean attention distance",
        notes: vec!["95 % BCa intervals over 32 inputs".to_string()],
        y: Side::new("distance (positions)").log(),
        heads: &heads,
        references: &[],
    }
    .svg()
    .unwrap()
}

fn distance_profile(log: bool) -> String {
    let n = if log { 256 } else { 48 };
    let normalised = |weight: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let all: Vec<f64> = (0..n).map(|d| weight(f64::from(d))).collect();
        let sum: f64 = all.iter().sum();
        all.iter().map(|w| w / sum).collect()
    };
    let heads = [
        ("L0H3: local".to_string(), normalised(&|d| (-d / 6.0).exp() + 1e-4)),
        ("L2H1: power law".to_string(), normalised(&|d| (d + 1.0).powf(-1.1))),
        ("L4H11: previous token".to_string(), normalised(&|d| if d == 1.0 { 40.0 } else { 0.3 / (d + 3.0) })),
    ];
    profile(if log { "Attention against distance" } else { "Attention against distance, linear" }, &heads, log).unwrap()
}

fn lines() -> String {
    let mut random = Philox::new(77, 0);
    let mut curve = |name: &str, start: f64, rate: f64| {
        let points: Vec<(f64, f64)> = (0..12)
            .map(|i| {
                let step = 100.0 * 2f64.powi(i);
                (step, start * (step / 100.0).powf(-rate) + 0.05 + 0.02 * random.uniform())
            })
            .collect();
        let band = points.iter().map(|p| (p.1 * 0.88, p.1 * 1.14)).collect();
        Series::new(name, points).with_band(band)
    };
    let series = [
        curve("2 layers", 0.9, 0.35),
        curve("4 layers", 0.8, 0.55),
        Series::new("chance", vec![(100.0, 0.06), (204_800.0, 0.06)]).null(),
    ];
    Lines {
        title: "Loss at repeated tokens over training",
        notes: vec!["bands: 95 % intervals over 16 seeds".to_string()],
        x: Side::new("step").log(),
        y: Side::new("loss (nats)").between(0.0, 1.2),
        series: &series,
    }
    .svg()
    .unwrap()
}

fn words() -> String {
    let tokens = [
        "<s>", "The", " animal", " did", "n't", " cross", " the", " street", " because", " it", " was", " too",
        " tired", ".", " It", " lay", " down", " under", " a", " tree", " and", " slept", " until", " the", " evening",
        ",", " when", " the", " rain", " began", ".",
    ];
    let mut random = Philox::new(4, 4);
    let weights: Vec<f64> = tokens
        .iter()
        .map(|t| match *t {
            " animal" => 0.31,
            " street" => 0.12,
            "<s>" => 0.2,
            _ => 0.03 * random.uniform(),
        })
        .collect();
    let style = Style {
        colours: ColourMap::Blues,
        scale: Scale::fit(Spacing::Linear, weights.iter().copied()),
        unit: "rollout to “it”".to_string(),
        ..Style::default()
    };
    let notes = vec!["rollout over 12 layers, residual share 0.5".to_string()];
    Words { title: "What “it” rests on", notes, tokens: &tokens, weights: &weights, query: Some(9), width: 460.0 }
        .svg(&style)
        .unwrap()
}

/// A disc before a gradient.
fn photograph(side: usize) -> Vec<f32> {
    let mut values = Vec::new();
    for i in 0..side * side {
        let (x, y) = ((i % side) as f32 / side as f32, (i / side) as f32 / side as f32);
        let inside = (x - 0.62).hypot(y - 0.4) < 0.2;
        values.extend(if inside { [0.93, 0.55, 0.2] } else { [0.25 + 0.2 * y, 0.45 + 0.3 * y, 0.75 - 0.4 * y] });
    }
    values
}

fn patches(with_image: bool) -> String {
    let image = {
        let side = 112;
        let bytes: Vec<u8> = photograph(side).iter().map(|v| (v * 255.0) as u8).collect();
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, side as u32, side as u32);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&bytes).unwrap();
        writer.finish().unwrap();
        png
    };
    let mut random = Philox::new(6, 1);
    let weights: Vec<f32> = (0..14 * 14)
        .map(|i| {
            let (x, y) = ((i % 14) as f64 / 14.0, (i / 14) as f64 / 14.0);
            let near = (-((x - 0.6).powi(2) + (y - 0.36).powi(2)) / 0.03).exp();
            (0.02 * near + 0.003 * random.uniform()) as f32
        })
        .collect();
    let style = Style {
        scale: Scale::fit(Spacing::Linear, weights.iter().map(|&w| f64::from(w))),
        unit: "rollout to CLS".to_string(),
        ..Style::default()
    };
    Patches {
        title: "What the class token rests on",
        notes: vec!["14 × 14 patches; CLS left out, the rest sums to 0.87".to_string()],
        grid: (14, 14),
        weights: &weights,
        image: with_image.then_some(&image),
    }
    .svg(&style)
    .unwrap()
}

fn histogram(null: bool) -> String {
    let mut random = Philox::new(31, 0);
    let heads: Vec<f64> = (0..144)
        .map(|i| if i % 6 == 0 { 0.55 + 0.13 * random.normal() } else { 0.12 + 0.05 * random.normal() })
        .map(|v| v.clamp(0.0, 1.0))
        .collect();
    let chance: Vec<f64> = (0..5000).map(|_| (0.1 + 0.03 * random.normal()).max(0.0)).collect();
    let both = [("heads", &heads[..]), ("mismatched pairs", &chance[..])];
    Histogram {
        title: if null { "Previous-token score against its null" } else { "Share of weight on the first token" },
        notes: vec![],
        x: Side::new(if null { "mean weight on the previous token" } else { "share of weight" }),
        values: if null { &both } else { &both[..1] },
        bins: 0,
        thresholds: if null { &[(0.165, "null, 99 %")] } else { &[(0.3, "sink"), (0.5, "majority")] },
    }
    .svg()
    .unwrap()
}

fn scatter() -> String {
    let mut random = Philox::new(12, 0);
    let points: Vec<Point> = (0..144)
        .map(|i| {
            let x = random.uniform() * 0.5;
            let trained = i % 9 == 4;
            let y = if trained { x + 0.35 * random.uniform() + 0.08 } else { x + 0.04 * random.normal() };
            Point { x, y, class: usize::from(trained), name: format!("L{}H{}", i / 12, i % 12) }
        })
        .collect();
    Scatter {
        title: "Induction score before and after fine-tuning",
        notes: vec!["144 heads; those that moved furthest are named".to_string()],
        x: Side::new("base"),
        y: Side::new("fine-tuned"),
        points: &points,
        classes: &["unchanged", "changed at FDR 0.05"],
        outliers: 6,
        diagonal: true,
    }
    .svg()
    .unwrap()
}

/// Three stored patterns in the plane: E(x) = -lse(beta, -|x - p|^2) and steps down to it.
fn contour() -> String {
    let stored = [(-1.1, -0.7), (1.2, -0.4), (0.1, 1.1)];
    let beta = 2.0;
    let weights = |x: f64, y: f64| {
        let all = stored.map(|(a, b): (f64, f64)| (-beta * ((x - a).powi(2) + (y - b).powi(2)) / 2.0).exp());
        let sum: f64 = all.iter().sum();
        (all.map(|w| w / sum), sum)
    };
    let n = 161;
    let at = |i: usize| -2.0 + 4.0 * i as f64 / (n - 1) as f64;
    let values: Vec<f64> = (0..n * n).map(|i| -weights(at(i % n), at(i / n)).1.ln() / beta).collect();
    let descend = |start: (f64, f64)| {
        let mut points = vec![start];
        for _ in 0..40 {
            let (x, y) = points[points.len() - 1];
            let (w, _) = weights(x, y);
            let mean = |of: fn(&(f64, f64)) -> f64| stored.iter().zip(w).map(|(p, w)| of(p) * w).sum::<f64>();
            points.push((x + 0.25 * (mean(|p| p.0) - x), y + 0.25 * (mean(|p| p.1) - y)));
        }
        points
    };
    let path = |name: &str, start| Trajectory { name: name.to_string(), points: descend(start) };
    let paths = [path("from above", (-1.7, 1.6)), path("from below", (0.25, -1.8)), path("from the right", (1.8, 1.3))];
    Contour {
        title: "Energy of three stored patterns",
        notes: vec!["β = 2; damped retrieval, a quarter of a step at a time".to_string()],
        field: Field { columns: n, rows: n, values: &values },
        x: Side::new("x₁").between(-2.0, 2.0),
        y: Side::new("x₂").between(-2.0, 2.0),
        unit: "energy (1/β nats)",
        colours: ColourMap::Viridis,
        bands: 16,
        paths: &paths,
        marks: &[(-1.1, -0.7, "A"), (1.2, -0.4, "B"), (0.1, 1.1, "C")],
    }
    .svg()
    .unwrap()
}

/// x^4 - 2 x^2 + x / 2, with a ball that is trapped.
fn rolling() -> String {
    let energy = |x: f64| x.powi(4) - 2.0 * x * x + 0.5 * x;
    let curve: Vec<(f64, f64)> = (0..=200).map(|i| -1.7 + 3.4 * f64::from(i) / 200.0).map(|x| (x, energy(x))).collect();
    let mut path = vec![(0.3, energy(0.3))];
    for _ in 0..60 {
        let x: f64 = path[path.len() - 1].0;
        let next = x - 0.03 * (4.0 * x.powi(3) - 4.0 * x + 0.5);
        path.push((next, energy(next)));
    }
    let level = |x: f64, rest, said| Level { place: (x, energy(x)), rest, said };
    let levels = [
        level(-1.0574, Rest::Stable, &["the lowest"][..]),
        level(0.1271, Rest::Unstable, &["a peak"]),
        level(0.9304, Rest::Stable, &["a trap", "E = −0.52"]),
    ];
    Rolling {
        title: "A ball in the higher valley",
        notes: vec![],
        x: Side::new("state x"),
        y: Side::new("energy E").between(-2.6, 2.0),
        curve: &curve,
        levels: &levels,
        balls: &[Ball { name: "from 0.3", path: &path }],
        moves: true,
    }
    .svg()
    .unwrap()
}

/// An energy that falls while it cools.
fn stack() -> String {
    let mut random = Philox::new(78, 0);
    let cooling: Vec<(f64, f64)> = (1..=80).map(|i| (f64::from(i), 4.0 * 0.95f64.powi(i))).collect();
    let energies = cooling.iter().map(|&(i, t)| (i, -2.0 + 0.4 * t + 0.1 * t * random.normal())).collect();
    let energy = [Series::new("one run", energies), Series::new("the lowest", vec![(1.0, -2.0), (80.0, -2.0)]).null()];
    let temperature = [Series::new("", cooling)];
    let panel = |y: &str, series| Lines { title: "", notes: vec![], x: Side::new("sweep"), y: Side::new(y), series };
    let panels = [panel("energy per spin", &energy[..]), panel("temperature", &temperature[..])];
    stacked("A run and its temperature", &["one axis for both".to_string()], &panels).unwrap()
}

fn network() -> String {
    let mut random = Philox::new(79, 0);
    let weights: Vec<f32> = (0..20 * 7).map(|_| random.normal() as f32).collect();
    let layers = ("visible", "hidden");
    Network { title: "Two layers", notes: vec![], layers, units: (20, 7), weights: &weights }.svg().unwrap()
}

fn images() -> String {
    let side = 12;
    let shapes: [&dyn Fn(f64, f64) -> bool; 4] = [
        &|x, y| (x - 5.5).hypot(y - 5.5) < 4.6 && (x - 5.5).hypot(y - 5.5) > 2.4,
        &|x, y| (x - y).abs() < 1.6,
        &|x, _| (4.0..8.0).contains(&x),
        &|x, y| (x + y).rem_euclid(6.0) < 3.0,
    ];
    let mut random = Philox::new(8, 8);
    let mut values: Vec<Vec<f32>> = Vec::new();
    for row in 0..3 {
        for shape in &shapes {
            let pixel = |i: usize| f32::from(u8::from(shape((i % side) as f64, (i / side) as f64)));
            let mut one: Vec<f32> = (0..side * side).map(pixel).collect();
            if row == 1 {
                one.iter_mut().for_each(|v| *v = (*v + 0.45 * random.normal() as f32).clamp(0.0, 1.0));
                one[side * side / 2..].fill(0.0);
            }
            values.push(one);
        }
    }
    let pictures: Vec<Picture<'_>> =
        values.iter().map(|v| Picture { width: side, height: side, values: v, name: "" }).collect();
    let style = Style { colours: ColourMap::Greys, unit: "value".to_string(), ..Style::default() };
    Images {
        title: "Retrieval of half patterns",
        notes: vec!["four of 64 stored patterns of 12 × 12, β = 8, one step".to_string()],
        pictures: &pictures,
        across: 4,
        rows: &["stored", "query", "retrieved"],
        columns: &["ring", "diagonal", "bar", "stripes"],
        shared: true,
    }
    .svg(&style)
    .unwrap()
}
