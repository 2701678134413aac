//! How much longer a tokenizer makes a text before it cuts it: forty rules that each double it would fill any memory.
//!
//! Published normalisers lengthen a text by a few times. Where the rules of a file allow more than [`MOST_TIMES`], they are
//! tried on pieces of the text first, rule by rule, and refused where the text would really grow that much.

use std::path::Path;

use attractor::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper};

use super::guard::guarded;

/// A text may become this many times longer.
const MOST_TIMES: usize = 64;
/// Or this long, bytes.
const ALWAYS_ALLOWED: usize = 8 << 20;
/// Rules at most: published normalisers have a dozen.
const MOST_RULES: usize = 1 << 12;
/// Rules are tried on pieces of this many bytes.
const PIECE: usize = 1 << 16;

/// How many bytes a rule makes of one, at most.
enum Grows {
    /// So many times as many.
    Times(usize),
    /// By what replaces a fixed text.
    Replacing { pattern: String, content: usize },
}

/// One rule of a normaliser.
struct Rule {
    name: String,
    grows: Grows,
    normalizer: NormalizerWrapper,
}

/// The rules of a tokenizer that may lengthen a text.
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// How many times longer all of them make a text at most.
    times: f64,
}

impl Rules {
    /// The rules of a tokenizer.json.
    ///
    /// # Errors
    /// `is_format` for a rule that is not understood, and for more rules than any tokenizer has.
    pub(super) fn of(json: &Value, place: &Path) -> Result<Self> {
        let mut steps = Vec::new();
        let mut before = Vec::new();
        flatten(&json["normalizer"], "normalizers", &mut steps);
        flatten(&json["pre_tokenizer"], "pretokenizers", &mut before);
        let bytes = before.iter().filter(|step| step["type"] == "ByteLevel").count();
        let sequences = json["post_processor"]["single"].as_array().into_iter().flatten();
        let sequences = sequences.filter(|piece| piece.get("Sequence").is_some()).count();
        let refused = |why: String| {
            Error::format(format!(
                "{}: {why}; no tokenizer needs that: fetch it again, or write tokenizer.json anew",
                place.display()
            ))
        };
        if steps.len().max(before.len()) > MOST_RULES {
            return Err(refused(format!("{} rules before a text is cut", steps.len().max(before.len()))));
        }
        if bytes > 2 {
            return Err(refused(format!("its bytes are written as letters {bytes} times over")));
        }
        if sequences > 1 {
            return Err(refused(format!("its post_processor repeats each text {sequences} times")));
        }
        let rule = |step: Value| {
            let name = step["type"].as_str().unwrap_or("unnamed").to_string();
            let grows = grows(&step);
            let normalizer = guarded(place, "read", || Ok(serde_json::from_value(step)?))?;
            Ok(Rule { name, grows, normalizer })
        };
        let rules = steps.into_iter().map(rule).collect::<Result<Vec<Rule>>>()?;
        let times = rules.iter().map(|rule| match &rule.grows {
            Grows::Times(times) => *times as f64,
            Grows::Replacing { pattern, content } => (*content as f64 / pattern.len() as f64).max(1.0),
        });
        Ok(Self { times: times.product(), rules })
    }

    /// Refuses a text that these rules would make too long.
    ///
    /// # Errors
    /// `is_format`, naming the rule.
    pub(super) fn check(&self, text: &str, place: &Path) -> Result<()> {
        let most = text.len().saturating_mul(MOST_TIMES).max(ALWAYS_ALLOWED);
        if self.times * text.len() as f64 <= most as f64 {
            return Ok(());
        }
        let given = text.len();
        let mut text = text.to_string();
        for (number, rule) in self.rules.iter().enumerate() {
            let mut longer = String::new();
            for piece in pieces(&text) {
                let expected = match &rule.grows {
                    Grows::Times(times) if *times <= MOST_TIMES => piece.len(),
                    Grows::Times(times) => piece.len().saturating_mul(*times),
                    Grows::Replacing { pattern, content } => {
                        let times = piece.matches(pattern.as_str()).count();
                        (piece.len() - times * pattern.len()).saturating_add(times.saturating_mul(*content))
                    }
                };
                if longer.len().saturating_add(expected) > most {
                    return Err(Error::format(format!(
                        "{}: the normalizer's rule {number} ({}) would make the text longer than {most} bytes, {} were given; \
                         no tokenizer needs that: fetch it again, or write tokenizer.json anew",
                        place.display(),
                        rule.name,
                        given
                    )));
                }
                let normalized = guarded(place, "used", || {
                    let mut normalized = NormalizedString::from(piece);
                    rule.normalizer.normalize(&mut normalized)?;
                    Ok(normalized)
                })?;
                longer += normalized.get();
            }
            text = longer;
        }
        Ok(())
    }
}

/// A text in pieces that end at characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(PIECE));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Steps one by one, those within a sequence too.
fn flatten(step: &Value, inside: &str, steps: &mut Vec<Value>) {
    match step.get(inside).and_then(Value::as_array) {
        Some(list) => list.iter().for_each(|step| flatten(step, inside, steps)),
        None if step.is_object() => steps.push(step.clone()),
        None => {}
    }
}

/// What a step makes of a byte.
fn grows(step: &Value) -> Grows {
    let text = |key: &str| step[key].as_str().map_or(0, str::len);
    match step["type"].as_str() {
        Some("Replace") => match step["pattern"]["String"].as_str().filter(|pattern| !pattern.is_empty()) {
            Some(pattern) => Grows::Replacing { pattern: pattern.into(), content: text("content") },
            None => Grows::Times(1 + text("content")),
        },
        Some("Prepend") => Grows::Times(1 + text("prepend")),
        Some("ByteLevel") => Grows::Times(2),
        Some("Precompiled") => Grows::Times(longest(step["precompiled_charsmap"].as_str().unwrap_or_default())),
        // Compatibility forms and case: a character becomes 18 at most, and doing it again changes nothing.
        _ => Grows::Times(1),
    }
}

/// The longest text that SentencePiece's compiled rules put for a character: behind the table of its trie they stand one
/// after another, each ended by a zero.
fn longest(charsmap: &str) -> usize {
    let bytes = STANDARD.decode(charsmap).unwrap_or_default();
    let table = bytes.first_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    let texts = bytes.get(4usize.saturating_add(table)..).unwrap_or_default();
    texts.split(|&byte| byte == 0).map(<[u8]>::len).max().unwrap_or(0).max(1)
}
