//! When is the subject ready? Conditions are asked again and again until they hold, the subject ends or time is up.

use std::{str::FromStr, time::Duration};

use futures_util::StreamExt;
use regex::bytes::Regex;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::runtime::{Docker, RuntimeError, docker::Health};

/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long one question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that is closed within this time was not served: Docker's proxy accepts before the subject does.
const SERVED_AFTER: Duration = Duration::from_millis(150);
/// The longest line of output that is searched, in bytes.
const MAX_LINE: usize = 64 << 10;

/// A readiness condition, as `--ready` spells it.
#[derive(Debug, Clone)]
pub(crate) enum Ready {
    /// `tcp:PORT` or `tcp:HOST:PORT`: a connection is accepted and kept.
    Tcp(String),
    /// `http:URL`: a GET answers with a status below 400.
    Http(String),
    /// `log:REGEX`: a line of the subject's output matches.
    Log(Regex),
    /// `healthy`: the image's health check passes.
    Healthy,
    /// `exec:CMD`: a shell command inside the container succeeds.
    Exec(String),
    /// `delay:DURATION`.
    Delay(Duration),
}

impl FromStr for Ready {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = text.split_once(':').unwrap_or((text, ""));
        match (kind, value) {
            ("healthy", "") => Ok(Self::Healthy),
            ("tcp", value) => {
                let address =
                    if value.contains(':') { value.to_owned() } else { format!("127.0.0.1:{value}") };
                let port = address.rsplit(':').next().unwrap_or_default();
                if port.parse::<u16>().is_err() {
                    return Err(format!("`{port}` is no port; write tcp:PORT or tcp:HOST:PORT"));
                }
                Ok(Self::Tcp(address))
            }
            ("http", "") => Err("it takes a URL: http:http://127.0.0.1:8080/".to_owned()),
            // `http:URL` is the form; a bare URL is what people type.
            ("http", value) if value.starts_with("//") => Ok(Self::Http(text.to_owned())),
            ("http", value) if value.starts_with("http://") => Ok(Self::Http(value.to_owned())),
            ("http", _) => Err("the URL must start with http://".to_owned()),
            ("log", "") => Err("it takes a regular expression: log:REGEX".to_owned()),
            ("log", value) => Regex::new(value).map(Self::Log).map_err(|error| error.to_string()),
            ("exec", "") => Err("it takes a command: exec:CMD".to_owned()),
            ("exec", value) => Ok(Self::Exec(value.to_owned())),
            ("delay", value) => {
                humantime::parse_duration(value).map(Self::Delay).map_err(|error| error.to_string())
            }
            _ => Err("write tcp:PORT, http:URL, log:REGEX, healthy, exec:CMD or delay:DURATION".to_owned()),
        }
    }
}

impl Ready {
    /// Waits until the condition holds. Cancel it where the subject ends.
    ///
    /// # Errors
    /// Where it can never hold: no health check, a container that is gone.
    pub(crate) async fn wait(&self, docker: &Docker, id: &str) -> Result<(), ReadyError> {
        match self {
            Self::Delay(duration) => sleep(*duration).await,
            // The output ends where the container does, which may be started again.
            Self::Log(regex) => {
                while !has_printed(docker, id, regex).await {
                    sleep(INTERVAL).await;
                }
            }
            Self::Healthy => loop {
                match docker.health(id).await? {
                    Health::Healthy => break,
                    Health::None => return Err(ReadyError::NoHealthCheck),
                    Health::Starting | Health::Unhealthy => sleep(INTERVAL).await,
                }
            },
            Self::Exec(command) => {
                while docker.exec(id, command).await? != Some(0) {
                    sleep(INTERVAL).await;
                }
            }
            Self::Tcp(_) | Self::Http(_) => return self.wait_on_host().await,
        }
        Ok(())
    }

    /// The same for a subject that is no container.
    ///
    /// # Errors
    /// Where the condition needs one.
    pub(crate) async fn wait_on_host(&self) -> Result<(), ReadyError> {
        match self {
            Self::Delay(duration) => sleep(*duration).await,
            Self::Log(_) | Self::Healthy | Self::Exec(_) => return Err(ReadyError::NeedsContainer),
            Self::Tcp(address) => {
                while !answers(address).await {
                    sleep(INTERVAL).await;
                }
            }
            Self::Http(url) => {
                let agent: ureq::Agent = ureq::Agent::config_builder()
                    .timeout_global(Some(QUESTION_TIMEOUT))
                    .http_status_as_error(true)
                    .build()
                    .into();
                loop {
                    let (agent, url) = (agent.clone(), url.clone());
                    let answer = tokio::task::spawn_blocking(move || agent.get(&url).call().is_ok()).await;
                    if matches!(answer, Ok(true)) {
                        break;
                    }
                    sleep(INTERVAL).await;
                }
            }
        }
        Ok(())
    }
}

/// Why a condition can never hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadyError {
    /// The image has none.
    #[error("--ready healthy: the image has no health check")]
    NoHealthCheck,
    /// There is no container.
    #[error("--ready: log, healthy and exec take a container; use tcp:PORT, http:URL or delay:DURATION")]
    NeedsContainer,
    /// The runtime refused.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

async fn answers(address: &str) -> bool {
    let Ok(Ok(mut stream)) = timeout(QUESTION_TIMEOUT, TcpStream::connect(address)).await else {
        return false;
    };
    match timeout(SERVED_AFTER, stream.read(&mut [0; 1])).await {
        // It waits for us to speak, or has spoken.
        Err(_) | Ok(Ok(1..)) => true,
        // Closed or reset.
        Ok(Ok(0) | Err(_)) => false,
    }
}

/// Waits for a line, or the end of the output.
async fn has_printed(docker: &Docker, id: &str, regex: &Regex) -> bool {
    let mut output = docker.follow_logs(id);
    let mut line = Vec::new();
    while let Some(chunk) = output.next().await {
        // A chunk may hold several lines, or a part of one.
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            if regex.is_match(line.trim_ascii_end()) {
                return true;
            }
            if part.ends_with(b"\n") {
                line.clear();
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_documented() {
        assert!(matches!("tcp:80".parse(), Ok(Ready::Tcp(address)) if address == "127.0.0.1:80"));
        assert!(matches!("tcp:db:80".parse(), Ok(Ready::Tcp(address)) if address == "db:80"));
        assert!(matches!("http:http://x/".parse(), Ok(Ready::Http(url)) if url == "http://x/"));
        assert!(matches!("http://x/".parse(), Ok(Ready::Http(url)) if url == "http://x/"));
        assert!(matches!("log:a:b".parse(), Ok(Ready::Log(_))));
        assert!(matches!("healthy".parse(), Ok(Ready::Healthy)));
        assert!(matches!("exec:pg_isready".parse(), Ok(Ready::Exec(_))));
        assert!(matches!("delay:2s".parse(), Ok(Ready::Delay(delay)) if delay == Duration::from_secs(2)));
        for text in [
            "",
            "tcp:",
            "tcp:x",
            "http:",
            "http:ftp://x",
            "log:",
            "log:(",
            "exec:",
            "delay:x",
            "healthy:1",
            "up",
        ] {
            assert!(text.parse::<Ready>().is_err(), "{text}");
        }
    }
}
