//! Bytes as text.

use std::fmt::Write;

/// Writes two digits a byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text can be written");
        text
    })
}

/// Reads two digits a byte.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "half a byte: {text}");
    let byte = |index: usize| u8::from_str_radix(&text[index..index + 2], 16);
    (0..text.len())
        .step_by(2)
        .map(|index| byte(index).unwrap_or_else(|error| panic!("{error}: {text}")))
        .collect()
}
