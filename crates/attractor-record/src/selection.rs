//! Which layers and heads: "0,3-5", "5.5", "L5H5".

use std::fmt;

use serde::{Deserialize, Serialize};

use attractor::{Error, Hint, Result};

/// Layers and heads by the model's own numbers, zero-based.
///
/// Layers: numbers and ranges, "0,3-5" ("L3" is read too). Heads: numbers and ranges ("0,2-4": those heads of every
/// selected layer), or single heads of a layer ("5.5", "L5H5", "5.0-3", "L5H0-3"); both kinds may be mixed. A layer
/// without a selected head is not kept.
///
/// # Example
/// ```
/// use attractor_record::Selection;
/// let selection = Selection::parse(Some("0,3-5"), Some("1,5.0,L3H2-3"))?;
/// assert_eq!(selection.heads(5, 4), [0, 1]);
/// assert_eq!(selection.heads(3, 4), [1, 2, 3]);
/// assert!(!selection.layer(1));
/// assert!(selection.check(6, 3).unwrap_err().to_string().contains("heads 0 to 2"));
/// # Ok::<(), attractor_record::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Selection {
    /// First and last layer of every term; `None`: all.
    layers: Option<Vec<(usize, usize)>>,
    /// `None`: all.
    heads: Option<Vec<HeadTerm>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HeadTerm {
    layer: Option<usize>,
    first: usize,
    last: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    layers: Option<String>,
    heads: Option<String>,
}

impl TryFrom<Written> for Selection {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        Self::parse(written.layers.as_deref(), written.heads.as_deref())
    }
}

impl From<Selection> for Written {
    fn from(selection: Selection) -> Self {
        let range = |first: usize, last: usize| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let layer = |&(first, last): &(usize, usize)| range(first, last);
        let head = |term: &HeadTerm| match term.layer {
            Some(layer) => format!("{layer}.{}", range(term.first, term.last)),
            None => range(term.first, term.last),
        };
        Self {
            layers: selection.layers.map(|terms| terms.iter().map(layer).collect::<Vec<_>>().join(",")),
            heads: selection.heads.map(|terms| terms.iter().map(head).collect::<Vec<_>>().join(",")),
        }
    }
}

fn number(what: &'static str, term: &str, text: &str) -> Result<usize> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        let also = if what == "heads" { ", or heads of a layer such as 5.5 or L5H5" } else { "" };
        Error::option(what, term, format!("not understood; write numbers and ranges such as 0,3-5{also}"))
    })
}

fn range(what: &'static str, term: &str, text: &str) -> Result<(usize, usize)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(what, term, first.trim())?, number(what, term, last.trim())?);
    match first <= last {
        true => Ok((first, last)),
        false => Err(Error::option(what, term, format!("the range runs backwards; write {last}-{first}"))),
    }
}

