//! How operations run, commit and end.

use super::*;

#[test]
fn an_operation_without_end_is_ended() {
    let mut driven = Driven::<()>::new(|view, _, run| {
        view.require([key(&format!("{run}"))])?;
        Err(Stop::Need)
    });
    for run in 0..1_000 {
        driven.loads(&[&format!("{run}")], &[]);
    }
    assert!(matches!(driven.end(), Err(Error::Internal(_))));
    assert_eq!(driven.runs.count(), 1_000);
}

#[test]
fn an_operation_tells_when_it_is_committing_and_what_will_come_of_it() {
    let mut driven = writer();
    assert!(!driven.operation.is_committing() && driven.operation.outcome().is_none());
    assert_eq!(
        format!("{:?}", driven.operation),
        "Operation(gathering, 0 effects open)"
    );
    drop(driven.effect());
    assert!(!driven.operation.is_committing());
    driven.loads(&["a", "b"], &[("a", record(7, 1))]);
    assert!(!driven.operation.is_committing() && driven.operation.outcome().is_none());
    let (store, reply) = driven.stores();
    assert!(driven.operation.is_committing());
    assert_eq!(driven.operation.outcome(), Some(&1));
    assert_eq!(
        format!("{:?}", driven.operation),
        "Operation(committing, 1 effects open)"
    );
    assert_eq!(
        writes(&store.batch),
        [("a", &Write::Keep), ("b", &Write::Put(Number(8).encode()))].into()
    );
    driven.answer(reply, Ok(Committed::Applied));
    assert!(!driven.operation.is_committing() && driven.operation.outcome().is_none());
    assert_eq!(
        format!("{:?}", driven.operation),
        "Operation(ended, 0 effects open)"
    );
    assert_eq!(driven.end().unwrap(), 1);
    assert_eq!(
        format!("{:?}", driven.operation),
        "Operation(over, 0 effects open)"
    );
    assert!(matches!(driven.end(), Err(Error::Internal(_))));
}

#[test]
fn after_a_conflict_the_function_runs_on_fresh_state() {
    let mut driven = writer();
    driven.loads(&["a", "b"], &[("a", record(7, 1))]);
    let (first, reply) = driven.stores();
    driven.answer(reply, Ok(Committed::Conflict));
    driven.loads(&["a", "b"], &[("a", record(8, 2)), ("b", record(8, 2))]);
    let (second, reply) = driven.stores();
    assert_ne!(first.batch.id(), second.batch.id());
    assert_eq!(writes(&second.batch)["b"], &Write::Put(Number(9).encode()));
    driven.answer(reply, Ok(Committed::Applied));
    assert!(driven.end().is_ok());
}

/// Its answer was lost, and the storage has forgotten that it had applied it.
#[test]
fn a_commit_that_conflicts_with_itself_was_applied() {
    let mut driven = writer();
    driven.loads(&["a", "b"], &[]);
    let (first, reply) = driven.stores();
    driven.answer(reply, Err(unknown()));
    assert!(driven.operation.is_committing());
    let (again, reply) = driven.stores();
    assert_eq!((first.unknown_outcomes, again.unknown_outcomes), (0, 1));
    assert_eq!(first.batch.id(), again.batch.id());
    driven.answer(reply, Ok(Committed::Conflict));
    assert_eq!(driven.operation.outcome(), Some(&1));
    // Nobody answers at first: still unknown.
    let Effect::Load(_, reply) = driven.effect() else {
        panic!("it does not look")
    };
    assert!(driven.operation.is_committing());
    driven.operation.fulfil(reply, Err(unknown())).unwrap();
    let ours = Record {
        revision: Revision::from(first.batch.id()),
        value: Number(1).encode(),
    };
    driven.loads(&["b"], &[("b", ours)]);
    assert_eq!(driven.end().unwrap(), 1);
    assert_eq!(driven.runs.count(), 2);
}

#[test]
fn a_commit_whose_answer_was_lost_may_meet_the_conflict_of_another() {
    let mut driven = writer();
    driven.loads(&["a", "b"], &[]);
    let (_, reply) = driven.stores();
    driven.answer(reply, Err(unknown()));
    let (_, reply) = driven.stores();
    driven.answer(reply, Ok(Committed::Conflict));
    driven.loads(&["b"], &[("b", record(5, 5))]);
    driven.loads(&["a", "b"], &[("b", record(5, 5))]);
    let (third, reply) = driven.stores();
    assert_eq!(third.unknown_outcomes, 0);
    driven.answer(reply, Ok(Committed::Conflict));
    driven.loads(&["a", "b"], &[]);
}

