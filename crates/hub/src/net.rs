// SPDX-License-Identifier: EUPL-1.2
//! Where the house may connect to when others name the place.
//!
//! Guarantees: what [`is_public`] allows is global unicast; addresses that carry an IPv4 address inside count as that one.
//!
//! Sources: IANA special-purpose address registries (RFC 6890 and successors), RFC 6052 (NAT64).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// May anybody on the Internet be expected at this address?
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => public_v6(v6),
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, ..)            // this network, private, loopback
            | (100, 64..=127, _)      // carrier-grade NAT
            | (169, 254, _)           // link-local, cloud metadata
            | (172, 16..=31, _)       // private
            | (192, 0, 0 | 2)         // protocol assignments, documentation
            | (192, 88, 99)           // 6to4 relay
            | (192, 168, _)           // private
            | (198, 18..=19, _)       // benchmarking
            | (198, 51, 100)          // documentation
            | (203, 0, 113)           // documentation
            | (224.., ..) // multicast, reserved, broadcast
    )
}

fn public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        // NAT64: as good as the address inside.
        let [g1, g2] = g.to_be_bytes();
        let [h1, h2] = h.to_be_bytes();
        return public_v4(Ipv4Addr::new(g1, g2, h1, h2));
    }
    // Only global unicast; that leaves out loopback, mapped and compatible IPv4, ULA, link-local, multicast.
    (0x2000..0x4000).contains(&a)
        && !(a == 0x2001 && b < 0x0200)   // protocol assignments: Teredo, ORCHID, benchmarking
        && !(a == 0x2001 && b == 0x0db8)  // documentation
        && a != 0x2002                    // 6to4 carries an IPv4 address
        && !(a == 0x3fff && b < 0x1000) // documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "169.253.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2a00:1450:4001::1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::101:101",
        ];
        let not = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
        ];
        for text in public {
            assert!(is_public(text.parse().expect(text)), "{text} is public");
        }
        for text in not {
            assert!(!is_public(text.parse().expect(text)), "{text} is not");
        }
    }
}
