package abi

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestPackAndUnpackAreInverse(t *testing.T) {
	for _, tt := range []struct {
		ptr, length uint32
		failed      bool
	}{{0, 0, false}, {8, 16, true}, {1 << 29, 1 << 24, false}, {0x7fffffff, 0, true}} {
		ptr, length, failed, err := Unpack(Pack(tt.ptr, tt.length, tt.failed), 1<<31)
		if err != nil || ptr != tt.ptr || length != tt.length || failed != tt.failed {
			t.Errorf("%+v became %d %d %v %v", tt, ptr, length, failed, err)
		}
	}
}

func TestUnpackRefusesWhatLiesBeyondTheMemory(t *testing.T) {
	for _, v := range []uint64{Pack(65530, 7, false), Pack(0x7fffffff, 0xffffffff, false), ^uint64(0)} {
		if _, _, _, err := Unpack(v, 65536); err == nil {
			t.Errorf("%#x passes", v)
		}
	}
}

func TestParseFailureTakesAnyText(t *testing.T) {
	if f := ParseFailure([]byte(`{"code":"timeout","message":"m","retryable":true,"retry_after_ms":5,"new":1}`)); f != (Failure{"timeout", "m", true, 5}) {
		t.Errorf("%+v", f)
	}
	for _, s := range []string{"", "oh no", "{}", "[1]"} {
		if f := ParseFailure([]byte(s)); f.Code != CodeInternal || f.Message != s {
			t.Errorf("%q became %+v", s, f)
		}
	}
}

// The words of the specification and the constants must not drift apart.
func TestTheSpecificationNamesEveryConstant(t *testing.T) {
	text, err := os.ReadFile("ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range regexp.MustCompile("`([a-z_0-9]+)`").FindAllSubmatch(text, -1) {
		words = append(words, string(m[1]))
	}
	for _, c := range []string{
		ExportVersion, ExportAlloc, ExportDescribe, ExportConfigure, ExportCollect, ExportNotify, ImportModule,
		OpDescribe, OpCollect, OpNotify, CodeInvalidRequest, CodeDenied, CodeUnauthenticated, CodeUnavailable, CodeTimeout,
		CodeUnimplemented, CodeUnknownFunction, CodeInternal, CodePanic,
	} {
		if !slices.Contains(words, c) {
			t.Errorf("ABI.md does not name %s", c)
		}
	}
	if !regexp.MustCompile(`(?m)^# hearth plugin ABI, version ` + regexp.QuoteMeta(Version) + `$`).Match(text) {
		t.Errorf("ABI.md is not of version %s", Version)
	}
}
