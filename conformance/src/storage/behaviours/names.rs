//! Names are compared byte by byte, and accounts are worlds apart.

use omemo_storage::{Committed, Key, MAX_NAME, Name, Query, Storage};

use super::tenant::{Tenant, batch, key, readable, text};

/// Names that a careless storage takes for one another.
fn similar_names() -> Vec<String> {
    let jid = "j".repeat(3_071);
    let names = [
        "name",
        "nam",
        "namee",
        "name ",
        " name",
        "Name",
        "NAME",
        "n%",
        "%",
        "_",
        "_ame",
        "*",
        "n*",
        "?",
        "[a-z]",
        "na'me",
        "na\"me",
        "na`me",
        "na\\me",
        "na\\\\me",
        "'; DROP TABLE omemo_record; --",
        "na:me",
        "{name}",
        "na/me",
        "/",
        "//",
        "na\nme",
        "na\tme",
        "na\u{1}me",
        "é",
        "e\u{301}",
        "É",
        "ß",
        "ss",
        "ſ",
        "K",
        "\u{212a}",
        "İ",
        "i",
        "I",
        "ı",
        "\u{feff}name",
        "name\u{200b}",
        "名",
        "🦀",
        "null",
        "0",
        "00",
        "1",
        "1.0",
        "true",
    ];
    let long = [jid.clone(), format!("{jid}k"), jid[1..].to_owned()];
    names.map(str::to_owned).into_iter().chain(long).collect()
}

/// Prefixes, other case, wildcards, quotes, other normal forms, numbers: each names a record of its own.
pub async fn similar_names_are_different_records<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let names = similar_names();
    let mut create = batch();
    for name in &names {
        create.put(key(name, "item"), None, text(name));
        create.put(key("partition", name), None, text(name));
    }
    assert_eq!(create.stakes().len(), 2 * names.len());
    assert_eq!(tenant.commit(&create).await, Committed::Applied);

    assert_eq!(tenant.partition("partition").await.len(), names.len());
    for name in &names {
        let partition: Vec<_> = tenant.partition(name).await.into_iter().collect();
        assert_eq!(partition.len(), 1, "{name:?}");
        let (loaded, record) = &partition[0];
        assert_eq!(
            (loaded, readable(&record.value)),
            (&key(name, "item"), name.clone())
        );
        assert_eq!(tenant.value(&key("partition", name)).await.as_ref(), Some(name));
    }

    // An expectation looks at its own record, whichever similar ones there are.
    for name in &names {
        for key in [key("one by one", name), key(name, "one by one")] {
            let revision = tenant.put(&key, None, name).await;
            tenant.put(&key, Some(revision), name).await;
        }
    }

    for name in &names {
        tenant.delete(&key("partition", name), create.id().into()).await;
        assert_eq!(tenant.record(&key("partition", name)).await, None);
    }
    assert!(tenant.partition("partition").await.is_empty());
}

/// Names of the greatest length, and the longest JID, in all three places at once.
pub async fn longest_names_are_kept<S: Storage>(storage: &S) {
    for length in [3_071, MAX_NAME] {
        // The account's name must be new, and its bytes no easy prey for compression.
        let mut long: String = (0..length)
            .map(|n| char::from(b'!' + (n * n % 89) as u8))
            .collect();
        let fresh = Tenant::new(storage);
        long.replace_range(..fresh.account.as_str().len(), fresh.account.as_str());
        let tenant = Tenant::named(storage, &long);
        let [a, b] = ["a", "b"].map(|last| format!("{}{last}", &long[..length - 1]));
        let keys = [key(&a, &a), key(&a, &b), key(&b, &a), key(&b, &b)];
        for key in &keys {
            tenant.put(key, None, &key.item.as_str()[length - 1..]).await;
        }
        for key in &keys {
            let last = tenant.value(key).await.unwrap();
            assert!(key.item.as_str().ends_with(&last));
        }
        let loaded: Vec<Key> = tenant.partition(&a).await.into_keys().collect();
        assert_eq!(loaded, keys[..2]);
    }
}

/// What one account writes, no other sees, expects or deletes, however alike their names are.
pub async fn accounts_are_isolated<S: Storage>(storage: &S) {
    let base = Tenant::new(storage).account;
    let near = ["", " ", "/", "%", "_", "X", "x", "\u{301}"].map(|suffix| format!("{base}{suffix}"));
    let tenants = near.map(|name| Tenant::named(storage, &name));
    let key = key("p", "i");
    for tenant in &tenants {
        assert_eq!(tenant.record(&key).await, None);
        tenant.put(&key, None, tenant.account.as_str()).await;
    }

    let mut query = Query::new();
    query.records.insert(key.clone());
    query.partitions.insert(Name::new("p").unwrap());
    for tenant in &tenants {
        let partition: Vec<_> = tenant.partition("p").await.into_values().collect();
        assert_eq!(partition.len(), 1);
        assert_eq!(partition[0].value, text(tenant.account.as_str()));
        assert_eq!(tenant.load(&query).await.records.len(), 1);
        assert_eq!(tenant.value(&key).await.as_deref(), Some(tenant.account.as_str()));
    }

    let [first, rest @ ..] = &tenants;
    let revision = first.record(&key).await.unwrap().revision;
    let mut foreign = batch();
    foreign.delete(key.clone(), Some(revision));
    assert_eq!(rest[0].commit(&foreign).await, Committed::Conflict);
    first.delete(&key, revision).await;
    assert!(first.load(&query).await.records.is_empty());
    for tenant in rest {
        assert!(tenant.record(&key).await.is_some());
    }
}
