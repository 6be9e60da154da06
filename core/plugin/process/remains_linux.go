package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearth-project/hearth/sdk/process"
)

// endRemains kills what a child has started: the processes of its session, and those that have left it and are known by
// the folder in their environment. The child itself must have ended and not been waited for, so that its number is not
// another's by now. Processes that start others meanwhile are looked for again.
func endRemains(pid int, dir string) {
	_ = unix.Kill(-pid, unix.SIGKILL)
	mark := []byte(process.RuntimeEnv + "=" + dir)
	for range 100 {
		found := false
		err := eachProcess(func(other int, proc string) {
			if other != pid && other != os.Getpid() && (sessionOf(proc) == pid || marked(proc, mark)) {
				found = unix.Kill(other, unix.SIGKILL) == nil || found
			}
		})
		if err != nil || !found {
			return
		}
		time.Sleep(10 * time.Millisecond) // they need a moment to die
	}
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
