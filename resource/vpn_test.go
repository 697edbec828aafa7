package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestEffectiveOptions(t *testing.T) {
	e := TunnelOptions{}.Effective()
	if err := e.Validate(); err != nil {
		t.Errorf("the defaults are invalid: %v", err)
	}
	for field := range reflect.TypeFor[TunnelOptions]().NumField() {
		if reflect.ValueOf(e).Field(field).IsZero() {
			t.Errorf("%s has no default", reflect.TypeFor[TunnelOptions]().Field(field).Name)
		}
	}
	if again := e.Effective(); !reflect.DeepEqual(again, e) {
		t.Errorf("effective options change: %+v", again)
	}
	given := TunnelOptions{Phase1LifetimeSeconds: 1000, RekeyFuzzPercentage: new(int32(0)), Phase1DHGroupNumbers: []int32{14}}
	e = given.Effective()
	if e.Phase1LifetimeSeconds != 1000 || *e.RekeyFuzzPercentage != 0 || !slices.Equal(e.Phase1DHGroupNumbers, []int32{14}) {
		t.Errorf("what was set is lost: %+v", e)
	}
	if e.Phase2LifetimeSeconds >= e.Phase1LifetimeSeconds {
		t.Errorf("a Child SA lives %d s, its IKE SA %d s", e.Phase2LifetimeSeconds, e.Phase1LifetimeSeconds)
	}
}

func TestOptionsForIKEv1(t *testing.T) {
	if o, ok := (TunnelOptions{}).ForIKEv1(); !ok || !slices.Equal(o.Phase1EncryptionAlgorithms, []string{"AES128", "AES256"}) || len(o.Phase2EncryptionAlgorithms) != 4 {
		t.Errorf("got %v, %v, %v", ok, o.Phase1EncryptionAlgorithms, o.Phase2EncryptionAlgorithms)
	}
	if !slices.Contains(EncryptionAlgorithms, "AES128-GCM-16") {
		t.Error("ForIKEv1 has changed what AWS names")
	}
	gcm := TunnelOptions{IKEVersions: []string{IKEv1}, Phase1EncryptionAlgorithms: []string{"AES256-GCM-16"}}
	if err := gcm.Validate(); err == nil || !strings.Contains(err.Error(), "IKEv1 has no AES-GCM in phase 1") {
		t.Errorf("AES-GCM for IKEv1: %v", err)
	}
	gcm.IKEVersions = nil
	if err := gcm.Validate(); err != nil {
		t.Errorf("AES-GCM where IKEv2 is allowed too: %v", err)
	}
}

func TestPreSharedKeyRules(t *testing.T) {
	for key, valid := range map[string]bool{
		"abcdefgh": true, strings.Repeat("Z", 64): true, "a.b_c.D9": true, "_0000000": true, ".0000000": true,
		"": false, "abcdefg": false, strings.Repeat("Z", 65): false, "0bcdefgh": false, "abcdefg ": false, "abcdefg\n": false,
		"abcdefg-": false, "abcdefgü": false, `abcdefg"`: false, "abcdefg\x00": false,
	} {
		err := ValidatePreSharedKey(key)
		if (err == nil) != valid {
			t.Errorf("%q: %v, want valid: %v", key, err, valid)
		}
		if err != nil && len(key) > 4 && strings.Contains(err.Error(), key) {
			t.Errorf("the message repeats the key: %v", err)
		}
	}
}

func TestInsideCIDRRules(t *testing.T) {
	for text, valid := range map[string]bool{
		"169.254.6.0/30": true, "169.254.255.252/30": true, "169.254.0.4/30": true, "169.254.169.248/30": true,
		"169.254.0.0/30": false, "169.254.3.0/30": false, "169.254.169.252/30": false, "169.254.6.1/30": false,
		"169.254.6.0/29": false, "169.253.6.0/30": false, "::ffff:169.254.6.0/126": false,
	} {
		if err := ValidateInsideCIDR(netip.MustParsePrefix(text)); (err == nil) != valid {
			t.Errorf("%s: %v, want valid: %v", text, err, valid)
		}
	}
}

func TestGatewayASNs(t *testing.T) {
	for asn, valid := range map[uint32]bool{64512: true, 65534: true, 4200000000: true, 4294967294: true, 0: false, 64511: false, 65535: false, 4199999999: false, 4294967295: false} {
		if err := (VPNGateway{Type: TypeIPsec1, AmazonSideASN: asn}).Validate(); (err == nil) != valid {
			t.Errorf("VPN gateway with ASN %d: %v, want valid: %v", asn, err, valid)
		}
	}
	for _, row := range []struct {
		region string
		asn    uint32
		valid  bool
	}{
		{"us-east-1", 1, true}, {"us-east-1", 4294967295, true}, {"us-east-1", 9059, true}, {"us-east-1", 7224, false}, {"us-east-1", 0, false},
		{"eu-west-1", 9059, false}, {"ap-northeast-1", 10124, false}, {"ap-southeast-1", 17943, false}, {"ap-southeast-1", 10124, true},
	} {
		g := CustomerGateway{Meta: Meta{Region: row.region}, Type: TypeIPsec1, Address: netip.MustParseAddr("192.0.2.1"), ASN: row.asn}
		if err := g.Validate(); (err == nil) != row.valid {
			t.Errorf("customer gateway in %s with ASN %d: %v, want valid: %v", row.region, row.asn, err, row.valid)
		}
	}
}

func TestStaticRouteSaysWhatWasMeant(t *testing.T) {
	_, err := ParseStaticRoute("192.168.1.7/16")
	var told *Error
	if !errors.As(err, &told) || told.Code != CodeInvalidParameterValue || !strings.Contains(told.Message, "192.168.0.0/16") {
		t.Errorf("got %v", err)
	}
}

func TestTunnelAddressesAndStorage(t *testing.T) {
	tunnel := VPNTunnel{
		OutsideAddress: netip.MustParseAddr("203.0.113.1"), InsideCIDR: netip.MustParsePrefix("169.254.10.0/30"), PreSharedKey: "not_for_logs",
		TunnelOptions: TunnelOptions{RekeyFuzzPercentage: new(int32(0)), IKEVersions: []string{IKEv2}},
	}
	if ours, theirs := tunnel.CloudInside().String(), tunnel.CustomerInside().String(); ours != "169.254.10.1" || theirs != "169.254.10.2" {
		t.Errorf("inside addresses %s and %s", ours, theirs)
	}
	if text := fmt.Sprintf("%v %s", tunnel, tunnel); strings.Contains(text, "not_for_logs") {
		t.Errorf("the key is printed: %s", text)
	}
	stored, err := json.Marshal(tunnel)
	if err != nil {
		t.Fatal(err)
	}
	var back VPNTunnel
	if err := json.Unmarshal(stored, &back); err != nil || !reflect.DeepEqual(back, tunnel) {
		t.Errorf("%s becomes %+v (%v)", stored, back, err)
	}
}
