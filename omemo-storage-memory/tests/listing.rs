//! Following the cursors through very many accounts.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeSet;

use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Storage, Value};
use omemo_storage_memory::MemoryStorage;

const ACCOUNTS: u128 = 1_000_000;

#[tokio::test]
async fn a_million_accounts_are_listed_page_by_page() {
    let storage = MemoryStorage::new();
    let key = Key::new("p", "i").unwrap();
    for number in 0..ACCOUNTS {
        let account = AccountId::new(&format!("{number}@capulet.lit")).unwrap();
        let mut create = Batch::new(CommitId::from_bytes(number.to_be_bytes()));
        create.put(key.clone(), None, Value::from(Vec::new()));
        assert_eq!(
            storage.commit(&account, &create).await.unwrap(),
            Committed::Applied
        );
    }
    let (mut listed, mut after, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = storage.accounts(after.as_ref(), 1_000).await.unwrap();
        for account in page.entries {
            assert!(listed.insert(account), "listed twice");
        }
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((listed.len() as u128, pages), (ACCOUNTS, 1_000));
}
