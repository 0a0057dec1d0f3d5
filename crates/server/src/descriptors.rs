//! How many files and connections the process may have open at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Limits;

/// Descriptors for all but connections: the catalogue, listeners, connections to providers, files of idle uploads.
const SPARE: u64 = 1024;

/// Raises the soft limit to the hard one: each upload under way takes a connection and a staging file, and the usual soft limit of
/// 1,024, made for programs that call `select`, ends that early. Descriptors of this program are never given to `select`.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// Most descriptors that a server may have, and how many it takes if all its connections upload. `None`: there is no limit.
pub fn allowed_and_needed(limits: &Limits) -> (Option<u64>, u64) {
    let needed = 2 * limits.max_connections as u64 + SPARE;
    (getrlimit(Resource::Nofile).maximum, needed)
}
