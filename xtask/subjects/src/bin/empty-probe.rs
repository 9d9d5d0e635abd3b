//! `empty-probe tracepoint|exit NAME…`: attaches an empty BPF program to each hook, says `attached`, and stays until
//! its standard input ends. The measure of what a hook costs before a sensor does anything.

use std::env;
use std::io::{self, Read as _};
use std::process::ExitCode;

use subjects::bpf::{Hook, attach_empty};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("empty-probe: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (kind, names) = arguments.split_first().map_or(("", &[][..]), |(kind, names)| (kind.as_str(), names));
    let mut links = Vec::new();
    for name in names {
        let hook = match kind {
            "tracepoint" => Hook::Tracepoint(name),
            "exit" => Hook::Exit(name),
            _ => return Err(io::Error::other("usage: empty-probe tracepoint|exit NAME…")),
        };
        let link = attach_empty(hook).map_err(|error| io::Error::other(format!("{kind} {name}: {error}")))?;
        links.push(link);
    }
    println!("attached");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
