package wire_test

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway.dev/api/model/ec2"
	"causeway.dev/api/wire"
)

func ptr[T any](v T) *T { return &v }

// decode parses and decodes a request of the EC2 dialect.
func decode(form string, in any) ([]string, error) {
	p, err := wire.ParseParameters(form)
	if err != nil {
		return nil, err
	}
	return wire.Decode(p, in, wire.EC2)
}

// TestDecodeEC2 decodes requests as boto3 sends them.
func TestDecodeEC2(t *testing.T) {
	tests := []struct {
		name string
		form string
		want any
	}{
		{
			"CreateVpnConnection",
			"Action=CreateVpnConnection&Version=2016-11-15&CustomerGatewayId=cgw-1&Type=ipsec.1&VpnGatewayId=vgw-1" +
				"&Options.StaticRoutesOnly=true&Options.TunnelOptions.1.PreSharedKey=abc_defg" +
				"&Options.TunnelOptions.1.IKEVersion.1.Value=ikev2" +
				"&Options.TunnelOptions.1.Phase1DHGroupNumber.1.Value=14&Options.TunnelOptions.1.Phase1DHGroupNumber.2.Value=20" +
				"&Options.TunnelOptions.2.RekeyFuzzPercentage=0" +
				"&TagSpecification.1.ResourceType=vpn-connection&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=a+b%2F%2B~%C3%A9",
			&ec2.CreateVpnConnectionInput{
				CustomerGatewayId: ptr("cgw-1"), Type: ptr("ipsec.1"), VpnGatewayId: ptr("vgw-1"),
				Options: &ec2.VpnConnectionOptionsSpecification{
					StaticRoutesOnly: ptr(true),
					TunnelOptions: []ec2.VpnTunnelOptionsSpecification{{
						PreSharedKey:         ptr("abc_defg"),
						IKEVersions:          []ec2.IKEVersionsRequestListValue{{Value: ptr("ikev2")}},
						Phase1DHGroupNumbers: []ec2.Phase1DHGroupNumbersRequestListValue{{Value: ptr(int32(14))}, {Value: ptr(int32(20))}},
					}, {
						RekeyFuzzPercentage: ptr(int32(0)),
					}},
				},
				TagSpecifications: []ec2.TagSpecification{{ResourceType: ptr("vpn-connection"), Tags: []ec2.Tag{{Key: ptr("Name"), Value: ptr("a b/+~é")}}}},
			},
		},
		{
			"DescribeVpnConnections",
			"Filter.1.Name=state&Filter.1.Value.1=available&Filter.1.Value.2=pending&VpnConnectionId.1=vpn-1&VpnConnectionId.2=vpn-2",
			&ec2.DescribeVpnConnectionsInput{
				Filters:          []ec2.Filter{{Name: ptr("state"), Values: []string{"available", "pending"}}},
				VpnConnectionIds: []string{"vpn-1", "vpn-2"},
			},
		},
		{
			"names in the plural, in any order, with gaps",
			"VpnConnectionIds.70=c&VpnConnectionIds.2=a&VpnConnectionIds.10=b&Filters.3.Values.9=x&Filters.3.Name=state",
			&ec2.DescribeVpnConnectionsInput{
				Filters:          []ec2.Filter{{Name: ptr("state"), Values: []string{"x"}}},
				VpnConnectionIds: []string{"a", "b", "c"},
			},
		},
		{
			"AuthorizeSecurityGroupIngress",
			"GroupId=sg-1&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22" +
				"&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0%2F0&IpPermissions.1.Groups.1.GroupId=sg-2",
			&ec2.AuthorizeSecurityGroupIngressInput{
				GroupId: ptr("sg-1"),
				IpPermissions: []ec2.IpPermission{{
					IpProtocol: ptr("tcp"), FromPort: ptr(int32(22)), ToPort: ptr(int32(22)),
					IpRanges:         []ec2.IpRange{{CidrIp: ptr("0.0.0.0/0")}},
					UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: ptr("sg-2")}},
				}},
			},
		},
		{
			"CreateTags with an empty value",
			"ResourceId.1=vpc-1&Tag.1.Key=Name&Tag.1.Value=",
			&ec2.CreateTagsInput{Resources: []string{"vpc-1"}, Tags: []ec2.Tag{{Key: ptr("Name"), Value: ptr("")}}},
		},
		{
			"an empty list, as the Query protocol sends it",
			"VpcId=",
			&ec2.DescribeVpcsInput{},
		},
		{
			"a blob",
			"KeyName=k&PublicKeyMaterial=c3NoLXJzYQ%3D%3D",
			&ec2.ImportKeyPairInput{KeyName: ptr("k"), PublicKeyMaterial: []byte("ssh-rsa")},
		},
		{
			"a query name",
			"NetworkInterface.1.Ipv6Addresses.1.Ipv6Address=2001:db8::1&MinCount=1&MaxCount=1",
			&ec2.RunInstancesInput{
				MinCount: ptr(int32(1)), MaxCount: ptr(int32(1)),
				NetworkInterfaces: []ec2.InstanceNetworkInterfaceSpecification{{Ipv6Addresses: []ec2.InstanceIpv6Address{{Ipv6Address: ptr("2001:db8::1")}}}},
			},
		},
		{
			"a structure that holds one value",
			"VpcId=vpc-1&EnableDnsSupport.Value=false",
			&ec2.ModifyVpcAttributeInput{VpcId: ptr("vpc-1"), EnableDnsSupport: &ec2.AttributeBooleanValue{Value: ptr(false)}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := reflect.New(reflect.TypeOf(test.want).Elem()).Interface()
			ignored, err := decode(test.form, got)
			if err != nil || len(ignored) > 0 {
				t.Fatalf("Decode: ignored %q, %v", ignored, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// everything has a member of each kind, and each rule.
type everything struct {
	Text    *string    `req:"Text" res:"text" rule:"min=2,max=4"`
	Enum    *string    `req:"Enum" res:"enum" enum:"a,b"`
	Secret  *string    `req:"Secret" rule:"sensitive,max=4"`
	Flag    *bool      `req:"Flag" res:"flag"`
	Int     *int32     `req:"Int" res:"int" rule:"min=5,max=1000"`
	Long    *int64     `req:"Long" res:"long"`
	Float   *float64   `req:"Float" res:"float"`
	Time    *time.Time `req:"Time" res:"time"`
	Blob    []byte     `req:"Blob" res:"blob"`
	Names   []string   `req:"Name" res:"names>item" rule:"max=3"`
	Numbers []int32    `req:"Number" res:"numbers>item"`
	Inner   *inner     `req:"Inner" res:"inner"`
	Inners  []inner    `req:"InnerSet" res:"innerSet>item"`
}

type inner struct {
	Key   *string      `req:"Key" res:"key" rule:"required"`
	Value *string      `req:"Value" res:"value"`
	More  []everything `req:"More" res:"more>item"`
}

func TestScalars(t *testing.T) {
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		form string
		want everything
	}{
		{"Flag=true", everything{Flag: ptr(true)}},
		{"Flag=false", everything{Flag: ptr(false)}},
		{"Int=5", everything{Int: ptr(int32(5))}},
		{"Int=1000", everything{Int: ptr(int32(1000))}},
		{"Long=-9223372036854775808", everything{Long: ptr(int64(-1 << 63))}},
		{"Float=1.5e3", everything{Float: ptr(1500.0)}},
		{"Time=2025-01-02T03:04:05Z", everything{Time: &at}},
		{"Time=2025-01-02T03:04:05.000Z", everything{Time: &at}},
		{"Time=2025-01-02T05:04:05%2B02:00", everything{Time: &at}},
		{"Time=2025-01-02T03:04:05", everything{Time: &at}},
		{"Time=2025-01-02", everything{Time: ptr(at.Truncate(24 * time.Hour))}},
		{"Text=%C3%A9%C3%A9%C3%A9%C3%A9", everything{Text: ptr("éééé")}},
		{"Text=", everything{Text: ptr("")}},
		{"Enum=b", everything{Enum: ptr("b")}},
		{"Blob=AAE%3D", everything{Blob: []byte{0, 1}}},
		{"Number.1=-1&Number.2=2", everything{Numbers: []int32{-1, 2}}},
		{"Name.1=a&Name.2=b&Name.3=c", everything{Names: []string{"a", "b", "c"}}},
		{"&&Flag=true&&", everything{Flag: ptr(true)}},
	}
	for _, test := range tests {
		var got everything
		if _, err := decode(test.form, &got); err != nil {
			t.Errorf("%s: %v", test.form, err)
		} else if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: want -, got +:\n%s", test.form, diff)
		}
	}
}

func TestBadRequests(t *testing.T) {
	const (
		invalid   = wire.CodeInvalidParameterValue
		malformed = wire.CodeMalformedQueryString
		missing   = wire.CodeMissingParameter
		character = wire.CodeInvalidCharacter
	)
	tests := []struct {
		name, form, code string
		message          string // a part of it
	}{
		{"boolean in Python's spelling", "Flag=True", invalid, "Value (True) for parameter Flag"},
		{"boolean as a number", "Flag=1", invalid, "true or false"},
		{"empty boolean", "Flag=", invalid, "true or false"},
		{"number that is a word", "Int=ten", invalid, "(ten) for parameter Int"},
		{"empty number", "Int=", invalid, "integer"},
		{"number with a sign", "Int=%2B6", invalid, "integer"},
		{"number with a space", "Int=6+", invalid, "integer"},
		{"number in hexadecimal", "Int=0x10", invalid, "integer"},
		{"fraction", "Int=6.0", invalid, "integer"},
		{"number above 32 bits", "Int=2147483648", invalid, "32 bits"},
		{"number above 64 bits", "Long=9223372036854775808", invalid, "64 bits"},
		{"number below its minimum", "Int=4", invalid, "at least 5"},
		{"number above its maximum", "Int=1001", invalid, "at most 1000"},
		{"not a number", "Float=NaN", invalid, "number"},
		{"infinity", "Float=Inf", invalid, "number"},
		{"number too large for a float", "Float=1e999", invalid, "number"},
		{"time of another form", "Time=yesterday", invalid, "time"},
		{"31 February", "Time=2025-02-31T00:00:00Z", invalid, "time"},
		{"not base64", "Blob=%25", invalid, "base64"},
		{"text too short", "Text=a", invalid, "at least 2"},
		{"text too long", "Text=abcde", invalid, "at most 4"},
		{"not in the enumeration", "Enum=A", invalid, "one of a, b"},
		{"a list with too many items", "Name.1=a&Name.2=b&Name.3=c&Name.4=d", invalid, "at most 3"},
		{"a list without number", "Name=a", invalid, "give Name.1"},
		{"item 0", "Name.0=a", invalid, "from 1"},
		{"item -1", "Name.-1=a", invalid, "from 1"},
		{"item 01", "Name.01=a", invalid, "from 1"},
		{"item x", "Name.x=a", invalid, "from 1"},
		{"item without number", "Name.=a", invalid, "from 1"},
		{"item of the other protocol", "Name.member.1=a", invalid, "member"},
		{"giant item number", "Name.10001=a", invalid, "10000"},
		{"item number above 64 bits", "Name.99999999999999999999=a", invalid, "10000"},
		{"part of an item without parts", "Name.1.Key=a", invalid, "no parts"},
		{"a list under both of its names", "Name.1=a&Names.2=b", invalid, "two names"},
		{"value for a structure", "Inner=a", invalid, "Inner.Part"},
		{"value for an item that is a structure", "InnerSet.1=a", invalid, "InnerSet.1.Part"},
		{"required member missing", "Inner.Value=x", missing, "Inner.Key"},
		{"required member empty", "Inner.Key=", missing, "Inner.Key"},
		{"required member of the second item missing", "InnerSet.1.Key=x&InnerSet.2.Value=x", missing, "InnerSet.2.Key"},
		{"empty item that is a structure", "InnerSet.1=", invalid, "InnerSet.1.Part"},
		{"item without any part that is known", "InnerSet.1.X=", missing, "InnerSet.1.Key"},
		{"nested too deeply", "Inner" + strings.Repeat(".More.1.Inner", 9) + ".Key=x", malformed, "nested"},
		{"the same parameter twice", "Flag=true&Int=5&Flag=true", malformed, "Flag is given twice"},
		{"no name", "=x", malformed, "name"},
		{"long name", strings.Repeat("a", 513) + "=x", malformed, "name"},
		{"name that is not UTF-8", "%ff=x", malformed, "name"},
		{"bad escape in a name", "%zz=x", malformed, "escape"},
		{"bad escape in a value", "Text=%4", malformed, "parameter Text"},
		{"value that is not UTF-8", "Text=%ff", character, "Text"},
		{"control character", "Text=a%00", character, "Text"},
		{"character outside of XML", "Text=%EF%BF%BF", character, "Text"},
		{"long value", "Text=" + strings.Repeat("a", 256*1024+1), invalid, "longer"},
		{"too many parameters", strings.Repeat("a=1&", wire.ParametersMax+1), malformed, "10000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := decode(test.form, &everything{})
			var e *wire.Error
			if !errors.As(err, &e) || e.Code != test.code || !strings.Contains(e.Message, test.message) {
				t.Errorf("got %v, want %s with %q", err, test.code, test.message)
			}
		})
	}
}

// TestErrorsKeepSecrets: the value of a sensitive parameter is not repeated, and
// long values are cut.
func TestErrorsKeepSecrets(t *testing.T) {
	_, err := decode("Secret=hunter22", &everything{})
	if err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("a secret that is too long: %v", err)
	}
	_, err = decode("Int="+strings.Repeat("é", 1000), &everything{})
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("a long number: %v", err)
	}
	_, err = decode("CustomerGatewayId=c&Type=ipsec.1&Options.TunnelOptions.1.PreSharedKey.1=hunter22&Options.TunnelOptions.1.IKEVersion=hunter22", &ec2.CreateVpnConnectionInput{})
	if err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("a secret in the wrong place: %v", err)
	}
}

