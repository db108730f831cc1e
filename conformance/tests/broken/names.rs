//! How names are taken for others.

use omemo_storage::{AccountId, Key};

use super::flaw::Flaw;

/// What an account is filed under.
pub(crate) fn account(flaw: Option<Flaw>, account: &AccountId) -> String {
    let name = account.as_str();
    match flaw {
        Some(Flaw::AccountLeak) => String::new(),
        Some(Flaw::AccountFolded) => name.to_lowercase(),
        Some(Flaw::AccountTag) => match name.split_once('{').and_then(|(_, rest)| rest.split_once('}')) {
            Some((tag, _)) if !tag.is_empty() => tag.to_owned(),
            _ => name.to_owned(),
        },
        _ => name.to_owned(),
    }
}

/// What a record is filed under.
pub(crate) fn place(flaw: Option<Flaw>, key: &Key) -> (String, String) {
    let (partition, item) = (
        partition(flaw, key.partition.as_str()),
        name(flaw, key.item.as_str()),
    );
    match flaw {
        Some(Flaw::JoinedNames) => {
            let joined = format!("{partition}/{item}");
            // The partition is what comes before the last slash.
            let (partition, item) = joined.rsplit_once('/').unwrap();
            (partition.to_owned(), item.to_owned())
        }
        _ => (partition, item),
    }
}

/// What a partition is filed under.
pub(crate) fn partition(flaw: Option<Flaw>, partition: &str) -> String {
    name(flaw, partition)
}

fn name(flaw: Option<Flaw>, name: &str) -> String {
    match flaw {
        Some(Flaw::FoldedCase) => name.to_lowercase(),
        Some(Flaw::Normalised) => name.replace("e\u{301}", "\u{e9}"),
        Some(Flaw::Trimmed) => name.trim().to_owned(),
        Some(Flaw::NamesCut) => name.chars().take(3_071).collect(),
        _ => name.to_owned(),
    }
}

/// Whether what is filed under `filed` is loaded with the partition that is asked for.
pub(crate) fn is_loaded_with(flaw: Option<Flaw>, asked: &str, filed: &str) -> bool {
    match flaw {
        Some(Flaw::PrefixBleed) => filed.starts_with(asked),
        Some(Flaw::Wildcards) => match asked.split_once('%') {
            Some((before, after)) => filed.starts_with(before) && filed.ends_with(after),
            None => filed == asked,
        },
        _ => filed == asked,
    }
}
