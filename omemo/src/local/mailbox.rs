//! What waits for one device.

use std::collections::VecDeque;

use super::Delivery;

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    arrived: VecDeque<Delivery>,
    delayed: Vec<Delivery>,
}

impl Mailbox {
    pub(super) fn push(&mut self, delivery: Delivery) {
        self.arrived.push_back(delivery);
    }

    /// Puts the delivery before what arrived last.
    pub(super) fn overtake(&mut self, delivery: Delivery) {
        let last = self.arrived.pop_back();
        self.arrived.push_back(delivery);
        self.arrived.extend(last);
    }

    pub(super) fn delay(&mut self, delivery: Delivery) {
        self.delayed.push(delivery);
    }

    pub(super) fn release(&mut self) {
        self.arrived.extend(self.delayed.drain(..));
    }

    pub(super) fn pop(&mut self) -> Option<Delivery> {
        self.arrived.pop_front()
    }
}