func TestIgnored(t *testing.T) {
	form := "Action=DescribeVpcs&Version=2016-11-15&X-Amz-Date=x&VpcIdd.1=a&Filter.1.Name=n&Filter.1.Nam=m&DryRun.1=true&Tag-1=x"
	var in ec2.DescribeVpcsInput
	got, err := decode(form, &in)
	want := []string{"DryRun.1", "Filter.1.Nam", "Tag-1", "VpcIdd.1"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Decode: %q, %v; want %q", got, err, want)
	}
	if in.DryRun != nil {
		t.Error("DryRun.1 was taken for DryRun")
	}
	many := ""
	for i := range 1000 {
		many += fmt.Sprintf("Unknown.%d=x&", i)
	}
	if got, err = decode(many, &in); err != nil || len(got) == 0 || len(got) > 100 {
		t.Errorf("Decode of many unknown parameters: %d of them, %v", len(got), err)
	}
}

func TestDecodeQuery(t *testing.T) {
	good := "Name.member.2=b&Name.member.1=a&InnerSet.member.1.Key=k"
	p, err := wire.ParseParameters(good)
	if err != nil {
		t.Fatal(err)
	}
	var got everything
	if _, err := wire.Decode(p, &got, wire.Query); err != nil {
		t.Fatal(err)
	}
	want := everything{Names: []string{"a", "b"}, Inners: []inner{{Key: ptr("k")}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	for _, bad := range []string{"Name.1=a", "Name.member=a", "Name.member.0=a", "Name.Member.1=a", "Name.member.1=a&Name.1=b"} {
		p, err := wire.ParseParameters(bad)
		if err != nil {
			t.Fatal(err)
		}
		var e *wire.Error
		if _, err := wire.Decode(p, &everything{}, wire.Query); !errors.As(err, &e) || e.Code != wire.CodeInvalidParameterValue {
			t.Errorf("%s: %v, want InvalidParameterValue", bad, err)
		}
	}
}

func TestParameters(t *testing.T) {
	p, err := wire.ParseParameters("Action=A&b=", "c=1;2")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Action": "A", "b": "", "c": "1;2"} {
		if got, ok := p.Get(name); !ok || got != want {
			t.Errorf("Get(%q) = %q, %v; want %q", name, got, ok, want)
		}
	}
	if got, ok := p.Get("d"); ok {
		t.Errorf("Get(\"d\") = %q", got)
	}
	if _, err := wire.ParseParameters("a=1", "a=2"); err == nil {
		t.Error("a parameter in both the query and the body was accepted")
	}
}

// flatten is the opposite of Decode. Unlike most clients, it sends empty lists and
// absent structures, as empty values, so that an item without members is seen.
func flatten(form url.Values, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		name := prefix + v.Type().Field(i).Tag.Get("req")
		switch m := v.Field(i); {
		case m.Type() != reflect.TypeFor[[]byte]() && m.Kind() == reflect.Slice && m.Len() == 0,
			m.Kind() == reflect.Pointer && m.Type().Elem().Kind() == reflect.Struct && m.IsNil():
			form.Set(name, "")
		case m.Kind() == reflect.Slice && m.Type().Elem().Kind() == reflect.Struct:
			for j := range m.Len() {
				flatten(form, fmt.Sprintf("%s.%d.", name, j+1), m.Index(j))
			}
		case m.Kind() == reflect.Slice && m.Type().Elem().Kind() != reflect.Uint8:
			for j := range m.Len() {
				form.Set(fmt.Sprintf("%s.%d", name, j+1), fmt.Sprint(m.Index(j)))
			}
		case m.IsNil() || m.Kind() == reflect.Slice:
		case m.Elem().Kind() == reflect.Struct && m.Elem().Type() != reflect.TypeFor[time.Time]():
			flatten(form, name+".", m.Elem())
		case m.Elem().Type() == reflect.TypeFor[time.Time]():
			form.Set(name, m.Elem().Interface().(time.Time).Format(time.RFC3339Nano))
		default:
			form.Set(name, fmt.Sprint(m.Elem()))
		}
	}
}

