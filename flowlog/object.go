package flowlog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Destination is where the files of a flow log go.
type Destination struct {
	Bucket string
	Folder string // "" or "folder/subfolder"
}

var (
	bucketForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`) })
	folderForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9!_.*'()/=-]{0,512}$`) })
)

// ParseDestination reads "arn:aws:s3:::BUCKET/FOLDER/", of which the folder may be
// left out.
func ParseDestination(arn string) (Destination, error) {
	rest, ok := strings.CutPrefix(arn, "arn:aws:s3:::")
	bucket, folder, _ := strings.Cut(rest, "/")
	if !ok || !bucketForm().MatchString(bucket) || strings.Contains(bucket, "..") {
		return Destination{}, errors.New("it is not arn:aws:s3:::BUCKET or arn:aws:s3:::BUCKET/FOLDER/")
	}
	folder = strings.Trim(folder, "/")
	if !folderForm().MatchString(folder) || folder != "" && (path.Clean("/"+folder) != "/"+folder || strings.HasPrefix(folder, "..")) {
		return Destination{}, errors.New("the folder has empty or relative parts, or characters beyond A-Z a-z 0-9 ! _ . * ' ( ) = -")
	}
	// AWS keeps this one for what it adds itself.
	if slices.Contains(strings.Split(folder, "/"), "AWSLogs") {
		return Destination{}, errors.New("AWSLogs is a reserved term as folder")
	}
	return Destination{bucket, folder}, nil
}

// Partitions say how files are sorted into folders.
type Partitions struct {
	Hive    bool // folders named "key=value"
	PerHour bool
}

// Object is the name of a file within its bucket, as AWS names them. The log begins
// at a time; content tells apart files of the same time.
func (d Destination) Object(p Partitions, account, region, flowLog string, at time.Time, content []byte) string {
	at = at.UTC()
	folders := []string{"AWSLogs", account, "vpcflowlogs", region, at.Format("2006"), at.Format("01"), at.Format("02")}
	if p.PerHour {
		folders = append(folders, at.Format("15"))
	}
	if p.Hive {
		for i, key := range []string{"", "aws-account-id", "aws-service", "aws-region", "year", "month", "day", "hour"}[:len(folders)] {
			if key != "" {
				folders[i] = key + "=" + folders[i]
			}
		}
	}
	sum := sha256.Sum256(content)
	name := strings.Join([]string{account, "vpcflowlogs", region, flowLog, at.Format("20060102T1504Z"), hex.EncodeToString(sum[:4])}, "_") + ".log.gz"
	return path.Join(d.Folder, path.Join(folders...), name)
}
