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

// Write appends to the console.
func (c console) Write(p []byte) (int, error) {
	n, err := c.file.Write(p)
	if err != nil {
		return n, err
	}
	if info, err := c.file.Stat(); err != nil || info.Size() <= consoleBytesMax {
		return n, err
	}
	if err := unix.Flock(int(c.file.Fd()), unix.LOCK_EX); err != nil {
		return n, err
	}
	defer unix.Flock(int(c.file.Fd()), unix.LOCK_UN)
	end, err := tail(c.file)
	if err != nil {
		return n, err
	}
	if err := c.file.Truncate(0); err != nil {
		return n, err
	}
	_, err = c.file.Write(end)
	return n, err
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
