//! A storage does what the reference model does, whatever happens.

use omemo_storage::{Batch, Key, Name, Query, Revision, Storage, Value};

use super::tenant::{Tenant, batch, key};

const PARTITIONS: u64 = 3;
const ITEMS: u64 = 4;

/// Makes `steps` random calls on both storages and compares every answer. The same seed makes the same calls.
pub async fn agrees_with_model<S: Storage, M: Storage>(storage: &S, model: &M, seed: u64, steps: usize) {
    let storage = Tenant::new(storage);
    let model = Tenant::named(model, storage.account.as_str());
    let mut dice = Dice(seed);
    let mut sent: Vec<Batch> = Vec::new();
    for step in 0..steps {
        match dice.throw(20) {
            0 => {
                storage.storage.purge(&storage.account).await.unwrap();
                model.storage.purge(&model.account).await.unwrap();
            }
            1 | 2 if !sent.is_empty() => {
                let again = &sent[dice.throw(sent.len() as u64) as usize];
                let expected = model.commit(again).await;
                assert_eq!(
                    storage.commit(again).await,
                    expected,
                    "step {step} of seed {seed}: {again:?}"
                );
            }
            _ => {
                let batch = dice.batch(&sent, &model).await;
                let expected = model.commit(&batch).await;
                assert_eq!(
                    storage.commit(&batch).await,
                    expected,
                    "step {step} of seed {seed}: {batch:?}"
                );
                sent.push(batch);
            }
        }
        let query = dice.query();
        let expected = model.load(&query).await;
        assert_eq!(
            storage.load(&query).await,
            expected,
            "step {step} of seed {seed}: {query:?}"
        );
    }
}

/// Random numbers that a seed decides.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn throw(&mut self, sides: u64) -> u64 {
        // The step and the output function of SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % sides
    }

    fn key(&mut self) -> Key {
        let (partition, item) = (self.throw(PARTITIONS), self.throw(ITEMS));
        key(&format!("p{partition}"), &format!("i{item}"))
    }

    fn query(&mut self) -> Query {
        let mut query = Query::new();
        for _ in 0..self.throw(3) {
            let partition = format!("p{}", self.throw(PARTITIONS));
            query.partitions.insert(Name::new(&partition).unwrap());
        }
        for _ in 0..self.throw(6) {
            query.records.insert(self.key());
        }
        query
    }

    /// A batch that mostly relies on what is there, and sometimes on what was or never was.
    async fn batch<M: Storage>(&mut self, sent: &[Batch], model: &Tenant<'_, M>) -> Batch {
        let mut batch = batch();
        for _ in 0..self.throw(7) {
            let key = self.key();
            let expected = match self.throw(16) {
                0 => None,
                1 if !sent.is_empty() => Some(self.former_revision(sent)),
                _ => model.record(&key).await.map(|record| record.revision),
            };
            match self.throw(4) {
                0 => batch.expect(key, expected),
                1 => batch.delete(key, expected),
                _ => batch.put(key, expected, self.value()),
            }
        }
        batch
    }

    fn former_revision(&mut self, sent: &[Batch]) -> Revision {
        sent[self.throw(sent.len() as u64) as usize].id().into()
    }

    fn value(&mut self) -> Value {
        let length = self.throw(5) * self.throw(200);
        Value::from(vec![self.throw(256) as u8; length as usize])
    }
}
