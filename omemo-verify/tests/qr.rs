//! QR codes, read back by a decoder that somebody else wrote.
#![cfg(feature = "qr")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use omemo_verify::qr::{TooLongForQr, svg, unicode};
use rqrr::PreparedImage;

const URI: &str = "xmpp:romeo@montague.lit?omemo-sid-31415=623548d3835c6d33ef5cb680f7944ef381cf712bf23a0119dabe5c4f252cd02f";

/// Reads the one QR code of an image, given which of its points are dark.
fn scan(width: usize, height: usize, dark: impl Fn(usize, usize) -> bool) -> String {
    let mut image =
        PreparedImage::prepare_from_greyscale(width, height, |x, y| if dark(x, y) { 0 } else { 255 });
    let found = image.detect_grids();
    assert_eq!(found.len(), 1);
    found.first().unwrap().decode().unwrap().1
}

#[test]
fn a_terminal_shows_what_can_be_scanned() {
    let drawn = unicode(URI).unwrap();
    let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
    let (width, height) = (lines.first().unwrap().len(), lines.len() * 2);
    // What is drawn is light, on a dark background. Ten points a module, as a camera would see it.
    let dark = |x: usize, y: usize| {
        let character = lines.get(y / 20).and_then(|line| line.get(x / 10)).unwrap();
        match (character, y / 10 % 2) {
            ('█', _) | ('▀', 0) | ('▄', 1) => false,
            (' ' | '▀' | '▄', _) => true,
            (other, _) => panic!("{other:?}"),
        }
    };
    assert_eq!(scan(width * 10, height * 10, dark), URI);
}

#[test]
fn an_svg_shows_what_can_be_scanned() {
    let document = svg(URI).unwrap();
    let attribute = |name: &str| {
        let (_, rest) = document.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap()
    };
    assert!(attribute("xmlns").ends_with("/svg"));
    let side: usize = attribute("width").parse().unwrap();
    assert_eq!(attribute("height"), attribute("width"));
    // One path of rectangles: M x y h width v height H V Z.
    let (_, path) = document.split_once(" d=\"").unwrap();
    let path = path.split('"').next().unwrap();
    let mut dark = vec![vec![false; side]; side];
    for rectangle in path.split('M').skip(1) {
        let numbers: Vec<usize> = rectangle
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        let [x, y, width, height, ..] = numbers[..] else {
            panic!("{rectangle}")
        };
        dark.iter_mut()
            .skip(y)
            .take(height)
            .for_each(|row| row.iter_mut().skip(x).take(width).for_each(|point| *point = true));
    }
    let dark = |x: usize, y: usize| *dark.get(y).and_then(|row| row.get(x)).unwrap();
    assert_eq!(scan(side, side, dark), URI);
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(svg(&"x".repeat(2_900)).is_ok());
    assert_eq!(svg(&"x".repeat(3_000)), Err(TooLongForQr(3_000)));
    assert_eq!(unicode(&"x".repeat(3_000)), Err(TooLongForQr(3_000)));
}
