package main

import (
	"strconv"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectOS reports which distribution this is, from /etc/os-release or /usr/lib/os-release.
func collectOS(h *host, w *metric.Writer) error {
	root := strings.TrimSuffix(h.Rootfs, "/")
	text, err := h.read(root + "/etc/os-release")
	if err != nil {
		if text, err = h.read(root + "/usr/lib/os-release"); err != nil {
			return err
		}
	}
	r := osRelease(text)
	labels := []string{"build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name", "variant", "variant_id",
		"version", "version_codename", "version_id"}
	values := make([]string, len(labels))
	for i, l := range labels {
		values[i] = r[strings.ToUpper(l)]
	}
	w.Gauge("node_os_info", "Which operating system this is; always 1.", labels...).Sample(1, values...)
	if v, ok := majorMinor(r["VERSION_ID"]); ok {
		w.Gauge("node_os_version", "Metric containing the major.minor part of the OS version.", "id", "id_like", "name").
			Sample(v, r["ID"], r["ID_LIKE"], r["NAME"])
	}
	return nil
}

// osRelease reads assignments as os-release(5) describes them: KEY=value, "value" or 'value'.
func osRelease(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		k, v, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(k, "#") {
			continue
		}
		if n := len(v); n > 1 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
			quote := v[0]
			v = v[1 : n-1]
			if quote == '"' {
				v = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, `$`, "\\`", "`").Replace(v)
			}
		}
		m[k] = v
	}
	return m
}

// majorMinor reads the number at the start of a version: 12.4 of 12.4.1.
func majorMinor(version string) (float64, bool) {
	end, dots := 0, 0
	for end < len(version) && (version[end] >= '0' && version[end] <= '9' || version[end] == '.' && dots == 0) {
		if version[end] == '.' {
			dots++
		}
		end++
	}
	v, err := strconv.ParseFloat(strings.TrimSuffix(version[:end], "."), 64)
	return v, err == nil
}
