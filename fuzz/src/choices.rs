//! Bytes as choices.

/// Takes choices off bytes from the front. There is no end: what is lacking is zero, the first, or nothing.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// All choices to come.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all are made.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub fn long(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// So many bytes, or as many as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(count.min(self.0.len()));
        self.0 = tail;
        head
    }

    /// Up to 255 bytes.
    pub fn some(&mut self) -> &'a [u8] {
        let count = self.byte();
        self.take(count.into())
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    /// One of these.
    pub fn pick<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[usize::from(self.byte()) % all.len()]
    }

    /// Changes bytes somewhere: one of them, their length, or all of them.
    pub fn alter(&mut self, bytes: &mut Vec<u8>) {
        let (kind, at) = (self.byte() % 6, usize::from(self.word()));
        match kind {
            0 => bytes.truncate(at % (bytes.len() + 1)),
            1 => bytes.extend_from_slice(self.some()),
            2 => *bytes = self.some().to_vec(),
            3 if !bytes.is_empty() => {
                let from = at % bytes.len();
                let new = self.some();
                let until = (from + new.len()).min(bytes.len());
                bytes[from..until].copy_from_slice(&new[..until - from]);
            }
            _ if !bytes.is_empty() => {
                let at = at % bytes.len();
                bytes[at] = self.byte();
            }
            _ => {}
        }
    }
}
