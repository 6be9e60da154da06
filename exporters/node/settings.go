package main

import (
	"fmt"
	"path"
)

// settings is the plugin's table config. Lists of patterns (see globs) replace the default ones.
type settings struct {
	Procfs string `json:"procfs"` // where the host's /proc is
	Sysfs  string `json:"sysfs"`
	Rootfs string `json:"rootfs"` // where the host's / is
	Udev   string `json:"udev"`   // udev's data, for names of disks

	Collectors        []string `json:"collectors"`         // these only; empty: the default ones
	ExcludeCollectors []string `json:"exclude_collectors"` // not these

	MountPointsExclude globs `json:"mount_points_exclude"`
	FSTypesExclude     globs `json:"fs_types_exclude"`
	DiskDevicesExclude globs `json:"disk_devices_exclude"`
	NetDevicesExclude  globs `json:"net_devices_exclude"`
	VmstatFields       globs `json:"vmstat_fields"`  // as in /proc/vmstat
	NetstatFields      globs `json:"netstat_fields"` // protocol, _, name

	ThreadStates bool `json:"thread_states"` // count threads by state: reads every thread's stat file
	PageSize     int  `json:"page_size"`     // of the host's memory, bytes; 0: found out
}

// defaults returns what node_exporter leaves out and takes by default.
func defaults() settings {
	return settings{
		Procfs: "/proc", Sysfs: "/sys", Rootfs: "/", Udev: "/run/udev/data",
		MountPointsExclude: globs{"/dev", "/dev/*", "/proc", "/proc/*", "/sys", "/sys/*", "/run/credentials/?*",
			"/var/lib/docker/?*", "/var/lib/containers/storage/?*"},
		FSTypesExclude: globs{"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "fusectl",
			"hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "proc", "procfs", "pstore", "rpc_pipefs", "securityfs", "selinuxfs",
			"squashfs", "sysfs", "tracefs"},
		DiskDevicesExclude: globs{"ram[0-9]*", "loop[0-9]*", "fd[0-9]*", "[hsv]d[a-z][0-9]*", "xvd[a-z][0-9]*", "nvme[0-9]*n[0-9]*p[0-9]*"},
		VmstatFields:       globs{"oom_kill*", "pgpg*", "pswp*", "pg*fault*"},
		NetstatFields: globs{"*_InErrors", "*_InErrs", "Ip_Forwarding", "Ip6_InOctets", "Ip6_OutOctets", "IpExt_InOctets", "IpExt_OutOctets",
			"Icmp_InMsgs", "Icmp_OutMsgs", "Icmp6_InMsgs", "Icmp6_OutMsgs", "TcpExt_Listen*", "TcpExt_Syncookies*", "TcpExt_TCPSynRetrans",
			"TcpExt_TCPTimeouts", "TcpExt_TCPOFOQueue", "TcpExt_TCPRcvQDrop", "Tcp_ActiveOpens", "Tcp_InSegs", "Tcp_OutSegs", "Tcp_OutRsts",
			"Tcp_PassiveOpens", "Tcp_RetransSegs", "Tcp_CurrEstab", "Udp_InDatagrams", "Udp_OutDatagrams", "Udp_NoPorts", "Udp_RcvbufErrors",
			"Udp_SndbufErrors", "Udp6_InDatagrams", "Udp6_OutDatagrams", "Udp6_NoPorts", "Udp6_RcvbufErrors", "Udp6_SndbufErrors"},
	}
}

func (s *settings) validate() error {
	for _, p := range []struct{ key, value string }{{"procfs", s.Procfs}, {"sysfs", s.Sysfs}, {"rootfs", s.Rootfs}, {"udev", s.Udev}} {
		if !path.IsAbs(p.value) || path.Clean(p.value) != p.value {
			return fmt.Errorf("%s is %q, must be an absolute path without a slash at its end", p.key, p.value)
		}
	}
	if s.PageSize < 0 || s.PageSize > 1<<30 {
		return fmt.Errorf("page_size is %d", s.PageSize)
	}
	for _, p := range []struct {
		key   string
		value globs
	}{
		{"mount_points_exclude", s.MountPointsExclude}, {"fs_types_exclude", s.FSTypesExclude}, {"disk_devices_exclude", s.DiskDevicesExclude},
		{"net_devices_exclude", s.NetDevicesExclude}, {"vmstat_fields", s.VmstatFields}, {"netstat_fields", s.NetstatFields},
	} {
		if err := p.value.check(); err != nil {
			return fmt.Errorf("%s: %w", p.key, err)
		}
	}
	return nil
}

// host is what collectors read: where the files are, what is left out, and what they remember between scrapes.
type host struct {
	settings
	cpuSeconds map[string]*cpuTimes // by CPU, as last reported
	buf        []byte               // of read
}

func newHost(s settings) (*host, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &host{settings: s, cpuSeconds: map[string]*cpuTimes{}}, nil
}
