//! The behaviours, each with what it needs and with the cleaning afterwards.

use std::future::Future;
use std::pin::Pin;

use super::behaviours;
use super::factory::{Capability, Factory};
use super::tidy::Tidy;

/// How a case ended that did not panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The storage behaved.
    Passed,
    /// The factory lacks what the behaviour needs.
    NotApplicable(Capability),
}

/// A behaviour of the list.
pub(super) struct Case<F> {
    pub(super) name: &'static str,
    pub(super) needs: &'static [Capability],
    pub(super) act: for<'a> fn(&'a Tidy<F>) -> Act<'a>,
}

/// A behaviour under way.
type Act<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl<F: Factory> Case<F> {
    /// The first thing that the factory lacks and the behaviour needs.
    pub(super) fn lacks(&self, factory: &F) -> Option<Capability> {
        let capabilities = factory.capabilities();
        self.needs
            .iter()
            .copied()
            .find(|needed| !capabilities.has(*needed))
    }
}

async fn end<F: Factory>(factory: F, case: Case<F>) -> Ended {
    if let Some(lacking) = case.lacks(&factory) {
        println!("{}: not applicable: capability {lacking} absent", case.name);
        return Ended::NotApplicable(lacking);
    }
    let tidy = Tidy::new(factory);
    (case.act)(&tidy).await;
    tidy.clean().await;
    Ended::Passed
}

macro_rules! cases {
    ($($behaviour:ident ($kind:ident $(, $needed:ident)*))*) => {
        $(
            #[doc = concat!("[`", stringify!($behaviour), "`](behaviours::", stringify!($behaviour), ") on a factory.")]
            ///
            /// # Panics
            ///
            /// If the storage does not behave, or something is left of it after purging.
            pub async fn $behaviour<F: Factory>(factory: F) -> Ended {
                end(factory, Case {
                    name: stringify!($behaviour),
                    needs: &[$(Capability::$needed),*],
                    act: |tidy| Box::pin(async move { act!($kind, $behaviour, tidy) }),
                }).await
            }
        )*

        /// What they are called.
        pub(super) const NAMES: &[&str] = &[$(stringify!($behaviour)),*];

        /// All of them.
        pub(super) fn all<F: Factory>() -> Vec<Case<F>> {
            vec![$(Case {
                name: stringify!($behaviour),
                needs: &[$(Capability::$needed),*],
                act: |tidy| Box::pin(async move { act!($kind, $behaviour, tidy) }),
            }),*]
        }
    };
}

macro_rules! act {
    (storage, $behaviour:ident, $tidy:ident) => {
        behaviours::$behaviour(&$tidy.open().await.unwrap()).await
    };
    (factory, $behaviour:ident, $tidy:ident) => {
        behaviours::$behaviour($tidy).await
    };
}

crate::for_each_behaviour!(cases! {});
