package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectBonding reports how many interfaces each bond has and how many of them are up.
func collectBonding(h *host, w *metric.Writer) error {
	const dir = "class/net/"
	masters, err := h.sysFile(dir + "bonding_masters")
	if err != nil {
		return orNoData(err)
	}
	slaves := w.Gauge("node_bonding_slaves", "Number of interfaces of a bond.", "master")
	active := w.Gauge("node_bonding_active", "Number of interfaces of a bond that are up.", "master")
	for master := range strings.FieldsSeq(masters) {
		names, err := h.sysFile(dir + master + "/bonding/slaves")
		if err != nil {
			return err
		}
		n, up := 0, 0
		for slave := range strings.FieldsSeq(names) {
			n++
			state := h.sysText(dir + master + "/lower_" + slave + "/bonding_slave/mii_status")
			if state == "" { // what kernels before 3.13 call it
				state = h.sysText(dir + master + "/slave_" + slave + "/bonding_slave/mii_status")
			}
			if state == "up" {
				up++
			}
		}
		slaves.Sample(float64(n), master)
		active.Sample(float64(up), master)
	}
	return nil
}
