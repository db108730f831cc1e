//! Listing and removing what is stored.

use std::collections::BTreeSet;

use omemo_storage::{AccountId, Committed, Cursor, Key, RecordInfo, Storage};

use super::tenant::{Tenant, batch, key, text};

/// With more accounts than this in the storage already, only large pages are asked for.
const FEW: usize = 2_000;

/// Following the cursors leads through every one of hundreds of accounts once; accounts without records are not among
/// them. Pages of 1, 2 and 3 are asked for where the storage holds few accounts but these.
pub async fn accounts_are_listed_page_by_page<S: Storage>(storage: &S) {
    let tenants: Vec<_> = (0..300).map(|_| Tenant::new(storage)).collect();
    for tenant in &tenants {
        let mut create = batch();
        for item in ["a", "b", "c"] {
            create.put(key("p", item), None, text("value"));
            create.put(key("q", item), None, text("value"));
        }
        assert_eq!(tenant.commit(&create).await, Committed::Applied);
    }
    let empty = Tenant::new(storage);
    let revision = empty.put(&key("p", "i"), None, "value").await;
    empty.delete(&key("p", "i"), revision).await;

    let mut limits = vec![1_000, 300, 299];
    if all_accounts(storage, 1_000).await.len() < FEW {
        limits.extend([1, 2, 3]);
    }
    for limit in limits {
        let listed = all_accounts(storage, limit).await;
        let distinct: BTreeSet<_> = listed.iter().collect();
        assert_eq!(distinct.len(), listed.len(), "listed twice, in pages of {limit}");
        for tenant in &tenants {
            assert!(
                distinct.contains(&tenant.account),
                "not listed, in pages of {limit}"
            );
        }
        assert!(!distinct.contains(&empty.account), "listed without a record");
    }
}

/// Accounts that come and go while somebody follows the cursors, also the very one a page ended with, keep no other from
/// being listed once.
pub async fn listing_bears_accounts_that_come_and_go<S: Storage>(storage: &S) {
    let key = key("p", "i");
    let (mut kept, mut gone) = (BTreeSet::new(), Vec::new());
    for n in 0..60 {
        let tenant = Tenant::new(storage);
        tenant.put(&key, None, "value").await;
        if n % 2 == 0 {
            kept.insert(tenant.account);
        } else {
            gone.push(tenant.account);
        }
    }
    let (mut seen, mut after): (Vec<AccountId>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = storage.accounts(after.as_ref(), 7).await.unwrap();
        if let Some(last) = page.entries.last()
            && let Some(at) = gone.iter().position(|account| account == last)
        {
            storage.purge(&gone.swap_remove(at)).await.unwrap();
        }
        if let Some(going) = gone.pop() {
            storage.purge(&going).await.unwrap();
            Tenant::new(storage).put(&key, None, "value").await;
        }
        seen.extend(page.entries.into_iter().filter(|account| kept.contains(account)));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), kept.len());
    assert_eq!(BTreeSet::from_iter(seen), kept);
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
