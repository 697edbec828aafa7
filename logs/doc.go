// Package logs is the embedded log store behind the CloudWatch Logs actions: log
// groups with streams of events, by account and region, in one file of the data
// directory.
//
// The file is a bbolt database: a B+ tree that is written by copy, so that a
// crash in the midst of a write leaves what was there before. What is appended is
// on the disk when Append returns. Disk use is bounded: beyond Options.BytesMax
// the oldest events of the account that has most go.
package logs
