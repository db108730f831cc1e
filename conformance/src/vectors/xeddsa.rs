//! The set `xeddsa`: keys, their conversion, agreement and signatures.

use omemo_sansio::hazmat;
use omemo_sansio::keys::{IdentityKey, PublicKey, Signature};
use serde::Deserialize;
use serde_json::Value;

use super::checks::{Checks, Context, Verdict};
use super::format::{Bytes, Hex, nullable};

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    secret: Secret,
    r#priv: Bytes<32>,
    ed25519_pub: Bytes<32>,
    curve25519_pub: Bytes<32>,
    sign_bit: u8,
    curve_to_ed_sign0: Bytes<32>,
    curve_to_ed_sign1: Bytes<32>,
    ed_to_curve: Bytes<32>,
    ed_to_curve_other_sign: Bytes<32>,
    x25519: Agreement,
    msg: Hex,
    signatures: Vec<Signed>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Secret {
    Seed {
        seed: Bytes<32>,
        ed25519_pub_from_seed: Bytes<32>,
    },
    PrivClamped,
    PrivUnclamped,
}

#[derive(Deserialize)]
struct Agreement {
    other_priv: Bytes<32>,
    other_pub: Bytes<32>,
    shared_secret: Bytes<32>,
}

#[derive(Deserialize)]
struct Signed {
    #[serde(flatten)]
    method: Method,
    sig: Bytes<64>,
    verify: Vec<Verification>,
}

#[derive(Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
enum Method {
    SeedSign,
    PrivSign {
        nonce: Bytes<64>,
    },
    #[serde(rename = "priv_force_sign0_sign")]
    ForcedPositive {
        nonce: Bytes<64>,
        forced_priv: Bytes<32>,
    },
    #[serde(rename = "priv_force_sign1_sign")]
    ForcedNegative {
        nonce: Bytes<64>,
        forced_priv: Bytes<32>,
    },
}

#[derive(Deserialize)]
struct Verification {
    what: String,
    sig: Bytes<64>,
    r#pub: Bytes<32>,
    msg: Hex,
    valid: bool,
}

/// Replays a case.
pub(super) fn case(value: &Value, checks: &mut Checks) -> Verdict {
    let case = Case::deserialize(value).map_err(|error| error.to_string())?;
    case.keys(checks)?;
    case.conversions(checks)?;
    case.x25519.check(checks, &case)?;
    checks.that("there is no signature", !case.signatures.is_empty())?;
    for (index, signed) in case.signatures.iter().enumerate() {
        signed
            .check(checks, &case)
            .context(format_args!("signature {index}"))?;
    }
    Ok(())
}

