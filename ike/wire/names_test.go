package wire

import (
	"errors"
	"fmt"
	"testing"
)

// The numbers are those of IANA's registry of IKEv2 parameters.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		value fmt.Stringer
		want  string
	}{
		{PayloadType(33), "SA"}, {PayloadType(34), "KE"}, {PayloadType(35), "IDi"}, {PayloadType(36), "IDr"},
		{PayloadType(37), "CERT"}, {PayloadType(38), "CERTREQ"}, {PayloadType(39), "AUTH"}, {PayloadType(40), "Nonce"},
		{PayloadType(41), "N"}, {PayloadType(42), "D"}, {PayloadType(43), "V"}, {PayloadType(44), "TSi"},
		{PayloadType(45), "TSr"}, {PayloadType(46), "SK"}, {PayloadType(47), "CP"}, {PayloadType(48), "EAP"},
		{PayloadType(53), "SKF"}, {PayloadType(0), "none"}, {PayloadType(99), "payload 99"},
		{ExchangeType(34), "IKE_SA_INIT"}, {ExchangeType(35), "IKE_AUTH"}, {ExchangeType(36), "CREATE_CHILD_SA"},
		{ExchangeType(37), "INFORMATIONAL"}, {ExchangeType(2), "exchange 2"},
		{ProtocolID(0), "none"}, {ProtocolID(1), "IKE"}, {ProtocolID(2), "AH"}, {ProtocolID(3), "ESP"}, {ProtocolID(4), "protocol 4"},
		{TransformType(1), "ENCR"}, {TransformType(2), "PRF"}, {TransformType(3), "INTEG"}, {TransformType(4), "D-H"},
		{TransformType(5), "ESN"}, {TransformType(13), "transform 13"},
		{AuthMethod(1), "RSA signature"}, {AuthMethod(2), "shared key"}, {AuthMethod(14), "digital signature"}, {AuthMethod(8), "method 8"},
		{AuthMethod(9), "ECDSA signature on P-256"}, {AuthMethod(10), "ECDSA signature on P-384"}, {AuthMethod(11), "ECDSA signature on P-521"},
		{NotifyType(1), "UNSUPPORTED_CRITICAL_PAYLOAD"}, {NotifyType(5), "INVALID_MAJOR_VERSION"}, {NotifyType(7), "INVALID_SYNTAX"},
		{NotifyType(14), "NO_PROPOSAL_CHOSEN"}, {NotifyType(17), "INVALID_KE_PAYLOAD"}, {NotifyType(24), "AUTHENTICATION_FAILED"},
		{NotifyType(35), "NO_ADDITIONAL_SAS"}, {NotifyType(38), "TS_UNACCEPTABLE"}, {NotifyType(43), "TEMPORARY_FAILURE"},
		{NotifyType(44), "CHILD_SA_NOT_FOUND"}, {NotifyType(16384), "INITIAL_CONTACT"}, {NotifyType(16388), "NAT_DETECTION_SOURCE_IP"},
		{NotifyType(16389), "NAT_DETECTION_DESTINATION_IP"}, {NotifyType(16390), "COOKIE"}, {NotifyType(16393), "REKEY_SA"},
		{NotifyType(16396), "MOBIKE_SUPPORTED"},
		{NotifyType(40), "UNACCEPTABLE_ADDRESSES"}, {NotifyType(41), "UNEXPECTED_NAT_DETECTED"}, {NotifyType(16400), "UPDATE_SA_ADDRESSES"},
		{NotifyType(16401), "COOKIE2"}, {NotifyType(16402), "NO_NATS_ALLOWED"}, {NotifyType(16407), "REDIRECT"}, {NotifyType(16430), "IKEV2_FRAGMENTATION_SUPPORTED"}, {NotifyType(60000), "notification 60000"},
	} {
		if got := c.value.String(); got != c.want {
			t.Errorf("%T is called %q, want %q", c.value, got, c.want)
		}
	}
	for value, name := range notifyNames {
		if value == 0 || name == "" {
			t.Errorf("notification %d is called %q", uint16(value), name)
		}
	}
}

func TestErrorsSayWhatIsOwed(t *testing.T) {
	_, err := Parse(make([]byte, 27))
	if want := "INVALID_SYNTAX: message of 27 octets, the header alone has 28"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = ParsePayloads(200, []byte{0, criticalBit, 0, 4})
	if want := "UNSUPPORTED_CRITICAL_PAYLOAD: payload 200"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if owed := new(Error); !errors.As(err, &owed) || !owed.Notify.IsError() || InitialContact.IsError() {
		t.Error("errors and statuses are mixed up")
	}
}

// RFC 7296 section 2.15: AUTH covers the ID payload as it was sent.
func TestIDBody(t *testing.T) {
	body := unhex(t, "02 a0b0c0 6769702e6e6574")
	id, err := parseID(PayloadIDr, body)
	if err != nil {
		t.Fatal(err)
	}
	if got := id.Body(); string(got) != string(body) {
		t.Errorf("Body = %x, want %x", got, body)
	}
}
