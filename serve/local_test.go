package serve

import (
	"os"
	"path/filepath"
	"testing"
)

// TestNoRecordIsLeft: "clean --data" removes the records, also where the data directory
// is a link to another one.
func TestNoRecordIsLeft(t *testing.T) {
	dir := t.TempDir()
	data, link := filepath.Join(dir, "data"), filepath.Join(dir, "link")
	record := filepath.Join(data, "store", "record")
	for _, removed := range []string{data, link} {
		if err := os.MkdirAll(filepath.Dir(record), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(record, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		if removed == link {
			if err := os.Symlink(data, link); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second time there is nothing any more
			if err := removeData(removed); err != nil {
				t.Fatal(err)
			}
		}
		for _, gone := range []string{removed, record} {
			if _, err := os.Lstat(gone); err == nil {
				t.Errorf("%s is left of %s", gone, removed)
			}
		}
	}
}
