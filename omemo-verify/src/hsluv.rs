//! HSLuv (<https://www.hsluv.org>, revision 4): hue, saturation and lightness as the eye sees them, to sRGB.
//!
//! CIE LCh(uv) with the chroma scaled so that 100 % is the most that sRGB can show at this hue and lightness.

/// From CIE XYZ to linear sRGB.
const XYZ_TO_RGB: [[f64; 3]; 3] = [
    [3.240_969_941_904_521, -1.537_383_177_570_093, -0.498_610_760_293],
    [-0.969_243_636_280_87, 1.875_967_501_507_72, 0.041_555_057_407_175],
    [
        0.055_630_079_696_993,
        -0.203_976_958_888_97,
        1.056_971_514_242_878,
    ],
];

/// Where white, D65, lies in CIE Luv.
const WHITE_U: f64 = 0.197_830_006_642_836_8;
const WHITE_V: f64 = 0.468_319_994_938_791;

/// The constants of CIE lightness: (29/3)^3 and (6/29)^3.
const KAPPA: f64 = 903.296_296_296_296_3;
const EPSILON: f64 = 0.008_856_451_679_035_631;

/// The parts of a colour, from 0 to 1. `hue` in degrees, `saturation` and `lightness` from 0 to 100.
pub(crate) fn to_rgb(hue: f64, saturation: f64, lightness: f64) -> [f64; 3] {
    let lightness = lightness.clamp(0.0, 100.0);
    let chroma = greatest_chroma(lightness, hue) * saturation.clamp(0.0, 100.0) / 100.0;
    let xyz = xyz(lightness, chroma, hue);
    XYZ_TO_RGB.map(|row| {
        let linear: f64 = row.iter().zip(xyz).map(|(factor, part)| factor * part).sum();
        gamma(linear).clamp(0.0, 1.0)
    })
}

fn xyz(lightness: f64, chroma: f64, hue: f64) -> [f64; 3] {
    if lightness <= 0.0 {
        return [0.0; 3];
    }
    let (sin, cos) = hue.to_radians().sin_cos();
    let u = chroma * cos / (13.0 * lightness) + WHITE_U;
    let v = chroma * sin / (13.0 * lightness) + WHITE_V;
    let y = luminance(lightness);
    let x = 9.0 * y * u / (4.0 * v);
    [x, y, 3.0 * y / v - x / 3.0 - 5.0 * y]
}

/// CIE lightness to luminance.
fn luminance(lightness: f64) -> f64 {
    let cube = ((lightness + 16.0) / 116.0).powi(3);
    if cube > EPSILON { cube } else { lightness / KAPPA }
}

/// From linear sRGB to what is shown.
fn gamma(linear: f64) -> f64 {
    if linear <= 0.003_130_8 {
        12.92 * linear
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    }
}

/// The distance from grey to the border of sRGB at a lightness, in the direction of a hue: the border is made of six
/// lines, on which red, green or blue is 0 or 1.
fn greatest_chroma(lightness: f64, hue: f64) -> f64 {
    let (sin, cos) = hue.to_radians().sin_cos();
    let luminance = luminance(lightness);
    let lines = XYZ_TO_RGB.iter().flat_map(|[x, y, z]| {
        [0.0, 1.0].map(|bound| {
            let top_u = (284_517.0 * x - 94_839.0 * z) * luminance;
            let top_v = (838_422.0 * z + 769_860.0 * y + 731_718.0 * x) * lightness * luminance
                - 769_860.0 * bound * lightness;
            let bottom = (632_260.0 * z - 126_452.0 * y) * luminance + 126_452.0 * bound;
            (top_u / bottom, top_v / bottom)
        })
    });
    lines
        .map(|(slope, intercept)| intercept / (sin - slope * cos))
        .filter(|distance| *distance >= 0.0)
        .fold(f64::INFINITY, f64::min)
}
