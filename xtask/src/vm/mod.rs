//! `cargo xtask vm-test`: the integration tests on several kernels, each in a virtual machine with Docker on cgroup v2.
//!
//! One root file system of the host's own Debian release is booted with the kernels of several releases, one machine
//! at a time. Nothing is installed on the host besides Debian packages, nothing is mounted, and no port is opened. A
//! machine ends with this process, however that ends.
//!
//! What takes long to make stays below the target directory, as do the results of the last run of each kernel: the
//! jobs' output, the profiles, the daemon's and the kernel's log, the console.

mod btf;
mod cache;
mod disk;
mod initramfs;
mod kernel;
mod machine;
mod payload;
mod report;
mod userland;

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::ValueEnum;

use self::cache::Cache;
use self::kernel::{Kernel, MATRIX};
use self::machine::{Accelerator, Boot, Disk, Machine};
use self::payload::Payload;
use self::report::Report;
use self::userland::Userland;
use crate::agreement;
use crate::archives::Mirrors;
use crate::command::say;
use crate::daemon::host;
use crate::packages::{self, HostLacks, Package};
use crate::{setup, workspace};

/// What a machine may take besides its jobs: booting, starting Docker, switching off.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// The kinds of sensors that are tried where none is named.
const SENSORS: [&str; 2] = ["fexit", "tracepoint"];
/// Room for what the jobs leave as results.
const RESULTS_MEBIBYTES: u64 = 512;

/// Some kernels of the matrix.
#[derive(clap::Args)]
pub(crate) struct Kernels {
    /// The kernels, by their names in `vm-test --list`; all of them where none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
}

/// Which tests to run where.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    kernels: Kernels,
    /// Print the kernels and do nothing else
    #[arg(long)]
    list: bool,
    /// A test program of the package `profiler`; may be repeated [default: all of them]
    #[arg(long = "test", value_name = "NAME")]
    tests: Vec<String>,
    /// Kinds of sensors, separated by commas: the tests run once with each (as WRITEPATH_SENSOR), and what is named
    /// must work [default: fexit,tracepoint, as far as the kernel allows it and they see all there]
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    sensors: Vec<String>,
    /// Who makes the containers' cgroups, separated by commas: the tests run once with each
    #[arg(
        long = "cgroup-driver",
        value_enum,
        value_name = "DRIVER",
        value_delimiter = ',',
        default_value = "cgroupfs"
    )]
    cgroup_drivers: Vec<CgroupDriver>,
    /// Further parameters of the kernel, for instance `preempt=full`
    #[arg(long, value_name = "PARAMETERS", default_value = "")]
    append: String,
    /// Boot nothing: compare what the last runs of the kernels left
    #[arg(long)]
    compare: bool,
    /// Make everything anew that is usually kept, with Debian's packages of today
    #[arg(long)]
    rebuild: bool,
    /// Handed to the test programs: a filter, or their options
    #[arg(last = true)]
    filter: Vec<String>,
}

/// Who makes the containers' cgroups, and with it how these are named.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CgroupDriver {
    /// runc itself: `docker/ID`
    Cgroupfs,
    /// systemd, which is the guest's first process then: `system.slice/docker-ID.scope`
    Systemd,
}

impl CgroupDriver {
    /// What a person calls a kernel with this driver, and the directory of its results.
    fn name_with(self, kernel: &Kernel) -> String {
        match self {
            Self::Cgroupfs => kernel.name.to_owned(),
            Self::Systemd => format!("{}-systemd", kernel.name),
        }
    }

    /// What tells the guest so.
    fn parameters(self) -> &'static str {
        match self {
            Self::Cgroupfs => "",
            Self::Systemd => machine::SYSTEMD,
        }
    }
}

