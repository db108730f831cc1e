//! Carrying out one call, whichever server it takes and whatever has become of the connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omemo_storage::StorageError;
use redis::{Cmd, Pipeline, ServerErrorKind, Value, cmd};

use crate::error::{Failure, is_unknown_script};
use crate::node::Node;
use crate::options::Settings;
use crate::script::Script;
use crate::topology::Topology;

/// A script with its arguments, or a plain command.
pub(crate) struct Call {
    slot: u16,
    script: Option<&'static Script>,
    writes: bool,
    command: Cmd,
}

impl Call {
    /// A script that only reads.
    pub(crate) fn reading(script: &'static Script, slot: u16, keys: usize) -> Self {
        Self::script(script, slot, keys, false)
    }

    /// A script that may write.
    pub(crate) fn writing(script: &'static Script, slot: u16, keys: usize) -> Self {
        Self::script(script, slot, keys, true)
    }

    fn script(script: &'static Script, slot: u16, keys: usize, writes: bool) -> Self {
        let mut command = cmd("EVALSHA");
        command.arg(&script.hash).arg(keys);
        Self {
            slot,
            script: Some(script),
            writes,
            command,
        }
    }

    /// A command that can be repeated without harm.
    pub(crate) fn plain(command: Cmd, slot: u16) -> Self {
        Self {
            slot,
            script: None,
            writes: false,
            command,
        }
    }

    pub(crate) fn arg(&mut self, argument: impl redis::ToRedisArgs) {
        self.command.arg(argument);
    }
}

/// The servers, and how calls get to them.
pub(crate) struct Servers {
    pub(crate) topology: Topology,
    settings: Arc<Settings>,
}

/// What to do after an attempt without an answer.
enum Next {
    /// The same again, somewhere else perhaps.
    Again,
    /// This node is to be asked, once: the slot is moving there.
    Asking(Arc<Node>),
    /// Wait a little: a slot is moving.
    Later,
    /// It has failed.
    End,
}

/// How often an account is followed from server to server in one call.
const REDIRECTIONS: u32 = 16;

/// The course of one call.
struct Course {
    begun: Instant,
    redirections: u32,
    pauses: u32,
    /// Whether a server did not know the script, so that it is sent along.
    with_script: bool,
    /// Whether who has the slot was asked anew.
    learned: bool,
    /// Whether an attempt may have written.
    unknown: bool,
}

impl Course {
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            redirections: 0,
            pauses: 0,
            with_script: false,
            learned: false,
            unknown: false,
        }
    }

    /// Whether the script has to be sent along from now on.
    fn lacks_script(&mut self, failure: &Failure) -> bool {
        let unknown = matches!(failure, Failure::Refused(refusal) if is_unknown_script(refusal));
        unknown && !std::mem::replace(&mut self.with_script, true)
    }
}

impl Servers {
    pub(crate) fn new(topology: Topology, settings: Arc<Settings>) -> Self {
        Self { topology, settings }
    }

