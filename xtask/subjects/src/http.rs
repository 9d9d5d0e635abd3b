//! A small HTTP/1.1 server: one request a connection, bodies with a length, a fixed number of threads.
//!
//! Reads no more than it is prepared to hold and drops connections that break the rules. It writes no file.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Longest request line and header block, in bytes.
const MAX_HEAD_BYTES: u64 = 16 * 1024;
/// Longest body, in bytes.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Connections served at the same time.
const THREADS: usize = 4;
/// How long a peer may stay silent.
const SILENCE: Duration = Duration::from_secs(10);

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`…
    pub method: String,
    /// The path, query included.
    pub path: String,
    /// The body; empty without a length.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Body, sent as it is.
    pub body: Vec<u8>,
}

impl Response {
    /// A response with a line of text.
    #[must_use]
    pub fn text(status: u16, line: &str) -> Self {
        Self { status, body: format!("{line}\n").into_bytes() }
    }
}

/// Listens on all addresses of the container.
///
/// # Errors
/// That of `bind`.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
}

/// Serves until the process ends.
///
/// # Errors
/// That of starting a thread.
pub fn serve(listener: &TcpListener, answer: impl Fn(&Request) -> Response + Sync) -> io::Result<()> {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            thread::Builder::new().spawn_scoped(scope, || {
                loop {
                    // A peer that gives up before it is accepted, or breaks the rules, concerns nobody else.
                    if let Ok((stream, _)) = listener.accept() {
                        let _ = converse(&stream, &answer);
                    }
                }
            })?;
        }
        Ok(())
    })
}

fn converse(stream: &TcpStream, answer: &impl Fn(&Request) -> Response) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let response = answer(&read_request(BufReader::new(stream))?);
    write_response(stream, &response)
}

fn read_request(mut input: impl BufRead) -> io::Result<Request> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = (&mut input).take(MAX_HEAD_BYTES);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(invalid("no request line"));
    };
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut length = 0;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(invalid("the header block has no end"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| invalid("the length is no number"))?;
        }
    }
    if length > MAX_BODY_BYTES {
        return Err(invalid("the body is too long"));
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Request { method, path, body })
}

fn write_response(mut output: impl Write, response: &Response) -> io::Result<()> {
    let Response { status, body } = response;
    let reason = if (200..300).contains(status) { "OK" } else { "Failed" };
    write!(
        output,
        "HTTP/1.1 {status} {reason}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    output.write_all(body)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_with_their_bodies() {
        let text = b"POST /notes HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 3\r\n\r\nabcdef";
        let request = read_request(&text[..]).unwrap();
        assert_eq!(request.path, "/notes");
        assert_eq!(request.body, b"abc");
    }

    #[test]
    fn what_breaks_the_rules_is_an_error() {
        let endless = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; 20_000]].concat();
        for text in [
            b"".as_slice(),
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n",
            &endless,
        ] {
            read_request(text).unwrap_err();
        }
    }

    #[test]
    fn responses_carry_their_length() {
        let mut out = Vec::new();
        write_response(&mut out, &Response::text(500, "no")).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(
            out.starts_with("HTTP/1.1 500 Failed\r\nContent-Length: 3\r\n") && out.ends_with("\r\n\r\nno\n")
        );
    }
}