/// Numbers, ascending, each once: "0,3-5".
///
/// # Errors
/// `is_usage`, naming the option `what`, for what is no number or range, for numbers out of order, and beyond 2^20.
pub fn numbers(what: &'static str, text: &str) -> Result<Vec<usize>> {
    let mut numbers: Vec<usize> = Vec::new();
    for term in text.split(',') {
        let (first, last) = range(what, term, term.trim())?;
        if last >= 1 << 20 {
            return Err(Error::option(what, term, "too large; numbers below 2^20 are read"));
        }
        if numbers.last().is_some_and(|&before| before >= first) {
            return Err(Error::option(what, text, "numbers must ascend, each given once"));
        }
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

fn without_prefix(text: &str, letter: char) -> &str {
    text.strip_prefix(letter).or_else(|| text.strip_prefix(letter.to_ascii_lowercase())).unwrap_or(text)
}

fn head_term(term: &str) -> Result<HeadTerm> {
    let upper = term.to_ascii_uppercase();
    let (layer, heads) = match upper.strip_prefix('L').and_then(|rest| rest.split_once('H')) {
        Some((layer, heads)) => (Some(layer), heads),
        None => match upper.split_once('.') {
            Some((layer, heads)) => (Some(layer), heads),
            None => (None, without_prefix(&upper, 'H')),
        },
    };
    let layer = layer.map(|layer| number("heads", term, layer.trim())).transpose()?;
    let (first, last) = range("heads", term, heads)?;
    Ok(HeadTerm { layer, first, last })
}

impl Selection {
    /// Every head of every layer.
    pub fn all() -> Self {
        Self::default()
    }

    /// Reads a selection; `None` means all.
    ///
    /// # Errors
    /// `is_usage` for an empty list, a range that runs backwards, or what is not a number.
    pub fn parse(layers: Option<&str>, heads: Option<&str>) -> Result<Self> {
        fn terms<T>(what: &'static str, text: &str, read: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
            match text.trim().is_empty() {
                true => Err(Error::option(what, "", "the list is empty").hinted(Hint::Omit(what))),
                false => text.split(',').map(|term| read(term.trim())).collect(),
            }
        }
        let layer = |term: &str| range("layers", term, without_prefix(term, 'L'));
        Ok(Self {
            layers: layers.map(|text| terms("layers", text, layer)).transpose()?,
            heads: heads.map(|text| terms("heads", text, head_term)).transpose()?,
        })
    }

    /// Checks that everything selected is there.
    ///
    /// # Errors
    /// `is_usage`, naming the valid range.
    pub fn check(&self, layers: usize, heads: usize) -> Result<()> {
        let inside = |what: &'static str, number: usize, count: usize| match number < count {
            true => Ok(()),
            false if count == 0 => Err(Error::option(what, number, format!("the model has no {what}"))),
            false => Err(Error::option(what, number, format!("the model has {what} 0 to {}", count - 1))),
        };
        for &(_, last) in self.layers.iter().flatten() {
            inside("layers", last, layers)?;
        }
        for term in self.heads.iter().flatten() {
            inside("heads", term.last, heads)?;
            if let Some(layer) = term.layer {
                inside("layers", layer, layers)?;
                if !self.in_layers(layer) {
                    let why =
                        format!("layer {layer} is named, but is not among the selected layers; add it to the layers");
                    return Err(Error::option("heads", "", why));
                }
            }
        }
        Ok(())
    }

    fn in_layers(&self, layer: usize) -> bool {
        self.layers.as_ref().is_none_or(|terms| terms.iter().any(|&(a, b)| (a..=b).contains(&layer)))
    }

    /// True if any head of the layer may be selected.
    pub fn layer(&self, layer: usize) -> bool {
        let named = |term: &HeadTerm| term.layer.is_none_or(|l| l == layer);
        self.in_layers(layer) && self.heads.as_ref().is_none_or(|terms| terms.iter().any(named))
    }

    /// The selected heads of a layer of `count` heads, ascending.
    pub fn heads(&self, layer: usize, count: usize) -> Vec<usize> {
        let selected = |head: usize| match &self.heads {
            None => true,
            Some(terms) => terms
                .iter()
                .any(|term| term.layer.is_none_or(|l| l == layer) && (term.first..=term.last).contains(&head)),
        };
        match self.in_layers(layer) {
            true => (0..count).filter(|&head| selected(head)).collect(),
            false => Vec::new(),
        }
    }

    /// True if layers are named, and not heads alone.
    pub fn names_layers(&self) -> bool {
        self.layers.is_some()
    }

    /// True if nothing is left out.
    pub fn is_all(&self) -> bool {
        self.layers.is_none() && self.heads.is_none()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = Written::from(self.clone());
        let all = || "all".to_string();
        write!(f, "layers {}, heads {}", written.layers.unwrap_or_else(all), written.heads.unwrap_or_else(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_head_means_the_same() {
        for text in ["5.5", "L5H5", "l5h5", " 5.5 ", "5.5-5", "L5H5-5"] {
            let selection = Selection::parse(None, Some(text)).unwrap();
            assert_eq!(selection.heads(5, 8), [5], "{text}");
            assert!(!selection.layer(4) && selection.heads(4, 8).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let selection = Selection::parse(Some("0,3-5"), Some("1,5.0,L3H2-3")).unwrap();
        let text = serde_json::to_string(&selection).unwrap();
        assert_eq!(serde_json::from_str::<Selection>(&text).unwrap(), selection);
        assert_eq!(selection.to_string(), "layers 0,3-5, heads 1,5.0,3.2-3");
    }

    #[test]
    fn refused_with_the_term_and_the_way_to_write_it() {
        for (layers, heads, says) in [
            (Some(""), None, "layers: the list is empty"),
            (Some("3-1"), None, "write 1-3"),
            (Some("0,x"), None, "layers = x:"),
            (Some("-1"), None, "layers = -1:"),
            (Some("99999999999999999999999"), None, "not understood"),
            (None, Some("5.5.5"), "heads = 5.5.5:"),
            (None, Some("L5"), "heads = L5:"),
            (None, Some("+1"), "heads = +1:"),
        ] {
            let error = Selection::parse(layers, heads).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(says), "{error}");
        }
        let check = |layers, heads| Selection::parse(layers, heads).unwrap().check(6, 12).unwrap_err().to_string();
        assert_eq!(check(None, Some("99")), "heads = 99: the model has heads 0 to 11");
        assert_eq!(check(Some("2-6"), None), "layers = 6: the model has layers 0 to 5");
        assert!(check(Some("0"), Some("5.5")).contains("not among the selected layers"));
    }
}
