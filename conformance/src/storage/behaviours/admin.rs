//! Listing and removing what is stored.

use std::collections::BTreeSet;

use omemo_storage::{AccountId, Committed, Cursor, Key, RecordInfo, Storage};

use super::tenant::{Tenant, batch, key, text};

/// Following the cursors leads through every account once; accounts without records are not among them.
pub async fn accounts_are_listed_page_by_page<S: Storage>(storage: &S) {
    let tenants: Vec<_> = (0..7).map(|_| Tenant::new(storage)).collect();
    for tenant in &tenants {
        for item in ["a", "b", "c"] {
            tenant.put(&key("p", item), None, "value").await;
        }
    }
    let empty = Tenant::new(storage);
    let revision = empty.put(&key("p", "i"), None, "value").await;
    empty.delete(&key("p", "i"), revision).await;

    for limit in [1, 2, 3, 1_000] {
        let listed = all_accounts(storage, limit).await;
        for tenant in &tenants {
            let times = listed.iter().filter(|name| **name == tenant.account).count();
            assert_eq!(times, 1);
        }
        assert!(!listed.contains(&empty.account));
    }
}

async fn all_accounts<S: Storage>(storage: &S, limit: usize) -> Vec<AccountId> {
    let (mut listed, mut after): (_, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = storage.accounts(after.as_ref(), limit).await.unwrap();
        assert!(page.entries.len() <= limit);
        listed.extend(page.entries);
        match page.next {
            Some(next) => after = Some(next),
            None => return listed,
        }
    }
}

/// Following the cursors leads through every record of the account once, with its size and revision.
pub async fn records_are_listed_page_by_page<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let other = Tenant::new(storage);
    other.put(&key("p", "i"), None, "of someone else").await;
    assert!(all_records(&tenant, 10).await.is_empty());

    let mut expected = BTreeSet::new();
    let mut create = batch();
    for partition in ["p", "p/q", "é\"%", "z"] {
        for item in ["a", "a/b", "'", "i"] {
            let key = key(partition, item);
            create.put(key.clone(), None, text(item));
            expected.insert((key, item.len()));
        }
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);

    for limit in [1, 3, 16, 17] {
        let listed = all_records(&tenant, limit).await;
        assert!(listed.iter().all(|info| info.revision == create.id().into()));
        let listed: Vec<(Key, usize)> = listed.into_iter().map(|info| (info.key, info.bytes)).collect();
        assert_eq!(listed.len(), expected.len());
        assert_eq!(BTreeSet::from_iter(listed), expected);
    }
}

async fn all_records<S: Storage>(tenant: &Tenant<'_, S>, limit: usize) -> Vec<RecordInfo> {
    let (mut listed, mut after): (_, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = tenant.storage.records(&tenant.account, after.as_ref(), limit);
        let page = page.await.unwrap();
        assert!(page.entries.len() <= limit);
        listed.extend(page.entries);
        match page.next {
            Some(next) => after = Some(next),
            None => return listed,
        }
    }
}

/// A purge leaves nothing of the account and everything of the others.
pub async fn purge_removes_one_account_whole<S: Storage>(storage: &S) {
    let base = Tenant::new(storage).account;
    let [purged, kept] = ["", "x"].map(|suffix| Tenant::named(storage, &format!("{base}{suffix}")));
    for tenant in [&purged, &kept] {
        for partition in ["p", "q"] {
            for item in ["a", "b"] {
                tenant.put(&key(partition, item), None, "value").await;
            }
        }
    }
    storage.purge(&purged.account).await.unwrap();
    assert!(all_records(&purged, 10).await.is_empty());
    assert!(purged.partition("p").await.is_empty());
    assert_eq!(all_records(&kept, 10).await.len(), 4);
    let accounts = all_accounts(storage, 1_000).await;
    assert!(!accounts.contains(&purged.account));
    assert!(accounts.contains(&kept.account));

    storage.purge(&purged.account).await.unwrap();
}

/// After a purge the account can be used like a new one; not even its commits are remembered.
pub async fn purged_account_starts_afresh<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let mut create = batch();
    create.put(key.clone(), None, text("created"));
    for _ in 0..2 {
        assert_eq!(tenant.commit(&create).await, Committed::Applied);
        assert_eq!(tenant.value(&key).await.as_deref(), Some("created"));
        storage.purge(&tenant.account).await.unwrap();
        assert_eq!(tenant.record(&key).await, None);
    }
}
