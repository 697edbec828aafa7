// Package flowlog holds what VPC flow logs say, and how: records, the formats that
// they are written in, and the names of the files that they are delivered in. It is
// pure.
package flowlog

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultFormat is the format of logs that ask for none: the fields of version 2.
const DefaultFormat = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

// Bounds of a format.
const (
	formatLengthMax = 4_096 // bytes
	fieldsMax       = 100
)

// ErrUnknownField is the error about a field that AWS's flow logs don't have.
var ErrUnknownField = errors.New("unknown fields provided")

// A Format is the fields of a record, in order.
type Format struct {
	fields  []*field
	version int // the highest of the fields'
}

// A field is one that AWS's flow logs have ("Available fields" in the VPC user
// guide).
type field struct {
	name    string
	version int                  // of the records that first had it
	text    func(*Record) string // "" is "-"; nil: there is nothing of the kind here
}

// absent is the text of a field that says nothing.
const absent = "-"

var fields = []field{
	{"version", 2, nil}, // follows from the format
	{"account-id", 2, func(r *Record) string { return r.Account }},
	{"interface-id", 2, func(r *Record) string { return r.Interface }},
	{"srcaddr", 2, counted(func(r *Record) string { return address(r.Source) })},
	{"dstaddr", 2, counted(func(r *Record) string { return address(r.Destination) })},
	{"srcport", 2, counted(func(r *Record) string { return strconv.Itoa(int(r.SourcePort)) })},
	{"dstport", 2, counted(func(r *Record) string { return strconv.Itoa(int(r.DestinationPort)) })},
	{"protocol", 2, counted(func(r *Record) string { return strconv.Itoa(int(r.Protocol)) })},
	{"packets", 2, counted(func(r *Record) string { return strconv.FormatUint(r.Packets, 10) })},
	{"bytes", 2, counted(func(r *Record) string { return strconv.FormatUint(r.Bytes, 10) })},
	{"start", 2, func(r *Record) string { return strconv.FormatInt(r.Start.Unix(), 10) }},
	{"end", 2, func(r *Record) string { return strconv.FormatInt(r.End.Unix(), 10) }},
	{"action", 2, counted(func(r *Record) string { return r.action() })},
	{"log-status", 2, func(r *Record) string { return string(r.Status) }},

	{"vpc-id", 3, func(r *Record) string { return r.VPC }},
	{"subnet-id", 3, func(r *Record) string { return r.Subnet }},
	{"instance-id", 3, func(r *Record) string { return r.Instance }},
	{"tcp-flags", 3, counted(func(r *Record) string { return strconv.Itoa(int(r.TCPFlags)) })},
	{"type", 3, counted((*Record).family)},
	{"pkt-srcaddr", 3, counted(func(r *Record) string { return address(r.PacketSource) })},
	{"pkt-dstaddr", 3, counted(func(r *Record) string { return address(r.PacketDestination) })},

	{"region", 4, func(r *Record) string { return r.Region }},
	{"az-id", 4, func(r *Record) string { return r.Zone }},
	{"sublocation-type", 4, nil},
	{"sublocation-id", 4, nil},

	{"pkt-src-aws-service", 5, nil},
	{"pkt-dst-aws-service", 5, nil},
	{"flow-direction", 5, counted((*Record).direction)},
	{"traffic-path", 5, counted(func(r *Record) string {
		if r.Path == PathUnknown || !r.Egress {
			return ""
		}
		return strconv.Itoa(int(r.Path))
	})},

	{"ecs-cluster-arn", 7, nil},
	{"ecs-cluster-name", 7, nil},
	{"ecs-container-instance-arn", 7, nil},
	{"ecs-container-instance-id", 7, nil},
	{"ecs-container-id", 7, nil},
	{"ecs-second-container-id", 7, nil},
	{"ecs-service-name", 7, nil},
	{"ecs-task-definition-arn", 7, nil},
	{"ecs-task-arn", 7, nil},
	{"ecs-task-id", 7, nil},

	{"reject-reason", 8, nil},
}

