package main

import (
	"runtime"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectUname reports what uname(2) says, from /proc/sys/kernel.
func collectUname(h *host, w *metric.Writer) error {
	labels := []string{"sysname", "release", "version", "machine", "nodename", "domainname"}
	values := make([]string, len(labels))
	for i, file := range []string{"ostype", "osrelease", "version", "arch", "hostname", "domainname"} {
		s, err := h.procFile("sys/kernel/" + file)
		if err != nil && file != "arch" { // there since Linux 6.1
			return err
		}
		values[i] = strings.TrimSpace(s)
	}
	if values[3] == "" {
		values[3] = machine()
	}
	w.Gauge("node_uname_info", "Labeled system information as provided by the uname system call.", labels...).Sample(1, values...)
	return nil
}

// machine guesses the kernel's name of the architecture; in the sandbox it can't be known.
func machine() string {
	switch runtime.GOARCH {
	case "wasm":
		return ""
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "386":
		return "i686"
	}
	return runtime.GOARCH
}
