//! One call after the other, each answered as by the storage in memory.

use std::collections::BTreeMap;

use omemo_storage::blocking::wait;
use omemo_storage::{Batch, Key, Revision, Storage};
use omemo_storage_memory::MemoryStorage;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use super::explore;
use super::program::{Belief, Part, Place, Question, any_part, batch_of};
use crate::storage::behaviours::tenant::Tenant;
use crate::storage::{Capability, Factory};

const PROGRAMS: u32 = 48;
const ACCOUNTS: usize = 2;

/// A step of a program.
#[derive(Clone, Debug)]
enum Step {
    Load(Question),
    Commit(Vec<Part>),
    /// An earlier batch of the same account again, counted backwards.
    Resend(usize),
    List,
    Purge,
    /// The data is opened again, and goes on being used by the new handle alone.
    Reopen,
}

fn any_step(reopens: bool) -> impl Strategy<Value = (usize, Step)> {
    let places = || Place::any(3, 3);
    let step = prop_oneof![
        4 => Question::any(places()).prop_map(Step::Load),
        10 => vec(any_part(places()), 0..7).prop_map(Step::Commit),
        3 => (0..20_usize).prop_map(Step::Resend),
        1 => Just(Step::List),
        1 => Just(Step::Purge),
        1 => Just(if reopens { Step::Reopen } else { Step::List }),
    ];
    (0..ACCOUNTS, step)
}

/// Random programs of loads, commits, resent batches, listings, purges and, with [`Capability::Durable`], reopenings on two
/// accounts: every answer is that of the storage in memory.
pub async fn random_programs_agree_with_the_model<F: Factory>(factory: &F) {
    let reopens = factory.capabilities().has(Capability::Durable);
    explore(PROGRAMS, vec(any_step(reopens), 1..40), |program| {
        wait(play(factory, program))
    });
}

/// What happened to one account.
#[derive(Default)]
struct Past {
    sent: Vec<Batch>,
}

async fn play<F: Factory>(factory: &F, program: Vec<(usize, Step)>) -> Result<(), TestCaseError> {
    let mut storage = factory.open().await.unwrap();
    let model = MemoryStorage::new();
    let accounts: [_; ACCOUNTS] = std::array::from_fn(|_| Tenant::new(&model).account);
    let mut pasts: [Past; ACCOUNTS] = Default::default();
    for (n, step) in program {
        if matches!(step, Step::Reopen) {
            drop(storage);
            storage = factory.open().await.unwrap();
            continue;
        }
        let ours = Tenant::named(&storage, accounts[n].as_str());
        let models = Tenant::named(&model, accounts[n].as_str());
        take(step, &ours, &models, &mut pasts[n]).await?;
    }
    for account in &accounts {
        storage.purge(account).await.unwrap();
    }
    Ok(())
}

async fn take<S: Storage>(
    step: Step,
    ours: &Tenant<'_, S>,
    models: &Tenant<'_, MemoryStorage>,
    past: &mut Past,
) -> Result<(), TestCaseError> {
    match step {
        Step::Load(question) => {
            let query = question.query();
            prop_assert_eq!(ours.load(&query).await.records, models.load(&query).await.records);
        }
        Step::Commit(parts) => {
            let revisions = revisions(models).await;
            let batch = batch_of(&parts, |part| match part.belief {
                Belief::Current => revisions.get(&part.place.key()).copied(),
                Belief::Absent => None,
                Belief::Former(n) => past.sent.iter().rev().nth(n).map(|batch| batch.id().into()),
            });
            prop_assert_eq!(ours.commit(&batch).await, models.commit(&batch).await);
            past.sent.push(batch);
        }
        Step::Resend(n) => {
            if let Some(batch) = past.sent.iter().rev().nth(n) {
                prop_assert_eq!(ours.commit(batch).await, models.commit(batch).await);
            }
        }
        Step::List => prop_assert_eq!(revisions(ours).await, revisions(models).await),
        Step::Purge => {
            ours.storage.purge(&ours.account).await.unwrap();
            models.storage.purge(&models.account).await.unwrap();
        }
        Step::Reopen => prop_assert!(false, "handles are opened elsewhere"),
    }
    Ok(())
}

/// Every record of the account as it is listed.
async fn revisions<S: Storage>(tenant: &Tenant<'_, S>) -> BTreeMap<Key, Revision> {
    let page = tenant.storage.records(&tenant.account, None, 100).await.unwrap();
    page.entries
        .into_iter()
        .map(|info| (info.key, info.revision))
        .collect()
}
