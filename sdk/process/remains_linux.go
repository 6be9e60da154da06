package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// EndRemains kills what the plugin pid has started: its children, the processes of its session, and those that have left
// it and are known by the folder of RuntimeEnv in their environment. Not the plugin itself, which must not have been
// waited for, so that its number is not another's by now; nor the caller. Processes that start others meanwhile are
// looked for again.
func EndRemains(pid int, dir string) {
	const (
		rounds = 100
		pause  = 10 * time.Millisecond // they need a moment to die
		unsure = 20                    // rounds to wait for those of which nothing can be known yet
	)
	mark := []byte(RuntimeEnv + "=" + dir)
	quiet := 0
	for range rounds {
		switch found, unknown := killRemains(pid, mark); {
		case found:
			quiet = 0
		case !unknown || quiet == unsure:
			return
		default:
			quiet++
		}
		time.Sleep(pause)
	}
}

// killRemains goes through all processes once. It tells whether it has killed any, and whether there were any that could
// be a plugin's and could not be told.
func killRemains(pid int, mark []byte) (found, unknown bool) {
	d, err := os.Open("/proc")
	if err != nil {
		return false, false
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return false, false
	}
	for _, name := range names {
		other, err := strconv.Atoi(name)
		if err != nil || other == pid || other == os.Getpid() {
			continue
		}
		proc := filepath.Join("/proc", name)
		ours := related(proc, pid)
		if !ours {
			var unsure bool
			ours, unsure = marked(proc, mark)
			unknown = unknown || unsure
		}
		if ours && syscall.Kill(other, syscall.SIGKILL) == nil {
			found = true
		}
	}
	return found, unknown
}

// related tells whether a process that is alive is a child of pid's, or of its session.
func related(proc string, pid int) bool {
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return false
	}
	// pid (name) state ppid pgrp session, where the name may hold anything
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 4 || string(fields[0]) == "Z" {
		return false
	}
	number := strconv.Itoa(pid)
	return string(fields[1]) == number || string(fields[3]) == number
}

// marked tells whether a process was started with a variable of the environment. Of one that is just being started
// nothing can be known: its environment is empty until the kernel has written it.
func marked(proc string, variable []byte) (yes, unsure bool) {
	environ, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil {
		return false, false
	}
	if len(environ) == 0 {
		_, err := os.Readlink(filepath.Join(proc, "exe")) // which zombies and threads of the kernel do not have
		return false, err == nil
	}
	for one := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(one, variable) {
			return true, false
		}
	}
	return false, false
}
