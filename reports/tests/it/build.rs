//! Profiles put together by code.

use reports::model::*;

/// A path from text.
pub(crate) fn path(text: &str) -> SubjectPath {
    SubjectPath::from_bytes(text.as_bytes()).unwrap()
}

/// A profile in the making.
pub(crate) struct Build {
    pub(crate) profile: Profile,
    process: String,
    phase: Phase,
}

impl Build {
    /// A complete profile of a container that did nothing.
    pub(crate) fn new(image: &str) -> Self {
        let profile = Profile {
            schema: PROFILE_SCHEMA.to_owned(),
            tool: Tool { name: "writepath".to_owned(), version: "0.1.0".to_owned() },
            host: Host { kernel: "6.18.0".to_owned(), arch: "x86_64".to_owned(), ..Host::default() },
            subject: Subject {
                name: image.to_owned(),
                image_id: Some("sha256:00".to_owned()),
                config: Some(ContainerConfig { image: image.to_owned(), ..ContainerConfig::default() }),
                ..Subject::default()
            },
            run: Run {
                started: "2026-01-02T03:04:05Z".to_owned(),
                duration_ms: 12_300,
                phases: vec![
                    PhaseSpan { phase: Phase::Startup, start_ms: 0, end_ms: 1000 },
                    PhaseSpan { phase: Phase::Steady, start_ms: 1000, end_ms: 11_000 },
                    PhaseSpan { phase: Phase::Shutdown, start_ms: 11_000, end_ms: 12_300 },
                ],
                ..Run::default()
            },
            coverage: Coverage { complete: true, gaps: Vec::new() },
            writes: Vec::new(),
            capabilities: Vec::new(),
        };
        Self { profile, process: "/usr/bin/app".to_owned(), phase: Phase::Startup }
    }

    pub(crate) fn config(&mut self) -> &mut ContainerConfig {
        self.profile.subject.config.as_mut().unwrap()
    }

    /// Whoever does what follows, and when.
    pub(crate) fn by(mut self, process: &str, phase: Phase) -> Self {
        process.clone_into(&mut self.process);
        self.phase = phase;
        self
    }

    fn entry(mut self, at: &str, kind: ObjectKind, mode: &str, uid: u32, gid: u32) -> Self {
        let entries = &mut self.profile.subject.image_entries;
        entries.push(ImageEntry {
            path: path(at),
            kind,
            mode: mode.to_owned(),
            uid,
            gid,
            size: 0,
            link: None,
        });
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        self
    }

    /// Directories of the image, root's and 0755.
    pub(crate) fn dirs(self, paths: &[&str]) -> Self {
        paths.iter().fold(self, |build, at| build.dir(at, "0755", 0, 0))
    }

    pub(crate) fn dir(self, at: &str, mode: &str, uid: u32, gid: u32) -> Self {
        self.entry(at, ObjectKind::Directory, mode, uid, gid)
    }

    /// Files of the image.
    pub(crate) fn files(self, paths: &[&str]) -> Self {
        paths.iter().fold(self, |build, at| build.entry(at, ObjectKind::File, "0644", 0, 0))
    }

    pub(crate) fn symlink(self, at: &str) -> Self {
        self.entry(at, ObjectKind::Symlink, "0777", 0, 0)
    }

    /// A mount that the subject had.
    pub(crate) fn mount(mut self, at: &str, kind: MountKind, source: Option<&str>) -> Self {
        let source = source.map(str::to_owned);
        self.profile.subject.mounts.push(Mount { target: path(at), kind, source, read_only: false });
        self
    }

    /// A succeeded operation on the root mount, or on the mount that `at` lies on.
    pub(crate) fn write(self, op: Op, at: &str) -> Self {
        self.write_with(op, path(at), |_| ())
    }

    /// The same on several paths.
    pub(crate) fn writes(self, op: Op, paths: &[&str]) -> Self {
        paths.iter().fold(self, |build, at| build.write(op, at))
    }

    pub(crate) fn rename(self, from: &str, to: &str) -> Self {
        let from = path(from);
        self.write_with(Op::Rename, path(to), |write| write.from = Some(from))
    }

