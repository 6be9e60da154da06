package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// tapeFiles are the files of a tape drive's statistics. Times are nanoseconds there.
var tapeFiles = [...]struct {
	file, name, help string
	unit             float64
}{
	{"io_ns", "io_time_seconds_total", "Time spent waiting for all I/O, movements of the tape too.", 1e9},
	{"other_cnt", "io_others_total", "Commands that were neither reads nor writes.", 1},
	{"read_byte_cnt", "read_bytes_total", "Bytes read.", 1},
	{"read_cnt", "reads_completed_total", "Reads completed.", 1},
	{"read_ns", "read_time_seconds_total", "Time spent waiting for reads.", 1e9},
	{"write_byte_cnt", "written_bytes_total", "Bytes written.", 1},
	{"write_cnt", "writes_completed_total", "Writes completed.", 1},
	{"write_ns", "write_time_seconds_total", "Time spent waiting for writes.", 1e9},
	{"resid_cnt", "residual_total", "Reads and writes that did not move all they were asked for.", 1},
}

// collectTapestats reports tape drives.
func collectTapestats(h *host, w *metric.Writer) error {
	const dir = "class/scsi_tape"
	drives, err := h.sysFolders(dir, "st")
	if err != nil {
		return err
	}
	for _, n := range drives {
		if strings.Trim(n, "0123456789") != "" {
			continue // st0a: another mode of the same drive
		}
		drive := "st" + n
		at := dir + "/" + drive + "/stats/"
		if v, ok := h.sysNumber(at + "in_flight"); ok {
			w.Gauge("node_tape_io_now", "I/Os in progress.", "device").Sample(v, drive)
		}
		for _, f := range tapeFiles {
			if v, ok := h.sysNumber(at + f.file); ok {
				w.Counter("node_tape_"+f.name, f.help, "device").Sample(v/f.unit, drive)
			}
		}
	}
	return nil
}
