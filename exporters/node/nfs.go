package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// The procedures of NFS as the kernel counts them, in the order of /proc/net/rpc/nfs and nfsd. The client's list for
// version 4 is its own (fs/nfs/nfs4xdr.c), the server's is that of the protocol's operations (RFC 7530 section 16).
var (
	nfs2Methods = strings.Fields(`Null GetAttr SetAttr Root Lookup ReadLink Read WrCache Write Create Remove Rename Link SymLink MkDir
		RmDir ReadDir FsStat`)
	nfs3Methods = strings.Fields(`Null GetAttr SetAttr Lookup Access ReadLink Read Write Create MkDir SymLink MkNod Remove RmDir Rename
		Link ReadDir ReadDirPlus FsStat FsInfo PathConf Commit`)
	nfs4ClientMethods = strings.Fields(`Null Read Write Commit Open OpenConfirm OpenNoattr OpenDowngrade Close Setattr FsInfo Renew
		SetClientID SetClientIDConfirm Lock Lockt Locku Access Getattr Lookup LookupRoot Remove Rename Link Symlink Create Pathconf
		StatFs ReadLink ReadDir ServerCaps DelegReturn GetACL SetACL FsLocations ReleaseLockowner Secinfo FsidPresent ExchangeID
		CreateSession DestroySession Sequence GetLeaseTime ReclaimComplete LayoutGet GetDeviceInfo LayoutCommit LayoutReturn
		SecinfoNoName TestStateID FreeStateID GetDeviceList BindConnToSession DestroyClientID Seek Allocate DeAllocate LayoutStats
		Clone`)
	nfs4ServerMethods = strings.Fields(`- - - Access Close Commit Create DelegPurge DelegReturn GetAttr GetFH Link Lock Lockt Locku
		Lookup LookupRoot Nverify Open OpenAttr OpenConfirm OpenDgrd PutFH PutPubFH PutRootFH Read ReadDir ReadLink Remove Rename
		Renew RestoreFH SaveFH SecInfo SetAttr SetClientID SetClientIDConfirm Verify Write RelLockOwner`)
)

// rpcStats reads a file of /proc/net/rpc: a line each with a name and its numbers.
func (h *host) rpcStats(name string) (rpcStats, error) {
	text, err := h.procFile("net/rpc/" + name)
	if err != nil {
		return nil, orNoData(err)
	}
	stats := rpcStats{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		for i, s := range f {
			if i == 0 {
				continue
			}
			v, err := number(s)
			if err != nil {
				return nil, fmt.Errorf("net/rpc/%s: %s: %w", name, f[0], err)
			}
			stats[f[0]] = append(stats[f[0]], v)
		}
	}
	return stats, nil
}

type rpcStats map[string][]float64

// at returns a number of a line; lines grew with the kernel, what is not there is 0.
func (s rpcStats) at(line string, i int) float64 {
	if v := s[line]; i < len(v) {
		return v[i]
	}
	return 0
}

// methods reports a line of counts of procedures, whose first number is how many there are.
func (s rpcStats) methods(f *metric.Family, line, proto string, names []string) {
	if len(s[line]) == 0 {
		return
	}
	for i, n := range names {
		if n != "-" {
			f.Sample(s.at(line, i+1), proto, n)
		}
	}
}

// collectNFS reports this host as a client of NFS.
func collectNFS(h *host, w *metric.Writer) error {
	s, err := h.rpcStats("nfs")
	if err != nil {
		return err
	}
	packets := w.Counter("node_nfs_packets_total", "Packets of NFS sent and received, by protocol.", "protocol")
	packets.Sample(s.at("net", 1), "udp")
	packets.Sample(s.at("net", 2), "tcp")
	w.Counter("node_nfs_connections_total", "TCP connections of NFS.").Sample(s.at("net", 3))
	w.Counter("node_nfs_rpcs_total", "RPCs performed.").Sample(s.at("rpc", 0))
	w.Counter("node_nfs_rpc_retransmissions_total", "RPCs sent again.").Sample(s.at("rpc", 1))
	w.Counter("node_nfs_rpc_authentication_refreshes_total", "Refreshes of RPC authentication.").Sample(s.at("rpc", 2))
	requests := w.Counter("node_nfs_requests_total", "Calls of NFS by version and procedure.", "proto", "method")
	s.methods(requests, "proc2", "2", nfs2Methods)
	s.methods(requests, "proc3", "3", nfs3Methods)
	s.methods(requests, "proc4", "4", nfs4ClientMethods)
	return nil
}

// collectNFSd reports this host as a server of NFS.
func collectNFSd(h *host, w *metric.Writer) error {
	s, err := h.rpcStats("nfsd")
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name, help, line string
		i                int
	}{
		{"reply_cache_hits_total", "Answers from the reply cache: the client had lost one.", "rc", 0},
		{"reply_cache_misses_total", "Operations put into the reply cache.", "rc", 1},
		{"reply_cache_nocache_total", "Operations that need no reply cache.", "rc", 2},
		{"file_handles_stale_total", "Stale file handles.", "fh", 0},
		{"disk_bytes_read_total", "Bytes read.", "io", 0},
		{"disk_bytes_written_total", "Bytes written.", "io", 1},
		{"read_ahead_cache_not_found_total", "Reads that the read ahead cache did not have.", "ra", 11},
		{"connections_total", "TCP connections.", "net", 3},
		{"server_rpcs_total", "RPCs received.", "rpc", 0},
	} {
		w.Counter("node_nfsd_"+c.name, c.help).Sample(s.at(c.line, c.i))
	}
	w.Gauge("node_nfsd_server_threads", "Threads of the server in the kernel.").Sample(s.at("th", 0))
	w.Gauge("node_nfsd_read_ahead_cache_size_blocks", "Size of the read ahead cache, blocks.").Sample(s.at("ra", 0))
	packets := w.Counter("node_nfsd_packets_total", "Packets sent and received, by protocol.", "proto")
	packets.Sample(s.at("net", 1), "udp")
	packets.Sample(s.at("net", 2), "tcp")
	bad := w.Counter("node_nfsd_rpc_errors_total", "RPCs with errors, by kind.", "error")
	bad.Sample(s.at("rpc", 2), "fmt")
	bad.Sample(s.at("rpc", 3), "auth")
	bad.Sample(s.at("rpc", 4), "cInt")
	requests := w.Counter("node_nfsd_requests_total", "Requests by version and procedure.", "proto", "method")
	s.methods(requests, "proc2", "2", withoutNull(nfs2Methods))
	s.methods(requests, "proc3", "3", withoutNull(nfs3Methods))
	s.methods(requests, "proc4ops", "4", nfs4ServerMethods)
	return nil
}

// withoutNull leaves out the procedure that does nothing, which the server does not tell of.
func withoutNull(methods []string) []string { return append([]string{"-"}, methods[1:]...) }