/// Runs them.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        for kernel in &MATRIX {
            println!("{:<5} {}", kernel.name, kernel.suite);
        }
        return Ok(());
    }
    let kernels = kernel::chosen(&options.kernels.kernels)?;
    if options.compare {
        return compare_last(&kernels, &options.cgroup_drivers);
    }
    ensure_host()?;
    setup::run()?;
    let directory = workspace::scratch().join("vm");
    fs::create_dir_all(&directory)?;
    let _lock = lock(&directory)?;

    let cache = Cache::open(directory.join("cache"), options.rebuild)?;
    let mirrors = Mirrors::of_host()?;
    btf::check(&kernels, &cache, &mirrors)?;
    let userland = userland::build(&cache, &mirrors)?;
    let is_probing = options.sensors.is_empty();
    let sensors = if is_probing { SENSORS.map(str::to_owned).into() } else { options.sensors.clone() };
    let payload = Payload::tests(&options.tests, &options.filter, &sensors)?;
    let work = Work::new(&directory)?;
    {
        let daemon = host::ensure()?;
        payload.build_images(&daemon)?;
        payload.write(&work.payload(), &work.0, &daemon)?;
    }
    let append = &options.append;
    let bench = Bench { directory, cache, mirrors, userland, payload, work, append, is_probing };
    let mut reports = Vec::new();
    for kernel in kernels {
        for &driver in &options.cgroup_drivers {
            let name = driver.name_with(kernel);
            // One that cannot be fetched or booted does not keep the next from its turn.
            let report = bench.test(kernel, driver, &name).unwrap_or_else(Report::of_failure);
            reports.push((name, report));
        }
    }
    report::print(&reports)
}

/// Tests the resolver of offsets against the kernels' BTF, without booting them.
pub(crate) fn btf(kernels: &Kernels) -> Result<()> {
    let kernels = kernel::chosen(&kernels.kernels)?;
    ensure_packages()?;
    setup::tool_chain()?;
    let directory = workspace::scratch().join("vm");
    fs::create_dir_all(&directory)?;
    let _lock = lock(&directory)?;
    let cache = Cache::open(directory.join("cache"), false)?;
    btf::check(&kernels, &cache, &Mirrors::of_host()?)
}

/// Where the results of a kernel's last run lie.
fn results_of(directory: &Path, name: &str) -> PathBuf {
    directory.join("results").join(name)
}

/// Compares what the last runs left.
fn compare_last(kernels: &[&Kernel], drivers: &[CgroupDriver]) -> Result<()> {
    let directory = workspace::scratch().join("vm");
    let mut places = Vec::new();
    for kernel in kernels {
        for driver in drivers {
            let name = driver.name_with(kernel);
            let results = results_of(&directory, &name);
            if results.is_dir() {
                places.extend(report::compared(&name, &results)?);
            }
        }
    }
    agreement::print(&places.iter().collect::<Vec<_>>())
}

/// What all machines of a run share.
struct Bench<'a> {
    directory: PathBuf,
    cache: Cache,
    mirrors: Mirrors,
    userland: Userland,
    payload: Payload,
    work: Work,
    /// Further parameters of the kernel.
    append: &'a str,
    /// A kind of sensors that the kernel refuses is no failure.
    is_probing: bool,
}

