//! What the trust levels of a source become.

use std::collections::BTreeMap;

use omemo_sansio::trust::TrustLevel;

/// What each trust level of a source becomes; `None` for undecided, which is recorded nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(BTreeMap<String, Option<TrustLevel>>);

impl Default for Levels {
    /// The names of python-omemo's example of blind trust before verification: `TRUSTED`, `BLINDLY_TRUSTED`, `UNDECIDED`
    /// and `DISTRUSTED`.
    fn default() -> Self {
        Self(
            [
                ("TRUSTED", Some(TrustLevel::TRUSTED)),
                ("BLINDLY_TRUSTED", Some(TrustLevel::BLINDLY_TRUSTED)),
                ("UNDECIDED", None),
                ("DISTRUSTED", Some(TrustLevel::DISTRUSTED)),
            ]
            .map(|(name, level)| (name.to_owned(), level))
            .into(),
        )
    }
}

impl Levels {
    /// Adds a name, or changes what it becomes.
    #[must_use]
    pub fn with(mut self, name: &str, level: Option<TrustLevel>) -> Self {
        self.0.insert(name.to_owned(), level);
        self
    }

    /// What a name becomes; the outer `None` if nobody has said.
    pub(crate) fn get(&self, name: &str) -> Option<Option<TrustLevel>> {
        self.0.get(name).cloned()
    }
}
