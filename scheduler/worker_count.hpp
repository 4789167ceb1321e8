// SPDX-License-Identifier: Apache-2.0
// How many workers a process should have: what its affinity mask and its cgroups' CPU quotas let
// it use, not what the machine has. More workers than quota only get throttled together.
//
// Thread rules: any thread; reads files under /proc and the cgroup mounts, so not on a hot path.
#pragma once

namespace greenroom::detail {

// The smaller of affinity mask and quota, at least 1. `root` goes before every path that is read.
unsigned default_worker_count(const char* root = "");

// CPUs that the calling thread may run on, at least 1.
unsigned affinity_cpu_count() noexcept;

// The smallest CPU quota from this process's cgroup up to the root of its hierarchy, rounded up to
// whole CPUs; 0 means no quota. Both cgroup versions are read, for a machine may mount both.
// Files that cannot be read or make no sense count as no quota.
unsigned cgroup_cpu_limit(const char* root = "");

}  // namespace greenroom::detail
