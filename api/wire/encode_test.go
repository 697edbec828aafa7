package wire_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"causeway.dev/api/model/ec2"
	"causeway.dev/api/model/iam"
	"causeway.dev/api/model/sts"
	"causeway.dev/api/wire"
)

const declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

func TestWriteAnswer(t *testing.T) {
	ec2Envelope := wire.Envelope{Dialect: wire.EC2, Action: "X", Namespace: "http://ec2.amazonaws.com/doc/2016-11-15/", RequestID: "id"}
	queryEnvelope := wire.Envelope{Dialect: wire.Query, Action: "X", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/", RequestID: "id"}
	const (
		ec2Open    = `<XResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>id</requestId>`
		queryOpen  = `<XResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`
		queryClose = `<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></XResponse>`
	)
	tests := []struct {
		name     string
		envelope wire.Envelope
		out      any
		want     string
	}{
		{"no output", ec2Envelope, &ec2.DeleteVpnConnectionOutput{}, ec2Open + "<return>true</return></XResponse>"},
		{"Return is true unless set", ec2Envelope, &ec2.CreateRouteOutput{}, ec2Open + "<return>true</return></XResponse>"},
		{"Return set", ec2Envelope, &ec2.CreateRouteOutput{Return: ptr(false)}, ec2Open + "<return>false</return></XResponse>"},
		{"an empty list is there, an absent text is not", ec2Envelope, &ec2.DescribeVpcsOutput{}, ec2Open + "<vpcSet/></XResponse>"},
		{"a structure", ec2Envelope, &ec2.AttachVpnGatewayOutput{VpcAttachment: &ec2.VpcAttachment{State: ptr("attaching"), VpcId: ptr("vpc-1")}},
			ec2Open + "<attachment><state>attaching</state><vpcId>vpc-1</vpcId></attachment></XResponse>"},
		{"all kinds", ec2Envelope, &everything{
			Text: ptr("<a&b> \"c\"\t\r\n\x00\xff\uFFFFé"), Enum: ptr(""), Secret: ptr("not in answers"), Flag: ptr(false), Int: ptr(int32(-5)), Long: ptr(int64(1) << 40),
			Float: ptr(0.25), Time: ptr(time.Date(2025, 1, 2, 5, 4, 5, 6_789_000, time.FixedZone("", 7200))), Blob: []byte{0, 1},
			Names: []string{"a", ""}, Numbers: []int32{1}, Inner: &inner{Key: ptr("k")}, Inners: []inner{{Value: ptr("v")}, {}},
		}, ec2Open + "<text>&lt;a&amp;b&gt; &#34;c&#34;\t&#xD;\n\uFFFD\uFFFD\uFFFDé</text><enum></enum><flag>false</flag><int>-5</int><long>1099511627776</long>" +
			"<float>0.25</float><time>2025-01-02T03:04:05.006Z</time><blob>AAE=</blob><names><item>a</item><item></item></names><numbers><item>1</item></numbers>" +
			"<inner><key>k</key><more/></inner><innerSet><item><value>v</value><more/></item><item><more/></item></innerSet></XResponse>"},
		{"Query", queryEnvelope, &sts.GetCallerIdentityOutput{Account: ptr("123456789012")},
			queryOpen + "<XResult><Account>123456789012</Account></XResult>" + queryClose},
		{"Query with a map", queryEnvelope, &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{"Users": 31, "Groups": 1}},
			queryOpen + "<XResult><SummaryMap><entry><key>Groups</key><value>1</value></entry><entry><key>Users</key><value>31</value></entry></SummaryMap></XResult>" + queryClose},
		{"Query without output", queryEnvelope, &struct{}{}, queryOpen + "<XResult></XResult>" + queryClose},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := answer(t, test.envelope, test.out)
			if want := declaration + test.want; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			checkXML(t, got)
		})
	}
}

