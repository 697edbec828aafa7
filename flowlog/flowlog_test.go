package flowlog

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/nodespec"
)

var (
	begin = time.Unix(1_418_530_010, 0)
	end   = time.Unix(1_418_530_070, 0)
	ours  = Interface{
		Account: "123456789010", Region: "us-east-1", ID: "eni-1", VPC: "vpc-1", Subnet: "subnet-1", Instance: "i-1", Zone: "use1-az1",
		Address: netip.MustParseAddr("172.31.16.21"),
		PathOf: func(a netip.Addr) Path {
			if a.IsPrivate() {
				return PathSameVPC
			}
			return PathInternetGateway
		},
	}
)

const everyField = "${version} ${vpc-id} ${subnet-id} ${instance-id} ${tcp-flags} ${type} ${pkt-srcaddr} ${pkt-dstaddr} ${region} ${az-id} ${sublocation-type} ${sublocation-id} ${pkt-src-aws-service} ${pkt-dst-aws-service} ${flow-direction} ${traffic-path}"

// TestLines has the cases of "Flow log record examples" in the VPC user guide, with
// addresses of ours.
func TestLines(t *testing.T) {
	ssh := nodespec.Flow{
		Interface: "eni-1", Accepted: true, Source: netip.MustParseAddr("172.31.16.139"), Destination: ours.Address,
		Protocol: 6, SourcePort: 20641, DestinationPort: 22, TCPFlags: 3, Packets: 20, Bytes: 4249, First: begin.Add(-time.Hour),
	}
	forwarded := nodespec.Flow{
		Interface: "eni-1", Egress: true, Accepted: true, Source: netip.MustParseAddr("10.9.0.1"), Destination: netip.MustParseAddr("198.51.100.9"),
		Protocol: 17, SourcePort: 5353, DestinationPort: 53, Packets: 1, Bytes: 60, First: begin.Add(30 * time.Second),
	}
	refused := ssh
	refused.Accepted, refused.DestinationPort, refused.Destination = false, 3389, netip.MustParseAddr("172.31.16.99")
	six := nodespec.Flow{
		Interface: "eni-1", Egress: true, Source: netip.MustParseAddr("2001:db8::1"), Destination: netip.MustParseAddr("2001:db8::2"), Protocol: 58, Packets: 3, Bytes: 300,
	}
	other := ssh
	other.Interface = "eni-2"
	for name, c := range map[string]struct {
		format  string
		flows   []nodespec.Flow
		skipped uint64
		want    []string
	}{
		"accepted": {"", []nodespec.Flow{ssh, other}, 0, []string{
			"2 123456789010 eni-1 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"}},
		"rejected, for another of our addresses": {"", []nodespec.Flow{refused}, 0, []string{
			"2 123456789010 eni-1 172.31.16.139 172.31.16.21 20641 3389 6 20 4249 1418530010 1418530070 REJECT OK"}},
		"nothing": {"", []nodespec.Flow{other}, 0, []string{"2 123456789010 eni-1 - - - - - - - 1418530010 1418530070 - NODATA"}},
		"no room": {"", []nodespec.Flow{ssh}, 5, []string{
			"2 123456789010 eni-1 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK",
			"2 123456789010 eni-1 - - - - - - - 1418530010 1418530070 - SKIPDATA"}},
		"IPv6": {"${version} ${srcaddr} ${dstaddr} ${type} ${action} ${traffic-path}", []nodespec.Flow{six}, 0, []string{"5 2001:db8::1 2001:db8::2 IPv6 REJECT -"}},
		"forwarded": {everyField + " ${srcaddr} ${start}", []nodespec.Flow{forwarded}, 0, []string{
			"5 vpc-1 subnet-1 i-1 0 IPv4 10.9.0.1 198.51.100.9 us-east-1 use1-az1 - - - - egress 8 172.31.16.21 1418530040"}},
		"every field of a time without flows": {everyField, nil, 0, []string{"5 vpc-1 subnet-1 i-1 - - - - us-east-1 use1-az1 - - - - - -"}},
		"every field of an answer":            {everyField, []nodespec.Flow{ssh}, 0, []string{"5 vpc-1 subnet-1 i-1 3 IPv4 172.31.16.139 172.31.16.21 us-east-1 use1-az1 - - - - ingress -"}},
		"version of the fields":               {"${instance-id} ${version}", []nodespec.Flow{ssh}, 0, []string{"i-1 3"}},
	} {
		f, err := ParseFormat(c.format)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var lines []string
		for _, r := range Records(nodespec.Flows{From: begin, Until: end, Flows: c.flows, Skipped: map[string]uint64{"eni-1": c.skipped}}, ours) {
			lines = append(lines, f.Line(&r))
		}
		if !slices.Equal(lines, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(lines, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestFormats(t *testing.T) {
	f, err := ParseFormat("")
	if err != nil || f.String() != DefaultFormat || f.Header() != "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status" {
		t.Errorf("the default is %q %q, %v", f, f.Header(), err)
	}
	for _, wrong := range []string{" ", "version", "${version} $start", "${Version}x", strings.Repeat("${end} ", fieldsMax+1), strings.Repeat(" ", formatLengthMax+1)} {
		if _, err := ParseFormat(wrong); err == nil || errors.Is(err, ErrUnknownField) {
			t.Errorf("%.40q: %v", wrong, err)
		}
	}
	for _, unknown := range []string{"${packet}", "${version} ${}", "${VERSION}", "${version}${start}", "${version},${start}"} {
		if _, err := ParseFormat(unknown); !errors.Is(err, ErrUnknownField) {
			t.Errorf("%q: %v", unknown, err)
		}
	}
}

func TestObjects(t *testing.T) {
	d, err := ParseDestination("arn:aws:s3:::flow-bucket/my-logs/")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for p, want := range map[Partitions]string{
		{}:                          "my-logs/AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/01/02/123456789012_vpcflowlogs_us-east-1_fl-1_20260102T0304Z_2d711642.log.gz",
		{PerHour: true}:             "my-logs/AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/01/02/03/123456789012_vpcflowlogs_us-east-1_fl-1_20260102T0304Z_2d711642.log.gz",
		{Hive: true, PerHour: true}: "my-logs/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2026/month=01/day=02/hour=03/123456789012_vpcflowlogs_us-east-1_fl-1_20260102T0304Z_2d711642.log.gz",
	} {
		if got := d.Object(p, "123456789012", "us-east-1", "fl-1", at, []byte("x")); got != want {
			t.Errorf("%+v: %s, want %s", p, got, want)
		}
	}
	if plain, err := ParseDestination("arn:aws:s3:::flow-bucket"); err != nil || plain != (Destination{Bucket: "flow-bucket"}) {
		t.Errorf("a bucket alone is %+v, %v", plain, err)
	}
	for _, wrong := range []string{"", "flow-bucket", "arn:aws:s3:::", "arn:aws:s3:::..", "arn:aws:s3:::a..b", "arn:aws:s3:::UPPER", "arn:aws:s3:::bucket/../x", "arn:aws:s3:::bucket/a/../../x",
		"arn:aws:s3:::bucket/a//b", "arn:aws:s3:::bucket/./a", "arn:aws:s3:::bucket/a b", "arn:aws:s3:::bucket/AWSLogs/", "arn:aws:s3:::bucket/a/AWSLogs/1/", "arn:aws:s3:::bucket/" + strings.Repeat("a", 600)} {
		if d, err := ParseDestination(wrong); err == nil {
			t.Errorf("%q is %+v", wrong, d)
		}
	}
}

// TestLinesOfNATGateways has the case "Traffic through a NAT gateway" of the same
// page: what an instance sends by a NAT gateway, on both of its ways past the gateway's
// interface, and what comes back.
func TestLinesOfNATGateways(t *testing.T) {
	gateway := ours
	gateway.ID, gateway.Instance, gateway.Address = "eni-nat", "", netip.MustParseAddr("10.0.0.220")
	const instance, server = "10.0.1.5", "203.0.113.5"
	flow := func(egress bool, source, destination string, after time.Duration) nodespec.Flow {
		return nodespec.Flow{
			Interface: "eni-nat", Egress: egress, Accepted: true, Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr(destination),
			Protocol: 6, Packets: 1, First: begin.Add(after),
		}
	}
	told := nodespec.Flows{From: begin, Until: end, Flows: []nodespec.Flow{
		flow(false, instance, server, time.Second), flow(true, "10.0.0.220", server, 2*time.Second),
		flow(false, server, "10.0.0.220", 3*time.Second), flow(true, server, instance, 4*time.Second),
	}}
	f, err := ParseFormat("${instance-id} ${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${flow-direction} ${traffic-path}")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range Records(told, gateway) {
		lines = append(lines, f.Line(&r))
	}
	if want := []string{
		"- eni-nat 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5 ingress -",
		"- eni-nat 10.0.0.220 203.0.113.5 10.0.0.220 203.0.113.5 egress 8",
		"- eni-nat 203.0.113.5 10.0.0.220 203.0.113.5 10.0.0.220 ingress -",
		"- eni-nat 10.0.0.220 10.0.1.5 203.0.113.5 10.0.1.5 egress 1",
	}; !slices.Equal(lines, want) {
		t.Errorf("lines are\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzParseFormat: a format that is read is written as it was, and a record has as
// many parts as it has fields.
func FuzzParseFormat(f *testing.F) {
	for _, seed := range []string{"", DefaultFormat, everyField, "${version}", "${", "${}", "  ${end}  ${end} ", "${version} ${packet}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		format, err := ParseFormat(text)
		if err != nil {
			return
		}
		again, err := ParseFormat(format.String())
		if err != nil || again.String() != format.String() {
			t.Errorf("%q is written %q, which is %q, %v", text, format, again, err)
		}
		line := format.Line(&Record{Status: StatusNoData})
		if len(strings.Split(line, " ")) != len(strings.Split(format.Header(), " ")) || strings.Contains(line, "  ") {
			t.Errorf("%q makes of nothing %q", text, line)
		}
	})
}

// FuzzParseDestination: no destination leads out of its bucket.
func FuzzParseDestination(f *testing.F) {
	for _, seed := range []string{"arn:aws:s3:::bucket", "arn:aws:s3:::bucket/folder/", "arn:aws:s3:::bucket/../x", "arn:aws:s3:::bucket/a/..", "arn:aws:s3:::../x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arn string) {
		d, err := ParseDestination(arn)
		if err != nil {
			return
		}
		name := d.Object(Partitions{}, "1", "r", "fl-1", time.Time{}, nil)
		if strings.Contains(d.Bucket, "/") || strings.Contains(d.Bucket, "..") || strings.HasPrefix(name, "/") || slices.Contains(strings.Split(name, "/"), "..") {
			t.Errorf("%q leads to %q in %q", arn, name, d.Bucket)
		}
	})
}