impl Bench<'_> {
    /// Boots one kernel and sees its jobs through. What goes wrong in the machine is in the report.
    fn test(&self, kernel: &Kernel, driver: CgroupDriver, name: &str) -> Result<Report> {
        let files = kernel.files(&self.cache, &self.mirrors)?;
        let results = results_of(&self.directory, name);
        if results.exists() {
            fs::remove_dir_all(&results)?;
        }
        fs::create_dir_all(&results)?;
        let initramfs = self.work.0.join("initramfs");
        initramfs::make(&initramfs, &self.userland.busybox, &files)?;
        let archive = self.work.0.join("results");
        disk::blank(&archive, RESULTS_MEBIBYTES)?;
        let accelerator = Accelerator::find(&files.image, &initramfs, &self.directory)?;
        say(&format!("booting Linux {} ({}) under {}", files.release, kernel.suite, accelerator.name()));

        let lossy = if self.is_probing { kernel.lossy() } else { &[] };
        let start = Instant::now();
        let boot = Boot {
            image: &files.image,
            initramfs: &initramfs,
            disks: &[
                Disk::scratch(&self.userland.disk),
                Disk::read_only(&files.disk),
                Disk::read_only(&self.work.payload()),
                Disk::kept(&archive),
            ],
            parameters: &format!("{} {} {}", driver.parameters(), without(lossy), self.append),
            console: &results.join("console.log"),
            clock: kernel.clock(),
            limit: BOOT_LIMIT + self.payload.limit(),
        };
        let mut report = Report::new(self.is_probing, lossy);
        let said = File::create(results.join("guest.log"))?;
        watch(boot.start(accelerator)?, name, &mut report, said);
        disk::unpack(&archive, &results)?;
        report.close(name, &results, start.elapsed())?;
        say(&format!("logs and profiles are in {}", results.display()));
        Ok(report)
    }
}

/// What tells the guest to leave out what would be run with these kinds of sensors.
fn without(kinds: &[(&str, &str)]) -> String {
    kinds.iter().map(|(kind, _)| format!("vm-test.without={kind} ")).collect()
}

/// Listens to a machine until it is off, one way or another. All that it said is kept: the jobs' own logs come only
/// from a guest that lives to hand them over.
fn watch(mut machine: Machine, name: &str, report: &mut Report, mut log: File) {
    loop {
        match machine.line() {
            Ok(Some(line)) => {
                if let Err(error) = writeln!(log, "{line}") {
                    return report.fail(format!("what the guest says cannot be kept: {error}"));
                }
                if let Some(text) = report.add(&line) {
                    println!("[{name}] {text}");
                }
            }
            Ok(None) if report.is_finished() => return,
            Ok(None) => {
                return report.fail(format!(
                    "the machine went off before its work was done; {}",
                    machine.last_words()
                ));
            }
            Err(error) => return report.fail(format!("{error:#}")),
        }
    }
}

/// What booting takes on this host.
fn ensure_host() -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        let what = "the virtual machines are for x86-64 hosts".to_owned();
        return Err(anyhow!(HostLacks { what, commands: Vec::new() }));
    }
    if !packages::is_root() {
        let what = "building a root file system needs root (owners and device nodes)".to_owned();
        return Err(anyhow!(HostLacks { what, commands: vec!["cargo xtask vm-test".to_owned()] }));
    }
    packages::ensure(&machine::packages())?;
    packages::ensure(&[Package::program("mmdebstrap", "mmdebstrap")])?;
    ensure_packages()
}

/// What fetching and unpacking a kernel takes.
fn ensure_packages() -> Result<()> {
    packages::ensure(&[
        Package::library("debian-archive-keyring"),
        Package::program("e2fsprogs", "mke2fs"),
        Package::program("kmod", "depmod"),
        Package::program("xz-utils", "xz"),
        Package::program("zstd", "zstd"),
    ])
}

/// One run at a time uses the directory. The lock dies with its owner.
fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let lock = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("another `cargo xtask vm-test` (or `btf`) is running"),
        Err(TryLockError::Error(error)) => {
            Err(error).context("locking the directory of the virtual machines")
        }
    }
}

/// Where one run's own disks lie. Emptied at the start too, in case that the last owner was killed.
struct Work(PathBuf);

impl Work {
    fn new(directory: &Path) -> Result<Self> {
        let work = directory.join("work");
        if work.exists() {
            fs::remove_dir_all(&work)?;
        }
        fs::create_dir_all(&work)?;
        Ok(Self(work))
    }

    fn payload(&self) -> PathBuf {
        self.0.join("payload.ext4")
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What remains is removed by the next run.
        let _ = fs::remove_dir_all(&self.0);
    }
}
