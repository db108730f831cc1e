//! What the server does for a call, by its own account.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::collections::BTreeSet;

use common::server::Server;
use common::{Schema, account, batch, key, text};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Name, Query, Storage};
use omemo_storage_postgres::PostgresStorage;

const LOG: &[&str] = &[
    "shared_preload_libraries=auto_explain",
    "auto_explain.log_min_duration=0",
    "auto_explain.log_nested_statements=on",
    "log_statement=all",
    "log_line_prefix=@",
];

/// The entries of the server's log since the last call.
struct Log {
    server: Server,
    read: usize,
}

impl Log {
    fn take(&mut self) -> Vec<String> {
        let log = self.server.log();
        let new = log[self.read..].to_owned();
        self.read = log.len();
        new.split('@').map(str::to_owned).collect()
    }
}

/// A batch whose commit forgets old ids of others, as one in sixteen does.
fn forgetting_batch() -> Batch {
    let mut id = *batch().id().as_bytes();
    id[15] = 0;
    Batch::new(CommitId::from_bytes(id))
}

/// One of everything a call can hold.
async fn use_it_all(storage: &PostgresStorage, account: &AccountId) {
    let mut create = batch();
    for n in 0..50 {
        create.put(key(&format!("p{}", n / 10), &n.to_string()), None, text("value"));
    }
    assert_eq!(
        storage.commit(account, &create).await.unwrap(),
        Committed::Applied
    );
    let revision = Some(create.id().into());
    let mut mixed = forgetting_batch();
    mixed.put(key("p0", "1"), revision, text("other"));
    mixed.delete(key("p1", "11"), revision);
    mixed.expect(key("p2", "21"), revision);
    assert_eq!(storage.commit(account, &mixed).await.unwrap(), Committed::Applied);
    assert_eq!(
        storage.commit(account, &create).await.unwrap(),
        Committed::Applied
    );
    let mut query = Query::new();
    query.partitions.insert(Name::new("p3").unwrap());
    query.records.insert(key("p0", "1"));
    assert_eq!(storage.load(account, &query).await.unwrap().records.len(), 11);
    let page = storage.records(account, None, 20).await.unwrap();
    storage.records(account, page.next.as_ref(), 20).await.unwrap();
}

/// Each call is one statement of the client's.
#[tokio::test]
async fn one_statement_each() {
    let server = Server::start(LOG).await;
    let storage = server.options().connections(1).open().await.unwrap();
    use_it_all(&storage, &account()).await;
    let mut log = Log { server, read: 0 };
    log.take();
    use_it_all(&storage, &AccountId::new("juliet@capulet.lit").unwrap()).await;
    let statements: Vec<String> = log
        .take()
        .into_iter()
        .filter(|entry| entry.contains("statement: ") || entry.contains("execute "))
        .collect();
    assert_eq!(statements.len(), 6, "{statements:#?}");
    assert!(
        statements
            .iter()
            .all(|statement| statement.contains("execute sqlx_s_"))
    );
}

/// The partitions of a table that a plan scans, by any kind of scan.
fn partitions<'a>(plan: &'a str, table: &str) -> BTreeSet<&'a str> {
    plan.lines()
        .filter(|line| line.contains("Scan"))
        .filter_map(|line| line.split_once(table))
        .filter_map(|(_, partition)| partition.split(|c: char| !c.is_ascii_digit()).next())
        .collect()
}

/// A statement that is bound to an account touches one partition, and reads no table from end to end. The tables are
/// small and nothing is known of them, which is when a planner is tempted.
#[tokio::test]
async fn one_partition_each() {
    let server = Server::start(LOG).await;
    let options = server.options().connections(1);
    let storage = options.hash_partitions(16).open().await.unwrap();
    let mut log = Log { server, read: 0 };
    log.take();
    for n in 0..20 {
        use_it_all(&storage, &AccountId::new(&format!("{n}@capulet.lit")).unwrap()).await;
    }
    storage
        .purge(&AccountId::new("1@capulet.lit").unwrap())
        .await
        .unwrap();
    let plans: Vec<String> = log
        .take()
        .into_iter()
        .filter(|entry| entry.contains("plan:"))
        .collect();
    let (mut records, mut commits, mut seen) = (0, 0, BTreeSet::new());
    for plan in &plans {
        assert!(!plan.contains("Seq Scan on omemo"), "{plan}");
        let [of_records, of_commits] =
            ["omemo_record_", "omemo_commit_"].map(|table| partitions(plan, table));
        records += usize::from(!of_records.is_empty());
        commits += usize::from(!of_commits.is_empty());
        // Both tables are cut alike.
        let both: BTreeSet<&str> = of_records.union(&of_commits).copied().collect();
        assert!(both.len() <= 1, "{plan}");
        seen.extend(both);
    }
    assert!(records > 100 && commits > 20, "{records} {commits}");
    assert!(seen.len() > 4, "{seen:?}");
}

