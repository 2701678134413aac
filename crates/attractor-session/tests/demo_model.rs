//! The embedded model beside what counting does: on a text of the same book that neither has seen.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use attractor_nn::text::Tokenizer;
use attractor_session::{Context, Inputs, demo, evidence, inputs, judgement, target};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// What the embedded model was trained on.
fn training_text() -> String {
    std::fs::read_to_string(root().join("examples/data/northanger-abbey.txt")).unwrap()
}

/// Token probabilities from counts of a text: those of single tokens, add-one, and of pairs, interpolated Kneser-Ney.
///
/// p(t | s) = max(c(s, t) - D, 0) / c(s) + D n(s .) / c(s) * n(. t) / n(. .), D = n1 / (n1 + 2 n2), n counting different pairs;
/// a tenth of a pair is added to every n(. t).
///
/// Source: Chen and Goodman 1998, eq. (2) with absolute discounting and Kneser-Ney's lower order.
struct Counts {
    vocab: f64,
    total: f64,
    tokens: HashMap<u32, f64>,
    pairs: HashMap<(u32, u32), f64>,
    /// c(s), n(s .), n(. t).
    heads: HashMap<u32, f64>,
    followers: HashMap<u32, f64>,
    before: HashMap<u32, f64>,
    discount: f64,
}

impl Counts {
    fn of(ids: &[u32], vocab: usize) -> Self {
        let (mut tokens, mut pairs, mut heads) = (HashMap::new(), HashMap::new(), HashMap::new());
        ids.iter().for_each(|&id| *tokens.entry(id).or_insert(0.0) += 1.0);
        for pair in ids.windows(2) {
            *pairs.entry((pair[0], pair[1])).or_insert(0.0) += 1.0;
            *heads.entry(pair[0]).or_insert(0.0) += 1.0;
        }
        let (mut followers, mut before) = (HashMap::new(), HashMap::new());
        for (s, t) in pairs.keys() {
            *followers.entry(*s).or_insert(0.0) += 1.0;
            *before.entry(*t).or_insert(0.0) += 1.0;
        }
        let seen = |times: f64| pairs.values().filter(|&&count| count == times).count() as f64;
        let discount = seen(1.0) / (seen(1.0) + 2.0 * seen(2.0));
        Self { vocab: vocab as f64, total: ids.len() as f64, tokens, pairs, heads, followers, before, discount }
    }

    fn alone(&self, t: u32) -> f64 {
        (self.tokens.get(&t).unwrap_or(&0.0) + 1.0) / (self.total + self.vocab)
    }

    fn after(&self, s: u32, t: u32) -> f64 {
        const ADDED: f64 = 0.1;
        let lower = (self.before.get(&t).unwrap_or(&0.0) + ADDED) / (self.pairs.len() as f64 + ADDED * self.vocab);
        let Some(count) = self.heads.get(&s) else { return lower };
        let pair = self.pairs.get(&(s, t)).unwrap_or(&0.0);
        (pair - self.discount).max(0.0) / count + self.discount * self.followers[&s] / count * lower
    }
}

/// Mean losses per prediction on the built-in text, nats: of the model, of single tokens, of pairs; and the share of inputs
/// on which the model is better than pairs.
fn losses() -> [f64; 4] {
    let folder = tempfile::tempdir().unwrap();
    demo::unpack(folder.path()).unwrap();
    let context = Context::new(0);
    let given = Inputs { max_inputs: Some(1000), ..Inputs::default() };
    let live = target::live(folder.path(), &given.opening(), &context).unwrap();
    let prepared = inputs::prepare(&live, &given, &context).unwrap();
    let asked = evidence::Options { ablate: judgement::Ablate::None, ..evidence::Options::default() };
    let found = evidence::run(&live, &prepared, &asked, &context).unwrap();
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let ids: Vec<u32> = tokenizer.encode(&training_text(), false).unwrap().iter().map(|token| token.id).collect();
    let vocab = live.checkpoint.config().vocab;
    let counts = Counts::of(&ids, vocab);
    let all: f64 = (0..vocab as u32).map(|t| counts.after(ids[0], t)).sum();
    assert!((all - 1.0).abs() < 1e-9, "the probabilities after a token add up to {all}");
    let (mut sums, mut predictions, mut better) = ([0.0; 3], 0.0, 0.0);
    for ((item, loss), count) in prepared.items.iter().zip(&found.losses).zip(&found.predictions) {
        let tokens: Vec<u32> = item.tokens.iter().map(|token| token.id).collect();
        assert_eq!(tokens.len(), count + 1, "the same predictions for all");
        let alone: f64 = tokens[1..].iter().map(|&t| -counts.alone(t).ln()).sum();
        let after: f64 = tokens.windows(2).map(|pair| -counts.after(pair[0], pair[1]).ln()).sum();
        let model = loss * *count as f64;
        [model, alone, after].iter().zip(&mut sums).for_each(|(x, sum)| *sum += x);
        predictions += *count as f64;
        better += f64::from(u8::from(model < after));
    }
    let [model, alone, after] = sums.map(|sum| sum / predictions);
    [model, alone, after, better / prepared.items.len() as f64]
}

#[test]
fn the_embedded_model_beats_smoothed_bigrams_of_its_training_text() {
    let [model, alone, after, better] = losses();
    println!("nats per token: model {model:.4}, unigrams {alone:.4}, bigrams {after:.4}; better on {better:.3}");
    assert!(model < after - 0.25 && after < alone - 1.0, "model {model}, bigrams {after}, unigrams {alone}");
    assert!(better > 0.95, "better than bigrams on {better} of the inputs");
    // The figures that the document quotes.
    let document = std::fs::read_to_string(root().join("docs/demo-model.md")).unwrap();
    for (name, loss) in
        [("the demo model", model), ("bigrams, interpolated Kneser-Ney", after), ("unigrams, add-one", alone)]
    {
        let line = format!("| {name} | {loss:.2} | {:.1} |", loss.exp());
        assert!(document.contains(&line), "docs/demo-model.md lacks {line}");
    }
}

#[test]
fn the_built_in_text_is_held_out_of_the_training_text() {
    let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let (training, held) = (words(&training_text()), words(inputs::TEXT));
    let known: HashSet<&[String]> = training.windows(8).collect();
    let shared = held.windows(8).filter(|eight| known.contains(eight)).count();
    assert!(
        held.len() > 1000 && shared == 0,
        "{shared} runs of eight words of the built-in text are in the training text"
    );
}

#[test]
fn the_embedded_model_is_small() {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("demo")).unwrap();
    let model = ["config.json", "model.safetensors", "tokenizer.json", "text.txt"];
    let own = files.map(Result::unwrap).filter(|file| model.iter().any(|name| file.file_name() == *name));
    let bytes: u64 = own.map(|file| file.metadata().unwrap().len()).sum();
    assert!((100_000..2 << 20).contains(&bytes), "{bytes} bytes");
}

/// What a newcomer reads first.
#[test]
fn the_verdict_of_the_demo_is_one_to_trust() {
    let judged = demo::run(&Context::new(0)).unwrap();
    let report = &judged.report;
    assert!(report.is_ok());
    let said = format!("{} {}", report.conclusion.headline, report.conclusion.action);
    assert!(said.contains("sharp and matters") && said.contains("No issues found"), "{said}");
    let kinds = |kind: judgement::HeadKind| report.heads.iter().filter(|head| head.kinds.contains(&kind)).count();
    assert!(kinds(judgement::HeadKind::PreviousToken) >= 1 && kinds(judgement::HeadKind::Induction) >= 2);
}
