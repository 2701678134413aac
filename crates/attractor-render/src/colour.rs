//! Colours: maps that survive colour blindness and grey printing, and the scales that numbers reach them by.

use crate::error::{Error, Result};

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// What is not a number. No sequential map holds a colour like it.
pub const NAN: Rgb = [255, 0, 200];

/// A colour map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ColourMap {
    /// Dark violet to yellow, even steps of lightness: readable with every common colour blindness and in grey.
    #[default]
    Viridis,
    /// Blue to yellow, the same picture with and without red-green blindness.
    Cividis,
    /// Black over purple to cream.
    Magma,
    /// White to dark blue, for print.
    Blues,
    /// Blue below the middle, white in it, red above; for differences.
    BlueRed,
    /// Purple below the middle, white in it, orange above; for differences.
    PurpleOrange,
}

impl ColourMap {
    /// Its colour at `t` in [0, 1]; what lies outside is clamped, NaN is [`NAN`].
    pub fn at(self, t: f64) -> Rgb {
        if t.is_nan() {
            return NAN;
        }
        let (gradient, t) = match self {
            Self::Viridis => (colorous::VIRIDIS, t),
            Self::Cividis => (colorous::CIVIDIS, t),
            Self::Magma => (colorous::MAGMA, t),
            Self::Blues => (colorous::BLUES, t),
            Self::BlueRed => (colorous::RED_BLUE, 1.0 - t),
            Self::PurpleOrange => (colorous::PURPLE_ORANGE, t),
        };
        let colour = gradient.eval_continuous(t.clamp(0.0, 1.0));
        [colour.r, colour.g, colour.b]
    }

    /// True if its middle means "no difference".
    pub fn is_diverging(self) -> bool {
        matches!(self, Self::BlueRed | Self::PurpleOrange)
    }
}

/// "#rrggbb".
pub fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// True if black text reads better than white on `colour` (WCAG relative luminance).
pub fn is_light(colour: Rgb) -> bool {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let [r, g, b] = colour.map(linear);
    // Where the contrast with black equals that with white: (L + 0.05)^2 = 1.05 x 0.05.
    0.2126 * r + 0.7152 * g + 0.0722 * b > 0.1791
}

/// How numbers spread over a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Spacing {
    /// Evenly.
    #[default]
    Linear,
    /// Evenly in their logarithm.
    Log,
}

/// From numbers to [0, 1].
///
/// # Example
/// ```
/// use attractor_render::colour::Scale;
/// let scale = Scale::log(1e-4, 1.0).unwrap();
/// assert!((scale.position(0.01) - 0.5).abs() < 1e-12);
/// assert!(Scale::log(0.0, 1.0).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    spacing: Spacing,
    low: f64,
    high: f64,
}

impl Scale {
    /// `low` at 0, `high` at 1.
    ///
    /// # Errors
    /// `is_value` unless both are finite and low < high.
    pub fn linear(low: f64, high: f64) -> Result<Self> {
        Self::new(Spacing::Linear, low, high)
    }

    /// The same, evenly in the logarithm.
    ///
    /// # Errors
    /// `is_value` unless 0 < low < high, both finite.
    pub fn log(low: f64, high: f64) -> Result<Self> {
        Self::new(Spacing::Log, low, high)
    }

    /// -reach at 0, nothing at 1/2, reach at 1: for diverging maps.
    ///
    /// # Errors
    /// `is_value` unless reach is finite and above zero.
    pub fn centred(reach: f64) -> Result<Self> {
        Self::new(Spacing::Linear, -reach, reach)
    }

    /// Attention weights: 0 to 1.
    pub fn unit() -> Self {
        Self { spacing: Spacing::Linear, low: 0.0, high: 1.0 }
    }

    fn new(spacing: Spacing, low: f64, high: f64) -> Result<Self> {
        let ordered = low.is_finite() && high.is_finite() && low < high && (high - low).is_finite();
        if !ordered || (spacing == Spacing::Log && low <= 0.0) {
            let need = if spacing == Spacing::Log { "0 < low < high" } else { "low < high" };
            return Err(Error::value(format!("colour scale: from {low} to {high}; needs finite {need}")));
        }
        Ok(Self { spacing, low, high })
    }

    /// Where `value` lies, clamped to [0, 1]; NaN for what is no finite number.
    pub fn position(&self, value: f64) -> f64 {
        if !value.is_finite() {
            return f64::NAN;
        }
        let t = match self.spacing {
            Spacing::Linear => (value - self.low) / (self.high - self.low),
            Spacing::Log if value <= self.low => 0.0,
            Spacing::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        t.clamp(0.0, 1.0)
    }

    /// Lowest value that is told apart.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// Highest value that is told apart.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// How numbers spread.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// Round numbers within the scale, about `count` of them, ascending.
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        match self.spacing {
            Spacing::Linear => ticks(self.low, self.high, count),
            Spacing::Log => {
                let (first, last) = (self.low.log10(), self.high.log10());
                let decades = (last - first).max(0.0);
                if decades < 1.0 {
                    return ticks(self.low, self.high, count);
                }
                let step = (decades / count.max(1) as f64).ceil().max(1.0);
                // From the top down, so that the highest decade is named.
                let mut all = Vec::new();
                let mut exponent = (last + 1e-9).floor();
                while exponent >= first - 1e-9 && all.len() < 400 {
                    all.push(10f64.powf(exponent));
                    exponent -= step;
                }
                all.reverse();
                all
            }
        }
    }
}

