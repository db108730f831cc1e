//! Who plays.

use std::fmt;

use omemo::BareJid;

use crate::failure::Failure;

/// A person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Person {
    Romeo,
    Juliet,
}

impl Person {
    pub(super) fn jid(self) -> Result<BareJid, Failure> {
        let jid = match self {
            Self::Romeo => "romeo@montague.lit",
            Self::Juliet => "juliet@capulet.lit",
        };
        BareJid::new(jid).map_err(|error| Failure::because(jid, error))
    }

    /// Whom the person talks to.
    pub(super) fn partner(self) -> Self {
        match self {
            Self::Romeo => Self::Juliet,
            Self::Juliet => Self::Romeo,
        }
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Romeo => "romeo",
            Self::Juliet => "juliet",
        })
    }
}

/// A person's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    RomeoPhone,
    RomeoLaptop,
    RomeoTablet,
    JulietPhone,
}

impl Role {
    /// Whose it is.
    pub(super) fn person(self) -> Person {
        match self {
            Self::RomeoPhone | Self::RomeoLaptop | Self::RomeoTablet => Person::Romeo,
            Self::JulietPhone => Person::Juliet,
        }
    }

    /// What its owner calls it: its label.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RomeoPhone | Self::JulietPhone => "phone",
            Self::RomeoLaptop => "laptop",
            Self::RomeoTablet => "tablet",
        }
    }

    /// The name of its database file.
    pub(super) fn file(self) -> String {
        format!("{}-{}.db", self.person(), self.name())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}'s {}", self.person(), self.name())
    }
}
