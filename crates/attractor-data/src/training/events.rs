//! TensorBoard's event file: records of protocol buffers, each with its length and checksums.
//!
//! record: length (u64), masked CRC-32C of the length, bytes, masked CRC-32C of the bytes; all little-endian.
//! Event { 1: wall_time double, 2: step int64, 3: file_version string, 5: Summary { 1: Value { 1: tag, 2: simple_value float } } }

/// CRC-32C, turned and shifted as TFRecord wants it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), event, &masked(event).to_le_bytes()].concat()
}

/// A whole number in groups of seven bits.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field of bytes: text, or a message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(bytes.len() as u64), bytes].concat()
}

fn time(seconds: f64) -> Vec<u8> {
    [&[1 << 3 | 1][..], &seconds.to_le_bytes()].concat()
}

/// The first record of a file.
pub(super) fn version(seconds: f64) -> Vec<u8> {
    record(&[time(seconds), field(3, b"brain.Event:2")].concat())
}

/// Named numbers at a step.
pub(super) fn scalars(seconds: f64, step: u64, numbers: &[(&str, f64)]) -> Vec<u8> {
    let value = |(tag, number): &(&str, f64)| {
        field(1, &[field(1, tag.as_bytes()), [&[2 << 3 | 5][..], &(*number as f32).to_le_bytes()].concat()].concat())
    };
    let summary: Vec<u8> = numbers.iter().flat_map(value).collect();
    record(&[time(seconds), [&[2 << 3][..], &varint(step)].concat(), field(5, &summary)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand from the wire format: step 300, "a" = 1.5.
    #[test]
    fn an_event_has_the_bytes_of_its_message() {
        let bytes = scalars(0.0, 300, &[("a", 1.5)]);
        let event =
            [&[9u8, 0, 0, 0, 0, 0, 0, 0, 0][..], &[16, 0xAC, 2], &[42, 10, 10, 8, 10, 1, b'a', 21, 0, 0, 0xC0, 0x3F]]
                .concat();
        assert_eq!(bytes[..8], (event.len() as u64).to_le_bytes());
        assert_eq!(bytes[12..12 + event.len()], event[..]);
        assert_eq!(bytes.len(), 16 + event.len());
        // RFC 3720: the CRC-32C of 32 zeros is 8A9136AA.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(masked(&[0; 32]), 0x8A91_36AAu32.rotate_right(15).wrapping_add(0xA282_EAD8));
    }
}
