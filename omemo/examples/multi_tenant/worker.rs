//! What a process does: it opens accounts, or has their messages written and read until it is told to stop.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use omemo::local::{Connection, Server};
use omemo::{BareJid, Client, Content, EncryptRequest, IncomingMessage, Namespace, Settings, Timer};
use omemo_storage::AnyStorage;
use omemo_storage_postgres::PostgresStorage;
use omemo_storage_redis::RedisOptions;
use rand_core::Rng;
use tracing_subscriber::layer::SubscriberExt;

use crate::Failure;
use crate::metrics::Metrics;
use crate::options::Options;

/// All tasks share one storage, and with it its connections.
type Shared = Arc<AnyStorage>;
type Tenant = Client<Shared, Connection>;

/// What the tasks of a process share.
struct Worker {
    storage: Shared,
    pairs: u64,
    is_stopped: AtomicBool,
    written: AtomicU64,
    read: AtomicU64,
}

/// How long the replicas of a primary may take to have a commit, until its outcome is taken for unknown.
const REPLICAS_MAY_TAKE: Duration = Duration::from_secs(2);

async fn open_storage(options: &Options) -> Result<Shared, Failure> {
    let url = &options.url;
    let storage = if url.starts_with("redis") {
        let redis = RedisOptions::new(url)?.wait_for_replicas(options.replicas, REPLICAS_MAY_TAKE);
        AnyStorage::new(redis.open().await?)
    } else {
        AnyStorage::new(PostgresStorage::open(url).await?)
    };
    Ok(Arc::new(storage))
}

/// A client is cheap: one load, and it may be dropped after each call. A server that keeps the clients of busy accounts
/// saves that load, and has the tasks of a process take turns instead of meeting as conflicts.
async fn client(storage: &Shared, server: &Server, jid: &BareJid) -> Result<Tenant, Failure> {
    let connection = server.connect(jid, "server");
    let client = Client::builder(Settings::new(jid.clone()), Arc::clone(storage), connection);
    Ok(client.timer(Tokio).open().await?)
}

/// The accounts of a pair.
fn pair(number: u64) -> Result<[BareJid; 2], Failure> {
    Ok([
        BareJid::new(&format!("tenant{}@example.org", 2 * number))?,
        BareJid::new(&format!("tenant{}@example.org", 2 * number + 1))?,
    ])
}

/// Has one write and the other read. What is between them in earnest is the application's XMPP connection.
async fn message(from: &Tenant, [sender, recipient]: [&BareJid; 2], to: &Tenant) -> Result<(), Failure> {
    let request = EncryptRequest::new(
        vec![recipient.clone()],
        Namespace::OMEMO_2,
        b"<envelope/>".to_vec(),
    );
    for message in from.encrypt(request).await?.complete()?.messages {
        let sender = sender.clone();
        let received = to.decrypt(IncomingMessage { sender, message }).await?.received();
        match received.map(|received| received.content) {
            Some(Content::Plaintext(_)) => {}
            other => return Err(format!("a message came out as {other:?}").into()),
        }
    }
    Ok(())
}

/// Opens every pair of this share; those that are open already stay as they are.
pub(crate) async fn open_accounts(options: &Options, share: u64) -> Result<(), Failure> {
    let storage = open_storage(options).await?;
    let pairs = options.accounts / 2;
    let step = options.processes * options.tasks;
    let tasks = (0..options.tasks).map(|task| {
        let storage = Arc::clone(&storage);
        let first = share * options.tasks + task;
        tokio::spawn(async move {
            for number in (first..pairs).step_by(usize::try_from(step)?) {
                // Bundles and device lists are in a server of the pair's own; later, sessions are all it takes.
                let server = Server::new();
                let [one, other] = &pair(number)?;
                let clients = [
                    client(&storage, &server, one).await?,
                    client(&storage, &server, other).await?,
                ];
                message(&clients[0], [one, other], &clients[1]).await?;
                message(&clients[1], [other, one], &clients[0]).await?;
            }
            Ok::<(), Failure>(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    Ok(())
}

/// Serves until standard input ends, and reports.
pub(crate) async fn serve(options: &Options) -> Result<(), Failure> {
    let metrics = Metrics::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(metrics.clone()))?;
    let worker = Arc::new(Worker {
        storage: open_storage(options).await?,
        pairs: options.accounts / 2,
        is_stopped: AtomicBool::new(false),
        written: AtomicU64::new(0),
        read: AtomicU64::new(0),
    });
    let told = Arc::clone(&worker);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        told.is_stopped.store(true, Ordering::SeqCst);
    });
    let tasks = (0..options.tasks).map(|_| tokio::spawn(Arc::clone(&worker).work()));
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    println!(
        "process {}: {} written, {} read, {metrics}",
        std::process::id(),
        worker.written.load(Ordering::SeqCst),
        worker.read.load(Ordering::SeqCst),
    );
    Ok(())
}

impl Worker {
    /// Serves one pair after the other. When told to stop it ends what it has begun: nothing is cut off.
    async fn work(self: Arc<Self>) -> Result<(), Failure> {
        let server = Server::new();
        while !self.is_stopped.load(Ordering::SeqCst) {
            let drawn = omemo::system_rng().next_u64();
            let [one, other] = &pair(drawn % self.pairs)?;
            let [from, to] = if drawn & 1 << 63 == 0 {
                [one, other]
            } else {
                [other, one]
            };
            let sender = client(&self.storage, &server, from).await?;
            let recipient = client(&self.storage, &server, to).await?;
            self.written.fetch_add(1, Ordering::SeqCst);
            message(&sender, [from, to], &recipient).await?;
            self.read.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

struct Tokio;

impl Timer for Tokio {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}