    /// Carries out a call. A call that writes must be one that a server carries out once, however often it comes.
    pub(crate) async fn carry_out(&self, call: Call) -> Result<Value, StorageError> {
        let (slot, script, writes) = (call.slot, call.script, call.writes);
        let commands = self.commands(call);
        let mut course = Course::begin();
        let mut asking: Option<Arc<Node>> = None;
        loop {
            let mut prefix = Vec::new();
            prefix.extend(script.filter(|_| course.with_script).map(load_script));
            // It is for the command right after it.
            prefix.extend(asking.as_ref().map(|_| cmd("ASKING")));
            let asked = asking.is_some();
            let node = match asking.take() {
                Some(node) => Ok(node),
                None => self.topology.owner(slot).await,
            };
            let (failure, node) = match node {
                Ok(node) => match self.attempt(&node, &prefix, &commands).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => (failure, Some(node)),
                },
                Err(error) => (Failure::NotSent(error), None),
            };
            course.unknown |= writes && matches!(failure, Failure::Lost(_));
            if course.lacks_script(&failure) {
                asking = node.filter(|_| asked);
                continue;
            }
            match self.next(&failure, slot, node.as_ref(), &mut course).await {
                Next::Again => {}
                Next::Asking(node) => asking = Some(node),
                Next::Later => pause(&mut course).await,
                Next::End => return Err(failure.into_error(writes, course.unknown)),
            }
        }
    }

    /// The command, and after one that writes the wait for replicas.
    fn commands(&self, call: Call) -> Pipeline {
        let mut commands = Pipeline::new();
        commands.add_command(call.command);
        if let (true, Some(replicas)) = (call.writes, self.settings.replicas) {
            commands
                .cmd("WAIT")
                .arg(replicas.count)
                .arg(replicas.timeout.as_millis() as u64);
        }
        commands
    }

    async fn attempt(&self, node: &Node, prefix: &[Cmd], commands: &Pipeline) -> Result<Value, Failure> {
        let answers = if prefix.is_empty() {
            node.send(commands).await?
        } else {
            let mut all = Pipeline::new();
            for command in prefix.iter().chain(commands.cmd_iter()) {
                all.add_command(command.clone());
            }
            node.send(&all).await?
        };
        let mut answers = answers.into_iter().skip(prefix.len());
        let answer = match answers.next() {
            Some(Value::ServerError(refusal)) => return Err(Failure::Refused(refusal)),
            Some(answer) => answer,
            None => Value::Nil,
        };
        match (self.settings.replicas, answers.next()) {
            // Nothing was written that could be lost.
            _ if answer == Value::Int(0) => Ok(answer),
            (None, _) | (_, None) => Ok(answer),
            (Some(replicas), Some(Value::Int(acknowledged))) if acknowledged >= replicas.count as i64 => {
                Ok(answer)
            }
            (Some(replicas), Some(acknowledged)) => Err(Failure::NotReplicated {
                acknowledged: match acknowledged {
                    Value::Int(acknowledged) => acknowledged,
                    _ => 0,
                },
                wanted: replicas.count,
            }),
        }
    }

    async fn next(
        &self,
        failure: &Failure,
        slot: u16,
        node: Option<&Arc<Node>>,
        course: &mut Course,
    ) -> Next {
        let refusal = match failure {
            Failure::Refused(refusal) => refusal,
            // Who was silent for the whole time would be again.
            Failure::Lost(lost) if lost.is_timeout() => return Next::End,
            Failure::NotSent(_) | Failure::Lost(_) => return self.learn(slot, node, course).await,
            Failure::NotReplicated { .. } => return Next::End,
        };
        let address = refusal
            .details()
            .and_then(|details| details.split_ascii_whitespace().nth(1));
        match refusal.kind() {
            Some(ServerErrorKind::Moved | ServerErrorKind::Ask) if course.redirections >= REDIRECTIONS => {
                Next::End
            }
            Some(ServerErrorKind::Moved) => {
                course.redirections += 1;
                match address.and_then(|address| self.topology.moved(slot, address)) {
                    Some(_) => Next::Again,
                    None => Next::End,
                }
            }
            Some(ServerErrorKind::Ask) => {
                course.redirections += 1;
                match address.and_then(|address| self.topology.at(address)) {
                    Some(node) => Next::Asking(node),
                    None => Next::End,
                }
            }
            Some(ServerErrorKind::TryAgain) if course.begun.elapsed() < self.settings.timeout => Next::Later,
            Some(
                ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::BusyLoading,
            ) => self.learn(slot, node, course).await,
            _ => Next::End,
        }
    }

    /// Once a call, asks anew who has the slot: the connection may have been an old one, the server another's replica.
    async fn learn(&self, slot: u16, node: Option<&Arc<Node>>, course: &mut Course) -> Next {
        if course.learned || node.is_none() {
            return Next::End;
        }
        course.learned = true;
        match self.topology.learn(slot, node).await {
            Ok(()) => Next::Again,
            Err(_) => Next::End,
        }
    }
}

fn load_script(script: &'static Script) -> Cmd {
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(script.source);
    load
}

/// 1, 2, 4.. milliseconds, at most 64: slots move within milliseconds.
async fn pause(course: &mut Course) {
    let pause = Duration::from_millis(1 << course.pauses.min(6));
    course.pauses += 1;
    tokio::time::sleep(pause).await;
}
