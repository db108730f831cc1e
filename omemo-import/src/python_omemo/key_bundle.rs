//! `/<namespace>/x3dh` and the lists of ids beside it: signed pre keys and pre keys.

use std::collections::BTreeMap;

use omemo_sansio::keys::{KeyPair, PublicKey, Signature};
use omemo_sansio::transfer::{ImportedProtocol, ImportedSignedPreKey, RetiredPreKey};
use omemo_sansio::{Namespace, PreKeyId, Timestamp};

use crate::node::{Node, decode};
use crate::{ImportError, Problem};

/// The versions of the serialisation that are known; they have the same fields.
const VERSIONS: [&str; 2] = ["1.0.0", "1.0.1"];

/// Reads what is kept for one protocol.
pub(super) fn read(
    root: &Node<'_>,
    namespace: &Namespace,
    x3dh: &Node<'_>,
) -> Result<ImportedProtocol, ImportError> {
    let signed_ids = Ids::read(&root.field(&format!("/{namespace}/signed_pre_key_ids"))?)?;
    let ids = Ids::read(&root.field(&format!("/{namespace}/pre_key_ids"))?)?;
    let last_pre_key = root.field(&format!("/{namespace}/pre_key_id_counter"))?.u32()?;
    let mut imported = from_x3dh(x3dh, &signed_ids, &ids)?;
    imported.last_pre_key = last_pre_key;
    Ok(imported)
}

/// Reads the state of X3DH in its stable form.
pub(crate) fn from_x3dh(
    x3dh: &Node<'_>,
    signed_ids: &Ids,
    ids: &Ids,
) -> Result<ImportedProtocol, ImportError> {
    check_version(x3dh)?;
    let mut imported = ImportedProtocol::default();
    let current = x3dh.field("signed_pre_key")?;
    let pair = key_pair(&current.field("priv")?)?;
    imported.signed_pre_key = Some(ImportedSignedPreKey {
        id: signed_ids.of(&pair, &current)?,
        pair,
        signature: Signature::from_bytes(*current.field("sig")?.code_points::<64>()?),
        created: Timestamp::from_unix(current.field("timestamp")?.seconds()?),
    });
    if let Some(retired) = x3dh.optional("old_signed_pre_key")? {
        let pair = key_pair(&retired.field("priv")?)?;
        let id = signed_ids.of(&pair, &retired)?;
        imported.retired = Some(RetiredPreKey { id, pair });
    }
    for pre_key in x3dh.field("pre_keys")?.elements()? {
        let pair = key_pair(&pre_key)?;
        imported.pre_keys.insert(ids.of(&pair, &pre_key)?, pair);
    }
    Ok(imported)
}

/// The ids of public keys.
pub(crate) struct Ids {
    place: String,
    ids: BTreeMap<PublicKey, PreKeyId>,
}

impl Ids {
    /// Reads an object whose names are public keys in Base64.
    pub(crate) fn read(node: &Node<'_>) -> Result<Self, ImportError> {
        let mut ids = BTreeMap::new();
        for (name, id) in node.entries()? {
            let key = decode(name).and_then(|bytes| <[u8; 32]>::try_from(&**bytes).ok());
            let key = key.ok_or_else(|| id.fails(Problem::Not("the id of a public key")))?;
            ids.insert(PublicKey::from_bytes(key), PreKeyId::new(id.u32()?));
        }
        Ok(Self {
            place: node.fails(Problem::Missing).place,
            ids,
        })
    }

    /// The id of a single key.
    pub(crate) fn one(place: &str, key: PublicKey, id: PreKeyId) -> Self {
        Self {
            place: place.to_owned(),
            ids: [(key, id)].into(),
        }
    }

    pub(crate) fn of(&self, pair: &KeyPair, at: &Node<'_>) -> Result<PreKeyId, ImportError> {
        let id = self.ids.get(pair.public()).copied();
        id.ok_or_else(|| at.fails(Problem::NoId(self.place.clone())))
    }
}

fn key_pair(node: &Node<'_>) -> Result<KeyPair, ImportError> {
    Ok(KeyPair::from_secret(*node.code_points::<32>()?))
}

/// Refuses what was written by a version that may mean something else.
pub(crate) fn check_version(node: &Node<'_>) -> Result<(), ImportError> {
    let version = node.field("version")?;
    let text = version.text()?;
    if VERSIONS.contains(&text) {
        Ok(())
    } else {
        Err(version.fails(Problem::Version(text.to_owned())))
    }
}
