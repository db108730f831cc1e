//! What `scale` is asked for.

/// As many as a quick run has time for.
const ACCOUNTS: [usize; 2] = [1_000, 10_000];

const STORAGES: [&str; 2] = ["postgres", "redis"];

pub(crate) struct Options {
    /// Print JSON, a line each.
    pub(crate) json: bool,
    /// Fail if a bar is missed.
    pub(crate) check: bool,
    /// How many accounts to measure among.
    pub(crate) accounts: Vec<usize>,
    storage: Option<String>,
}

impl Options {
    /// `None` for anything else than `--json`, `--check`, `--accounts N,N` and `--storage NAME`.
    pub(crate) fn parse(words: &[String]) -> Option<Self> {
        let mut options = Self {
            json: false,
            check: false,
            accounts: ACCOUNTS.to_vec(),
            storage: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--accounts" => options.accounts = numbers(words.next()?)?,
                "--storage" => {
                    let storage = words.next()?;
                    let known = STORAGES.contains(&storage.as_str());
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
}

/// Numbers above 0, separated by commas.
fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',')
        .map(|number| number.parse().ok().filter(|number| *number > 0))
        .collect()
}
