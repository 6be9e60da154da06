package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/metric"
)

// collectFilesystem reports space and inodes of the mounted file systems.
func collectFilesystem(h *host, w *metric.Writer) error {
	ms, err := h.mounts()
	if err != nil {
		return err
	}
	gauge := func(name, help string) *metric.Family {
		return w.Gauge("node_filesystem_"+name, help, "device", "fstype", "mountpoint")
	}
	var (
		size     = gauge("size_bytes", "Filesystem size in bytes.")
		free     = gauge("free_bytes", "Filesystem free space in bytes.")
		avail    = gauge("avail_bytes", "Filesystem space available to non-root users in bytes.")
		files    = gauge("files", "Filesystem total file nodes.")
		filesOut = gauge("files_free", "Filesystem total free file nodes.")
		readOnly = gauge("readonly", "Filesystem read-only status.")
		failed   = gauge("device_error", "Whether an error occurred while getting statistics for the given device.")
	)
	var denied error
	worked := 0
	for _, m := range ms {
		point := m.point
		if h.Rootfs != "/" { // a host's root seen from inside a container
			rest, inside := strings.CutPrefix(point, h.Rootfs)
			if inside && (rest == "" || rest[0] == '/') {
				point = "/" + strings.TrimPrefix(rest, "/")
			}
		}
		if h.MountPointsExclude.match(point) || h.FSTypesExclude.match(m.fsType) {
			continue
		}
		labels := []string{m.device, m.fsType, point}
		st, err := sdk.Statfs(path.Join(h.Rootfs, point))
		failed.Sample(metric.Bool(err != nil), labels...)
		if err != nil {
			if errors.Is(err, fs.ErrPermission) {
				denied = err
			}
			sdk.Log().Debug("statfs failed", "mountpoint", point, "err", err)
			continue
		}
		worked++
		block := float64(st.BlockSize)
		size.Sample(float64(st.Blocks)*block, labels...)
		free.Sample(float64(st.BlocksFree)*block, labels...)
		avail.Sample(float64(st.BlocksAvailable)*block, labels...)
		files.Sample(float64(st.Files), labels...)
		filesOut.Sample(float64(st.FilesFree), labels...)
		readOnly.Sample(metric.Bool(m.readOnly), labels...)
	}
	if worked == 0 && denied != nil {
		return fmt.Errorf(`no file system may be asked, is statfs = ["*"] granted? %w`, denied)
	}
	return nil
}
