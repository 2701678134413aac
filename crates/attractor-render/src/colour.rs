//! Colours: maps that survive colour blindness and grey printing, and the scales that numbers reach them by.

pub use crate::scale::{Scale, Spacing, ticks};

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
    /// Black to white: pictures.
    Greys,
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
            Self::Greys => (colorous::GREYS, 1.0 - t),
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

/// A whole number as an exponent: "⁻³".
pub fn superscript(number: i32) -> String {
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
            ColourMap::Greys,
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
