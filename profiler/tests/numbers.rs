//! A system call is what the kernel takes it for, whatever else the program put into the number's register. Needs root and
//! perl, which Debian's essential packages hold.

mod common;

use common::{Profiles, can_run, read, writepath_status};

/// The kernel takes the register's low half. What stands in the high half stays there for all to see, and must not hide
/// the call. Older kernels, 5.10 among them, take the whole register for the number where they trace nothing, and know no
/// such call: then there is nothing to see.
#[test]
fn a_number_with_a_high_half_hides_nothing() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let (path, directory) = (profiles.path("p.json"), profiles.path("made"));
    let script = format!(
        "my $path = '{}'; syscall((1 << 40) | {}, {}, $path, 0755); exit 0",
        directory.display(),
        libc::SYS_mkdirat,
        libc::AT_FDCWD
    );
    let output = path.to_string_lossy();
    writepath_status(0, ["exec", "--quiet", "-o", &output, "--", "perl", "-e", &script]);
    if !directory.is_dir() {
        println!("skipped: this kernel takes the whole register for the number");
        return;
    }
    let profile = read(&path);
    let writes = profile["writes"].as_array().expect("a list");
    let made = directory.canonicalize().expect("it is there");
    assert!(
        writes.iter().any(|write| write["op"] == "mkdir" && write["path"] == *made.to_string_lossy()),
        "{profile}"
    );
}
