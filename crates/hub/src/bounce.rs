// SPDX-License-Identifier: EUPL-1.2
//! Return addresses that name the delivery they belong to: `b-<tenant><delivery><tag>@domain`.
//!
//! Guarantees: case-insensitive, at most 64 octets before the @ (RFC 5321
//! §4.5.3.1.1), not forgeable without the house's key. A report that comes back
//! finds its delivery even when the far side keeps neither ENVID nor Message-ID.

use poststelle_crypto::token::MacKey;
use poststelle_model::{DeliveryId, TenantId};
use uuid::Uuid;

const ID: usize = 25;
const TAG: usize = 10;

fn base36(mut value: u128, width: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut out = vec![b'0'; width];
    for slot in out.iter_mut().rev() {
        *slot = usize::try_from(value % 36).ok().and_then(|d| DIGITS.get(d)).copied().unwrap_or(b'0');
        value /= 36;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn tag(key: &MacKey, ids: &str) -> String {
    let mac = key.sign(ids.as_bytes());
    let number = mac.iter().take(7).fold(0u128, |n, b| n << 8 | u128::from(*b));
    base36(number % 36u128.pow(10), TAG)
}

/// The local part for a delivery.
#[must_use]
pub fn local_part(key: &MacKey, tenant: TenantId, delivery: DeliveryId) -> String {
    let ids = format!("{}{}", base36(tenant.uuid().as_u128(), ID), base36(delivery.uuid().as_u128(), ID));
    format!("b-{ids}{}", tag(key, &ids))
}

/// Reads a local part; `None` when it is none of ours.
#[must_use]
pub fn parse(key: &MacKey, local: &str) -> Option<(TenantId, DeliveryId)> {
    let local = local.to_ascii_lowercase();
    let rest = local.strip_prefix("b-")?;
    if rest.len() != 2 * ID + TAG || !rest.is_ascii() {
        return None;
    }
    let (ids, given) = rest.split_at(2 * ID);
    if !poststelle_crypto::token::constant_time_eq(tag(key, ids).as_bytes(), given.as_bytes()) {
        return None;
    }
    let (tenant, delivery) = ids.split_at(ID);
    let id = |text: &str| u128::from_str_radix(text, 36).ok().map(Uuid::from_u128);
    Some((TenantId::from_uuid(id(tenant)?), DeliveryId::from_uuid(id(delivery)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use poststelle_model::SeededIds;

    #[test]
    fn round_trip_and_forgery() {
        let key = MacKey::new(&[7; 32]).unwrap();
        let ids = SeededIds::new(1);
        let (tenant, delivery) = (TenantId::new(&ids), DeliveryId::new(&ids));
        let local = local_part(&key, tenant, delivery);
        assert!(local.len() <= 64, "{}", local.len());
        assert_eq!(parse(&key, &local.to_uppercase()), Some((tenant, delivery)));
        let forged = local.replace(&local[3..4], if &local[3..4] == "1" { "2" } else { "1" });
        assert_eq!(parse(&key, &forged), None);
        assert_eq!(parse(&key, "poststelle"), None);
        assert_eq!(parse(&MacKey::new(&[8; 32]).unwrap(), &local), None);
    }
}