// FuzzDecode: no request makes the decoder panic or forget its limits, errors
// are always *Error, and what was decoded from a request without unknown parts
// decodes to the same again when a client sends it.
func FuzzDecode(f *testing.F) {
	f.Add("Action=CreateVpnConnection&CustomerGatewayId=cgw-1&Type=ipsec.1&Options.StaticRoutesOnly=true&Options.TunnelOptions.1.IKEVersion.1.Value=ikev2")
	f.Add("CustomerGatewayId=a&Type=b&TagSpecification.1.Tag.2.Key=k&TagSpecification.1.Tag.10.Key=l&TagSpecification.01.Tag=")
	f.Add("Options.TunnelOptions.1.Phase1DHGroupNumber.2.Value=14&DryRun=true&&=&%zz")
	f.Fuzz(func(t *testing.T, form string) {
		p, err := wire.ParseParameters(form)
		if err == nil {
			for _, d := range []wire.Dialect{wire.EC2, wire.Query} {
				var in ec2.CreateVpnConnectionInput
				var ignored []string
				ignored, err = wire.Decode(p, &in, d)
				if err == nil && len(ignored) == 0 && d == wire.EC2 {
					again := url.Values{}
					flatten(again, "", reflect.ValueOf(in))
					var in2 ec2.CreateVpnConnectionInput
					if _, err := decode(again.Encode(), &in2); err != nil {
						t.Fatalf("second time: %v\n%s", err, again.Encode())
					}
					if diff := cmp.Diff(in, in2); diff != "" {
						t.Fatalf("first -, second +:\n%s", diff)
					}
				}
			}
		}
		var e *wire.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("not an *Error: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	form := "Action=CreateVpnConnection&Version=2016-11-15&CustomerGatewayId=cgw-1&Type=ipsec.1&VpnGatewayId=vgw-1" +
		"&Options.StaticRoutesOnly=true&Options.TunnelOptions.1.PreSharedKey=abc_defg&Options.TunnelOptions.1.IKEVersion.1.Value=ikev2" +
		"&TagSpecification.1.ResourceType=vpn-connection&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=x"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(form, &ec2.CreateVpnConnectionInput{}); err != nil {
			b.Fatal(err)
		}
	}
}
