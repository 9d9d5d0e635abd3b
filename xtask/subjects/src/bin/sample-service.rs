//! The sample service of the demo: keeps notes.
//!
//! It behaves as many services do. It starts as root, makes its cache directory and its pid file, and then becomes
//! another user for good. Notes are appended to a log that is meant to last, uploads go through temporary files, a
//! rendered page is cached. And it can be asked to do what an intruder would: to change the page it serves.
//!
//! | request | what it does |
//! | --- | --- |
//! | `GET /` | the page, as it came with the image |
//! | `GET /rendered` | the page with the number of notes, cached in a file |
//! | `POST /notes` | appends the body as one note and waits for the disk |
//! | `POST /uploads` | takes the body through a temporary file, answers with its length |
//! | `POST /elsewhere` | tries to overwrite the page, answers with what the kernel says |

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use subjects::http::{self, Request, Response};
use subjects::system::{self, EndSignals};

const PORT: u16 = 8080;
/// The user and group that it becomes.
const SERVICE_ID: u32 = 10_001;
const PAGE: &str = "/srv/www/index.html";
const CACHE: &str = "/var/cache/notes";
const PID_FILE: &str = "/run/notes.pid";
const NOTES: &str = "/var/lib/notes/notes.log";
const TEMPORARY: &str = "/tmp";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err((what, error)) => {
            eprintln!("sample-service: {what}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), (&'static str, io::Error)> {
    let signals = EndSignals::hold_back().map_err(|error| ("holding signals back", error))?;
    if system::is_root() {
        prepare().map_err(|error| ("preparing as root", error))?;
        system::drop_to(SERVICE_ID).map_err(|error| ("dropping privileges", error))?;
    }
    let listener = http::listen(PORT).map_err(|error| ("listening", error))?;
    println!("sample-service: ready on port {PORT}");
    let notes: &'static Mutex<()> = Box::leak(Box::new(Mutex::new(())));
    thread::Builder::new()
        .spawn(move || http::serve(&listener, |request| answer(request, notes)))
        .map_err(|error| ("starting a thread", error))?;
    signals.wait().map_err(|error| ("waiting for a signal", error))?;
    // Whoever is writing a note finishes it; nobody starts another.
    let _held = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = fs::remove_file(Path::new(CACHE).join("page.html"));
    println!("sample-service: ended in order");
    Ok(())
}

/// What only root may do.
fn prepare() -> io::Result<()> {
    match fs::create_dir(CACHE) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    chown(CACHE, Some(SERVICE_ID), Some(SERVICE_ID))?;
    fs::write(PID_FILE, format!("{}\n", std::process::id()))
}

fn answer(request: &Request, notes: &Mutex<()>) -> Response {
    let result = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => fs::read(PAGE).map(|body| Response { status: 200, body }),
        ("GET", "/rendered") => rendered(),
        ("POST", "/notes") => note(&request.body, notes),
        ("POST", "/uploads") => upload(&request.body),
        ("POST", "/elsewhere") => {
            fs::write(PAGE, b"defaced\n").map(|()| Response::text(200, "the page was overwritten"))
        }
        _ => return Response::text(404, "no such page"),
    };
    result.unwrap_or_else(|error| Response::text(500, &error.to_string()))
}

/// One line per note, on the disk before it is acknowledged.
fn note(body: &[u8], notes: &Mutex<()>) -> io::Result<Response> {
    let line = [String::from_utf8_lossy(body).replace(['\n', '\r'], " ").as_bytes(), b"\n"].concat();
    let _alone = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let mut log = OpenOptions::new().append(true).create(true).open(NOTES)?;
    log.write_all(&line)?;
    log.sync_all()?;
    Ok(Response::text(200, "noted"))
}

fn rendered() -> io::Result<Response> {
    let notes = fs::read(NOTES).unwrap_or_default();
    let count = notes.iter().filter(|&&byte| byte == b'\n').count();
    let page = [fs::read(PAGE)?, format!("<p>{count} notes</p>\n").into_bytes()].concat();
    // Written beside its place and moved there, so that nobody reads half of it.
    let fresh = unique(Path::new(CACHE), "page");
    fs::write(&fresh, &page)?;
    fs::rename(&fresh, Path::new(CACHE).join("page.html"))?;
    Ok(Response { status: 200, body: page })
}

fn upload(body: &[u8]) -> io::Result<Response> {
    let path = unique(Path::new(TEMPORARY), "upload");
    let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
    let length = file.write_all(body).and_then(|()| file.rewind()).and_then(|()| {
        let mut taken = Vec::new();
        file.read_to_end(&mut taken)
    });
    fs::remove_file(&path)?;
    Ok(Response::text(200, &format!("{} bytes", length?)))
}

/// A name that no other request of this process uses.
fn unique(directory: &Path, kind: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    directory.join(format!("{kind}-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}