/// Once an answer was lost, that of another kind does not tell that nothing was applied.
#[test]
fn a_failure_after_a_lost_answer_ends_nothing() {
    let unavailable = || StorageError::new(ErrorKind::Unavailable, "it is down");
    let mut driven = writer();
    driven.loads(&["a", "b"], &[]);
    let (_, reply) = driven.stores();
    driven.answer(reply, Err(unknown()));
    for unknown_outcomes in 1..4 {
        let (store, reply) = driven.stores();
        assert_eq!(store.unknown_outcomes, unknown_outcomes);
        driven.answer(reply, Err(unavailable()));
    }
    let (_, reply) = driven.stores();
    driven.answer(reply, Ok(Committed::Applied));
    assert!(driven.end().is_ok());

    let mut driven = writer();
    driven.loads(&["a", "b"], &[]);
    let (_, reply) = driven.stores();
    driven.answer(reply, Err(unavailable()));
    assert!(matches!(driven.end(), Err(Error::Storage(_))));
}

/// A batch that is too large was so the first time, and nobody asks an application about a batch that was applied.
#[test]
fn a_failure_that_tells_that_nothing_was_applied_ends_it_though_an_answer_was_lost() {
    for kind in [ErrorKind::TooLarge, ErrorKind::Companion] {
        let mut driven = writer();
        driven.loads(&["a", "b"], &[]);
        let (_, reply) = driven.stores();
        driven.answer(reply, Err(unknown()));
        let (_, reply) = driven.stores();
        driven.answer(reply, Err(StorageError::new(kind, "it is refused")));
        assert!(matches!(driven.end(), Err(Error::Storage(_))));
    }
}

#[test]
fn an_operation_gives_up_after_so_many_conflicts_in_a_row() {
    // The first commit is a checkpoint: whoever has come so far begins to count again.
    let mut driven = Driven::new(|view, _, run| {
        view.require([key("a")])?;
        let number = run.try_into().unwrap_or(u8::MAX);
        view.put(&key("a"), Number(number))?;
        if run == 3 { Err(Stop::Checkpoint) } else { Ok(()) }
    });
    let conflict = |driven: &mut Driven<()>| {
        driven.loads(&["a"], &[]);
        let (_, reply) = driven.stores();
        driven.answer(reply, Ok(Committed::Conflict));
    };
    conflict(&mut driven);
    driven.loads(&["a"], &[]);
    let (_, reply) = driven.stores();
    driven.answer(reply, Ok(Committed::Applied));
    // What was committed is known.
    let (_, reply) = driven.stores();
    driven.answer(reply, Ok(Committed::Conflict));
    for _ in 0..MAX_ATTEMPTS - 1 {
        conflict(&mut driven);
    }
    let Err(Error::Contention { attempts }) = driven.end() else {
        panic!("it does not give up")
    };
    assert_eq!(attempts, MAX_ATTEMPTS);
}

#[test]
fn an_effect_that_was_not_answered_is_issued_again() {
    let mut driven = writer();
    let Effect::Load(first, _) = driven.effect() else {
        panic!()
    };
    let Effect::Load(second, reply) = driven.effect() else {
        panic!()
    };
    assert_eq!(first.query.records, second.query.records);
    driven.operation.fulfil(reply, Ok(Snapshot::default())).unwrap();
    // A batch that was issued twice may have been applied the first time.
    let (first, _) = driven.stores();
    let (second, reply) = driven.stores();
    assert_eq!((first.unknown_outcomes, second.unknown_outcomes), (0, 1));
    driven.answer(reply, Ok(Committed::Conflict));
    driven.loads(&["b"], &[]);
}

