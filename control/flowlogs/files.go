package flowlogs

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway.dev/flowlog"
)

// Files are what stands for S3: a directory for each bucket. Its methods belong to
// one goroutine.
type Files struct {
	// Buckets are directories by the name of the bucket. Others are below Dir.
	Buckets map[string]string
	Dir     string

	// BytesMax bounds the files of one account below Dir. Nothing is removed from
	// there: who keeps them makes room.
	BytesMax int64

	kept map[string]int64 // bytes below Dir by account; nil: not counted yet
}

// errFull: an account has as many files as it may have.
var errFull = errors.New("the account's flow logs take up all the room that they may have (flow_logs.max_mib)")

// write writes one file of a flow log's records, as AWS does: a line with the names
// of the fields, then a line a record, compressed.
func (f *Files) write(d *delivery, at time.Time) error {
	events := d.events()
	if len(events) == 0 {
		return nil
	}
	var content bytes.Buffer
	compressed := gzip.NewWriter(&content)
	lines := make([]string, 0, len(events)+2)
	lines = append(lines, d.format.Header())
	for _, e := range events {
		lines = append(lines, e.Message)
	}
	if _, err := compressed.Write([]byte(strings.Join(append(lines, ""), "\n"))); err != nil {
		return err
	}
	if err := compressed.Close(); err != nil {
		return err
	}
	destination, err := flowlog.ParseDestination(d.log.Destination)
	if err != nil {
		return err
	}
	name := destination.Object(flowlog.Partitions{Hive: d.log.HivePartitions, PerHour: d.log.HourPartitions}, d.log.Account, d.log.Region, d.log.ID, at, content.Bytes())
	dir, configured := f.Buckets[destination.Bucket]
	if !configured {
		dir = filepath.Join(f.Dir, destination.Bucket)
		if err := f.count(); err != nil {
			return err
		}
		if f.kept[d.log.Account]+int64(content.Len()) > f.BytesMax {
			return errFull
		}
	}
	if err := writeFile(filepath.Join(dir, filepath.FromSlash(name)), content.Bytes()); err != nil {
		return err
	}
	if !configured {
		f.kept[d.log.Account] += int64(content.Len())
	}
	return nil
}

// writeFile makes a file that is there whole or not at all.
func writeFile(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	partial := name + ".partial"
	if err := os.WriteFile(partial, content, 0o600); err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	return os.Rename(partial, name)
}

// count finds out once what is kept below Dir already. Accounts are told apart by
// the folder behind "AWSLogs".
func (f *Files) count() error {
	if f.kept != nil {
		return nil
	}
	kept := map[string]int64{}
	err := filepath.WalkDir(f.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		_, behind, _ := strings.Cut(path, string(filepath.Separator)+"AWSLogs"+string(filepath.Separator))
		account, _, _ := strings.Cut(behind, string(filepath.Separator))
		kept[strings.TrimPrefix(account, "aws-account-id=")] += info.Size()
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("count the files of flow logs: %w", err)
	}
	f.kept = kept
	return nil
}
