package process

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// leash ends this process and its group when the process host is gone.
func leash(host int) {
	end := func() { os.Exit(1) }
	if pid := syscall.Getpid(); syscall.Getpgrp() == pid { // or else it is not hearth that has started it
		end = func() {
			EndRemains(pid, os.Getenv(RuntimeEnv))
			syscall.Kill(-pid, syscall.SIGKILL)
		}
	}
	// A log line to a host that is gone must not end this process before it has ended the others.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	go func() {
		<-told
		end()
	}()
	syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0)
	if os.Getppid() != host { // it has died meanwhile
		end()
	}
	watchInput(host, end)
	// The name that ps and top show is that of the file it was started from, which is a number. Only for the eye.
	_ = os.WriteFile("/proc/self/comm", []byte(filepath.Base(os.Args[0])), 0)
}
