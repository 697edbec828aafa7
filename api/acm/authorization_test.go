package acm

import (
	"testing"

	model "causeway.dev/api/model/acm"
	"causeway.dev/api/server"
)

// A request is about the certificate that it names, with its tags, or the one that
// it makes.
func TestTargets(t *testing.T) {
	c := newCloud(t)
	arn := c.request("a.example", object{"Tags": []object{{"Key": "Team", "Value": "red"}}})
	caller := server.Caller{Account: c.account, Region: testRegion}
	s := New(Config{Store: testStore})
	if got := s.targets(caller, "DescribeCertificate", &model.DescribeCertificateInput{CertificateArn: &arn}); len(got) != 1 || got[0].ARN != arn || got[0].Keys["aws:resourcetag/team"][0] != "red" {
		t.Errorf("of one that is there: %+v", got)
	}
	key, value := "Owner", "u"
	got := s.targets(caller, "RequestCertificate", &model.RequestCertificateInput{Tags: []model.Tag{{Key: &key, Value: &value}}})
	if len(got) != 2 || got[1].Action != "acm:AddTagsToCertificate" || got[1].Keys["aws:requesttag/owner"][0] != "u" || got[0].ARN != "arn:aws:acm:us-east-1:"+c.account+":certificate/*" || got[0].Keys["aws:requesttag/owner"][0] != "u" || got[0].Keys["aws:tagkeys"][0] != "Owner" {
		t.Errorf("of one that is made: %+v", got)
	}
	if got := s.targets(caller, "ListCertificates", &model.ListCertificatesInput{}); len(got) != 0 {
		t.Errorf("of a list: %+v", got)
	}
}
