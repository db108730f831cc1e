//! What a message takes among few accounts and among many, what an account takes, and what many workers do at once.

mod filled;
mod line;
mod listing;
mod messages;
mod options;
mod template;
mod workers;

use filled::{Fillable, Filled};
use line::Line;
pub(crate) use options::Options;
use template::{SESSIONS, Template};
use workers::Worked;

use crate::measure::Failure;
use crate::servers::{Postgres, Redis};

/// The most that a message among the most accounts may take, as a multiple of one among the fewest.
const BAR: f64 = 1.3;

/// How many workers send messages at once.
const WORKERS: [usize; 4] = [1, 2, 4, 8];

/// How many of them meet in one account.
const CROWD: usize = 8;

/// Measures what was asked for, and prints it line by line. The bars that are missed, in words.
pub(crate) fn run(options: &Options) -> Result<Vec<String>, Failure> {
    let template = Template::open()?;
    let mut missed = Vec::new();
    if options.on("postgres") {
        missed.extend(measure::<Postgres>(&template, options)?);
    }
    if options.on("redis") {
        missed.extend(measure::<Redis>(&template, options)?);
    }
    Ok(missed)
}

fn measure<Server: Fillable>(template: &Template, options: &Options) -> Result<Vec<String>, Failure> {
    let numbers = options.accounts(Server::NAME);
    let fewest = numbers.iter().min().copied().unwrap_or(1);
    let bare = Filled::<_, Server>::new(template, fewest, false)?;
    let bare_bytes = bare.bytes as f64 / fewest as f64;
    drop(bare);

    let mut storages = Vec::new();
    for accounts in numbers.iter().copied() {
        let filled = Filled::<_, Server>::new(template, accounts, true)?;
        sizes(&filled, bare_bytes).print(options.json);
        storages.push(filled);
    }
    storages.sort_by_key(|filled| filled.accounts);
    for filled in &storages {
        listed::<Server>(filled)?.print(options.json);
    }
    let mut missed = message_times(template, &storages, options)?;
    if let Some(largest) = storages.last() {
        for workers in WORKERS {
            let worked = workers::work(template, largest, workers, false)?;
            throughput::<Server>(workers, &worked).print(options.json);
        }
        let worked = workers::work(template, largest, CROWD, true)?;
        contention::<Server>(&worked).print(options.json);
        if worked.least == 0 {
            missed.push(format!("{}: a worker has starved", Server::NAME));
        }
    }
    Ok(missed)
}

fn sizes<Server: Fillable>(filled: &Filled<Server::Storage, Server>, bare_bytes: f64) -> Line {
    let bytes = filled.bytes as f64 / filled.accounts as f64;
    Line::new(Server::NAME, "size")
        .with("accounts", filled.accounts as f64)
        .with("sessions_an_account", SESSIONS as f64)
        .text("on", Server::WHERE)
        .with("bytes", filled.bytes as f64)
        .with("bytes_an_account", bytes)
        .with("bytes_a_session", (bytes - bare_bytes) / SESSIONS as f64)
}

fn listed<Server: Fillable>(filled: &Filled<Server::Storage, Server>) -> Result<Line, Failure> {
    let listing = listing::list(filled)?;
    Ok(Line::new(Server::NAME, "listing")
        .with("accounts", filled.accounts as f64)
        .with("pages", listing.pages as f64)
        .with("ns_an_account", listing.seconds * 1e9 / filled.accounts as f64)
        .with("slowest_page_ms", listing.slowest * 1e3))
}

fn message_times<Server: Fillable>(
    template: &Template,
    storages: &[Filled<Server::Storage, Server>],
    options: &Options,
) -> Result<Vec<String>, Failure> {
    for filled in storages {
        filled.settle()?;
    }
    let measured = messages::measure(template, storages)?;
    for (filled, messages) in storages.iter().zip(&measured) {
        Line::new(Server::NAME, "message")
            .with("accounts", filled.accounts as f64)
            .with("ns", messages.encrypt.least())
            .with("median_ns", messages.encrypt.median())
            .with("opened_ns", messages.open_and_encrypt.least())
            .with("opened_median_ns", messages.open_and_encrypt.median())
            .print(options.json);
    }
    let (Some(few), Some(many)) = (measured.first(), measured.last()) else {
        return Ok(Vec::new());
    };
    let ratio = many.encrypt.least() / few.encrypt.least();
    let median_ratio = many.encrypt.median() / few.encrypt.median();
    let (few, many) = (&few.open_and_encrypt, &many.open_and_encrypt);
    Line::new(Server::NAME, "message_ratio")
        .with("ratio", ratio)
        .with("median_ratio", median_ratio)
        .with("opened_ratio", many.least() / few.least())
        .with("opened_median_ratio", many.median() / few.median())
        .print(options.json);
    // One of the two may be hit by what else the machine does.
    let missed = (ratio.min(median_ratio) > BAR).then(|| {
        format!(
            "{}: a message among the most accounts takes {ratio:.3} x one among the fewest (medians \
             {median_ratio:.3}), at most {BAR} wanted",
            Server::NAME
        )
    });
    Ok(missed.into_iter().collect())
}

fn throughput<Server: Fillable>(workers: usize, worked: &Worked) -> Line {
    Line::new(Server::NAME, "throughput")
        .with("workers", workers as f64)
        .with("messages", worked.messages as f64)
        .with("messages_a_second", worked.messages as f64 / worked.seconds)
}

fn contention<Server: Fillable>(worked: &Worked) -> Line {
    Line::new(Server::NAME, "contention")
        .with("workers", CROWD as f64)
        .with("messages", worked.messages as f64)
        .with("messages_a_second", worked.messages as f64 / worked.seconds)
        .with("least_of_a_worker", worked.least as f64)
        .with("most_of_a_worker", worked.most as f64)
        .with("conflicts", worked.conflicts as f64)
        .with("given_up", worked.given_up as f64)
        .with("longest_ms", worked.longest * 1e3)
}
