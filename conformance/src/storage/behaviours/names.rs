//! Names are compared byte by byte, and accounts are worlds apart.

use std::collections::BTreeSet;

use omemo_storage::{AccountId, Committed, InvalidName, Key, MAX_NAME, Name, Query, Storage};

use super::tenant::{Tenant, batch, key, random_letters, readable, text};

/// Names that a careless storage takes for one another. A list: hence its length.
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
        ".",
        "..",
        "../name",
        "name/..",
        "name.",
        "name\n",
        "name\r\n",
        "name\u{a0}",
        "{",
        "}",
        "{}",
        "{n}ame",
        "{name}x",
        "na{me}",
        "na}me{",
        "na|me",
        "na,me",
        "na;me",
        "na=me",
        "na#me",
        "na$me",
        "$1",
        "na%00me",
        "n%61me",
        "na[m]e",
        "nam\u{b5}",
        "nam\u{3bc}",
        "\u{c5}",
        "\u{212b}",
        "A\u{30a}",
        "fi",
        "\u{fb01}",
        "\u{1100}\u{1161}",
        "\u{ac00}",
        "\u{7f}",
        "\u{10ffff}",
    ];
    let long = [
        jid.clone(),
        format!("{jid}k"),
        jid[1..].to_owned(),
        format!("{jid}K"),
        jid.to_uppercase(),
    ];
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

/// Names of the greatest length, and the longest JID, in all three places at once: of random letters that no index can
/// compress, of one letter, and of characters that have several bytes. They differ in the last byte alone.
pub async fn longest_names_are_kept<S: Storage>(storage: &S) {
    for length in [3_071, MAX_NAME] {
        for filling in [
            random_letters(length),
            "j".repeat(length),
            "\u{1f980}".repeat(length / 4 - 1),
        ] {
            let mut long = Tenant::new(storage).account.as_str().to_owned();
            for letter in filling.chars() {
                if long.len() + letter.len_utf8() < length {
                    long.push(letter);
                }
            }
            long.push_str(&"x".repeat(length - 1 - long.len()));
            names_are_kept(storage, &long).await;
        }
    }
}

async fn names_are_kept<S: Storage>(storage: &S, long: &str) {
    let [a, b] = ["a", "b"].map(|last| format!("{long}{last}"));
    let tenants = [&a, &b].map(|name| Tenant::named(storage, name));
    let keys = [key(&a, &a), key(&a, &b), key(&b, &a), key(&b, &b)];
    for (n, tenant) in tenants.iter().enumerate() {
        for (m, key) in keys.iter().enumerate() {
            let revision = tenant.put(key, None, "to be replaced").await;
            tenant.put(key, Some(revision), &format!("{n}{m}")).await;
        }
    }
    for (n, tenant) in tenants.iter().enumerate() {
        for (m, key) in keys.iter().enumerate() {
            assert_eq!(tenant.value(key).await, Some(format!("{n}{m}")));
        }
        let loaded: Vec<Key> = tenant.partition(&a).await.into_keys().collect();
        assert_eq!(loaded, keys[..2]);
        let listed = storage.records(&tenant.account, None, 10).await.unwrap().entries;
        assert_eq!(listed.len(), keys.len());
        assert!(keys.iter().all(|key| listed.iter().any(|info| info.key == *key)));
    }
    storage.purge(&tenants[0].account).await.unwrap();
    assert!(tenants[0].partition(&a).await.is_empty());
    assert_eq!(tenants[1].partition(&a).await.len(), 2);
}

/// Where one name ends and the next begins, no separator can blur.
pub async fn names_do_not_run_into_one_another<S: Storage>(storage: &S) {
    let separators = [
        "",
        "/",
        ":",
        "|",
        ".",
        " ",
        "\n",
        "\u{1}",
        "\u{1f}",
        "\\",
        "}:{",
        "}{",
        "\u{10ffff}",
    ];
    let base = Tenant::new(storage).account;
    for separator in separators {
        let accounts = [base.to_string(), format!("{base}{separator}a")];
        let mut keys = BTreeSet::new();
        for (partition, item) in [("b", "c"), ("a", "b"), ("a", "c")] {
            keys.insert(key(partition, item));
            keys.insert(key(&format!("a{separator}{partition}"), item));
            keys.insert(key(partition, &format!("b{separator}{item}")));
        }
        for account in &accounts {
            let tenant = Tenant::named(storage, account);
            let mut create = batch();
            for key in &keys {
                create.put(key.clone(), None, text(&format!("{account} {key:?}")));
            }
            assert_eq!(tenant.commit(&create).await, Committed::Applied, "{separator:?}");
        }
        for account in &accounts {
            let tenant = Tenant::named(storage, account);
            for key in &keys {
                assert_eq!(
                    tenant.value(key).await,
                    Some(format!("{account} {key:?}")),
                    "{separator:?}"
                );
            }
            storage.purge(&tenant.account).await.unwrap();
        }
    }
}

/// A name that no storage has to keep cannot be made: empty, with a NUL, or longer than any.
pub async fn impossible_names_are_refused<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    assert_eq!(Name::new(""), Err(InvalidName::Empty));
    assert_eq!(Name::new("na\0me"), Err(InvalidName::Nul));
    let too_long = "n".repeat(MAX_NAME + 1);
    assert_eq!(Name::new(&too_long), Err(InvalidName::TooLong(MAX_NAME + 1)));
    for name in ["", "\0", "name\0", &too_long] {
        assert!(AccountId::new(name).is_err());
        assert!(Key::new(name, "item").is_err());
        assert!(Key::new("partition", name).is_err());
    }
    // The one that is just possible is kept.
    let longest = key(&too_long[1..], &too_long[1..]);
    tenant.put(&longest, None, "value").await;
    assert_eq!(tenant.value(&longest).await.as_deref(), Some("value"));
}

/// What one account writes, no other sees, expects or deletes, however alike their names are.
pub async fn accounts_are_isolated<S: Storage>(storage: &S) {
    let base = Tenant::new(storage).account;
    let suffixes = [
        "", " ", "/", "%", "_", "*", "?", "X", "x", "}", "{", "{}", "\u{301}", "\u{e9}", "e\u{301}", "/phone",
    ];
    let mut near: Vec<String> = suffixes.iter().map(|suffix| format!("{base}{suffix}")).collect();
    near.extend([
        base.as_str().to_uppercase(),
        format!("{{{base}}}a"),
        format!("{{{base}}}b"),
        format!(" {base}"),
    ]);
    let tenants: Vec<_> = near.iter().map(|name| Tenant::named(storage, name)).collect();
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

    let (first, rest) = tenants.split_first().unwrap();
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
