//! What `scale` is asked for.

/// As many as a quick run has time for.
const ACCOUNTS: [usize; 2] = [1_000, 10_000];

/// Each storage, and the numbers of accounts that it is meant for: those in Redis are all in memory.
const STORAGES: [(&str, [usize; 3]); 2] = [
    ("postgres", [1_000, 30_000, 1_000_000]),
    ("redis", [1_000, 30_000, 200_000]),
];

pub(crate) struct Options {
    /// Print JSON, a line each.
    pub(crate) json: bool,
    /// Fail if a bar is missed.
    pub(crate) check: bool,
    accounts: Accounts,
    storage: Option<String>,
}

/// How many accounts to measure among.
enum Accounts {
    Quick,
    Full,
    These(Vec<usize>),
}

impl Options {
    /// `None` for anything else than `--json`, `--check`, `--accounts N,N`, `--full` and `--storage NAME`. Of `--accounts`
    /// and `--full` the last counts.
    pub(crate) fn parse(words: &[String]) -> Option<Self> {
        let mut options = Self {
            json: false,
            check: false,
            accounts: Accounts::Quick,
            storage: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--accounts" => options.accounts = Accounts::These(numbers(words.next()?)?),
                "--full" => options.accounts = Accounts::Full,
                "--storage" => {
                    let storage = words.next()?;
                    let known = STORAGES.iter().any(|(name, _)| name == storage);
                    options.storage = Some(known.then(|| storage.clone())?);
                }
                _ => return None,
            }
        }
        Some(options)
    }

    /// Whether a storage is to be measured.
    pub(crate) fn on(&self, storage: &str) -> bool {
        self.storage.as_ref().is_none_or(|wanted| wanted == storage)
    }

    /// The numbers of accounts to measure a storage among.
    pub(crate) fn accounts(&self, storage: &str) -> &[usize] {
        let full = STORAGES.iter().find(|(name, _)| *name == storage);
        match (&self.accounts, full) {
            (Accounts::These(numbers), _) => numbers,
            (Accounts::Full, Some((_, full))) => full,
            (Accounts::Full, None) | (Accounts::Quick, _) => &ACCOUNTS,
        }
    }
}

/// Numbers above 0, separated by commas.
fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',')
        .map(|number| number.parse().ok().filter(|number| *number > 0))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn accounts(line: &str) -> [Vec<usize>; 2] {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let options = Options::parse(&words).unwrap();
        STORAGES.map(|(storage, _)| options.accounts(storage).to_vec())
    }

    #[test]
    fn each_storage_has_a_full_size_of_its_own() {
        let [postgres, redis] = accounts("--full");
        assert_eq!(postgres, [1_000, 30_000, 1_000_000]);
        assert_eq!(redis, [1_000, 30_000, 200_000]);
        assert_eq!(accounts(""), [[1_000, 10_000], [1_000, 10_000]]);
        assert_eq!(accounts("--full --accounts 5,7"), [[5, 7], [5, 7]]);
    }
}
