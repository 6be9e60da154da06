package main

import (
	"fmt"
	"path"
	"regexp"
)

// settings is the plugin's table config. Patterns are regular expressions (RE2); an empty one excludes nothing or,
// for fields, takes everything.
type settings struct {
	Procfs string `json:"procfs"` // where the host's /proc is
	Sysfs  string `json:"sysfs"`
	Rootfs string `json:"rootfs"` // where the host's / is
	Udev   string `json:"udev"`   // udev's data, for names of disks

	Collectors        []string `json:"collectors"`         // these only; empty: the default ones
	ExcludeCollectors []string `json:"exclude_collectors"` // not these

	MountPointsExclude string `json:"mount_points_exclude"`
	FSTypesExclude     string `json:"fs_types_exclude"`
	DiskDevicesExclude string `json:"disk_devices_exclude"`
	NetDevicesExclude  string `json:"net_devices_exclude"`
	VmstatFields       string `json:"vmstat_fields"`
	NetstatFields      string `json:"netstat_fields"`

	ThreadStates bool `json:"thread_states"` // count threads by state: reads every thread's stat file
	PageSize     int  `json:"page_size"`     // of the host's memory, bytes; 0: found out
}

// defaults returns node_exporter's defaults.
func defaults() settings {
	return settings{
		Procfs: "/proc", Sysfs: "/sys", Rootfs: "/", Udev: "/run/udev/data",
		MountPointsExclude: `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`,
		FSTypesExclude: `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|` +
			`overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$`,
		DiskDevicesExclude: `^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`,
		VmstatFields:       `^(oom_kill|pgpg|pswp|pg.*fault).*`,
		NetstatFields: `^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|` +
			`TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|` +
			`Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|` +
			`Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$`,
	}
}

// host is what collectors read: where the files are, what is left out, and what they remember between scrapes.
type host struct {
	proc, sys, root, udev string

	mountPointsExclude, fsTypesExclude    *regexp.Regexp // nil excludes nothing
	diskDevicesExclude, netDevicesExclude *regexp.Regexp
	vmstatFields, netstatFields           *regexp.Regexp // nil takes everything

	threadStates bool
	pageSize     int

	cpuSeconds map[string]*cpuTimes // by CPU, as last reported
	buf        []byte               // of read
}

func newHost(s settings) (*host, error) {
	h := &host{
		proc: s.Procfs, sys: s.Sysfs, root: s.Rootfs, udev: s.Udev,
		threadStates: s.ThreadStates, pageSize: s.PageSize, cpuSeconds: map[string]*cpuTimes{},
	}
	for _, p := range []struct{ key, value string }{{"procfs", s.Procfs}, {"sysfs", s.Sysfs}, {"rootfs", s.Rootfs}, {"udev", s.Udev}} {
		if !path.IsAbs(p.value) {
			return nil, fmt.Errorf("%s is %q, must be an absolute path", p.key, p.value)
		}
	}
	if s.PageSize < 0 || s.PageSize > 1<<30 {
		return nil, fmt.Errorf("page_size is %d", s.PageSize)
	}
	for _, p := range []struct {
		key, value string
		to         **regexp.Regexp
	}{
		{"mount_points_exclude", s.MountPointsExclude, &h.mountPointsExclude},
		{"fs_types_exclude", s.FSTypesExclude, &h.fsTypesExclude},
		{"disk_devices_exclude", s.DiskDevicesExclude, &h.diskDevicesExclude},
		{"net_devices_exclude", s.NetDevicesExclude, &h.netDevicesExclude},
		{"vmstat_fields", s.VmstatFields, &h.vmstatFields},
		{"netstat_fields", s.NetstatFields, &h.netstatFields},
	} {
		if p.value == "" {
			continue
		}
		re, err := regexp.Compile(p.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.key, err)
		}
		*p.to = re
	}
	return h, nil
}

// excluded tells whether a pattern of things to leave out covers the name.
func excluded(re *regexp.Regexp, name string) bool { return re != nil && re.MatchString(name) }

// taken tells whether a pattern of things to take covers the name.
func taken(re *regexp.Regexp, name string) bool { return re == nil || re.MatchString(name) }
