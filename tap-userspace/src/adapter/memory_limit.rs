//! How much memory this process's cgroups let it have.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// Version 1 says this, less what is no whole page, where there is no limit
/// (`PAGE_COUNTER_MAX` in include/linux/page_counter.h).
const UNLIMITED_FROM_BYTES: u64 = 1 << 62;

/// The smallest limit of the cgroups that this process is in, in bytes. `None`
/// if there is none, or none that can be seen: in a container that is mostly
/// its own, and not its pod's.
#[must_use]
pub fn memory_limit_bytes() -> Option<u64> {
    let cgroup = fs::read_to_string("/proc/self/cgroup").ok()?;
    smallest_limit_bytes(&cgroup, Path::new("/sys/fs/cgroup"))
}

/// The same by the text of a `/proc/PID/cgroup` (cgroups(7)) and where cgroups
/// are mounted: version 2 there or, beside version 1, in `unified`; version 1's
/// memory in `memory`. A limit holds for all that is below it.
#[must_use]
pub fn smallest_limit_bytes(proc_cgroup: &str, mounted_at: &Path) -> Option<u64> {
    let files = proc_cgroup.lines().flat_map(|line| {
        let fields: Vec<_> = line.splitn(3, ':').collect();
        let mounts: &[_] = match *fields {
            [_, "", _] => &[("", "memory.max"), ("unified", "memory.max")],
            [_, controllers, _] if controllers.split(',').any(|one| one == "memory") => {
                &[("memory", "memory.limit_in_bytes")]
            }
            _ => &[],
        };
        let path = Path::new(fields.last().copied().unwrap_or_default());
        let files = mounts.iter().flat_map(|(mount, file)| {
            let mount = mounted_at.join(mount);
            upwards(path).map(move |path| mount.join(path).join(file))
        });
        files.collect::<Vec<_>>()
    });
    files
        .filter_map(|file| limit_bytes(&file).ok().flatten())
        .min()
}

/// The path and all that it is below, down to the mount itself. Where a
/// container sees a path of its node's, only the mount is there.
fn upwards(path: &Path) -> impl Iterator<Item = PathBuf> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let path: PathBuf = names.collect();
    let paths: Vec<_> = path.ancestors().map(Path::to_owned).collect();
    paths.into_iter()
}

fn limit_bytes(file: &Path) -> io::Result<Option<u64>> {
    let text = fs::read_to_string(file)?;
    // Version 2 says `max` where there is no limit.
    let limit = text.trim_end().parse().ok();
    Ok(limit.filter(|&bytes| bytes < UNLIMITED_FROM_BYTES))
}
