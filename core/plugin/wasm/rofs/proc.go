package rofs

import "strings"

// processFiles are the files of a process, /proc/PID/NAME, that a guest may see: figures about it. Not among them are
// its root, cwd, exe and fd, which lead to any file the process can open, and its environ, cmdline, mem, maps and the
// like, which hold secrets. It is a list of what is allowed, so that a new kernel adds nothing to it.
var processFiles = map[string]bool{
	"autogroup": true, "cgroup": true, "comm": true, "coredump_filter": true, "cpuset": true, "io": true, "limits": true,
	"loginuid": true, "mountinfo": true, "mounts": true, "mountstats": true, "net": true, "oom_adj": true, "oom_score": true,
	"oom_score_adj": true, "sched": true, "schedstat": true, "sessionid": true, "stat": true, "statm": true, "status": true,
	"task": true, "timers": true,
}

// kernelFiles are files of /proc itself that hold the kernel's memory, its addresses, its log or its keys.
var kernelFiles = map[string]bool{
	"iomem": true, "ioports": true, "kallsyms": true, "kcore": true, "key-users": true, "keys": true, "kmsg": true, "kpagecgroup": true,
	"kpagecount": true, "kpageflags": true, "sched_debug": true, "slabinfo": true, "sysrq-trigger": true, "timer_list": true,
	"vmallocinfo": true, "vmcore": true,
}

// procDenied tells whether an absolute path is one of /proc that no guest may see.
func procDenied(p string) bool {
	rest, ok := strings.CutPrefix(p, "/proc/")
	return ok && deniedInProc(rest)
}

// deniedInProc is procDenied for a path within /proc.
func deniedInProc(p string) bool {
	first, rest, below := strings.Cut(p, "/")
	if !isProcess(first) {
		return kernelFiles[first]
	}
	if !below {
		return false
	}
	name, rest, below := strings.Cut(rest, "/")
	if name == "task" && below { // /proc/PID/task/TID/NAME
		_, inner, below := strings.Cut(rest, "/")
		if !below {
			return false
		}
		name, _, _ = strings.Cut(inner, "/")
		return name != "children" && !processFiles[name]
	}
	return !processFiles[name]
}

// deniedSomewhere is deniedInProc for a path of which it is not known where in it /proc is mounted: if any part may be a
// process, what follows must be allowed for one. It may deny too much.
func deniedSomewhere(p string) bool {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	if kernelFiles[parts[len(parts)-1]] {
		return true
	}
	for i, part := range parts {
		if isProcess(part) && (i == 0 || parts[i-1] != "task") && deniedInProc(strings.Join(parts[i:], "/")) {
			return true
		}
	}
	return false
}

func isProcess(name string) bool {
	return name == "self" || name == "thread-self" || (name != "" && strings.Trim(name, "0123456789") == "")
}
