// SPDX-License-Identifier: EUPL-1.2
//! Times of X.690 §11.7–11.8 and RFC 5280 §4.1.2.5 to and from seconds since 1970 UTC.
//!
//! Guarantees: only UTC ("Z"); fractions are cut; years of two digits as RFC 5280 says. Does not: know leap seconds.

use super::{Malformed, Node, Read, tag, write};

/// Days from 1970-01-01 to a date of the Gregorian calendar.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month, day of a number of days since 1970-01-01.
const fn date(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + if month <= 2 { 1 } else { 0 }, month, doy - (153 * mp + 2) / 5 + 1)
}

fn number(digits: &[u8]) -> Read<i64> {
    digits.iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'9' => Ok(value * 10 + i64::from(digit - b'0')),
        _ => Err(Malformed("time")),
    })
}

/// Seconds since 1970 of a UTCTime or GeneralizedTime.
///
/// # Errors
/// When it is none of both, not in UTC, or no date.
pub fn read(node: &Node<'_>) -> Read<i64> {
    let wrong = Malformed("time");
    let text = node.content.strip_suffix(b"Z").ok_or(wrong)?;
    let (year, rest) = match node.tag {
        tag::UTC_TIME => {
            let (year, rest) = text.split_at_checked(2).ok_or(wrong)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        tag::GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4).ok_or(wrong)?;
            (number(year)?, rest)
        }
        _ => return Err(wrong),
    };
    let (whole, fraction) = match rest.iter().position(|b| *b == b'.' || *b == b',') {
        Some(at) if node.tag == tag::GENERALIZED_TIME => rest.split_at(at),
        _ => (rest, &[][..]),
    };
    if fraction.len() > 13 {
        return Err(wrong);
    }
    number(fraction.get(1..).unwrap_or_default())?;
    // Seconds may be missing in old certificates.
    let fields: Vec<i64> = match whole.len() {
        8 | 10 => whole.chunks_exact(2).map(number).collect::<Read<_>>()?,
        _ => return Err(wrong),
    };
    let (month, day, hour, minute) = (fields[0], fields[1], fields[2], fields[3]);
    let second = fields.get(4).copied().unwrap_or(0);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
        return Err(wrong);
    }
    let at = days(year, month, day);
    if date(at) != (year, month, day) {
        return Err(wrong);
    }
    Ok(at * 86_400 + hour * 3600 + minute * 60 + second)
}

/// `YYYYMMDDHHMMSSZ`; years outside 0 to 9999 are clamped.
#[must_use]
fn text(at: i64) -> String {
    let at = at.clamp(-62_167_219_200, 253_402_300_799);
    let (year, month, day) = date(at.div_euclid(86_400));
    let seconds = at.rem_euclid(86_400);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z")
}

/// GeneralizedTime.
#[must_use]
pub fn generalized(at: i64) -> Vec<u8> {
    write::element(tag::GENERALIZED_TIME, text(at).as_bytes())
}

/// UTCTime until 2049, GeneralizedTime after (RFC 5652 §11.3).
#[must_use]
pub fn either(at: i64) -> Vec<u8> {
    let text = text(at);
    let short = text
        .strip_prefix("19")
        .filter(|t| *t >= "5")
        .or_else(|| text.strip_prefix("20").filter(|t| *t < "5"));
    match short {
        Some(_) => write::element(tag::UTC_TIME, text.get(2..).unwrap_or_default().as_bytes()),
        None => generalized(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::Reader;

    fn back(octets: &[u8]) -> Read<i64> {
        read(&Reader::new(octets).next_node()?)
    }

    #[test]
    fn both_kinds_are_read_and_written() {
        for at in [0, 951_827_696, 1_795_000_000, 2_524_607_999, 2_524_608_000, -86_400, 253_402_300_799] {
            assert_eq!(back(&generalized(at)), Ok(at));
            assert_eq!(back(&either(at)), Ok(at));
        }
        assert_eq!(either(0), b"\x17\x0d700101000000Z");
        assert_eq!(either(2_524_608_000), b"\x18\x0f20500101000000Z");
        assert_eq!(back(b"\x18\x1320260101000000.123Z"), Ok(1_767_225_600));
        for wrong in ["260230000000Z", "2601010000Y", "261301000000Z", "260101250000Z", "26"] {
            assert!(back(&write::element(tag::UTC_TIME, wrong.as_bytes())).is_err(), "{wrong}");
        }
    }
}
