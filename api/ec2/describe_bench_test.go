package ec2

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// BenchmarkDescribe asks for VPN connections through the whole chain of a
// request, from the signature to the last byte of XML: for one by its id, for
// one by a filter that has to look at all of them, and for all.
func BenchmarkDescribe(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		c, ids := manyConnections(b, n)
		last := ids[n-1]
		for _, bench := range []struct {
			name       string
			found      int
			parameters []string
		}{
			{"by-id", 1, []string{"VpnConnectionId.1", last}},
			{"by-filter", 1, []string{"Filter.1.Name", "tag:Name", "Filter.1.Value.1", "site-" + last}},
			{"all", n, nil},
		} {
			b.Run(fmt.Sprintf("%s/%d-connections", bench.name, n), func(b *testing.B) {
				form := url.Values{"Action": {"DescribeVpnConnections"}, "Version": {"2016-11-15"}}
				for i := 0; i < len(bench.parameters); i += 2 {
					form.Set(bench.parameters[i], bench.parameters[i+1])
				}
				signer := sigv4test.Signer{AccessKeyID: keyPrefix + c.account, Secret: testSecret, Region: c.region, Service: "ec2", Now: testTime}
				request, body := signer.Post("http://127.0.0.1/", form), form.Encode()
				answer := &countedAnswer{header: http.Header{}}
				b.ReportAllocs()
				for b.Loop() {
					request.Body = io.NopCloser(strings.NewReader(body))
					*answer = countedAnswer{header: answer.header}
					c.server.ServeHTTP(answer, request)
				}
				b.SetBytes(int64(answer.bytes))
				if answer.status != http.StatusOK || answer.connections != bench.found {
					b.Fatalf("%d with %d connections, want %d", answer.status, answer.connections, bench.found)
				}
			})
		}
	}
}

// manyConnections returns an account with n connections of one static route,
// half of their tunnels up, as the API made the first of them.
func manyConnections(b *testing.B, n int) (c *cloud, ids []string) {
	b.Helper()
	s := storetest.Open(b)
	c = newCloud(b, func(cfg *Config) { cfg.Store = s })
	first := c.connection(c.customerGateway("198.51.100.7"), c.vpnGateway())
	c.call("CreateVpnConnectionRoute", "VpnConnectionId", first, "DestinationCidrBlock", "192.168.0.0/16")
	scope := store.Scope{Account: c.account, Region: c.region}
	template, ok := store.VPNConnections.Get(s.Snapshot(), scope, first)
	if !ok {
		b.Fatalf("%s is not stored", first)
	}
	const chunk = 250 // of records in one transaction
	for from := 0; from < n; from += chunk {
		if err := s.Update(b.Context(), func(tx *store.Tx) error {
			for i := from; i < min(from+chunk, n); i++ {
				v := template
				v.ID = fmt.Sprintf("vpn-%017x", i)
				v.Tags = []resource.Tag{{Key: "Name", Value: "site-" + v.ID}}
				for t := range v.Tunnels {
					v.Tunnels[t].OutsideAddress = netip.AddrFrom4([4]byte{100, 64 + byte(t), byte(i >> 8), byte(i)})
				}
				store.VPNConnections.Put(tx, v)
				store.TunnelStatuses.Put(tx, resource.TunnelStatus{
					Meta: resource.Meta{ID: resource.TunnelID(v.ID, 1), Account: c.account, Region: c.region},
					Up:   true, Since: testTime, Message: "up",
				})
				ids = append(ids, v.ID)
			}
			if from == 0 {
				store.VPNConnections.Delete(tx, scope, first)
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return c, ids
}

// A countedAnswer keeps of an answer only what tells whether it is right.
type countedAnswer struct {
	header      http.Header
	status      int
	bytes       int
	connections int
	tail        string // the end of the last write, in which an element may have begun
}

func (a *countedAnswer) Header() http.Header { return a.header }

func (a *countedAnswer) WriteHeader(status int) { a.status = status }

func (a *countedAnswer) Write(p []byte) (int, error) {
	const element = "<vpnConnectionId>"
	text := a.tail + string(p)
	a.connections += strings.Count(text, element)
	a.tail = text[max(0, len(text)-len(element)+1):]
	a.bytes += len(p)
	return len(p), nil
}
