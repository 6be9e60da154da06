package main

import (
	"fmt"
	"slices"
	"strings"
)

// mount is one mounted file system.
type mount struct {
	device, point, fsType string
	readOnly              bool
}

// mounts returns the host's mounts: those of process 1, or where that is hidden those of the reader. Each device
// on a mount point comes once, the last one: it covers the others.
func (h *host) mounts() ([]mount, error) {
	text, err := h.procFile("1/mounts")
	if err != nil {
		if text, err = h.procFile("self/mounts"); err != nil {
			return nil, err
		}
	}
	var ms []mount
	at := map[mount]int{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 {
			return nil, fmt.Errorf("mounts: %q has fewer than 4 fields", line)
		}
		m := mount{device: unescape(f[0]), point: unescape(f[1]), fsType: f[2]}
		i, again := at[m]
		if !again {
			i = len(ms)
			at[m] = i
			ms = append(ms, m)
		}
		ms[i].readOnly = slices.Contains(strings.Split(f[3], ","), "ro")
	}
	return ms, nil
}

// unescape undoes the octal escapes the kernel puts into names: \040 is a blank.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1]) && isOctal(s[i+2]) && isOctal(s[i+3]) {
			b = append(b, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }
