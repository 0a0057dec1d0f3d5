//! What a worker takes from itself before it sees the first byte of a stranger.
//!
//! Each layer stands alone, because a kernel or a container may lack another: limits, no capabilities, Landlock without a single
//! path, and a filter of system calls that knows reading, writing, memory, threads and time. Whatever else is called fails with
//! `EPERM`. The number of processes is not limited by `RLIMIT_NPROC`, which counts all threads of the user: the filter refuses
//! `fork` and `exec`, and the address space limits threads.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io,
    os::fd::RawFd,
};

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::{
    io::Errno,
    process::{DumpableBehavior, Resource, Rlimit, Signal},
    thread::{CapabilitySet, CapabilitySets},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::protocol::Setup;

/// Which layers hold in a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// The kernel refuses every path (Landlock; Linux 5.13).
    pub landlock: bool,
    /// The kernel refuses every system call that a decoder does not need.
    pub seccomp: bool,
}

impl Sandbox {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self.landlock && self.seccomp
    }

    pub(crate) fn to_byte(self) -> u8 {
        u8::from(self.landlock) | u8::from(self.seccomp) << 1
    }

    pub(crate) fn from_byte(byte: u8) -> Self {
        Self { landlock: byte & 1 != 0, seccomp: byte & 2 != 0 }
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |holds| if holds { "yes" } else { "no" };
        write!(formatter, "landlock {}, seccomp {}", word(self.landlock), word(self.seccomp))
    }
}

/// The first steps of the process: it dies with the server, before it in a shortage of memory, and holds no file of it.
pub(crate) fn leave_the_server() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    close_inherited()?;
    // Wishes: a worker without them is a worker.
    let _ = fs::write("/proc/self/oom_score_adj", "500");
    let _ = rustix::process::nice(5);
    Ok(())
}

/// Closes all but the standard streams. The server's own files close by themselves, but not what the server was started with.
fn close_inherited() -> io::Result<()> {
    let names = fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    let numbers = names.iter().filter_map(|name| name.to_str()?.parse::<RawFd>().ok());
    for number in numbers.filter(|number| *number > 2) {
        #[expect(unsafe_code, reason = "nothing owns a descriptor that was inherited, so nothing safe can close it")]
        // SAFETY: the process has one thread and has opened nothing yet but the directory above, which is closed again: no
        // owner of the descriptor exists.
        let closed = unsafe { rustix::io::try_close(number) };
        debug_assert!(matches!(closed, Ok(()) | Err(Errno::BADF)), "{closed:?}");
    }
    Ok(())
}

/// Locks the process in. Only `Err` if a limit cannot be set; layers that the system does not have are missing in the answer.
pub(crate) fn enter(setup: Setup) -> io::Result<Sandbox> {
    // From here on, libraries complain about what strangers sent: no line of that is for the server's log.
    rustix::stdio::dup2_stderr(File::options().write(true).open("/dev/null")?)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    // Not only RLIMIT_CORE, which handlers of core dumps ignore.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, 512)?;
    limit(Resource::Fsize, setup.max_result)?;
    limit(Resource::As, setup.address_space)?;
    rustix::thread::set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    let _ =
        rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none });
    Ok(Sandbox { landlock: without_paths(), seccomp: filtered() })
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    // Nobody but root may raise a limit again.
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// Landlock with nothing allowed, as far as the kernel knows it.
fn without_paths() -> bool {
    let enforce = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V6))?
            .handle_access(AccessNet::from_all(ABI::V6))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .restrict_self()
    };
    enforce().is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}

fn filtered() -> bool {
    let install = || -> Option<()> {
        seccompiler::apply_filter_all_threads(&without_clone3()?).ok()?;
        seccompiler::apply_filter_all_threads(&known_calls()?).ok()
    };
    install().is_some()
}

/// The flags of `clone3` are out of a filter's sight. The C library takes `clone` if told that there is no `clone3`.
fn without_clone3() -> Option<BpfProgram> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    program(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

fn known_calls() -> Option<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let own_process = u64::from(std::process::id());
    let executable = libc::PROT_EXEC as u64;
    let thread = libc::CLONE_THREAD as u64;
    for (call, argument, operator, value) in [
        (libc::SYS_mmap, 2, SeccompCmpOp::MaskedEq(executable), 0),
        (libc::SYS_mprotect, 2, SeccompCmpOp::MaskedEq(executable), 0),
        (libc::SYS_clone, 0, SeccompCmpOp::MaskedEq(thread), thread),
        (libc::SYS_tgkill, 0, SeccompCmpOp::Eq, own_process),
        (libc::SYS_prctl, 0, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64),
        // What debug builds ask of a descriptor before they close it.
        (libc::SYS_fcntl, 1, SeccompCmpOp::Eq, libc::F_GETFD as u64),
    ] {
        let condition = SeccompCondition::new(argument, Dword, operator, value).ok()?;
        rules.insert(call, vec![SeccompRule::new(vec![condition]).ok()?]);
    }
    program(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Option<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().ok()?;
    SeccompFilter::new(rules, otherwise, matched, architecture).ok()?.try_into().ok()
}

/// Calls that are allowed whatever their arguments: on descriptors that are open already, on memory, threads and time.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_close,
    libc::SYS_recvmsg,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Allowed under every filter once clone3 is answered by the other one.
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_membarrier,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
