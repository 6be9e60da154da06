// Package abi is version 1 of the contract between hearth and its WebAssembly plugins as Go constants and types.
// ABI.md beside this file is the normative text; both the SDK and the host may use this package.
package abi

import (
	"encoding/json"
	"errors"
	"time"
)

// Version of the ABI as written in a description: major.minor.
const (
	Minor   = 2
	Version = "1.2"
)

// ImportModule is the module name of the host's own imports.
const ImportModule = "hearth_v1"

// Exports of a level-1 module.
const (
	ExportMarker    = "hearth_abi_v" // and the major version
	ExportVersion   = ExportMarker + "1"
	ExportAlloc     = "hearth_alloc"
	ExportDescribe  = "hearth_describe"
	ExportConfigure = "hearth_configure"
	ExportCollect   = "hearth_collect"
	ExportNotify    = "hearth_notify"
	ExportEval      = "hearth_eval" // since 1.1
)

// Operations, as the process form and level 0 name them.
const (
	OpDescribe  = "describe"
	OpConfigure = "configure"
	OpCollect   = "collect"
	OpNotify    = "notify"
	OpEval      = "eval"
)

// Kinds of plugins.
const (
	KindExporter   = "exporter"   // collects samples of a target
	KindNotifier   = "notifier"   // tells someone of alerts
	KindFunction   = "function"   // adds functions to PromQL
	KindDiscoverer = "discoverer" // finds targets
)

// Codes of errors; their meaning is in ABI.md, section 6.
const (
	CodeInvalidRequest  = "invalid_request"
	CodeDenied          = "denied"
	CodeUnauthenticated = "unauthenticated"
	CodeUnavailable     = "unavailable"
	CodeTimeout         = "timeout"
	CodeUnimplemented   = "unimplemented"
	CodeUnknownFunction = "unknown_function"
	CodeInternal        = "internal"
	CodePanic           = "panic"
)

// Limits that both sides know.
const (
	MaxRequest = 16 << 20 // bytes
	MaxResult  = 16 << 20 // bytes
	MaxState   = 64 << 10 // bytes that a notifier may leave for a group; since 1.2
)

// Description is the result of hearth_describe.
type Description struct {
	ABI   string   `json:"abi"`
	Kinds []string `json:"kinds"`
	SDK   string   `json:"sdk,omitempty"`

	Functions []string `json:"functions,omitempty"` // names, of plugins of that kind
}

// CollectRequest is the input of hearth_collect.
type CollectRequest struct {
	Address    string `json:"address"`
	DeadlineMS int64  `json:"deadline_ms,omitempty"` // from the moment of the call; 0 is unknown
}

// NotifyRequest is the input of hearth_notify.
type NotifyRequest struct {
	Payload    json.RawMessage   `json:"payload"` // Alertmanager's webhook message, version 4
	DeadlineMS int64             `json:"deadline_ms,omitempty"`
	Texts      map[string]string `json:"texts,omitempty"` // the manifest's templates, filled in; since 1.2
	State      string            `json:"state,omitempty"` // of the last result about this group; since 1.2
}

// NotifyResult is the result of hearth_notify.
type NotifyResult struct {
	State *string `json:"state,omitempty"` // to be given with the next message; nil leaves what there is; since 1.2
}

// Failure is the error body.
type Failure struct {
	Code         string `json:"code"`
	Message      string `json:"message"`
	Retryable    bool   `json:"retryable,omitempty"`
	RetryAfterMS int64  `json:"retry_after_ms,omitempty"`
}

// DeadlineMS returns what goes into a request's deadline_ms for the time left until deadline, at least 1.
func DeadlineMS(left time.Duration) int64 { return max(1, left.Milliseconds()) }

// ErrResult is returned for a packed result that breaks the rules.
var ErrResult = errors.New("malformed result of a plugin call")

// Pack makes the i64 of a call: where the bytes are and whether they are an error body.
func Pack(ptr, length uint32, failed bool) uint64 {
	v := uint64(ptr&0x7fffffff)<<32 | uint64(length)
	if failed {
		v |= 1 << 63
	}
	return v
}

// Unpack reads what Pack made. memory is the size of the guest's memory in bytes: a range beyond it is ErrResult.
func Unpack(v uint64, memory uint64) (ptr, length uint32, failed bool, err error) {
	ptr, length, failed = uint32(v>>32)&0x7fffffff, uint32(v), v>>63 == 1
	if uint64(ptr)+uint64(length) > memory {
		return 0, 0, failed, ErrResult
	}
	return ptr, length, failed, nil
}

// ParseFailure reads an error body; text that is none becomes an internal error with that text.
func ParseFailure(body []byte) Failure {
	var f Failure
	if err := json.Unmarshal(body, &f); err != nil || f.Code == "" {
		return Failure{Code: CodeInternal, Message: string(body)}
	}
	return f
}
