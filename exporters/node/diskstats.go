package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

const sectorSize = 512 // the unit of /proc/diskstats, whatever the disk's own is

// diskColumns are the columns of /proc/diskstats after the device's name, in order. Times are milliseconds there.
// Source: the kernel's Documentation/admin-guide/iostats.rst.
var diskColumns = [...]struct {
	name, help string
	gauge      bool
	factor     float64
}{
	{"reads_completed_total", "The total number of reads completed successfully.", false, 1},
	{"reads_merged_total", "The total number of reads merged.", false, 1},
	{"read_bytes_total", "The total number of bytes read successfully.", false, sectorSize},
	{"read_time_seconds_total", "The total number of seconds spent by all reads.", false, 0.001},
	{"writes_completed_total", "The total number of writes completed successfully.", false, 1},
	{"writes_merged_total", "The number of writes merged.", false, 1},
	{"written_bytes_total", "The total number of bytes written successfully.", false, sectorSize},
	{"write_time_seconds_total", "The total number of seconds spent by all writes.", false, 0.001},
	{"io_now", "The number of I/Os currently in progress.", true, 1},
	{"io_time_seconds_total", "Total seconds spent doing I/Os.", false, 0.001},
	{"io_time_weighted_seconds_total", "The weighted number of seconds spent doing I/Os.", false, 0.001},
	{"discards_completed_total", "The total number of discards completed successfully.", false, 1},
	{"discards_merged_total", "The total number of discards merged.", false, 1},
	{"discarded_sectors_total", "The total number of sectors discarded successfully.", false, 1},
	{"discard_time_seconds_total", "The total number of seconds spent by all discards.", false, 0.001},
	{"flush_requests_total", "The total number of flush requests completed successfully.", false, 1},
	{"flush_requests_time_seconds_total", "The total number of seconds spent by all flush requests.", false, 0.001},
}

// collectDiskstats reports the I/O of block devices.
func collectDiskstats(h *host, w *metric.Writer) error {
	text, err := h.procFile("diskstats")
	if err != nil {
		return err
	}
	families := make([]*metric.Family, len(diskColumns))
	for i, c := range diskColumns {
		kind := metric.KindCounter
		if c.gauge {
			kind = metric.KindGauge
		}
		families[i] = w.Family(kind, "node_disk_"+c.name, c.help, "device")
	}
	info := w.Gauge("node_disk_info", "What is known of a block device; always 1.",
		"device", "major", "minor", "path", "wwn", "model", "serial", "revision")
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 {
			return fmt.Errorf("diskstats: %q has fewer than 4 fields", line)
		}
		major, minor, device := f[0], f[1], f[2]
		if h.DiskDevicesExclude.match(device) {
			continue
		}
		u := h.udevOf(major, minor)
		info.Sample(1, device, major, minor, u["ID_PATH"], u["ID_WWN"], u["ID_MODEL"], u.serial(), u["ID_REVISION"])
		for i, s := range f[3:min(len(f), 3+len(families))] {
			v, err := number(s)
			if err != nil {
				return fmt.Errorf("diskstats: %s: %w", device, err)
			}
			if c := diskColumns[i].factor; c == 0.001 {
				v /= 1000 // exacter than the product
			} else {
				v *= c
			}
			families[i].Sample(v, device)
		}
	}
	return nil
}

// udevData is what udev keeps of a device; empty where it can't be read.
type udevData map[string]string

func (h *host) udevOf(major, minor string) udevData {
	text, err := h.read(h.Udev + "/b" + major + ":" + minor)
	if err != nil {
		return nil
	}
	d := udevData{}
	for line := range strings.Lines(text) {
		if kv, ok := strings.CutPrefix(strings.TrimSpace(line), "E:"); ok {
			if k, v, ok := strings.Cut(kv, "="); ok {
				d[k] = v
			}
		}
	}
	return d
}

// serial prefers the number of the device to that of the adapter it hangs on.
func (d udevData) serial() string {
	for _, k := range []string{"SCSI_IDENT_SERIAL", "ID_SCSI_SERIAL", "ID_SERIAL_SHORT"} {
		if v := d[k]; v != "" {
			return v
		}
	}
	return ""
}
