package main

import "github.com/hearth-project/hearth/sdk/metric"

// collectEntropy reports the kernel's pool of randomness.
func collectEntropy(h *host, w *metric.Writer) error {
	v, err := h.procNumber("sys/kernel/random/entropy_avail")
	if err != nil {
		return err
	}
	w.Gauge("node_entropy_available_bits", "Bits of available entropy.").Sample(v)
	if v, err = h.procNumber("sys/kernel/random/poolsize"); err != nil {
		return err
	}
	w.Gauge("node_entropy_pool_size_bits", "Bits of entropy pool.").Sample(v)
	return nil
}
