//! What one step of an operation asks for is done at once, and by whoever awaits it.

use std::fs;
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use omemo::blocking::wait;
use omemo::local::{Connection, Server};
use omemo::{
    BareJid, Bundle, Client, DeleteBundle, DeviceList, DownloadBundle, DownloadDeviceList, EncryptFailure,
    EncryptRequest, Error, Network, NetworkError, SendMessage, UploadBundle, UploadDeviceList,
};
use omemo_storage_memory::MemoryStorage;

use super::rng::rng;
use super::world::{OMEMO_2, ROMEO, jid, newer, settings};

/// How often the download of a device list is polled before it ends: whatever is begun together with it has begun by then.
const POLLS: usize = 100;

/// A connection whose downloads of device lists take a while, and which knows how many were under way at a time.
#[derive(Clone)]
struct Lengthy {
    connection: Connection,
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Lengthy {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            under_way: Arc::default(),
            most: Arc::default(),
        }
    }
}

impl Network for Lengthy {
    async fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>> {
        Network::download_bundles(&self.connection, wanted).await
    }

    async fn upload_bundle(&self, upload: &UploadBundle) -> Result<(), NetworkError> {
        Network::upload_bundle(&self.connection, upload).await
    }

    async fn delete_bundle(&self, deletion: &DeleteBundle) -> Result<(), NetworkError> {
        Network::delete_bundle(&self.connection, deletion).await
    }

    async fn download_device_list(
        &self,
        wanted: &DownloadDeviceList,
    ) -> Result<Option<DeviceList>, NetworkError> {
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(under_way, Ordering::SeqCst);
        let mut left = POLLS;
        poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        Network::download_device_list(&self.connection, wanted).await
    }

    async fn upload_device_list(&self, upload: &UploadDeviceList) -> Result<(), NetworkError> {
        Network::upload_device_list(&self.connection, upload).await
    }

    async fn send_message(&self, message: &SendMessage) -> Result<(), NetworkError> {
        Network::send_message(&self.connection, message).await
    }
}

#[test]
fn the_downloads_of_one_step_are_under_way_together_and_never_more_than_32() {
    let me = jid(ROMEO);
    let network = Lengthy::new(Server::new().connect(&me, "phone"));
    let builder = Client::builder(settings(ROMEO, newer()), MemoryStorage::new(), network.clone());
    let client = wait(builder.rng(rng(&me, "phone")).catch_up(false).open()).unwrap();
    for (contacts, at_once) in [(8, 8), (32, 32), (40, 32)] {
        // Of nobody the list is known, and nobody has any.
        let to: Vec<BareJid> = (0..contacts)
            .map(|number| jid(&format!("{number}-of-{contacts}@capulet.lit")))
            .collect();
        network.most.store(0, Ordering::SeqCst);
        let request = EncryptRequest::new(to.clone(), OMEMO_2, b"hello".to_vec());
        let Error::Encrypt(EncryptFailure::NoEligibleDevices { mut jids, .. }) =
            wait(client.encrypt(request)).unwrap_err()
        else {
            panic!("somebody was written to who has no devices")
        };
        let mut asked = to;
        asked.sort();
        jids.sort();
        assert_eq!(jids, asked, "each answer was taken in");
        let most = network.most.load(Ordering::SeqCst);
        assert_eq!(most, at_once, "of {contacts} downloads");
    }
}

/// Which thread works, and when, is for the application to say.
#[test]
fn the_client_spawns_nothing() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../omemo/src")];
    let mut sources = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += 1;
                let source = fs::read_to_string(&path).unwrap();
                let mut code = source.lines().filter_map(|line| line.split("//").next());
                let spawns = code.find(|code| code.contains("spawn"));
                assert_eq!(spawns, None, "{}", path.display());
            }
        }
    }
    assert!(sources >= 15, "the sources of the client were not found");
}
