package process

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// EndRemains kills what the plugin pid has started: the processes of its session, and those that have left it and are
// known by the folder of RuntimeEnv in their environment. Not the plugin itself, which must not have been waited for, so
// that its number is not another's by now; nor the caller. Processes that start others meanwhile are looked for again.
func EndRemains(pid int, dir string) {
	mark := []byte(RuntimeEnv + "=" + dir)
	for range 100 {
		if !killEach(func(proc string) bool { return sessionOf(proc) == pid || marked(proc, mark) }, pid, os.Getpid()) {
			return
		}
		time.Sleep(10 * time.Millisecond) // they need a moment to die
	}
}

// killEach kills the processes that fit and are not spared, and tells whether there were any.
func killEach(fits func(proc string) bool, spared ...int) (found bool) {
	d, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return false
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || slices.Contains(spared, pid) || !fits(filepath.Join("/proc", name)) {
			continue
		}
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			found = true
		}
	}
	return found
}

// sessionOf returns the session of a process that is alive, 0 of any other.
func sessionOf(proc string) int {
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return 0
	}
	// pid (name) state ppid pgrp session, where the name may hold anything
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 4 || string(fields[0]) == "Z" {
		return 0
	}
	session, err := strconv.Atoi(string(fields[3]))
	if err != nil {
		return 0
	}
	return session
}

// marked tells whether a process was started with a variable of the environment.
func marked(proc string, variable []byte) bool {
	environ, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil {
		return false
	}
	for one := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(one, variable) {
			return true
		}
	}
	return false
}
