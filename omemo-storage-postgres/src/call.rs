//! Calling the storage's functions in the database, in one round trip.
//!
//! A prepared statement lives in one session. A pooler such as pgbouncer may give each transaction another, so through
//! one the call is a text with its arguments in it, which needs no session.

use std::sync::Arc;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Error, Postgres};

use crate::literal;

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
    ListOfBytes(Vec<Option<&'a [u8]>>),
    Booleans(Option<Vec<bool>>),
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
    pub(crate) async fn run(self, connection: &mut PgConnection) -> Result<Vec<PgRow>, Error> {
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
