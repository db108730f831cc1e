//! A client in a process of its own, which is killed in the middle of what it does.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use omemo::{BareJid, EncryptedMessage, IncomingMessage};

use super::hand::{Hand, Local, Reading};
use super::line;
use super::watched::Troubles;
use crate::places::redis::random;
use crate::places::{Place, Wrapping};

/// What a process is told of itself, and how its answers are told from what else a test prints.
const TASK: &str = "OMEMO_TEST_STORM_TASK";
const ANSWER: &str = "@ ";

/// How many of its tasks one is killed in.
const KILLED_IN: u64 = 3;

pub(crate) struct Process {
    task: String,
    running: Option<Running>,
    /// How long a task takes, about.
    usual: Duration,
    troubles: Arc<Troubles>,
    kills: Arc<AtomicUsize>,
}

struct Running {
    child: Child,
    tasks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn new(
        place: &Place,
        wrapping: Wrapping,
        [from, to]: [&BareJid; 2],
        troubles: &Arc<Troubles>,
        kills: &Arc<AtomicUsize>,
    ) -> Self {
        Self {
            task: format!("{from} {to} {wrapping:?} {}", place.name()),
            running: None,
            usual: Duration::from_millis(5),
            troubles: Arc::clone(troubles),
            kills: Arc::clone(kills),
        }
    }

    /// Has something done, perhaps by one who is killed meanwhile, at a moment that is drawn.
    fn call(&mut self, task: &str) -> Option<String> {
        let running = self.running.get_or_insert_with(|| Running::start(&self.task));
        let begun = Instant::now();
        writeln!(running.tasks, "{task}").unwrap();
        let dies = random().is_multiple_of(KILLED_IN);
        if dies {
            let most = self.usual.as_micros() as u64 * 3 / 2;
            thread::sleep(Duration::from_micros(random() % most.max(1)));
            running.child.kill().unwrap();
            self.kills.fetch_add(1, Ordering::SeqCst);
        }
        // It may have told before it died: then it was acknowledged.
        let answer = running.answer();
        if dies {
            running.child.wait().unwrap();
            self.running = None;
        } else {
            self.usual = (self.usual * 7 + begun.elapsed()) / 8;
        }
        let answer = match answer {
            Some(answer) => answer,
            None if dies => return None,
            None => panic!("a process has died by itself"),
        };
        let (conflicts, answer) = answer.split_once(' ').unwrap();
        self.troubles
            .conflicts
            .fetch_add(conflicts.parse().unwrap(), Ordering::SeqCst);
        Some(answer.to_owned())
    }
}

impl Hand for Process {
    fn writes(&mut self, text: &str) -> Option<EncryptedMessage> {
        let answer = self.call(&format!("write {text}"))?;
        Some(line::to_message(&answer))
    }

    fn reads(&mut self, message: &IncomingMessage) -> Option<Reading> {
        let answer = self.call(&format!("read {}", line::of_incoming(message)))?;
        Some(match answer.split_once(' ') {
            Some(("text", text)) => Reading::Text(text.to_owned()),
            _ if answer == "repeated" => Reading::Repeated,
            _ => panic!("{answer}"),
        })
    }
}

impl Running {
    fn start(task: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["part_that_is_killed", "--exact", "--ignored", "--nocapture"])
            .env(TASK, task)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let tasks = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self {
            child,
            tasks,
            answers,
        };
        assert_eq!(running.answer().as_deref(), Some("ready"));
        running
    }

    /// The next whole line that is an answer.
    fn answer(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let line = line.strip_suffix('\n')?;
            if let Some(answer) = line.strip_prefix(ANSWER) {
                return Some(answer.to_owned());
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

/// What the other process does.
pub(crate) fn work_until_killed() {
    let task = std::env::var(TASK).unwrap();
    let [from, to, wrapping, place] = <[&str; 4]>::try_from(task.splitn(4, ' ').collect::<Vec<_>>()).unwrap();
    let [from, to] = [from, to].map(|jid| BareJid::new(jid).unwrap());
    let troubles = Arc::default();
    let (place, wrapping) = (Place::named(place), Wrapping::named(wrapping));
    let mut hand = Local::open(&place, wrapping, [&from, &to], &troubles);
    println!("\n{ANSWER}ready");
    for task in std::io::stdin().lines() {
        let task = task.unwrap();
        let answer = match task.split_once(' ') {
            Some(("write", text)) => line::of_message(&hand.writes(text).unwrap()),
            Some(("read", message)) => match hand.reads(&line::to_incoming(message)).unwrap() {
                Reading::Text(text) => format!("text {text}"),
                Reading::Repeated => "repeated".to_owned(),
            },
            _ => panic!("{task}"),
        };
        let conflicts = troubles.conflicts.swap(0, Ordering::SeqCst);
        println!("{ANSWER}{conflicts} {answer}");
    }
}
