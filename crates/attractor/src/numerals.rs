//! Numbers as people read and write them.

/// A number to so many significant digits, plain where that is short: "0", "1.402", "3.2e-7".
///
/// # Example
/// ```
/// use attractor::numerals::significant;
/// assert_eq!([0.0, 1.4021, 3.21e-7].map(|x| significant(x, 2)), ["0", "1.4", "3.2e-7"]);
/// ```
pub fn significant(value: f64, digits: usize) -> String {
    let decimals = digits.max(1) - 1;
    if value == 0.0 {
        return "0".to_string();
    }
    if !value.is_finite() || !(1e-2..1e6).contains(&value.abs()) {
        return format!("{value:.decimals$e}");
    }
    let before = value.abs().log10().floor() as i32;
    format!("{value:.*}", (decimals as i32 - before).max(0) as usize)
}

/// Bytes as people write them: 4GiB, 500MB, 1048576.
///
/// # Errors
/// What is wrong with the text, and how it is written.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0f64.powi(2),
        "g" | "gib" => 1024.0f64.powi(3),
        "t" | "tib" => 1024.0f64.powi(4),
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        other => return Err(format!("{text:?}: {other:?} is not a unit of bytes; write 500MB or 4GiB")),
    };
    match text[..digits].parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((number * unit) as u64),
        _ => Err(format!("{text:?} is not a number of bytes; write 500MB or 4GiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_that_count() {
        let shown = [0.0, -0.0, 0.05, 1.40234, 10.305314, 123456.7, 1e6, -2.5e-9, f64::NAN].map(|x| significant(x, 3));
        assert_eq!(shown, ["0", "0", "0.0500", "1.40", "10.3", "123457", "1.00e6", "-2.50e-9", "NaN"]);
    }

    #[test]
    fn bytes_are_read_with_their_units() {
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        assert_eq!(bytes("1.5MB"), Ok(1_500_000));
        assert_eq!(bytes("17"), Ok(17));
        assert!(bytes("4 parsecs").is_err());
        assert!(bytes("GiB").is_err());
    }
}
