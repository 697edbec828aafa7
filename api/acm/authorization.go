package acm

import (
	"reflect"
	"strings"

	model "causeway.dev/api/model/acm"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// targets tells what a request is about: the certificate that it names, or the one
// that it makes.
func (s *Service) targets(c server.Caller, action string, input any) []server.Target {
	var target server.Target
	in := reflect.ValueOf(input).Elem()
	if f := in.FieldByName("CertificateArn"); f.IsValid() {
		arn, _ := f.Interface().(*string)
		target.ARN = val(arn)
	}
	if target.ARN == "" {
		if action != "RequestCertificate" && action != "ImportCertificate" {
			return nil
		}
		target.ARN = resource.CertificateARN(c.Account, c.Region, "*")
	}
	if id, ok := resource.ParseCertificateARN(target.ARN, c.Account, c.Region); ok {
		found, _ := store.Certificates.Get(s.store.Snapshot(), scopeOf(c), id)
		for _, t := range found.Tags {
			target.SetKey("aws:resourcetag/"+strings.ToLower(t.Key), t.Value)
		}
	}
	if f := in.FieldByName("Tags"); f.IsValid() {
		tags, _ := f.Interface().([]model.Tag)
		var keys []string
		for _, t := range tags {
			keys = append(keys, val(t.Key))
			target.SetKey("aws:requesttag/"+strings.ToLower(val(t.Key)), val(t.Value))
		}
		if len(keys) > 0 {
			target.SetKey("aws:tagkeys", keys...)
		}
	}
	return []server.Target{target}
}
