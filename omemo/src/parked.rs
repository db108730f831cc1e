//! Operations whose futures were dropped, or that gave up waiting, while their commit was under way. The same request
//! takes them up again; another one for a message of theirs [drives them to their end](crate::unclaimed) first.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo_sansio::engine::Operation;
use omemo_sansio::{EncryptRequest, IncomingMessage};

/// The most operations that are kept; the oldest goes first, and what it would have handed out is lost.
const MAX_PARKED: usize = 1024;

/// The most bytes that their messages may have together: 64 MiB.
const MAX_PARKED_BYTES: usize = 64 << 20;

/// What was asked for, to find the operation again by. Others need no finding: doing them again does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Encrypt(Arc<EncryptRequest>),
    /// Together with writes of the application: either both were committed, or neither. So the other does not take it up.
    EncryptIn(Arc<EncryptRequest>),
    Decrypt(Arc<IncomingMessage>),
    /// Together with writes of the application: either both were committed, or neither. So nobody else drives it.
    DecryptIn(Arc<IncomingMessage>),
    DecryptMany(Arc<[IncomingMessage]>),
    BeginCatchUp,
    /// Never taken up again.
    Repeatable,
}

impl Request {
    /// The messages that it decrypts, if another call may hand them out.
    fn messages(&self) -> &[IncomingMessage] {
        match self {
            Self::Decrypt(message) => std::slice::from_ref(message),
            Self::DecryptMany(page) => page,
            Self::DecryptIn(_)
            | Self::Encrypt(_)
            | Self::EncryptIn(_)
            | Self::BeginCatchUp
            | Self::Repeatable => &[],
        }
    }

    /// Whether what it hands out is let go where it may be for others by now. Not with writes of the application, which hold it
    /// already: to encrypt it anew would write them twice.
    fn is_let_go(&self) -> bool {
        matches!(self, Self::Encrypt(_))
    }

    /// How many bytes it holds, about.
    fn bytes(&self) -> usize {
        match self {
            Self::Encrypt(request) | Self::EncryptIn(request) => {
                request.plaintexts.values().map(|plaintext| plaintext.len()).sum()
            }
            Self::Decrypt(message) | Self::DecryptIn(message) => message.bytes(),
            Self::DecryptMany(page) => page
                .iter()
                .map(IncomingMessage::bytes)
                .fold(0, usize::saturating_add),
            Self::BeginCatchUp | Self::Repeatable => 0,
        }
    }

    /// What it is, for logs.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Encrypt(_) => "encrypt",
            Self::EncryptIn(_) => "encrypt in a transaction",
            Self::Decrypt(_) => "decrypt",
            Self::DecryptIn(_) => "decrypt in a transaction",
            Self::DecryptMany(_) => "decrypt many",
            Self::BeginCatchUp => "begin catch-up",
            Self::Repeatable => "other",
        }
    }
}

/// The operations that wait to be taken up.
#[derive(Default)]
pub(crate) struct Parked(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    operations: VecDeque<(Request, Box<dyn Any + Send>)>,
    /// How often encrypted messages were let go.
    forgotten: u64,
}

impl Waiting {
    fn let_go_of_encrypts(&mut self) {
        self.operations.retain(|(request, _)| !request.is_let_go());
        self.forgotten += 1;
    }

    fn bytes(&self) -> usize {
        let requests = self.operations.iter().map(|(request, _)| request.bytes());
        requests.fold(0, usize::saturating_add)
    }
}

/// While it lives, whom messages are encrypted for is being changed: what was encrypted by then is not handed out afterwards.
#[must_use = "to be held until the change is made"]
pub(crate) struct ForgetsEncrypts<'a>(&'a Parked);

impl Drop for ForgetsEncrypts<'_> {
    fn drop(&mut self) {
        self.0.let_go_of_encrypts();
    }
}

