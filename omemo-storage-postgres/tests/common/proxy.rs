//! A server in between that counts what is asked, and cuts connections at the worst moments.

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

/// Forwards connections to the server of the tests.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    connections: Mutex<Vec<[TcpStream; 2]>>,
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
        let server = std::net::ToSocketAddrs::to_socket_addrs(&server)
            .unwrap()
            .next()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            connections: Mutex::default(),
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
        for [client, server] in self.shared.connections.lock().unwrap().drain(..) {
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
        self.connections.lock().unwrap().push(both());
        let muted = Arc::new(AtomicBool::new(false));
        let ([from, to], shared, mute) = (both(), self.clone(), muted.clone());
        thread::spawn(move || {
            let _ = shared.forward_requests(&from, &to, &mute);
            let _ = from.shutdown(Shutdown::Both);
            // What reached the server is carried out.
            let _ = to.shutdown(Shutdown::Write);
        });
        let [to, from] = both();
        thread::spawn(move || {
            forward_answers(&from, &to, &muted);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }

    /// Forwards request by request until the connection ends or is cut.
    fn forward_requests(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        muted: &AtomicBool,
    ) -> std::io::Result<()> {
        // The first message has a length and no kind.
        let mut request = message(&mut from, 0)?;
        to.write_all(&request)?;
        request.clear();
        loop {
            let message = message(&mut from, 1)?;
            let kind = message[0];
            request.extend(message);
            // A password, the end, or what makes the server answer: Query, Sync.
            let is_asked = matches!(kind, b'Q' | b'S');
            if !is_asked && !matches!(kind, b'p' | b'X' | b'H') {
                continue;
            }
            if is_asked {
                self.requests.fetch_add(1, Ordering::SeqCst);
            }
            let plan = if is_asked {
                self.plan.lock().unwrap().take()
            } else {
                None
            };
            match plan {
                None => to.write_all(&request)?,
                Some(Cut::BeforeRequest) => return Ok(()),
                Some(Cut::WithinRequest) => return to.write_all(&request[..request.len() / 2]),
                Some(Cut::BeforeAnswer) => {
                    muted.store(true, Ordering::SeqCst);
                    to.write_all(&request)?;
                    // The answer tells when it has been carried out; see `forward_answers`.
                    let mut rest = Vec::new();
                    from.read_to_end(&mut rest)?;
                    return Ok(());
                }
            }
            request.clear();
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
