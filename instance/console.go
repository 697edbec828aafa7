package instance

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// consoleBytesMax bounds the file of an instance's console: when it is reached,
// all but the end is thrown away.
const consoleBytesMax = 2 * ConsoleBytes

// A console is a bounded file. Who reads it while it is cut back waits.
type console struct{ file *os.File }

func openConsole(path string) (console, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	return console{file}, err
}

// Write appends to the console. It never fails: what cannot be kept, as on a full
// disk, is lost, and who writes goes on.
func (c console) Write(p []byte) (int, error) {
	c.file.Write(p)
	if info, err := c.file.Stat(); err == nil && info.Size() > consoleBytesMax {
		c.cutBack()
	}
	return len(p), nil
}

// cutBack throws away all but the end.
func (c console) cutBack() {
	if unix.Flock(int(c.file.Fd()), unix.LOCK_EX) != nil {
		return
	}
	defer unix.Flock(int(c.file.Fd()), unix.LOCK_UN)
	if end, err := tail(c.file); err == nil && c.file.Truncate(0) == nil {
		c.file.Write(end)
	}
}

func readConsole(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read console: %w", err)
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_SH); err != nil {
		return nil, fmt.Errorf("lock console: %w", err)
	}
	return tail(file)
}

// tail reads the last ConsoleBytes of a file.
func tail(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-ConsoleBytes)
	return io.ReadAll(io.NewSectionReader(file, from, ConsoleBytes))
}
