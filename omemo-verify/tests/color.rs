//! Colours, by the test vectors of XEP-0392 (section 13.1, saturation 100, lightness 50).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use omemo_sansio::keys::Fingerprint;
use omemo_verify::{Color, groups, hue};

const VECTORS: [(&str, f64, [f64; 3]); 5] = [
    ("Romeo", 327.255249, [0.865, 0.000, 0.686]),
    ("juliet@capulet.lit", 209.410400, [0.000, 0.515, 0.573]),
    ("😺", 331.199341, [0.872, 0.000, 0.659]),
    ("council", 359.994507, [0.918, 0.000, 0.394]),
    ("Board", 171.430664, [0.000, 0.527, 0.457]),
];

#[test]
fn hues_are_those_of_the_vectors() {
    for (text, expected, _) in VECTORS {
        assert!((hue(text) - expected).abs() < 1e-6, "{text}");
    }
}

#[test]
fn colors_are_those_of_the_vectors() {
    for (text, _, expected) in VECTORS {
        let Color { red, green, blue } = Color::of(text, 100.0, 50.0);
        for (part, expected) in [red, green, blue].into_iter().zip(expected) {
            // The vectors have three digits, a colour has 256 steps.
            let difference = (f64::from(part) / 255.0 - expected).abs();
            assert!(difference < 0.0025, "{text}: {red} {green} {blue}");
        }
    }
}

#[test]
fn lightness_and_saturation_have_their_bounds() {
    let color = |saturation, lightness| Color::of("Romeo", saturation, lightness);
    let grey = |value| Color {
        red: value,
        green: value,
        blue: value,
    };
    assert_eq!(color(100.0, 0.0), grey(0));
    assert_eq!(color(100.0, -5.0), grey(0));
    assert_eq!(color(100.0, 100.0), grey(255));
    assert_eq!(color(100.0, 1e9), grey(255));
    // CIE lightness 50 is 0.184 of the luminance of white, sRGB 119.
    assert_eq!(color(0.0, 50.0), grey(119));
    assert_eq!(color(200.0, 50.0), color(100.0, 50.0));
}

#[test]
fn a_fingerprint_has_a_color_for_each_of_its_groups() {
    let mut bytes = [0; 32];
    bytes[31] = 1;
    let groups = groups(&Fingerprint::from_bytes(bytes), 100.0, 50.0);
    let digits: Vec<_> = groups.iter().map(|group| group.digits.as_str()).collect();
    assert_eq!(digits[..7], ["00000000"; 7]);
    assert_eq!(digits[7], "00000001");
    for group in &groups {
        assert_eq!(group.color, Color::of(&group.digits, 100.0, 50.0));
    }
    assert_ne!(groups[6].color, groups[7].color);
}
