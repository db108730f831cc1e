//! QR codes (ISO/IEC 18004), of a [`VerificationUri`](crate::VerificationUri) or any other text.

use qrcode::render::svg;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// A text is too long for a QR code: a little under 3,000 bytes are the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text of {0} bytes does not fit into a QR code")]
pub struct TooLongForQr(pub usize);

fn code(text: &str) -> Result<QrCode, TooLongForQr> {
    QrCode::with_error_correction_level(text, EcLevel::L).map_err(|_| TooLongForQr(text.len()))
}

/// A QR code for a terminal, in half blocks of Unicode: two modules a character, with the quiet zone around it. It is
/// drawn for a dark background; most scanners read it the other way round too.
///
/// # Errors
///
/// [`TooLongForQr`].
///
/// ```
/// let drawn = omemo_verify::qr::unicode("xmpp:romeo@montague.lit")?;
/// assert!(drawn.lines().all(|line| line.chars().all(|c| " ▀▄█".contains(c))));
/// # Ok::<(), omemo_verify::qr::TooLongForQr>(())
/// ```
pub fn unicode(text: &str) -> Result<String, TooLongForQr> {
    // Light modules are drawn, dark ones are the background.
    Ok(code(text)?
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build())
}

/// A QR code as an SVG document, black on white, with the quiet zone around it, each module at least 8 units wide.
///
/// # Errors
///
/// [`TooLongForQr`].
pub fn svg(text: &str) -> Result<String, TooLongForQr> {
    Ok(code(text)?
        .render::<svg::Color<'_>>()
        .module_dimensions(8, 8)
        .build())
}
