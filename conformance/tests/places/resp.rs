//! Requests to Redis, for the proxy. Those that may be cut are scripts, which is what commits are.

use std::io::Read;
use std::net::TcpStream;

use super::postgres::proxy::Request;

/// A command: how many arguments, and for each how many bytes and the bytes.
pub(crate) fn request(from: &mut &TcpStream, _: bool) -> std::io::Result<Request> {
    let mut bytes = Vec::new();
    let mut is_asked = false;
    for argument in 0..number(from, &mut bytes)? {
        let length = number(from, &mut bytes)?;
        let begin = bytes.len();
        bytes.resize(begin + length + 2, 0);
        from.read_exact(&mut bytes[begin..])?;
        is_asked |= argument == 0 && bytes[begin..].starts_with(b"EVALSHA");
    }
    Ok(Request { bytes, is_asked })
}

/// A line of a sign, a number and an end.
fn number(from: &mut &TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    let begin = bytes.len();
    while !bytes[begin..].ends_with(b"\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        bytes.extend(byte);
    }
    let digits = std::str::from_utf8(&bytes[begin + 1..bytes.len() - 2]).unwrap();
    Ok(digits.parse().unwrap())
}