#[test]
fn what_is_answered_twice_or_by_another_is_refused() {
    let (mut one, mut other) = (writer(), writer());
    let Effect::Load(_, foreign) = one.effect() else {
        panic!()
    };
    drop(other.effect());
    let refused = other.operation.fulfil(foreign, Ok(Snapshot::default()));
    assert!(refused.is_err());
    let (Effect::Load(_, first), Effect::Load(_, second)) = (other.effect(), other.effect()) else {
        panic!()
    };
    assert!(other.operation.fulfil(first, Ok(Snapshot::default())).is_ok());
    assert!(other.operation.fulfil(second, Ok(Snapshot::default())).is_err());
}

/// What ends without a write is believed if it rests on one snapshot of the storage, and validated otherwise.
#[test]
fn what_rests_on_several_snapshots_is_validated() {
    let reader = |loads: u32| {
        Driven::new(move |view: &mut View, _: &mut Env<'_>, _| {
            for load in 0..loads {
                view.require([key(&format!("{load}"))])?;
                drop(view.read::<Number>(&key(&format!("{load}")))?);
            }
            Ok(())
        })
    };
    let mut driven = reader(1);
    driven.loads(&["0"], &[("0", record(1, 1))]);
    assert!(driven.end().is_ok());

    let mut driven = reader(2);
    driven.loads(&["0"], &[("0", record(1, 1))]);
    driven.loads(&["1"], &[]);
    let (store, reply) = driven.stores();
    assert_eq!(
        writes(&store.batch),
        [("0", &Write::Keep), ("1", &Write::Keep)].into()
    );
    driven.answer(reply, Ok(Committed::Applied));
    assert!(driven.end().is_ok());

    // A cache may be behind, in whichever load it has answered.
    let mut driven = reader(1);
    let Effect::Load(_, reply) = driven.effect() else {
        panic!()
    };
    let snapshot = Snapshot {
        from_cache: true,
        ..Snapshot::default()
    };
    driven.operation.fulfil(reply, Ok(snapshot)).unwrap();
    drop(driven.stores());
}

#[test]
fn all_that_a_run_lacks_is_asked_for_at_once() {
    let request = |device| DownloadBundle {
        namespace: Namespace::OMEMO_2,
        jid: BareJid::new("romeo@montague.lit").unwrap(),
        device: DeviceId::new(device),
    };
    let mut driven = Driven::new(move |view, _, _| {
        view.want(key("a"));
        let bundles = [1, 2].map(|device| view.bundle(request(device)).is_some());
        view.settle()?;
        Ok(bundles)
    });
    let Step::Perform(effects) = driven.advance() else {
        panic!()
    };
    assert_eq!(effects.len(), 3);
    for effect in effects {
        let operation = &mut driven.operation;
        match effect {
            Effect::Load(_, reply) => operation.fulfil(reply, Ok(Snapshot::default())).unwrap(),
            Effect::DownloadBundle(_, reply) => operation.fulfil(reply, Ok(None)).unwrap(),
            _ => panic!("nobody has asked for it"),
        }
    }
    assert_eq!(driven.end().unwrap(), [true, true]);
}

#[test]
fn what_was_read_for_the_last_batch_is_left_over() {
    let mut driven = writer();
    driven.loads(&["a", "b"], &[("a", record(7, 1))]);
    let (_, reply) = driven.stores();
    drop(driven.operation.take_leftovers());
    driven.answer(reply, Ok(Committed::Conflict));
    // Anew, as after any conflict.
    driven.loads(&["a", "b"], &[("a", record(9, 2))]);
    let (store, reply) = driven.stores();
    drop(driven.operation.take_leftovers());
    assert_eq!(
        writes(&store.batch),
        [("a", &Write::Keep), ("b", &Write::Put(Number(10).encode()))].into()
    );
    driven.answer(reply, Ok(Committed::Applied));
    assert_eq!(driven.end().unwrap(), 3);
}

#[test]
fn what_a_run_after_a_checkpoint_needs_is_not_left_over() {
    let mut driven = Driven::new(|view, _, run| {
        view.require([key("a")])?;
        if run < 2 {
            view.put(&key("a"), Number(5))?;
            return Err(Stop::Checkpoint);
        }
        Ok(view.read::<Number>(&key("a"))?.map(|number| number.0))
    });
    driven.loads(&["a"], &[]);
    let (_, reply) = driven.stores();
    drop(driven.operation.take_leftovers());
    driven.answer(reply, Ok(Committed::Applied));
    assert_eq!(driven.end().unwrap(), Some(5));
}
