//! Names as the tables have them. An entry of an index has a bound, and a name of [`omemo_storage::MAX_NAME`] bytes is
//! beyond it.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Names of up to so many bytes are stored as they are. Three of them, or of what stands for longer ones, fit into the
/// 2,704 bytes of an entry.
const LONGEST_AS_IT_IS: usize = 512;

/// A name as it is searched for.
pub(crate) struct Stored<'a> {
    /// The name itself, or what stands for it: never the same for two names.
    pub(crate) key: Cow<'a, str>,
    /// The whole name where that is not the key.
    pub(crate) full: Option<&'a str>,
}

impl<'a> Stored<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        if name.len() <= LONGEST_AS_IT_IS {
            Self {
                key: Cow::Borrowed(name),
                full: None,
            }
        } else {
            Self {
                key: Cow::Owned(shortened(name)),
                full: Some(name),
            }
        }
    }
}

/// The name's beginning, for people and for order, and the hash of all of it. Longer than any name that is stored as it
/// is, so that no such name is mistaken for it.
fn shortened(name: &str) -> String {
    let end = name.floor_char_boundary(LONGEST_AS_IT_IS);
    let (beginning, _) = name.split_at(end);
    let mut shortened = String::with_capacity(end + 72);
    shortened.push_str(beginning);
    shortened.push_str("#sha256:");
    for byte in Sha256::digest(name.as_bytes()) {
        // Writing to a string does not fail.
        let _ = write!(shortened, "{byte:02x}");
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stored_as_they_are_up_to_a_length() {
        let longest = "é".repeat(LONGEST_AS_IT_IS / 2);
        let stored = Stored::new(&longest);
        assert_eq!((&*stored.key, stored.full), (&*longest, None));
    }

    #[test]
    fn what_stands_for_a_long_name_is_no_other_name() {
        let names = [
            "a".repeat(4_096),
            "a".repeat(4_095),
            format!("a{}", "é".repeat(2_047)),
            format!("{}b", "a".repeat(4_095)),
        ];
        let mut keys: Vec<String> = names.iter().map(|name| Stored::new(name).key.into()).collect();
        for (name, key) in names.iter().zip(&keys) {
            assert_eq!(Stored::new(name).full, Some(&**name));
            assert!(key.len() > LONGEST_AS_IT_IS && key.len() <= LONGEST_AS_IT_IS + 72);
            // What stands for a name is no name that stands for itself.
            assert_ne!(Stored::new(key).key, *key);
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), names.len());
    }
}
