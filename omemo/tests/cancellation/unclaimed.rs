//! What a dropped call has read is handed out once, however many calls ask for it at the same time.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{Error, IncomingMessage};
use omemo_storage_memory::MemoryStorage;

use super::common::{Device, jid, open, open_on, text};
use super::damage::damage;
use super::hesitant::Hesitant;
use super::next_message;

/// More than a call is ever pending that waits for nobody.
pub(super) const MOST: usize = 8;

/// After so many polls a call has committed and was not told yet.
pub(super) const DURING_COMMIT: usize = 4;

/// Polls a future at most so many times, and lets it go on waiting; its output, if it has come to its end.
pub(super) fn poll<F: Future>(future: &mut Pin<&mut F>, polls: usize) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

struct Pair {
    server: Server,
    romeo: Device,
    juliet: Device<Hesitant<MemoryStorage>>,
}

impl Pair {
    fn new() -> Self {
        let server = Server::new();
        Self {
            romeo: open(&server, "romeo@montague.lit", "phone"),
            juliet: open_on(
                &server,
                "juliet@capulet.lit",
                "phone",
                Hesitant::new(MemoryStorage::new()),
            ),
            server,
        }
    }

    fn messages<const N: usize>(&self, texts: [&str; N]) -> [IncomingMessage; N] {
        texts.map(|text| {
            self.romeo.send(&[&jid("juliet@capulet.lit")], text);
            next_message(&self.juliet.connection)
        })
    }

    fn read(&self, message: &IncomingMessage) -> Option<String> {
        text(&self.juliet.decrypt(message.clone()).unwrap())
    }
}

/// The call that drives the dropped page is dropped too, while another one waits for it.
#[test]
fn who_drives_a_dropped_page_may_be_dropped_while_others_ask_for_its_messages() {
    let pair = Pair::new();
    let mut waited = 0;
    for (dropped_after, driven_for) in (0..MOST).flat_map(|polls| (0..MOST).map(move |more| (polls, more))) {
        let page = pair.messages(["one", "two"]);
        let client = &pair.juliet.client;
        if poll(&mut pin!(client.decrypt_many(page.to_vec())), dropped_after).is_some() {
            continue;
        }
        {
            let mut second = pin!(client.decrypt(page[1].clone()));
            {
                let mut first = pin!(client.decrypt(page[0].clone()));
                if let Some(first) = poll(&mut first, driven_for) {
                    assert_eq!(text(&first.unwrap()).as_deref(), Some("one"));
                    continue;
                }
                waited += usize::from(poll(&mut second, 1).is_none());
            }
            let second = text(&wait(second).unwrap());
            assert_eq!(second.as_deref(), Some("two"), "{dropped_after} {driven_for}");
        }
        assert_eq!(
            pair.read(&page[0]).as_deref(),
            Some("one"),
            "{dropped_after} {driven_for}"
        );
        assert_eq!(
            page.map(|message| pair.read(&message)),
            [None, None],
            "handed out twice"
        );
    }
    assert!(waited > MOST, "{waited}");
}

/// The same with pages, where whoever has waited is dropped as well, once it has read a message by itself.
#[test]
fn what_a_page_has_read_is_kept_while_it_waits_for_others() {
    let pair = Pair::new();
    let mut waited = 0;
    for (driven_for, asked_for) in (0..MOST).flat_map(|polls| (0..2 * MOST).map(move |more| (polls, more))) {
        let [one, two, three] = pair.messages(["one", "two", "three"]);
        let client = &pair.juliet.client;
        let dropped = client.decrypt_many(vec![one.clone(), two.clone()]);
        assert!(poll(&mut pin!(dropped), DURING_COMMIT).is_none());
        let next = || client.decrypt_many(vec![two.clone(), three.clone()]);
        let ended = {
            let mut second = pin!(next());
            {
                let mut first = pin!(client.decrypt(one.clone()));
                if poll(&mut first, driven_for).is_some() {
                    continue;
                }
                assert!(poll(&mut second, 1).is_none());
            }
            poll(&mut second, asked_for)
        };
        if ended.is_none() {
            waited = waited.max(asked_for);
        }
        let outcomes = ended.unwrap_or_else(|| wait(next())).unwrap();
        let texts = outcomes.iter().map(|outcome| text(outcome.as_ref().unwrap()));
        let expected = ["two", "three"].map(|text| Some(text.to_owned()));
        assert_eq!(texts.collect::<Vec<_>>(), expected, "{driven_for} {asked_for}");
        assert_eq!(pair.read(&one).as_deref(), Some("one"));
    }
    // Longer than a page takes that waits for nobody.
    let page = pair.messages(["four", "five"]);
    assert!(poll(&mut pin!(pair.juliet.client.decrypt_many(page.to_vec())), waited).is_some());
}

/// Of two calls for one message that were both dropped, one has read it; which one is taken up first does not matter.
#[test]
fn of_two_dropped_calls_the_one_that_has_read_the_message_is_heard() {
    let pair = Pair::new();
    for (first_for, second_for) in (0..MOST).flat_map(|polls| (0..MOST).map(move |more| (polls, more))) {
        let [message] = pair.messages(["once"]);
        let client = &pair.juliet.client;
        {
            let mut second = pin!(client.decrypt(message.clone()));
            {
                let mut first = pin!(client.decrypt(message.clone()));
                // The second has begun before the first is dropped, or it would go on with it.
                if poll(&mut first, first_for).is_some() || poll(&mut second, 1).is_some() {
                    continue;
                }
            }
            if poll(&mut second, second_for).is_some() {
                continue;
            }
        }
        assert_eq!(
            pair.read(&message).as_deref(),
            Some("once"),
            "{first_for} {second_for}"
        );
        assert_eq!(pair.read(&message), None, "handed out twice");
    }
}

/// What a dropped call ends with that cannot read its message is nothing to the others of a page.
#[test]
fn a_dropped_call_that_fails_keeps_no_page_from_being_read() {
    let mut failed = 0;
    for dropped_after in 0..MOST {
        let pair = Pair::new();
        let [hello, lost] = pair.messages(["hello", "lost"]);
        assert!(pair.read(&hello).is_some());
        let tybalt = open(&pair.server, "tybalt@capulet.lit", "phone");
        tybalt.send(&[&pair.juliet.jid], "read");
        let other = next_message(&pair.juliet.connection);
        let client = &pair.juliet.client;
        if poll(&mut pin!(client.decrypt(lost.clone())), dropped_after).is_some() {
            break;
        }
        damage(client.storage(), "juliet@capulet.lit", "romeo@montague.lit");
        let outcomes = wait(client.decrypt_many(vec![lost, other])).unwrap();
        assert_eq!(text(outcomes[1].as_ref().unwrap()).as_deref(), Some("read"));
        match &outcomes[0] {
            Ok(read) => assert_eq!(text(read).as_deref(), Some("lost")),
            Err(Error::Corrupt { .. }) => failed += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(failed >= DURING_COMMIT, "{failed}");
}
