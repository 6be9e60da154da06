package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"a*b*c", "a/x/b/y/c", true},
		{"a*b*c", "acb", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"[hsv]d[a-z][0-9]*", "sda1", true},
		{"[hsv]d[a-z][0-9]*", "sda", false},
		{"[hsv]d[a-z][0-9]*", "sdaa1", false},
		{"[-a]", "-", true},
		{"[a-]", "-", true},
		{"*a*a*a*a*a*b", strings.Repeat("a", 200), false},
	} {
		if got := glob(tt.pattern, tt.name); got != tt.want {
			t.Errorf("glob(%q, %q) = %v", tt.pattern, tt.name, got)
		}
	}
}

// The default patterns must leave out what node_exporter's regular expressions leave out.
func TestDefaultPatternsAreNodeExporters(t *testing.T) {
	d := defaults()
	for _, tt := range []struct {
		regex string
		globs globs
		names []string
	}{
		{`^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`, d.MountPointsExclude,
			[]string{"/", "/dev", "/dev/shm", "/devel", "/proc", "/proc/fs/nfsd", "/process", "/sys", "/system", "/run", "/run/credentials",
				"/run/credentials/a.service", "/var/lib/docker", "/var/lib/docker/overlay2/x", "/var/lib/dockerd/x", "/var/lib/containers/storage/a/b", "/home/dev"}},
		{`^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|` +
			`rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$`, d.FSTypesExclude,
			[]string{"ext4", "xfs", "btrfs", "zfs", "tmpfs", "nfs4", "overlay", "overlayfs", "cgroup", "cgroup2", "cgroup3", "proc", "procfs", "bpf", "ramfs", "vfat"}},
		{`^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`, d.DiskDevicesExclude,
			[]string{"sda", "sda1", "sda15", "sdaa", "sdaa1", "vda", "vda1", "xvda", "xvda1", "hdc", "hdc3", "nvme0n1", "nvme0n1p2", "nvme10n1p11", "loop0", "loop", "ram0",
				"zram0", "fd0", "dm-0", "md127", "mmcblk0", "mmcblk0p1", "sr0"}},
		{`^(oom_kill|pgpg|pswp|pg.*fault).*`, d.VmstatFields,
			[]string{"oom_kill", "pgpgin", "pgpgout", "pswpin", "pgfault", "pgmajfault", "pgfree", "nr_free_pages", "thp_fault_alloc", "pgsteal_kswapd"}},
		{`^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|` +
			`Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$`, d.NetstatFields,
			[]string{"Tcp_InErrs", "Udp_InErrors", "Ip_Forwarding", "Ip_InReceives", "Ip6_InOctets", "IpExt_OutOctets", "Ip_InOctets", "Icmp_InMsgs", "Icmp6_OutMsgs", "IcmpMsg_InType3",
				"TcpExt_ListenDrops", "TcpExt_SyncookiesSent", "TcpExt_TCPTimeouts", "TcpExt_TCPLoss", "Tcp_CurrEstab", "Tcp_MaxConn", "Udp6_NoPorts", "UdpLite_InDatagrams", "Udp6_SndbufErrors"}},
	} {
		re := regexp.MustCompile(tt.regex)
		for _, n := range tt.names {
			if got, want := tt.globs.match(n), re.MatchString(n); got != want {
				t.Errorf("%s: patterns %v, node_exporter %v", n, got, want)
			}
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a*[b-d]?", "axxby")
	f.Add("[", "[")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 64 || len(name) > 256 || globs([]string{pattern}).check() != nil || strings.ContainsAny(pattern, `[]`) {
			glob(pattern, name) // must return
			return
		}
		re := "(?s)^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern)) + "$"
		ascii := strings.IndexFunc(pattern+name, func(r rune) bool { return r > 126 }) < 0
		if ascii && regexp.MustCompile(re).MatchString(name) != glob(pattern, name) {
			t.Errorf("%q and %q: glob says %v", pattern, name, glob(pattern, name))
		}
	})
}
