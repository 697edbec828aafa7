package metadata

import (
	"encoding/json"
	"time"
)

// Credentials are keys for a time.
type Credentials struct {
	AccessKeyID     string
	Secret, Token   string
	Issued, Expires time.Time
}

// String names the credentials without what is secret of them.
func (c Credentials) String() string { return "credentials " + c.AccessKeyID }

// GoString does the same.
func (c Credentials) GoString() string { return c.String() }

// timeForm is how the service writes times.
const timeForm = "2006-01-02T15:04:05Z"

// Text is how an instance is told credentials of its role.
func (c Credentials) Text() string {
	return document(struct {
		Code, LastUpdated, Type, AccessKeyId, SecretAccessKey, Token, Expiration string
	}{"Success", c.Issued.UTC().Format(timeForm), "AWS-HMAC", c.AccessKeyID, c.Secret, c.Token, c.Expires.UTC().Format(timeForm)})
}

// Unauthorized is how an instance is told that it gets no credentials of its role,
// which does not let it take it on.
func Unauthorized(now time.Time, role string) string {
	return document(struct{ Code, Message, LastUpdated string }{
		"AssumeRoleUnauthorizedAccess", "EC2 cannot assume the role " + role + ". Its trust policy must let ec2.amazonaws.com take it on.", now.UTC().Format(timeForm),
	})
}

func document(v any) string {
	text, _ := json.MarshalIndent(v, "", "  ") // of texts only, which can be written
	return string(text)
}
