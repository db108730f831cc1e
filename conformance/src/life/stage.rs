//! Where operations are driven, and what strikes them.

use omemo_sansio::engine::{Effect, SendMessage, UploadBundle, UploadDeviceList};
use omemo_sansio::{Account, Timestamp};
use omemo_storage::{Batch, Storage};

use super::cast;
use super::world::World;
use crate::faults::{Fault, TestRng};
use crate::scene::{Scene, Server};

impl<S: Storage> Scene for World<'_, S> {
    type Storage = S;

    fn now(&self) -> Timestamp {
        self.now
    }

    fn account(&self, device: usize) -> &Account {
        &self.devices[device].account
    }

    fn storage(&self, device: usize) -> &S {
        &self.devices[device].storage
    }

    fn rng(&mut self, device: usize) -> &mut TestRng {
        &mut self.devices[device].rng
    }

    fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    fn next_effect(&mut self, device: usize, effect: &Effect) -> Option<Fault> {
        self.seen.effects += 1;
        if self.interrupted {
            return None;
        }
        let this = &mut self.devices[device];
        let is_upload = matches!(effect, Effect::UploadBundle(..) | Effect::UploadDeviceList(..));
        if is_upload && this.failing_uploads > 0 {
            this.failing_uploads -= 1;
            self.struck = true;
            self.seen.faults += 1;
            return Some(Fault::Fails);
        }
        let is_commit = matches!(effect, Effect::Store(..));
        match &mut this.blow {
            Some((0, fault)) if is_commit || !fault.is_of_commits() => {
                let fault = *fault;
                this.blow = None;
                self.struck = true;
                self.seen.faults += 1;
                self.story
                    .tell(|| format!("  (on {} strikes: {fault:?})", this.name));
                Some(fault)
            }
            Some((left, _)) => {
                *left = left.saturating_sub(1);
                None
            }
            None => None,
        }
    }

    fn sends(&mut self, device: usize, send: &SendMessage) {
        let to = (0..self.accounts).find(|account| cast::jid(*account) == send.to);
        let to = to.expect("nobody else is known");
        self.story.tell(|| {
            format!(
                "  (an empty message from {} to {})",
                self.devices[device].name,
                cast::person(to)
            )
        });
        self.uses_iv(&send.message);
        self.posts(device, &[to], &send.message, None);
    }

    fn meddle(&mut self, device: usize, _: &Batch) -> bool {
        if !self.alone {
            self.is_at_work_too(device);
        }
        false
    }

    fn publishes_bundle(&mut self, device: usize, upload: UploadBundle) {
        let UploadBundle {
            namespace, bundle, ..
        } = &upload;
        self.is_to_be_offered(device, namespace, bundle);
        self.model.publishes(device, namespace, bundle, self.latest);
        let jid = self.devices[device].jid.clone();
        self.server.publish_bundle(&jid, upload);
    }

    fn publishes_list(&mut self, device: usize, upload: UploadDeviceList) {
        let (namespace, jid) = (upload.namespace.clone(), self.devices[device].jid.clone());
        self.server.publish_list(&jid, upload);
        self.looks_who_is_unlisted(&namespace, &jid);
        self.announces(&namespace, &jid);
    }

    fn restart(&mut self, number: usize) {
        let device = &mut self.devices[number];
        device.storage = (self.open)(&device.name);
        self.loses_catch_up(number);
    }
}
