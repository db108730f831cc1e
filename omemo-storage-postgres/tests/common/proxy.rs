//! A server in between that counts what is asked, and cuts connections at the worst moments.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The next request does not reach the server.
    BeforeRequest,
    /// The first half of the next request reaches the server.
    WithinRequest,
    /// The next request reaches the server, and its answer nobody.
    BeforeAnswer,
}

/// What a client has sent.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    /// The server answers it: it is a round trip, and may be cut.
    pub(crate) is_asked: bool,
}

/// Reads the next request of a connection, of which it may be the first.
pub(crate) type ReadRequest = fn(from: &mut &TcpStream, is_first: bool) -> std::io::Result<Request>;

/// Forwards connections to the server of the tests.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    read_request: ReadRequest,
    /// Those that are open, by their numbers.
    connections: Mutex<BTreeMap<usize, [TcpStream; 2]>>,
    accepted: AtomicUsize,
    requests: AtomicUsize,
    plan: Mutex<Option<Cut>>,
    is_closed: AtomicBool,
    ends: AtomicBool,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let options = super::connect_options();
        Self::to((options.get_host(), options.get_port()))
    }

    pub(crate) fn to(server: (&str, u16)) -> Self {
        Self::of(request, server)
    }

    /// For a server whose requests are read in another way.
    pub(crate) fn of(read_request: ReadRequest, server: (&str, u16)) -> Self {
        let server = std::net::ToSocketAddrs::to_socket_addrs(&server)
            .unwrap()
            .next()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            read_request,
            connections: Mutex::default(),
            accepted: AtomicUsize::default(),
            requests: AtomicUsize::default(),
            plan: Mutex::default(),
            is_closed: AtomicBool::default(),
            ends: AtomicBool::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ends.load(Ordering::SeqCst) {
                    return;
                }
                accepting.accept(client.unwrap());
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the tests, through here.
    pub(crate) fn url(&self) -> String {
        let options = super::connect_options();
        let url = super::url();
        let (_, rest) = url.split_once("://").unwrap();
        let (user, rest) = rest.split_once('@').unwrap();
        let (_, database) = rest.split_once('/').unwrap();
        assert!(!options.get_host().is_empty());
        format!("postgres://{user}@{}/{database}", self.address)
    }

    /// How many round trips were begun since the last call: each ends with a Sync or is a simple Query.
    pub(crate) fn take_requests(&self) -> usize {
        self.shared.requests.swap(0, Ordering::SeqCst)
    }

    /// Cuts the connection of the next request.
    pub(crate) fn plan(&self, cut: Cut) {
        *self.shared.plan.lock().unwrap() = Some(cut);
    }

    /// Whether the planned cut has happened.
    pub(crate) fn has_cut(&self) -> bool {
        self.shared.plan.lock().unwrap().is_none()
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        for [client, server] in std::mem::take(&mut *self.shared.connections.lock().unwrap()).values() {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// Takes no connections from now on.
    pub(crate) fn close(&self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(crate) fn reopen(&self) {
        self.shared.is_closed.store(false, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        self.cut();
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, client: TcpStream) {
        if self.is_closed.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(self.server) else {
            return;
        };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let both = || [client.try_clone().unwrap(), server.try_clone().unwrap()];
        let number = self.accepted.fetch_add(1, Ordering::SeqCst);
        self.connections.lock().unwrap().insert(number, both());
        let muted = Arc::new(AtomicBool::new(false));
        let ([from, to], shared, mute) = (both(), self.clone(), muted.clone());
        thread::spawn(move || {
            let _ = shared.forward_requests(&from, &to, &mute);
            let _ = from.shutdown(Shutdown::Both);
            // What reached the server is carried out.
            let _ = to.shutdown(Shutdown::Write);
        });
        let ([to, from], shared) = (both(), self.clone());
        thread::spawn(move || {
            forward_answers(&from, &to, &muted);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            shared.connections.lock().unwrap().remove(&number);
        });
    }

    /// Forwards request by request until the connection ends or is cut.
    fn forward_requests(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        muted: &AtomicBool,
    ) -> std::io::Result<()> {
        let mut is_first = true;
        loop {
            let Request { bytes, is_asked } = (self.read_request)(&mut from, is_first)?;
            is_first = false;
            if is_asked {
                self.requests.fetch_add(1, Ordering::SeqCst);
            }
            let plan = if is_asked {
                self.plan.lock().unwrap().take()
            } else {
                None
            };
            match plan {
                None => to.write_all(&bytes)?,
                Some(Cut::BeforeRequest) => return Ok(()),
                Some(Cut::WithinRequest) => return to.write_all(&bytes[..bytes.len() / 2]),
                Some(Cut::BeforeAnswer) => {
                    muted.store(true, Ordering::SeqCst);
                    to.write_all(&bytes)?;
                    // The answer tells when it has been carried out; see `forward_answers`.
                    let mut rest = Vec::new();
                    from.read_to_end(&mut rest)?;
                    return Ok(());
                }
            }
        }
    }
}

/// A request to PostgreSQL: the messages up to the one that makes the server answer.
pub(crate) fn request(from: &mut &TcpStream, is_first: bool) -> std::io::Result<Request> {
    if is_first {
        // The first message has a length and no kind.
        return Ok(Request {
            bytes: message(from, 0)?,
            is_asked: false,
        });
    }
    let mut bytes = Vec::new();
    loop {
        let message = message(from, 1)?;
        let kind = message[0];
        // What sets a new connection up is part of connecting.
        let is_set_up = kind == b'Q' && message[5..].starts_with(b"SET ");
        bytes.extend(message);
        // Query, Sync; or a password, the end, Flush.
        if matches!(kind, b'Q' | b'S' | b'p' | b'X' | b'H') {
            let is_asked = matches!(kind, b'Q' | b'S') && !is_set_up;
            return Ok(Request { bytes, is_asked });
        }
    }
}

/// A message of the protocol: perhaps a kind, a length that counts itself, and so much.
fn message(from: &mut impl Read, kind: usize) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; kind + 4];
    from.read_exact(&mut message)?;
    let length = u32::from_be_bytes(message[kind..].try_into().unwrap());
    message.resize(kind + length as usize, 0);
    from.read_exact(&mut message[kind + 4..])?;
    Ok(message)
}

/// Forwards what the server says; the first that comes when it must not be heard ends the connection.
fn forward_answers(mut from: &TcpStream, mut to: &TcpStream, muted: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        if muted.load(Ordering::SeqCst) || to.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}
