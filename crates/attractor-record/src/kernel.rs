//! From captured queries and keys to the core's retrieval problem.

use attractor::retrieve::{Class, Dot, Heads, Mask, Modifiers, Problem, Request, Separation};

use crate::{LayerRecord, Token};
use attractor::{Error, Result};

/// What turns the scores of some heads into weights.
#[derive(Debug, Clone, Copy)]
pub struct Scoring<'a> {
    /// Inverse temperature.
    pub beta: f32,
    /// Which keys a query may see.
    pub mask: &'a Mask,
    /// Soft cap of the scores.
    pub soft_cap: Option<f32>,
    /// One per head, or none.
    pub alibi: &'a [f32],
    /// One per head, or none.
    pub sinks: &'a [f32],
}

impl<'a> Scoring<'a> {
    /// The rule of all heads of a record.
    pub fn of(record: &'a LayerRecord) -> Self {
        Self {
            beta: record.beta,
            mask: &record.mask,
            soft_cap: record.soft_cap,
            alibi: &record.alibi,
            sinks: &record.sinks,
        }
    }

    /// The rule of one head.
    pub fn head(self, head: usize) -> Self {
        let pick = |x: &'a [f32]| x.get(head..=head).unwrap_or(&[]);
        Self { alibi: pick(self.alibi), sinks: pick(self.sinks), ..self }
    }

    /// The retrieval problem of these queries and keys under this rule.
    ///
    /// # Errors
    /// `is_shape` or `is_usage`, as [`Problem::check`].
    pub fn problem(self, queries: Heads<'a>, keys: Heads<'a>) -> Result<Problem<'a>> {
        let given = |x: &'a [f32]| (!x.is_empty()).then_some(x);
        let problem = Problem {
            queries,
            keys,
            values: None,
            similarity: &Dot,
            separation: Separation::Softmax { beta: self.beta },
            modifiers: Modifiers {
                mask: self.mask,
                soft_cap: self.soft_cap,
                alibi: given(self.alibi),
                bias: None,
                sinks: given(self.sinks),
            },
        };
        problem.check()?;
        Ok(problem)
    }
}

/// All heads of a record.
pub fn problem_of(record: &LayerRecord) -> Result<Problem<'_>> {
    let queries = Heads::new(record.q.as_slice(), record.heads, record.queries, record.width)?;
    let keys = Heads::new(record.k.as_slice(), record.key_heads, record.keys, record.width)?;
    Scoring::of(record).problem(queries, keys)
}

/// One head of a record, without touching the others.
pub fn head_problem(record: &LayerRecord, head: usize) -> Result<Problem<'_>> {
    if head >= record.heads {
        return Err(Error::usage(format!(
            "layer {}: there is no head {head}; the layer has heads 0 to {}",
            record.layer,
            record.heads.saturating_sub(1)
        )));
    }
    // The whole layer is checked first, so that a short buffer is an error and no slice out of bounds.
    let whole = problem_of(record)?;
    let key_head = whole.key_head(head);
    let (nd, md) = (record.queries * record.width, record.keys * record.width);
    let queries = Heads::new(&record.q[head * nd..(head + 1) * nd], 1, record.queries, record.width)?;
    let keys = Heads::new(&record.k[key_head * md..(key_head + 1) * md], 1, record.keys, record.width)?;
    Scoring::of(record).head(head).problem(queries, keys)
}

/// Everything the house asks of a head, with what the tokens allow: same-token mass and the classes
/// "special" and "punctuation".
pub fn default_request(tokens: &[Token], keys: usize) -> Request {
    let mut request = Request::all();
    if tokens.len() == keys && keys > 0 {
        // Patches have no identity: two of them are not the same token.
        if tokens.iter().all(|token| token.role != crate::Role::Patch) {
            request.tokens = tokens.iter().map(|token| token.id).collect();
        }
        let class = |name: &str, belongs: &dyn Fn(&Token) -> bool| Class {
            name: name.to_string(),
            members: tokens.iter().map(belongs).collect(),
        };
        request.classes = vec![
            class("special", &|token| token.role.is_special()),
            class("punctuation", &|token| token.role == crate::Role::Punctuation),
        ];
    }
    request
}
