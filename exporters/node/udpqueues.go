package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectUDPQueues reports the bytes that wait in the queues of UDP sockets.
func collectUDPQueues(h *host, w *metric.Writer) error {
	queues := w.Gauge("node_udp_queues", "Memory the kernel holds for UDP datagrams, in bytes.", "queue", "ip")
	found := false
	for _, v := range []struct{ file, ip string }{{"net/udp", "v4"}, {"net/udp6", "v6"}} {
		text, err := h.procFile(v.file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var tx, rx float64
		for i, line := range strings.Split(text, "\n") {
			f := strings.Fields(line)
			if i == 0 || len(f) < 5 {
				continue
			}
			sent, received, ok := strings.Cut(f[4], ":")
			t, err1 := hexNumber(sent)
			r, err2 := hexNumber(received)
			if !ok || err1 != nil || err2 != nil {
				return fmt.Errorf("%s: %q is not a pair of queues", v.file, f[4])
			}
			tx, rx = tx+t, rx+r
		}
		queues.Sample(tx, "tx", v.ip)
		queues.Sample(rx, "rx", v.ip)
		found = true
	}
	if !found {
		return errNoData
	}
	return nil
}