impl Case {
    fn keys(&self, checks: &mut Checks) -> Verdict {
        if let Secret::Seed {
            seed,
            ed25519_pub_from_seed,
        } = &self.secret
        {
            let scalar = hazmat::scalar_of_seed(&seed.0);
            checks.bytes("priv", scalar, self.r#priv)?;
            let public = hazmat::identity_of_scalar(&scalar);
            checks.bytes("ed25519_pub_from_seed", public.ed25519(), ed25519_pub_from_seed)?;
        }
        let public = hazmat::identity_of_scalar(&self.r#priv.0);
        checks.bytes("ed25519_pub", public.ed25519(), self.ed25519_pub)?;
        let curve25519 = public.curve25519();
        checks.bytes("curve25519_pub", curve25519.as_bytes(), self.curve25519_pub)?;
        let [.., last] = public.ed25519();
        checks.equal("sign_bit", last >> 7, self.sign_bit)
    }

    fn conversions(&self, checks: &mut Checks) -> Verdict {
        let curve25519 = PublicKey::from_bytes(self.curve25519_pub.0);
        for (what, sign, recorded) in [
            ("curve_to_ed_sign0", false, self.curve_to_ed_sign0),
            ("curve_to_ed_sign1", true, self.curve_to_ed_sign1),
        ] {
            let converted = hazmat::curve25519_to_ed25519(curve25519, sign).context(what)?;
            checks.bytes(what, converted, recorded)?;
        }
        let mut other = self.ed25519_pub.0;
        let [.., last] = &mut other;
        *last ^= 0x80;
        for (what, ed25519, recorded) in [
            ("ed_to_curve", self.ed25519_pub.0, self.ed_to_curve),
            ("ed_to_curve_other_sign", other, self.ed_to_curve_other_sign),
        ] {
            let converted = hazmat::ed25519_to_curve25519(ed25519).context(what)?;
            checks.bytes(what, converted.as_bytes(), recorded)?;
        }
        Ok(())
    }
}

impl Agreement {
    fn check(&self, checks: &mut Checks, case: &Case) -> Verdict {
        let other = hazmat::identity_of_scalar(&self.other_priv.0).curve25519();
        checks.bytes("x25519: other_pub", other.as_bytes(), self.other_pub)?;
        let own = PublicKey::from_bytes(case.curve25519_pub.0);
        for (what, secret, public) in [
            ("x25519: by priv", case.r#priv, other),
            ("x25519: by other_priv", self.other_priv, own),
        ] {
            let shared = hazmat::x25519(secret.0, &public).context(what)?;
            checks.bytes(what, shared, self.shared_secret)?;
        }
        Ok(())
    }
}

impl Signed {
    fn check(&self, checks: &mut Checks, case: &Case) -> Verdict {
        let message = &case.msg.0;
        let signature = match &self.method {
            Method::SeedSign => match &case.secret {
                Secret::Seed { seed, .. } => hazmat::sign_with_seed(&seed.0, message),
                _ => return Err("seed_sign without a seed".to_owned()),
            },
            Method::PrivSign { nonce } => {
                hazmat::sign_with_scalar(&case.r#priv.0, &case.ed25519_pub.0, message, &nonce.0)
            }
            Method::ForcedPositive { nonce, forced_priv } => forced(checks, case, false, nonce, forced_priv)?,
            Method::ForcedNegative { nonce, forced_priv } => forced(checks, case, true, nonce, forced_priv)?,
        };
        checks.bytes("sig", signature.as_bytes(), self.sig)?;
        checks.that("there is no verification", !self.verify.is_empty())?;
        for verification in &self.verify {
            verification.check(checks)?;
        }
        Ok(())
    }
}

fn forced(
    checks: &mut Checks,
    case: &Case,
    negative: bool,
    nonce: &Bytes<64>,
    forced_priv: &Bytes<32>,
) -> Verdict<Signature> {
    let (scalar, public) = hazmat::force_sign(&case.r#priv.0, negative);
    checks.bytes("forced_priv", scalar, forced_priv)?;
    Ok(hazmat::sign_with_scalar(&scalar, &public, &case.msg.0, &nonce.0))
}

impl Verification {
    fn check(&self, checks: &mut Checks) -> Verdict {
        let signature = Signature::from_bytes(self.sig.0);
        let valid = IdentityKey::from_ed25519(self.r#pub.0)
            .is_ok_and(|key| key.verify(&self.msg.0, &signature).is_ok());
        checks.equal(format_args!("verify {:?}", self.what), valid, self.valid)
    }
}

/// A single input.
#[derive(Deserialize)]
struct Edge {
    #[serde(flatten)]
    operation: Operation,
    #[serde(deserialize_with = "nullable")]
    result: Option<Bytes<32>>,
    note: String,
}

#[derive(Deserialize)]
#[serde(tag = "op")]
enum Operation {
    #[serde(rename = "x25519")]
    X25519 {
        r#priv: Bytes<32>,
        curve25519_pub: Bytes<32>,
    },
    #[serde(rename = "curve25519_pub_to_ed25519_pub")]
    CurveToEd {
        curve25519_pub: Bytes<32>,
        set_sign_bit: bool,
    },
    #[serde(rename = "ed25519_pub_to_curve25519_pub")]
    EdToCurve { ed25519_pub: Bytes<32> },
}

/// Replays a single input.
pub(super) fn edge(value: &Value, checks: &mut Checks) -> Verdict {
    let edge = Edge::deserialize(value).map_err(|error| error.to_string())?;
    edge.check(checks).context(edge.note)
}

impl Edge {
    fn check(&self, checks: &mut Checks) -> Verdict {
        let result = match &self.operation {
            Operation::X25519 {
                r#priv,
                curve25519_pub,
            } => hazmat::x25519(r#priv.0, &PublicKey::from_bytes(curve25519_pub.0)).ok(),
            Operation::EdToCurve { ed25519_pub } => hazmat::ed25519_to_curve25519(ed25519_pub.0)
                .ok()
                .map(|key| *key.as_bytes()),
            Operation::CurveToEd {
                curve25519_pub,
                set_sign_bit,
            } => self.curve_to_ed(checks, PublicKey::from_bytes(curve25519_pub.0), *set_sign_bit)?,
        };
        match (result, self.result) {
            (Some(result), Some(recorded)) => checks.bytes("result", result, recorded),
            (None, None) => checks.that("", true),
            (Some(_), None) => checks.that("it was not refused", false),
            (None, Some(_)) => checks.that("it was refused", false),
        }
    }

    /// Some inputs have a result that is no identity key, because the recorded map takes whatever it is given. The map
    /// here then has to give the same, and both forms have to be refused as identity keys.
    fn curve_to_ed(
        &self,
        checks: &mut Checks,
        curve25519: PublicKey,
        sign: bool,
    ) -> Verdict<Option<[u8; 32]>> {
        let identity = IdentityKey::from_curve25519(curve25519, sign).ok();
        let Some(Bytes(recorded)) = self.result else {
            return Ok(identity.map(|key| *key.ed25519()));
        };
        checks.equal(
            "whether it is taken for an identity key",
            identity.is_some(),
            IdentityKey::from_ed25519(recorded).is_ok(),
        )?;
        Ok(identity
            .map(|key| *key.ed25519())
            .or_else(|| hazmat::edwards_of_montgomery(curve25519, sign)))
    }
}