    pub(crate) fn write_with(mut self, op: Op, at: SubjectPath, change: impl FnOnce(&mut Write)) -> Self {
        let mounts = self.profile.subject.mounts.iter().map(|mount| &mount.target);
        let mount = mounts.filter(|target| at.is_within(target)).max().cloned();
        let first_ms = u64::try_from(self.profile.writes.len()).unwrap();
        let mut write = Write {
            path: at,
            from: None,
            op,
            errno: 0,
            count: 1,
            mount: mount.unwrap_or_else(SubjectPath::root),
            object: if op == Op::Mkdir { ObjectKind::Directory } else { ObjectKind::File },
            collapsed: false,
            first_ms,
            last_ms: first_ms,
            phases: [self.phase].into_iter().collect(),
            processes: [self.process.clone()].into(),
        };
        change(&mut write);
        self.profile.writes.push(write);
        self
    }

    /// A change of a directory itself.
    pub(crate) fn on_dir(self, op: Op, at: &str) -> Self {
        self.write_with(op, path(at), |write| write.object = ObjectKind::Directory)
    }

    /// A granted and required capability check.
    pub(crate) fn required(self, cap: &str, syscall: &str, caller: &str) -> Self {
        self.cap(cap, syscall, caller, Verdict::Required)
    }

    pub(crate) fn cap(mut self, cap: &str, syscall: &str, caller: &str, verdict: Verdict) -> Self {
        let check = CapabilityCheck {
            process: self.process.clone(),
            syscall: syscall.to_owned(),
            caller: Some(caller.to_owned()).filter(|caller| !caller.is_empty()),
            stack: Vec::new(),
            granted: verdict != Verdict::Attempted,
            verdict,
            reason: "a test says so".to_owned(),
            count: 2,
            first_ms: 5,
            last_ms: 6,
            phases: [self.phase].into_iter().collect(),
        };
        let all = &mut self.profile.capabilities;
        match all.iter_mut().find(|entry| entry.cap == cap) {
            Some(entry) => {
                entry.verdict = entry.verdict.max(verdict);
                entry.count += 2;
                entry.evidence.push(check);
            }
            None => all.push(Capability { cap: cap.to_owned(), verdict, count: 2, evidence: vec![check] }),
        }
        self
    }

    pub(crate) fn executes(mut self, program: &str, gains_privileges: bool) -> Self {
        let execution = Execution {
            path: path(program),
            mount: SubjectPath::root(),
            count: 1,
            gains_privileges,
            mapped: false,
        };
        self.profile.run.executions.push(execution);
        self
    }

    /// A file that is mapped to be executed, or a directory that stands for many.
    pub(crate) fn maps(mut self, file: &str) -> Self {
        let execution = Execution {
            path: path(file),
            mount: SubjectPath::root(),
            count: 1,
            gains_privileges: false,
            mapped: true,
        };
        self.profile.run.executions.push(execution);
        self
    }

    pub(crate) fn size(mut self, at: &str, mib: u64) -> Self {
        self.profile.run.sizes.push(DirectorySize {
            path: path(at),
            peak_bytes: mib << 20,
            unlinked_bytes: 0,
        });
        self
    }

    /// Processes of the current executable ran as that user, in the current phase.
    pub(crate) fn user(mut self, uid: u32, gid: u32, count: u64) -> Self {
        let executable = self.process.clone();
        self.profile.run.users.push(UserSeen {
            uid,
            gid,
            executable,
            count,
            phases: [self.phase].into_iter().collect(),
        });
        self
    }

    /// The current executable bound a port.
    pub(crate) fn port(mut self, port: u16) -> Self {
        let executable = self.process.clone();
        self.profile.run.ports.push(BoundPort {
            port,
            executable,
            phases: [self.phase].into_iter().collect(),
        });
        self
    }

    /// A load test that passed.
    pub(crate) fn loaded(mut self) -> Self {
        self.profile.run.load = Some(Load { command: "true".to_owned(), exit_status: Some(0) });
        self
    }

    pub(crate) fn plan(&self) -> reports::plan::Plan {
        reports::plan::recommend(&self.profile)
    }
}
