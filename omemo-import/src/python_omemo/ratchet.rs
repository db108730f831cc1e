//! A double ratchet in its stable serialisation.

use omemo_sansio::keys::{KeyPair, PublicKey};
use omemo_sansio::ratchet::{ChainParts, SkippedPart};
use zeroize::Zeroizing;

use super::key_bundle::check_version;
use crate::ImportError;
use crate::node::Node;

/// The double ratchet of a session.
pub(crate) struct Ratchet {
    pub(crate) own_ratchet: KeyPair,
    pub(crate) peer_ratchet: PublicKey,
    pub(crate) root_key: Zeroizing<[u8; 32]>,
    pub(crate) sending: ChainParts,
    pub(crate) receiving: Option<ChainParts>,
    pub(crate) previous_sending: u32,
    pub(crate) skipped: Vec<SkippedPart>,
}

impl Ratchet {
    pub(crate) fn read(node: &Node<'_>) -> Result<Self, ImportError> {
        check_version(node)?;
        let diffie_hellman = node.field("diffie_hellman_ratchet")?;
        let symmetric = diffie_hellman.field("symmetric_key_ratchet")?;
        let receiving = symmetric.optional("receiving_chain")?;
        let previous_sending = symmetric.optional("previous_sending_chain_length")?;
        let own = diffie_hellman.field("own_ratchet_priv")?.code_points::<32>()?;
        let peer = diffie_hellman.field("other_ratchet_pub")?.code_points::<32>()?;
        let skipped = node.field("skipped_message_keys")?.elements()?;
        Ok(Self {
            own_ratchet: KeyPair::from_secret(*own),
            peer_ratchet: PublicKey::from_bytes(*peer),
            root_key: diffie_hellman.field("root_chain")?.field("key")?.code_points()?,
            sending: chain(&symmetric.field("sending_chain")?)?,
            receiving: receiving.as_ref().map(chain).transpose()?,
            previous_sending: previous_sending.map_or(Ok(0), |length| length.u32())?,
            skipped: skipped.iter().map(skipped_key).collect::<Result<_, _>>()?,
        })
    }
}

fn chain(node: &Node<'_>) -> Result<ChainParts, ImportError> {
    Ok(ChainParts {
        length: node.field("length")?.u32()?,
        key: node.field("key")?.code_points()?,
    })
}

fn skipped_key(node: &Node<'_>) -> Result<SkippedPart, ImportError> {
    Ok(SkippedPart {
        ratchet_key: PublicKey::from_bytes(*node.field("ratchet_pub")?.code_points::<32>()?),
        n: node.field("index")?.u32()?,
        message_key: node.field("message_key")?.code_points()?,
    })
}
