//! Names, and pairs of them, in SQLite's binary JSON, which it walks without parsing: <https://sqlite.org/jsonb.html>.

const TEXT: u8 = 10;
const ARRAY: u8 = 11;
const OBJECT: u8 = 12;

/// How many bytes the header of the whole has: its kind, and the length in four bytes. SQLite takes more than are needed.
const FRONT: usize = 5;

/// How many bytes an entry has, about.
const ENTRY: usize = 80;

/// An array or an object of texts, being written. Keys may be there several times.
pub(crate) struct Jsonb {
    kind: u8,
    json: Vec<u8>,
}

impl Jsonb {
    /// An array with room for so many entries.
    pub(crate) fn array(entries: usize) -> Self {
        Self::begin(ARRAY, entries)
    }

    /// An object with room for so many entries.
    pub(crate) fn object(entries: usize) -> Self {
        Self::begin(OBJECT, entries)
    }

    fn begin(kind: u8, entries: usize) -> Self {
        let mut json = Vec::with_capacity(FRONT + entries * ENTRY);
        json.extend([0; FRONT]);
        Self { kind, json }
    }

    /// Adds a text: an entry of an array; of an object the key or the value of an entry, in turn.
    pub(crate) fn text(&mut self, text: &str) {
        let json = &mut self.json;
        // The kind in the low half of a byte; in the high half the length, or how many bytes of length follow.
        match u8::try_from(text.len()) {
            Ok(length @ 0..=11) => json.push(length << 4 | TEXT),
            Ok(length) => json.extend([12 << 4 | TEXT, length]),
            Err(_) => {
                json.push(14 << 4 | TEXT);
                json.extend(four_bytes(text.len()));
            }
        }
        json.extend_from_slice(text.as_bytes());
    }

    /// Adds the entries of another of the same kind.
    pub(crate) fn append(&mut self, other: &Self) {
        self.json.extend(other.json.iter().skip(FRONT));
    }

    /// The finished JSON, or nothing if there are no entries: SQLite walks a NULL too.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        let Self { kind, mut json } = self;
        let length = four_bytes(json.len() - FRONT);
        let header = [14 << 4 | kind].into_iter().chain(length);
        json.iter_mut().zip(header).for_each(|(to, from)| *to = from);
        (json.len() > FRONT).then_some(json)
    }
}

/// A length. SQLite takes no more than a gigabyte at once anyway.
fn four_bytes(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
