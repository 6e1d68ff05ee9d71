// SPDX-License-Identifier: EUPL-1.2
//! Sends bench mail to any SMTP server on loopback and prints the report as JSON: to compare servers fairly.
//!
//! `load [HOST:PORT|-] [MAILS] [OCTETS] [CONNECTIONS] [RECIPIENT]`; `-` starts a far side that only counts.
#![allow(clippy::print_stdout)]

use std::error::Error;

use poststelle_world::far_side::{FarSide, Keep};
use poststelle_world::letters::Fixed;
use poststelle_world::load::send_many;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| args.get(at).map_or(Ok(default), |a| a.parse());
    let (mails, octets, connections) = (number(1, 10_000)?, number(2, 100_000)?, number(3, 8)?);
    let far = FarSide::keeping(Keep::Count, 200_000_000).await?;
    let addr = match args.first().map_or("-", String::as_str) {
        "-" => far.addr(),
        address => address.parse()?,
    };
    let to = args.get(4).map_or("bauamt@waren-mueritz.example", String::as_str);
    let fixed = Fixed::new(octets, 2, &[to]);
    let report = send_many(addr, mails.try_into()?, connections, move |n| fixed.shot(n)).await?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
