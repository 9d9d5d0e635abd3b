//! `cargo xtask http-load URL COUNT` (hidden): a bounded load on the sample service, without a tool of its own.
//!
//! Sends its requests one after another, of every kind that the service is meant for, and fails with the first
//! answer that is not a success. It never asks for the write that the service should not be able to do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::command::say;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one request is answered with.
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Body.
    pub(crate) body: String,
}

/// Sends `count` requests.
pub(crate) fn run(url: &str, count: u32) -> Result<()> {
    let upload = "x".repeat(64 * 1024);
    for number in 0..count {
        let (method, path, body) = match number % 4 {
            0 => ("GET", "/", ""),
            1 => ("POST", "/notes", "remember the milk"),
            2 => ("GET", "/rendered", ""),
            _ => ("POST", "/uploads", upload.as_str()),
        };
        let answer = request(url, method, path, body)?;
        if answer.status != 200 {
            bail!("{method} {path}: status {}: {}", answer.status, answer.body.trim());
        }
    }
    say(&format!("{count} requests answered"));
    Ok(())
}

/// Sends one request to the server at `url` (`http://HOST:PORT/`) and reads the whole answer.
pub(crate) fn request(url: &str, method: &str, path: &str, body: &str) -> Result<Answer> {
    let address =
        url.strip_prefix("http://").context("the URL must start with http://")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).with_context(|| format!("reading the answer to {method} {path}"))?;
    parse(&String::from_utf8_lossy(&text))
        .with_context(|| format!("the answer to {method} {path} is no HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn answers_are_split_into_status_and_body() {
        let answer = parse("HTTP/1.1 500 Failed\r\nContent-Length: 3\r\n\r\nno\n").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (500, "no\n"));
        assert!(parse("garbage").is_none());
    }
}