impl Parked {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take<T: 'static>(&self, request: &Request) -> Option<Operation<T>> {
        let operations = &mut self.lock().operations;
        let index = operations.iter().position(|(parked, _)| parked == request)?;
        let (_, operation) = operations.remove(index)?;
        operation.downcast().ok().map(|operation| *operation)
    }

    /// Requests that decrypt one of the messages, but this one.
    pub(crate) fn overlapping(&self, messages: &[IncomingMessage], but: Option<&Request>) -> Vec<Request> {
        let overlaps = |parked: &Request| parked.messages().iter().any(|message| messages.contains(message));
        let waiting = self.lock();
        let requests = waiting.operations.iter().map(|(parked, _)| parked);
        requests
            .filter(|parked| Some(*parked) != but && overlaps(parked))
            .cloned()
            .collect()
    }

    /// Lets go of messages that were encrypted and never handed out, now and once the change is made: whom they were for may
    /// have changed. Their keys are spent, and nothing else is lost.
    pub(crate) fn forget_encrypts(&self) -> ForgetsEncrypts<'_> {
        self.let_go_of_encrypts();
        ForgetsEncrypts(self)
    }

    /// Those that are still being encrypted are not kept either, if they are dropped.
    fn let_go_of_encrypts(&self) {
        self.lock().let_go_of_encrypts();
    }

    /// Keeps an operation that was begun when encrypted messages had been let go so often.
    fn put<T: Send + 'static>(&self, request: Request, operation: Operation<T>, forgotten: u64) {
        let mut waiting = self.lock();
        if request.is_let_go() && waiting.forgotten != forgotten {
            return;
        }
        waiting.operations.push_back((request, Box::new(operation)));
        while waiting.operations.len() > MAX_PARKED
            || (waiting.operations.len() > 1 && waiting.bytes() > MAX_PARKED_BYTES)
        {
            tracing::warn!("an operation that was never taken up again is let go; its result is lost");
            waiting.operations.pop_front();
        }
    }
}

/// An operation that is being driven. Dropped before its end, it is parked if its commit may have gone through.
pub(crate) struct Held<'a, T: Send + 'static> {
    request: Request,
    operation: Option<Operation<T>>,
    parked: &'a Parked,
    /// How often encrypted messages had been let go when it was begun, or taken up.
    forgotten: u64,
    /// Whether its commit may have gone through some time ago.
    is_late: bool,
    /// Whether it may change whom messages are for.
    is_changing: bool,
}

impl<'a, T: Send + 'static> Held<'a, T> {
    /// Takes up the operation that was begun for the same request, or begins one.
    pub(crate) fn new(parked: &'a Parked, request: Request, begin: impl FnOnce() -> Operation<T>) -> Self {
        let forgotten = parked.lock().forgotten;
        let found = if request == Request::Repeatable {
            None
        } else {
            parked.take(&request)
        };
        let is_late = found.is_some();
        let operation = Some(found.unwrap_or_else(begin));
        Self {
            request,
            operation,
            parked,
            forgotten,
            is_late,
            is_changing: false,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.request.kind()
    }

    pub(crate) fn operation(&mut self) -> Option<&mut Operation<T>> {
        self.operation.as_mut()
    }

    /// It has asked for what may change whom messages are for. Those that others have encrypted by now, or encrypt before it
    /// has ended, are let go.
    pub(crate) fn may_change_whom_messages_are_for(&mut self) {
        self.is_changing = true;
        self.let_go_of_others();
    }

    fn let_go_of_others(&mut self) {
        let mut waiting = self.parked.lock();
        let is_current = waiting.forgotten == self.forgotten;
        waiting.let_go_of_encrypts();
        if is_current {
            self.forgotten = waiting.forgotten;
        }
    }

    /// It is not known whether its commit has gone through.
    pub(crate) fn comes_late(&mut self) {
        self.is_late = true;
    }

    /// Whether a message was encrypted before it was decided whom messages are for, and is to be let go.
    pub(crate) fn is_let_go(&self) -> bool {
        self.is_late && self.request.is_let_go() && self.parked.lock().forgotten != self.forgotten
    }

    /// The operation has ended.
    pub(crate) fn finish(&mut self) {
        self.operation = None;
    }
}

impl<T: Send + 'static> Drop for Held<'_, T> {
    fn drop(&mut self) {
        if self.is_changing {
            self.let_go_of_others();
        }
        if let Some(operation) = self.operation.take()
            && operation.is_committing()
            && self.request != Request::Repeatable
        {
            self.parked.put(self.request.clone(), operation, self.forgotten);
        }
    }
}
