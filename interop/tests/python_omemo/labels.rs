//! Device labels, signed by the identity key (XEP-0384, section 5.3.1).

use std::sync::Arc;

use omemo::{Namespace, Omemo2, Protocol};
use omemo_interop::{Address, Device, Ours, Theirs};
use omemo_storage_memory::MemoryStorage;
use serde_json::json;

use crate::{JULIET, ROMEO, Stage, jid};

#[test]
fn labels_verify_on_both_sides() {
    let mut stage = Stage::new("labels", 0);
    let server = stage.world.server().clone();
    let (phone, balcony) = ("Romeo's \"phone\" & <more> 📱", "Балкон");
    let address = Address::new(&jid(ROMEO), "phone");
    let romeo = Ours::open(&server, address, protocols(), Some(phone), MemoryStorage::new());
    let romeo = stage.world.add(romeo);
    let address = Address::new(&jid(JULIET), "balcony");
    let juliet = Theirs::open(
        &server,
        &stage.peer,
        address,
        vec![Namespace::OMEMO_2],
        Some(balcony),
    );
    let juliet = stage.world.add(juliet);

    // Downloaded.
    juliet.must("refresh_device_lists", json!({ "jid": ROMEO }));
    assert_eq!(known_to_them(&juliet, &*romeo).as_deref(), Some(phone));
    assert_eq!(known_to_us(&romeo, &*juliet).as_deref(), Some(balcony));
    // Pushed.
    stage.world.settle();
    juliet.must("set_own_label", json!({ "label": "Garten" }));
    stage.world.settle();
    assert_eq!(known_to_us(&romeo, &*juliet).as_deref(), Some("Garten"));
    stage.converse(&*romeo, &*juliet);
    assert_eq!(known_to_them(&juliet, &*romeo).as_deref(), Some(phone));
    assert_eq!(known_to_us(&romeo, &*juliet).as_deref(), Some("Garten"));
}

#[test]
fn a_label_that_was_changed_on_the_way_is_not_shown() {
    let mut stage = Stage::new("a changed label", 0);
    let server = stage.world.server().clone();
    let address = Address::new(&jid(ROMEO), "phone");
    let romeo = Ours::open(&server, address, protocols(), Some("Phone"), MemoryStorage::new());
    let romeo = stage.world.add(romeo);
    let change = |account, label| {
        let list = server.device_list(&Namespace::OMEMO_2, &jid(account)).unwrap();
        assert!(list.contains(label), "{list}");
        server.set_device_list(&Namespace::OMEMO_2, &jid(account), &list.replace(label, "Tomb"));
    };
    // Before they can have seen it.
    change(ROMEO, "Phone");
    let address = Address::new(&jid(JULIET), "balcony");
    let juliet = Theirs::open(
        &server,
        &stage.peer,
        address,
        vec![Namespace::OMEMO_2],
        Some("Balcony"),
    );
    let juliet = stage.world.add(juliet);
    change(JULIET, "Balcony");
    stage.world.settle();
    assert_eq!(known_to_us(&romeo, &*juliet), None);
    // His device has seen the list too, and put its own label right; what was changed is shown at no time.
    let shown = known_to_them(&juliet, &*romeo);
    assert!(matches!(shown.as_deref(), None | Some("Phone")), "{shown:?}");
}

fn known_to_us(romeo: &Ours<MemoryStorage>, device: &dyn Device) -> Option<String> {
    let devices = romeo.devices(&device.address().jid);
    let known = devices.into_iter().find(|known| known.device == device.id());
    known.unwrap().label
}

fn known_to_them(juliet: &Theirs, device: &dyn Device) -> Option<String> {
    let devices = juliet.devices(&device.address().jid);
    let known = devices.into_iter().find(|known| known.id == device.id());
    known.unwrap().label
}

fn protocols() -> Vec<Arc<dyn Protocol>> {
    vec![Arc::new(Omemo2)]
}
