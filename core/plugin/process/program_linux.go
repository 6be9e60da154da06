package process

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	goplugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"

	"github.com/hearth-project/hearth/sdk/manifest"
)

// maxProgram bounds a program's size in bytes: it is kept in memory.
const maxProgram = 512 << 20

// program is a copy of a program in memory that is sealed: what was checked is what is run, whatever becomes of the
// file, and for all starts alike.
type program struct {
	name   string
	sum    []byte
	file   *os.File // a memfd
	script bool     // begins with #!, so its interpreter opens it by name
	users  int      // guarded by Engine.mu
}

// load copies and checks a program, or returns the copy that another pool has. unload gives it back.
func (e *Engine) load(path, sha string) (*program, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.mu.programs[sha]; p != nil {
		if err := sameOnDisk(path, sha); err != nil {
			return nil, err
		}
		p.users++
		return p, nil
	}
	p, err := seal(path, sha)
	if err != nil {
		return nil, err
	}
	p.users = 1
	e.mu.programs[sha] = p
	return p, nil
}

func (e *Engine) unload(p *program) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(e.mu.programs, hex.EncodeToString(p.sum))
		p.file.Close()
	}
}

// seal copies the program at path, whose digest must be sha.
func seal(path, sha string) (_ *program, err error) {
	sum, err := hex.DecodeString(sha)
	if err != nil || len(sum) != sha256.Size {
		return nil, fmt.Errorf("%s has no sha256 in its manifest: seal the package", path)
	}
	from, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	p := &program{name: filepath.Base(path), sum: sum}
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(p.name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3, which allows it without asking
		fd, err = unix.MemfdCreate(p.name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("memory for %s: %w", path, err)
	}
	p.file = os.NewFile(uintptr(fd), p.name)
	defer func() {
		if err != nil {
			p.file.Close()
		}
	}()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(p.file, hash), io.LimitReader(from, maxProgram+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if n > maxProgram {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxProgram>>20)
	}
	if got := hash.Sum(nil); !bytes.Equal(got, sum) {
		return nil, wrongSum(path, hex.EncodeToString(got), sha)
	}
	if _, err := unix.FcntlInt(p.file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK); err != nil {
		return nil, fmt.Errorf("sealing %s: %w", path, err)
	}
	var start [2]byte
	if _, err := p.file.ReadAt(start[:], 0); err == nil {
		p.script = string(start[:]) == "#!"
	}
	return p, p.verify()
}

// sameOnDisk refuses a file that is not the one that is in memory already.
func sameOnDisk(path, sha string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, io.LimitReader(f, maxProgram+1)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sha {
		return wrongSum(path, got, sha)
	}
	return nil
}

func wrongSum(path, got, want string) error {
	return fmt.Errorf("%s has sha256 %s, its manifest says %s: %w: install the plugin again", path, got, want, manifest.ErrDigest)
}

// verify compares what is going to be run with the digest once more, as go-plugin does it.
func (p *program) verify() error {
	secure := goplugin.SecureConfig{Checksum: p.sum, Hash: sha256.New()}
	ok, err := secure.Check(fmt.Sprintf("/proc/self/fd/%d", p.file.Fd()))
	if err == nil && !ok {
		err = goplugin.ErrChecksumsDoNotMatch
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// childFD is the descriptor under which a child has its program.
const childFD = 3

// path returns what a child executes. A script is opened by its interpreter, which may insist on a name: it is copied
// into the child's own folder.
func (p *program) path(dir string) (string, error) {
	if !p.script {
		return fmt.Sprintf("/proc/self/fd/%d", childFD), nil
	}
	path := filepath.Join(dir, programName)
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, io.NewSectionReader(p.file, 0, maxProgram))
	return path, errors.Join(err, to.Close())
}
