package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectFilefd reports the use of file descriptors.
func collectFilefd(h *host, w *metric.Writer) error {
	text, err := h.procFile("sys/fs/file-nr")
	if err != nil {
		return err
	}
	f := strings.Fields(text)
	if len(f) != 3 {
		return fmt.Errorf("sys/fs/file-nr: %q, want 3 numbers", text)
	}
	for i, name := range []string{"allocated", "", "maximum"} { // the second is always 0
		if name == "" {
			continue
		}
		v, err := number(f[i])
		if err != nil {
			return fmt.Errorf("sys/fs/file-nr: %w", err)
		}
		w.Gauge("node_filefd_"+name, "File descriptor statistics: "+name+".").Sample(v)
	}
	return nil
}