/// Round numbers from `low` to `high`, about `count` of them: steps of 1, 2 or 5 times a power of ten.
pub fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return vec![low];
    }
    let raw = span / count.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw * 0.999).unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    (0..=((last - first).max(0.0) as usize).min(1000))
        .map(|i| {
            let tick = (first + i as f64) * step;
            if tick == 0.0 { 0.0 } else { tick }
        })
        .collect()
}

/// A number in as few characters as tell it: "0.25", "10⁻³", "1 200".
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_string();
    }
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".to_string()
        } else if value > 0.0 {
            "∞".to_string()
        } else {
            "−∞".to_string()
        };
    }
    let text = if (1e-3..1e6).contains(&size) {
        let digits = (3 - size.log10().floor() as i32 - 1).clamp(0, 6) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
    } else {
        let exponent = size.log10().floor();
        let mut mantissa = format!("{:.1}", value / 10f64.powf(exponent));
        let mut exponent = exponent as i32;
        if mantissa.trim_start_matches('-') == "10.0" {
            mantissa = mantissa.replace("10.0", "1.0");
            exponent += 1;
        }
        let mantissa = mantissa.trim_end_matches(".0");
        let power = superscript(exponent);
        match mantissa {
            "1" => format!("10{power}"),
            "-1" => format!("-10{power}"),
            _ => format!("{mantissa}·10{power}"),
        }
    };
    text.replace('-', "−")
}

fn superscript(number: i32) -> String {
    number
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            _ => '⁰',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequential_maps_grow_steadily_in_lightness() {
        let lightness = |c: Rgb| {
            0.2126 * f64::from(c[0]).powf(2.2) + 0.7152 * f64::from(c[1]).powf(2.2) + 0.0722 * f64::from(c[2]).powf(2.2)
        };
        for map in [ColourMap::Viridis, ColourMap::Cividis, ColourMap::Magma] {
            let all: Vec<f64> = (0..=32).map(|i| lightness(map.at(f64::from(i) / 32.0))).collect();
            assert!(all.windows(2).all(|w| w[0] < w[1]), "{map:?}");
        }
    }

    #[test]
    fn nothing_finite_looks_like_nan() {
        for map in [
            ColourMap::Viridis,
            ColourMap::Cividis,
            ColourMap::Magma,
            ColourMap::Blues,
            ColourMap::BlueRed,
            ColourMap::PurpleOrange,
        ] {
            for i in 0..=253 {
                let c = map.at(f64::from(i) / 253.0);
                let far: i32 = (0..3).map(|j| (i32::from(c[j]) - i32::from(NAN[j])).abs()).sum();
                assert!(far > 100, "{map:?} {i} {c:?}");
            }
            assert_eq!(map.at(f64::NAN), NAN);
        }
    }

    #[test]
    fn differences_are_white_in_the_middle_and_red_above() {
        let scale = Scale::centred(0.3).unwrap();
        let [r, g, b] = ColourMap::BlueRed.at(scale.position(0.0));
        assert!(r > 235 && g > 235 && b > 235);
        let [r, _, b] = ColourMap::BlueRed.at(scale.position(0.3));
        assert!(r > b);
        let [r, _, b] = ColourMap::PurpleOrange.at(scale.position(0.3));
        assert!(r > b);
    }

    #[test]
    fn scales_clamp_and_refuse() {
        let log = Scale::log(1e-4, 1.0).unwrap();
        assert_eq!((log.position(0.0), log.position(-3.0), log.position(7.0)), (0.0, 0.0, 1.0));
        assert!(log.position(f64::INFINITY).is_nan() && log.position(f64::NAN).is_nan());
        for (low, high) in [(0.0, 0.0), (1.0, 0.5), (f64::NAN, 1.0), (0.0, f64::INFINITY), (f64::MIN, f64::MAX)] {
            assert!(Scale::linear(low, high).unwrap_err().is_value());
        }
        assert!(Scale::log(-1.0, 1.0).unwrap_err().is_value());
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks(0.0, 4096.0, 8), [0.0, 1000.0, 2000.0, 3000.0, 4000.0]);
        let log = Scale::log(1e-4, 1.0).unwrap().ticks(6);
        assert_eq!(log.iter().map(|&t| number(t)).collect::<Vec<_>>(), ["10⁻⁴", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(Scale::log(0.02, 0.09).unwrap().ticks(4).first().map(|&t| number(t)).as_deref(), Some("0.02"));
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (0.123456, "0.123"),
            (12.3456, "12.3"),
            (1234.5, "1234"),
            (-0.5, "−0.5"),
            (2.38e-7, "2.4·10⁻⁷"),
            (1e-12, "10⁻¹²"),
            (9.99e-9, "10⁻⁸"),
            (-1e-6, "−10⁻⁶"),
            (f64::NAN, "NaN"),
            (3.0e9, "3·10⁹"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
