package acm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"causeway.dev/api/server"
	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/iam"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// testStore is shared by all tests, each of which has an account of its own.
var testStore *store.Store

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "acm-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if testStore, err = storetest.OpenDir(dir); err != nil {
		panic(err)
	}
	defer testStore.Close()
	return m.Run()
}

const (
	testRegion = "us-east-1"
	testSecret = "test secret"
	keyPrefix  = "AKIDOFACCOUNT" // followed by the account
)

// accounts numbers the accounts of tests.
var accounts atomic.Int64

// A cloud is an account with the API before it, and a clock.
type cloud struct {
	*testing.T
	account string
	now     time.Time
	server  http.Handler
}

func newCloud(t *testing.T, change ...func(*Config)) *cloud {
	t.Helper()
	t.Parallel()
	cfg := Config{Store: testStore}
	for _, f := range change {
		f(&cfg)
	}
	c := &cloud{T: t, account: fmt.Sprintf("%012d", accounts.Add(1)), now: time.Now().UTC().Truncate(time.Second)}
	c.server = server.New(server.Config{
		Lookup: func(id string) (iam.AccessKey, bool) {
			account, ok := strings.CutPrefix(id, keyPrefix)
			return iam.AccessKey{ID: id, Secret: testSecret, Account: account}, ok
		},
		Regions: []string{testRegion},
		Now:     func() time.Time { return c.now },
	}, New(cfg).Server())
	return c
}

func (c *cloud) scope() store.Scope { return store.Scope{Account: c.account, Region: testRegion} }

type object = map[string]any

// try calls an action and returns the answer, or the code and message of a
// refusal.
func (c *cloud) try(action string, input object) (answer object, code, message string) {
	c.Helper()
	body, err := json.Marshal(input)
	if err != nil {
		c.Fatal(err)
	}
	signer := sigv4test.Signer{AccessKeyID: keyPrefix + c.account, Secret: testSecret, Region: testRegion, Service: "acm", Now: c.now}
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, signer.PostJSON("http://acm.example/", "CertificateManager."+action, string(body)))
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			c.Fatalf("%s: %v: %s", action, err, w.Body)
		}
	}
	if w.Code != http.StatusOK {
		code, _ = answer["__type"].(string)
		message, _ = answer["message"].(string)
		return nil, code, message
	}
	return answer, "", ""
}

func (c *cloud) call(action string, input object) object {
	c.Helper()
	answer, code, message := c.try(action, input)
	if code != "" {
		c.Fatalf("%s %v: %s: %s", action, input, code, message)
	}
	return answer
}

func (c *cloud) refused(code, words, action string, input object) {
	c.Helper()
	_, got, message := c.try(action, input)
	if got != code || !strings.Contains(message, words) {
		c.Errorf("%s %v: %q: %q, want %q: …%q", action, input, got, message, code, words)
	}
}

// authority is the ARN of an authority of the account.
func (c *cloud) authority(id string) string {
	return "arn:aws:acm-pca:" + testRegion + ":" + c.account + ":certificate-authority/" + id
}

// request returns the ARN of a new private certificate with a key that is made fast.
func (c *cloud) request(domain string, more ...object) string {
	c.Helper()
	input := object{"DomainName": domain, "KeyAlgorithm": "EC_prime256v1", "CertificateAuthorityArn": c.authority("ecdsa")}
	for _, m := range more {
		for k, v := range m {
			if input[k] = v; v == nil {
				delete(input, k)
			}
		}
	}
	return c.call("RequestCertificate", input)["CertificateArn"].(string)
}

func (c *cloud) describe(arn string) object {
	c.Helper()
	return c.call("DescribeCertificate", object{"CertificateArn": arn})["Certificate"].(object)
}
