//! Calling the storage's functions in the database, in one round trip.
//!
//! A prepared statement lives in one session. A pooler such as pgbouncer may give each transaction another, so through
//! one the call is a text with its arguments in it, which needs no session.

use std::sync::Arc;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Error, Postgres};

use crate::literal;

/// PostgreSQL cuts the connection at a message of a gigabyte, and what becomes of the batch would not be known.
const MOST_BYTES: usize = 1_000_000_000;

/// How statements reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Prepared once a connection; a connection is a session.
    Prepared,
    /// As text that is forgotten at once; each transaction may be in another session.
    Text,
}

/// An argument of a function.
pub(crate) enum Argument<'a> {
    Text(&'a str),
    OptionalText(Option<&'a str>),
    Bytes(&'a [u8]),
    Boolean(bool),
    Integer(i64),
    Texts(Option<Vec<&'a str>>),
    OptionalTexts(Option<Vec<Option<&'a str>>>),
    ListOfBytes(Option<Vec<Option<&'a [u8]>>>),
    Booleans(Option<Vec<bool>>),
}

impl Argument<'_> {
    /// How many bytes it has on its way, at most.
    fn weight(&self, protocol: Protocol) -> usize {
        /// Types, lengths, quotes.
        const OVERHEAD: usize = 32;
        // A byte is two digits, and a backslash in a list of texts is four.
        let (byte, character) = match protocol {
            Protocol::Prepared => (1, 1),
            Protocol::Text => (2, 4),
        };
        let texts = |texts: &mut dyn Iterator<Item = &str>| -> usize {
            texts.map(|text| character * text.len() + OVERHEAD).sum()
        };
        OVERHEAD
            + match self {
                Self::Boolean(_) | Self::Integer(_) => OVERHEAD,
                Self::Text(text) => texts(&mut std::iter::once(*text)),
                Self::OptionalText(text) => texts(&mut text.iter().copied()),
                Self::Bytes(bytes) => byte * bytes.len(),
                Self::Texts(list) => texts(&mut list.iter().flatten().copied()),
                Self::OptionalTexts(list) => {
                    texts(&mut list.iter().flatten().map(|text| text.unwrap_or_default()))
                }
                Self::ListOfBytes(list) => list
                    .iter()
                    .flatten()
                    .map(|bytes| byte * bytes.map_or(0, <[u8]>::len) + OVERHEAD)
                    .sum(),
                Self::Booleans(list) => list.iter().map(|list| OVERHEAD * list.len()).sum(),
            }
    }
}

/// A call in the making.
pub(crate) struct Call<'a> {
    statement: &'a Statement,
    protocol: Protocol,
    arguments: Vec<Argument<'a>>,
}

/// A function of the storage, in the database's own words.
#[derive(Debug)]
pub(crate) struct Statement {
    head: String,
    prepared: Arc<str>,
}

impl Statement {
    /// `head` is the statement up to the parenthesis before the arguments.
    pub(crate) fn new(head: &str, arguments: usize) -> Self {
        let places: Vec<String> = (1..=arguments).map(|n| format!("${n}")).collect();
        Self {
            head: head.to_owned(),
            prepared: format!("{head}{})", places.join(", ")).into(),
        }
    }

    pub(crate) fn call<'a>(&'a self, protocol: Protocol, arguments: Vec<Argument<'a>>) -> Call<'a> {
        Call {
            statement: self,
            protocol,
            arguments,
        }
    }
}

impl Call<'_> {
    fn weight(&self) -> usize {
        let weights = self
            .arguments
            .iter()
            .map(|argument| argument.weight(self.protocol));
        weights.sum()
    }

    pub(crate) async fn run(self, connection: &mut PgConnection) -> Result<Vec<PgRow>, Error> {
        if self.weight() > MOST_BYTES {
            return Err(Error::Encode("the call is longer than a message may be".into()));
        }
        match self.protocol {
            Protocol::Prepared => {
                let statement = AssertSqlSafe(Arc::clone(&self.statement.prepared));
                self.arguments
                    .into_iter()
                    .fold(sqlx::query(statement), bind)
                    .fetch_all(connection)
                    .await
            }
            Protocol::Text => {
                let mut text = self.statement.head.clone();
                for (n, argument) in self.arguments.iter().enumerate() {
                    if n > 0 {
                        text.push_str(", ");
                    }
                    literal::push(&mut text, argument);
                }
                text.push(')');
                sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(connection).await
            }
        }
    }
}

fn bind<'q>(
    query: Query<'q, Postgres, PgArguments>,
    argument: Argument<'q>,
) -> Query<'q, Postgres, PgArguments> {
    match argument {
        Argument::Text(text) => query.bind(text),
        Argument::OptionalText(text) => query.bind(text),
        Argument::Bytes(bytes) => query.bind(bytes),
        Argument::Boolean(boolean) => query.bind(boolean),
        Argument::Integer(integer) => query.bind(integer),
        Argument::Texts(texts) => query.bind(texts),
        Argument::OptionalTexts(texts) => query.bind(texts),
        Argument::ListOfBytes(list) => query.bind(list),
        Argument::Booleans(booleans) => query.bind(booleans),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_a_bound() {
        let statement = Statement::new("SELECT omemo_commit(", 1);
        let value = vec![0; 1 << 20];
        let weight = |protocol, values| {
            let list = Argument::ListOfBytes(Some(vec![Some(value.as_slice()); values]));
            statement.call(protocol, vec![list]).weight()
        };
        for (protocol, fits) in [(Protocol::Prepared, 953), (Protocol::Text, 476)] {
            assert!(weight(protocol, fits) <= MOST_BYTES, "{protocol:?}");
            assert!(weight(protocol, fits + 1) > MOST_BYTES, "{protocol:?}");
        }
    }

    /// What is sent is never longer than was thought.
    #[test]
    fn weight_is_an_upper_bound() {
        let arguments = || {
            vec![
                Argument::Text(r"a\\'b"),
                Argument::OptionalText(Some("é")),
                Argument::OptionalText(None),
                Argument::Bytes(&[7; 16]),
                Argument::Boolean(false),
                Argument::Integer(i64::MIN),
                Argument::Texts(Some(vec![r#"\\\"""#, ""])),
                Argument::Texts(None),
                Argument::OptionalTexts(Some(vec![None, Some("'\\")])),
                Argument::ListOfBytes(Some(vec![None, Some(&[1, 2, 3])])),
                Argument::ListOfBytes(None),
                Argument::Booleans(Some(vec![true; 100])),
            ]
        };
        for argument in arguments() {
            let mut text = String::new();
            literal::push(&mut text, &argument);
            assert!(text.len() <= argument.weight(Protocol::Text), "{text}");
        }
    }
}
