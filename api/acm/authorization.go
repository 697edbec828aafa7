package acm

import (
	"reflect"

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
	target.ARN = server.Text(in, "CertificateArn")
	if target.ARN == "" {
		if action != "RequestCertificate" && action != "ImportCertificate" {
			return nil
		}
		target.ARN = resource.CertificateARN(c.Account, c.Region, "*")
	}
	if id, ok := resource.ParseCertificateARN(target.ARN, c.Account, c.Region); ok {
		found, _ := store.Certificates.Get(s.store.Snapshot(), scopeOf(c), id)
		target.SetResourceTags("aws:resourcetag/", found.Tags)
	}
	f := in.FieldByName("Tags")
	if !f.IsValid() {
		return []server.Target{target}
	}
	given, _ := f.Interface().([]model.Tag)
	tags := requestTags(given)
	target.SetRequestTags(tags)
	targets := []server.Target{target}
	if making := action == "RequestCertificate" || action == "ImportCertificate"; making && len(tags) > 0 {
		// To give it tags at once needs the permission to tag, too.
		tagging := server.Target{ARN: target.ARN, Action: "acm:AddTagsToCertificate"}
		tagging.SetRequestTags(tags)
		targets = append(targets, tagging)
	}
	return targets
}
