package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectRAPL reports the energy that packages, cores and memory used (running average power limit). The kernel shows
// it to root alone.
func collectRAPL(h *host, w *metric.Writer) error {
	const dir = "class/powercap"
	zones, err := h.sysFolders(dir, "")
	if err != nil {
		return err
	}
	used := map[string]int{} // how often a name came
	for _, zone := range zones {
		name := h.sysText(dir + "/" + zone + "/name")
		if name == "" {
			continue // not a zone but what drives them
		}
		index := used[name]
		if n, number, ok := strings.Cut(name, "-"); ok { // package-0
			if i, err := strconv.Atoi(number); err == nil {
				name, index = n, i
			}
		}
		used[name] = index + 1
		text, err := h.sysFile(dir + "/" + zone + "/energy_uj")
		if errors.Is(err, fs.ErrPermission) {
			return errNoData
		}
		if err != nil {
			return err
		}
		uj, err := number(text)
		if err != nil {
			return fmt.Errorf("%s: %w", zone, err)
		}
		w.Counter("node_rapl_"+cleanMetric(name)+"_joules_total", "Energy used by "+name+", joules.", "index", "path").
			Sample(uj/1e6, strconv.Itoa(index), h.Sysfs+"/"+dir+"/"+zone)
	}
	return nil
}

// cleanMetric puts _ for what may not be in a metric's name.
func cleanMetric(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, s)
}
