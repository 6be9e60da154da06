package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

const zfsDir = "spl/kstat/zfs"

// zfsFiles are the statistics of the whole module and what their metrics are called.
var zfsFiles = [...]struct{ file, name string }{
	{"abdstats", "abd"}, {"arcstats", "arc"}, {"dbuf_stats", "dbuf"}, {"dmu_tx", "dmu_tx"}, {"dnodestats", "dnode"}, {"fm", "fm"},
	{"vdev_cache_stats", "vdev_cache"}, {"vdev_mirror_stats", "vdev_mirror"}, {"xuio_stats", "xuio"}, {"zfetchstats", "zfetch"},
	{"zil", "zil"},
}

var zpoolStates = [...]string{"online", "degraded", "faulted", "offline", "removed", "unavail"}

// collectZFS reports the statistics of ZFS and its pools. Versions differ in the files they have.
func collectZFS(h *host, w *metric.Writer) error {
	entries, err := list(h.Procfs + "/" + zfsDir)
	if err != nil {
		return orNoData(err)
	}
	for _, f := range zfsFiles {
		text, err := h.procFile(zfsDir + "/" + f.file)
		if err != nil {
			continue
		}
		err = kstat(text, func(name string, v float64) {
			w.Untyped("node_zfs_"+f.name+"_"+name, "kstat.zfs.misc."+f.file+"."+name).Sample(v)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", f.file, err)
		}
	}
	for _, pool := range entries {
		files, err := list(h.Procfs + "/" + zfsDir + "/" + pool)
		if err != nil {
			continue // a file
		}
		if err := h.zpool(w, pool, files); err != nil {
			return fmt.Errorf("pool %s: %w", pool, err)
		}
	}
	return nil
}

// zpool reports a pool: its state, its I/O where the version tells it, and its datasets.
func (h *host) zpool(w *metric.Writer, pool string, files []string) error {
	for _, file := range files {
		isObjset := strings.HasPrefix(file, "objset-")
		if file != "io" && file != "state" && !isObjset {
			continue
		}
		text, err := h.procFile(zfsDir + "/" + pool + "/" + file)
		switch {
		case err != nil: // the pool is being exported
		case file == "state":
			f := w.Gauge("node_zfs_zpool_state", "Which state a pool is in: 1 for that one.", "zpool", "state")
			for _, s := range zpoolStates {
				f.Sample(metric.Bool(strings.EqualFold(strings.TrimSpace(text), s)), pool, s)
			}
		case file == "io":
			err = zpoolIO(w, pool, text)
		default:
			dataset := ""
			for line := range strings.Lines(text) {
				if f := strings.Fields(line); len(f) == 3 && f[0] == "dataset_name" {
					dataset = f[2]
				}
			}
			err = kstat(text, func(name string, v float64) {
				w.Untyped("node_zfs_zpool_dataset_"+name, "kstat.zfs.misc.objset."+name, "zpool", "dataset").Sample(v, pool, dataset)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		if err != nil && file == "io" {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// zpoolIO reads a line of names with a line of numbers below.
func zpoolIO(w *metric.Writer, pool, text string) error {
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 12 && f[0] == "nread":
			names = f
		case len(names) > 0 && len(f) >= len(names):
			for i, name := range names {
				v, err := number(f[i])
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				w.Untyped("node_zfs_zpool_"+cleanMetric(name), "kstat.zfs.misc.io."+name, "zpool").Sample(v, pool)
			}
			return nil
		}
	}
	return nil
}

// kstat calls each with the unsigned 64-bit numbers of a table of named values; their type is 4.
func kstat(text string, each func(name string, v float64)) error {
	inside := false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if !inside {
			inside = len(f) == 3 && f[0] == "name" && f[1] == "type" && f[2] == "data"
			continue
		}
		if len(f) < 3 || f[1] != "4" {
			continue
		}
		v, err := number(f[2])
		if err != nil {
			return fmt.Errorf("%s: %w", f[0], err)
		}
		each(cleanMetric(f[0]), v)
	}
	if !inside {
		return fmt.Errorf("no table of names, types and data")
	}
	return nil
}