// counted is a field of records that tell of a flow.
func counted(text func(*Record) string) func(*Record) string {
	return func(r *Record) string {
		if r.Status != StatusOK {
			return ""
		}
		return text(r)
	}
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// ParseFormat reads a format: fields as "${name}", with spaces between them. An
// empty one is DefaultFormat. The error is ErrUnknownField where only a name is
// wrong.
func ParseFormat(text string) (Format, error) {
	if text == "" {
		text = DefaultFormat
	}
	var f Format
	if len(text) > formatLengthMax {
		return f, fmt.Errorf("the format has more than %d characters", formatLengthMax)
	}
	for part := range strings.SplitSeq(text, " ") {
		if part == "" {
			continue
		}
		name, begins := strings.CutPrefix(part, "${")
		name, ends := strings.CutSuffix(name, "}")
		if !begins || !ends {
			return Format{}, errors.New("the fields of a format are written ${name}, with spaces between them")
		}
		at := slices.IndexFunc(fields, func(known field) bool { return known.name == name })
		if at < 0 {
			return Format{}, ErrUnknownField
		}
		if len(f.fields) == fieldsMax {
			return Format{}, fmt.Errorf("the format has more than %d fields", fieldsMax)
		}
		f.fields = append(f.fields, &fields[at])
		f.version = max(f.version, fields[at].version)
	}
	if len(f.fields) == 0 {
		return Format{}, errors.New("the format has no fields")
	}
	return f, nil
}

// String is the format as ParseFormat reads it.
func (f Format) String() string {
	return f.join(func(known *field) string { return "${" + known.name + "}" })
}

// Header is the first line of a file: the fields' names.
func (f Format) Header() string {
	return f.join(func(known *field) string { return known.name })
}

// Line is a record in the format, without a line end.
func (f Format) Line(r *Record) string {
	return f.join(func(known *field) string {
		switch {
		case known.name == "version":
			return strconv.Itoa(f.version)
		case known.text == nil:
			return absent
		}
		if text := known.text(r); text != "" {
			return text
		}
		return absent
	})
}

func (f Format) join(text func(*field) string) string {
	var b strings.Builder
	for i, known := range f.fields {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text(known))
	}
	return b.String()
}

// A Status says what a record tells of.
type Status string

// The statuses, in AWS's words.
const (
	StatusOK       Status = "OK"       // a flow
	StatusNoData   Status = "NODATA"   // that there was none in the time
	StatusSkipData Status = "SKIPDATA" // that some were not told apart in the time
)

// A Path is how a packet leaves a VPC's network interface, in AWS's numbers.
type Path int

// Paths that there are here.
const (
	PathUnknown         Path = 0
	PathSameVPC         Path = 1 // through another resource of the VPC, its NAT gateways included
	PathVPNGateway      Path = 3
	PathInternetGateway Path = 8
)

// A Record is what a line of a flow log tells: of one flow, or of a time without.
type Record struct {
	Account, Region string
	Interface       string // "eni-…"
	VPC, Subnet     string
	Zone            string // its id: "use1-az1"
	Instance        string // "" for none

	Start, End time.Time
	Status     Status

	// The rest is of StatusOK alone.

	Egress   bool
	Accepted bool

	// Source and Destination are those that the interface has itself on its side;
	// PacketSource and PacketDestination are what the packets have.
	Source, Destination             netip.Addr
	PacketSource, PacketDestination netip.Addr

	Protocol                    uint8
	SourcePort, DestinationPort uint16
	TCPFlags                    uint8
	Packets, Bytes              uint64
	Path                        Path
}

func (r *Record) action() string {
	if r.Accepted {
		return "ACCEPT"
	}
	return "REJECT"
}

func (r *Record) family() string {
	if r.PacketSource.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func (r *Record) direction() string {
	if r.Egress {
		return "egress"
	}
	return "ingress"
}