func answer(t *testing.T, e wire.Envelope, out any) string {
	t.Helper()
	var b strings.Builder
	if err := wire.WriteAnswer(&b, e, out); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func checkXML(t *testing.T, text string) {
	t.Helper()
	if err := xml.Unmarshal([]byte(text), new(struct{})); err != nil {
		t.Errorf("not XML: %v\n%s", err, text)
	}
}

func TestAppendError(t *testing.T) {
	fault := wire.Fault{Code: "InvalidVpcID.NotFound", Message: "no <vpc>", Sender: true, RequestID: "id"}
	ours := fault
	ours.Sender = false
	tests := []struct {
		dialect wire.Dialect
		fault   wire.Fault
		want    string
	}{
		{wire.EC2, fault, "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>no &lt;vpc&gt;</Message></Error></Errors><RequestID>id</RequestID></Response>"},
		{wire.Query, fault, `<ErrorResponse xmlns="ns"><Error><Type>Sender</Type><Code>InvalidVpcID.NotFound</Code><Message>no &lt;vpc&gt;</Message></Error><RequestId>id</RequestId></ErrorResponse>`},
		{wire.Query, ours, `<ErrorResponse xmlns="ns"><Error><Type>Receiver</Type><Code>InvalidVpcID.NotFound</Code><Message>no &lt;vpc&gt;</Message></Error><RequestId>id</RequestId></ErrorResponse>`},
	}
	for _, test := range tests {
		got := string(wire.AppendError(nil, test.dialect, "ns", test.fault))
		if want := declaration + test.want; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		checkXML(t, got)
	}
}

// connections is an answer with n connections of common size.
func connections(n int) *ec2.DescribeVpnConnectionsOutput {
	out := &ec2.DescribeVpnConnectionsOutput{}
	for i := range n {
		tunnel := ec2.TunnelOption{
			OutsideIpAddress: ptr("198.51.100.7"), TunnelInsideCidr: ptr("169.254.10.0/30"), PreSharedKey: ptr("0123456789abcdefghij"),
			Phase1EncryptionAlgorithms: []ec2.Phase1EncryptionAlgorithmsListValue{{Value: ptr("AES256")}},
			DpdTimeoutSeconds:          ptr(int32(30)),
		}
		out.VpnConnections = append(out.VpnConnections, ec2.VpnConnection{
			VpnConnectionId: ptr(fmt.Sprintf("vpn-%017x", i)), State: ptr("available"), Type: ptr("ipsec.1"), Category: ptr("VPN"),
			CustomerGatewayId: ptr("cgw-0123456789abcdef0"), VpnGatewayId: ptr("vgw-0123456789abcdef0"),
			CustomerGatewayConfiguration: ptr(strings.Repeat("<ipsec_tunnel>10.0.0.1</ipsec_tunnel>\n", 100)),
			Options:                      &ec2.VpnConnectionOptions{StaticRoutesOnly: ptr(true), TunnelOptions: []ec2.TunnelOption{tunnel, tunnel}},
			Routes:                       []ec2.VpnStaticRoute{{DestinationCidrBlock: ptr("192.168.0.0/16"), State: ptr("available")}},
			Tags:                         []ec2.Tag{{Key: ptr("Name"), Value: ptr("site")}},
			VgwTelemetry:                 []ec2.VgwTelemetry{{OutsideIpAddress: ptr("198.51.100.7"), Status: ptr("UP"), LastStatusChange: ptr(time.Unix(0, 0))}, {Status: ptr("DOWN")}},
		})
	}
	return out
}

// describe is the envelope of connections.
var describe = wire.Envelope{Dialect: wire.EC2, Action: "DescribeVpnConnections", Namespace: "ns", RequestID: "id"}

// TestLargeAnswer: an answer is the same whether it is written in pieces or not,
// and no piece is much larger than an item.
func TestLargeAnswer(t *testing.T) {
	const n = 100
	var pieces pieceWriter
	if err := wire.WriteAnswer(&pieces, describe, connections(n)); err != nil {
		t.Fatal(err)
	}
	text := pieces.String()
	checkXML(t, text)
	if got := strings.Count(text, "<vpnConnectionId>vpn-"); got != n {
		t.Errorf("%d connections, want %d", got, n)
	}
	if pieces.count < 5 || pieces.largest > 100_000 {
		t.Errorf("%d bytes came in %d pieces, the largest of %d bytes", len(text), pieces.count, pieces.largest)
	}
	one := answer(t, describe, connections(1))
	open, rest, _ := strings.Cut(one, "<item><category>")
	if !strings.HasPrefix(text, open+"<item><category>") || !strings.HasSuffix(text, rest[strings.LastIndex(rest, "</vpnConnectionSet>"):]) {
		t.Error("the large answer begins or ends unlike a small one")
	}
}

type pieceWriter struct {
	strings.Builder
	count, largest int
}

func (w *pieceWriter) Write(b []byte) (int, error) {
	w.count++
	w.largest = max(w.largest, len(b))
	return w.Builder.Write(b)
}

// TestWriteError: the first error of the writer is told, and ends the writing.
func TestWriteError(t *testing.T) {
	w := &brokenWriter{}
	if err := wire.WriteAnswer(w, describe, connections(100)); !errors.Is(err, io.ErrClosedPipe) || w.writes != 1 {
		t.Errorf("%v after %d writes", err, w.writes)
	}
}

type brokenWriter struct{ writes int }

func (w *brokenWriter) Write([]byte) (int, error) {
	w.writes++
	return 0, io.ErrClosedPipe
}

// TestEncodingDoesNotAllocate: an answer costs no memory for each of its values.
func TestEncodingDoesNotAllocate(t *testing.T) {
	out := connections(100)
	perAnswer := testing.AllocsPerRun(20, func() {
		if err := wire.WriteAnswer(io.Discard, describe, out); err != nil {
			t.Error(err)
		}
	})
	if perAnswer > 3 { // a hundred connections have thousands of values
		t.Errorf("%v allocations", perAnswer)
	}
}

func BenchmarkDescribe(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("%d-vpns", n), func(b *testing.B) {
			out := connections(n)
			var size countWriter
			if err := wire.WriteAnswer(&size, describe, out); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := wire.WriteAnswer(io.Discard, describe, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type countWriter int

func (w *countWriter) Write(b []byte) (int, error) {
	*w += countWriter(len(b))
	return len(b), nil
}