/// The same without partitions, by the index: records down to the item, ids of commits by their account at least.
#[tokio::test]
async fn tables_are_searched_by_their_indexes() {
    let server = Server::start(LOG).await;
    let storage = server.options().connections(1).open().await.unwrap();
    let mut log = Log { server, read: 0 };
    use_it_all(&storage, &account()).await;
    storage.purge(&account()).await.unwrap();
    let plans: Vec<String> = log
        .take()
        .into_iter()
        .filter(|entry| entry.contains("plan:"))
        .filter(|entry| entry.contains("omemo_record") || entry.contains("omemo_commit"))
        .collect();
    assert!(plans.len() > 6);
    let mut searches = [0; 2];
    for plan in &plans {
        assert!(!plan.contains("Seq Scan on omemo"), "{plan}");
        let mut lines = plan.lines().skip_while(|line| !line.contains("Scan"));
        while let Some(line) = lines.next() {
            let table = match line {
                line if !line.contains("Scan") => continue,
                line if line.contains("omemo_record_pkey") => 0,
                line if line.contains("omemo_commit_pkey") => 1,
                _ => continue,
            };
            let condition = lines.next().unwrap();
            assert!(condition.contains("Index Cond: ("), "{plan}");
            assert!(condition.contains("(account = $1)"), "{plan}");
            let is_purge = plan.contains("Query Text: DELETE") && !condition.contains(" AND ");
            assert!(
                is_purge || table == 1 || condition.contains("partition"),
                "{plan}"
            );
            searches[table] += 1;
        }
    }
    assert!(searches[0] > 4 && searches[1] > 2, "{searches:?}");
    for table in ["omemo_record", "omemo_commit"] {
        let delete = format!("Delete on {table}");
        assert!(plans.iter().any(|plan| plan.contains(&delete)), "{table}");
    }
}

/// A page of accounts is found by leaps from one to the next, however many records lie between, and it does not matter
/// how many pages came before.
#[tokio::test]
async fn accounts_are_found_by_leaps() {
    let server = Server::start(&[LOG, &["auto_explain.log_analyze=on"]].concat()).await;
    let storage = server.options().connections(1).open().await.unwrap();
    let fill = "INSERT INTO omemo_record SELECT lpad(n::text, 4, '0'), 'p', i::text, '', '' \
        FROM generate_series(1, 1000) AS n, generate_series(1, 50) AS i";
    sqlx::raw_sql(fill)
        .execute(&mut server.connect().await)
        .await
        .unwrap();
    let mut log = Log { server, read: 0 };
    log.take();
    let mut listed = 0;
    let mut after = None;
    for _ in 0..4 {
        let page = storage.accounts(after.as_ref(), 99).await.unwrap();
        listed += page.entries.len();
        after = page.next;
        let plans = log.take();
        let plan = plans
            .iter()
            .find(|entry| entry.contains("plan:") && entry.contains("RECURSIVE"))
            .unwrap();
        assert_eq!(rows_read(plan), 100, "{plan}");
    }
    assert_eq!(listed, 4 * 99);
}

/// Following the cursors through very many accounts: each once, in the order of their bytes.
#[tokio::test]
async fn a_million_accounts_are_listed_page_by_page() {
    let schema = Schema::new();
    let storage = schema.open().await;
    let fill = "INSERT INTO $.omemo_record (account, partition, item, revision, value) \
        SELECT n::text || '@capulet.lit', 'p', 'i', '', '' FROM generate_series(1, 1000000) AS n";
    schema.execute(fill).await;
    let (mut listed, mut pages, mut last, mut after) = (0, 0, None::<AccountId>, None);
    loop {
        let page = storage.accounts(after.as_ref(), 1_000).await.unwrap();
        for account in page.entries {
            let account = Some(account);
            assert!(last < account, "{account:?} follows {last:?}");
            last = account;
            listed += 1;
        }
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((listed, pages), (1_000_000, 1_000));
}

/// The rows that scans of the index gave, by an analyzed plan.
fn rows_read(plan: &str) -> u64 {
    plan.lines()
        .filter(|line| line.contains("Scan using omemo_record_pkey"))
        .map(|line| {
            let (_, actual) = line.split_once("actual time=").unwrap();
            let number = |name: &str| -> u64 {
                let (_, number) = actual.split_once(name).unwrap();
                number.split([' ', ')']).next().unwrap().parse().unwrap()
            };
            number("rows=") * number("loops=")
        })
        .sum()
}
