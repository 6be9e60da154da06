package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Limits of a child that no manifest changes.
const (
	maxFiles     = 1024     // that are open
	moreProcs    = 512      // processes and threads that its user may have besides those there are at its start
	overhead     = 64 << 20 // bytes of data besides those that the manifest speaks of: stacks, tables of the runtime
	oomScore     = "500"    // of 1000: the kernel takes it before hearth when memory is short
	memoryTarget = 75       // percent of its memory that Go's collector is told to keep to
)

// limit bounds what a child may use. Data is what counts of its memory, not addresses: runtimes reserve many of those.
func limit(pid int, memory int64) error {
	procs, err := procsOf(os.Getuid())
	if err != nil {
		return err
	}
	for _, l := range []struct {
		name     string
		resource int
		max      uint64
	}{
		{"data", unix.RLIMIT_DATA, uint64(memory + overhead)},
		{"open files", unix.RLIMIT_NOFILE, maxFiles},
		{"processes", unix.RLIMIT_NPROC, uint64(procs + moreProcs)},
		{"core files", unix.RLIMIT_CORE, 0},
	} {
		var now unix.Rlimit
		if err := unix.Prlimit(pid, l.resource, nil, &now); err != nil {
			return fmt.Errorf("limit of %s: %w", l.name, err)
		}
		most := min(l.max, now.Max)
		if err := unix.Prlimit(pid, l.resource, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
			return fmt.Errorf("limit of %s: %w", l.name, err)
		}
	}
	// A kernel without this knob is no reason to run no plugins.
	_ = os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "oom_score_adj"), []byte(oomScore), 0)
	return nil
}

// procsOf counts the processes and threads of a user, which is what the kernel's limit counts.
func procsOf(uid int) (int, error) {
	n := 0
	err := eachProcess(func(pid int, dir string) {
		if ownedBy(dir, uid) {
			tasks, err := os.ReadDir(filepath.Join(dir, "task"))
			if err == nil {
				n += len(tasks)
			}
		}
	})
	return n, err
}

// residentMemory returns the bytes of a process that are in memory; 0 if it is gone.
func residentMemory(pid int) int64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// eachProcess calls f for each process there is, with its folder in /proc.
func eachProcess(f func(pid int, dir string)) error {
	d, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			f(pid, filepath.Join("/proc", name))
		}
	}
	return nil
}

func ownedBy(dir string, uid int) bool {
	fi, err := os.Stat(dir)
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == uid
}
