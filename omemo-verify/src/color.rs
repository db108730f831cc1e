//! Consistent colours (XEP-0392).

use omemo_sansio::keys::Fingerprint;
use sha1::{Digest, Sha1};

use crate::hsluv;

/// A colour in sRGB, its parts from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    /// How much red.
    pub red: u8,
    /// How much green.
    pub green: u8,
    /// How much blue.
    pub blue: u8,
}

impl Color {
    /// The colour of a text (XEP-0392, section 5.2): its hue is the same everywhere, while saturation and lightness, both
    /// from 0 to 100, are the application's choice. A lightness of 50 is legible on white and on black, 70 better on black.
    ///
    /// ```
    /// use omemo_verify::Color;
    ///
    /// assert_eq!(Color::of("Romeo", 100.0, 50.0), Color { red: 221, green: 0, blue: 175 });
    /// ```
    pub fn of(text: &str, saturation: f64, lightness: f64) -> Self {
        let [red, green, blue] = hsluv::to_rgb(hue(text), saturation, lightness).map(byte);
        Self { red, green, blue }
    }
}

/// A part of a colour from 0 to 1 as a number from 0 to 255.
fn byte(part: f64) -> u8 {
    // A cast to an integer saturates.
    (part * 255.0).round() as u8
}

/// The hue of a text, in degrees (XEP-0392, section 5.1).
pub fn hue(text: &str) -> f64 {
    let [low, high, ..] = <[u8; 20]>::from(Sha1::digest(text.as_bytes()));
    f64::from(u16::from_le_bytes([low, high])) / 65_536.0 * 360.0
}

/// A part of a fingerprint and its colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Eight lower-case hexadecimal digits.
    pub digits: String,
    /// Its colour.
    pub color: Color,
}

/// The eight groups of a fingerprint, each in the colour of its digits (XEP-0384, section 7). Colours per group, not one
/// for the whole: a person who compares sees at a glance where two fingerprints differ. That groups have the same colour
/// does not mean that they are the same.
///
/// `saturation` and `lightness` as in [`Color::of`].
pub fn groups(fingerprint: &Fingerprint, saturation: f64, lightness: f64) -> Vec<Group> {
    let text = fingerprint.to_string();
    text.split(' ')
        .map(|digits| Group {
            digits: digits.to_owned(),
            color: Color::of(digits, saturation, lightness),
        })
        .collect()
}
