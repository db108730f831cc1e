//! Lists of names in SQLite's binary JSON, which it walks without parsing: <https://sqlite.org/jsonb.html>.

const TEXT: u8 = 10;
const ARRAY: u8 = 11;
const OBJECT: u8 = 12;

/// An array or an object of texts, being written.
pub(crate) struct Jsonb {
    kind: u8,
    elements: Vec<u8>,
}

impl Jsonb {
    pub(crate) fn array() -> Self {
        Self::new(ARRAY)
    }

    pub(crate) fn object() -> Self {
        Self::new(OBJECT)
    }

    fn new(kind: u8) -> Self {
        let elements = Vec::new();
        Self { kind, elements }
    }

    /// Adds a text made of the pieces: an element of an array, or the key or the value of an object's entry in turn.
    pub(crate) fn text(&mut self, pieces: &[&str]) {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        header(&mut self.elements, TEXT, length);
        for piece in pieces {
            self.elements.extend_from_slice(piece.as_bytes());
        }
    }

    /// The finished JSON, or nothing if there are no elements: SQLite walks a NULL too.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        if self.elements.is_empty() {
            return None;
        }
        let mut json = Vec::with_capacity(self.elements.len() + 5);
        header(&mut json, self.kind, self.elements.len());
        json.extend_from_slice(&self.elements);
        Some(json)
    }
}

/// The kind in the low half of a byte; in the high half the length, or how many bytes of length follow.
fn header(json: &mut Vec<u8>, kind: u8, length: usize) {
    match (u8::try_from(length), u32::try_from(length)) {
        (Ok(length @ 0..=11), _) => json.push(length << 4 | kind),
        (Ok(length), _) => json.extend([12 << 4 | kind, length]),
        (_, Ok(length)) => {
            json.push(14 << 4 | kind);
            json.extend(length.to_be_bytes());
        }
        _ => {
            json.push(15 << 4 | kind);
            json.extend((length as u64).to_be_bytes());
        }
    }
}
