//! Messages as lines of text, for other processes.

use omemo::{
    BareJid, DeviceId, EncryptedMessage, IncomingMessage, KeyElement, Namespace, Payload, RecipientKeys,
};

/// Device and payload, then account, device, kind and bytes of each key element.
pub(crate) fn of_message(message: &EncryptedMessage) -> String {
    let payload = message.payload.as_ref();
    let mut line = format!(
        "{} {}",
        message.sender_device,
        payload.map_or("-".to_owned(), |payload| hex(&payload.ciphertext))
    );
    for recipient in &message.recipients {
        for key in &recipient.keys {
            let jid = recipient.jid.as_ref().unwrap();
            let exchange = if key.key_exchange { "exchange" } else { "message" };
            line += &format!(" {jid} {} {exchange} {}", key.device, hex(&key.data));
        }
    }
    line
}

pub(crate) fn to_message(line: &str) -> EncryptedMessage {
    let words: Vec<&str> = line.split(' ').collect();
    let device = |word: &str| DeviceId::new(word.parse().unwrap());
    let recipient = |words: &[&str]| RecipientKeys {
        jid: Some(BareJid::new(words[0]).unwrap()),
        keys: vec![KeyElement {
            device: device(words[1]),
            key_exchange: words[2] == "exchange",
            data: unhex(words[3]),
        }],
    };
    EncryptedMessage {
        namespace: Namespace::OMEMO_2,
        sender_device: device(words[0]),
        recipients: words[2..].chunks(4).map(recipient).collect(),
        payload: (words[1] != "-").then(|| Payload {
            ciphertext: unhex(words[1]),
            iv: None,
        }),
    }
}

/// The sender, and the message.
pub(crate) fn of_incoming(incoming: &IncomingMessage) -> String {
    format!("{} {}", incoming.sender, of_message(&incoming.message))
}

pub(crate) fn to_incoming(line: &str) -> IncomingMessage {
    let (sender, message) = line.split_once(' ').unwrap();
    IncomingMessage {
        sender: BareJid::new(sender).unwrap(),
        message: to_message(message),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
