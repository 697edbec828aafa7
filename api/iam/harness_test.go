package iam_test

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"causeway.dev/api/access"
	"causeway.dev/api/ec2"
	iamapi "causeway.dev/api/iam"
	"causeway.dev/api/server"
	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/api/sts"
	"causeway.dev/iam"
	"causeway.dev/internal/seal"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// testStore is shared by all tests, each of which has accounts of its own.
var testStore *store.Store

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "iam-test-")
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

const testRegion = "us-east-1"

// accounts numbers the accounts of tests.
var accounts atomic.Int64

// A cloud is an account with the API before it, and a clock. Its root calls.
type cloud struct {
	*testing.T
	account string
	root    keys
	now     time.Time
	server  http.Handler
	guard   *access.Guard
}

// keys are what a caller signs with.
type keys struct{ id, secret, token string }

func newCloud(t *testing.T, limits ...iamapi.Limits) *cloud {
	t.Helper()
	t.Parallel()
	c := &cloud{T: t, account: fmt.Sprintf("%012d", accounts.Add(1)), now: time.Now().UTC().Truncate(time.Second)}
	k, err := iam.NewAccessKey(rand.Reader, c.account, "")
	if err != nil {
		t.Fatal(err)
	}
	c.root = keys{id: k.ID, secret: string(k.Secret)}
	directory, err := iam.NewDirectory(k)
	if err != nil {
		t.Fatal(err)
	}
	cfg := iamapi.Config{Store: testStore}
	if len(limits) > 0 {
		cfg.Limits = limits[0]
	}
	ring := seal.Generate()
	c.guard = access.New(access.Config{Store: testStore, Keys: directory, Sealer: ring})
	cfg.LastUse = c.guard.LastUse
	c.server = server.New(server.Config{
		Lookup: c.guard.Lookup, Session: c.guard.Session, Used: c.guard.NoteUse, Authorize: c.guard.Authorize,
		Regions: []string{testRegion, "eu-west-1"}, Now: func() time.Time { return c.now },
	},
		iamapi.New(cfg).Server(), sts.New(sts.Config{Store: testStore, Guard: c.guard, Sealer: ring}).Server(),
		ec2.New(ec2.Config{Store: testStore, Regions: []ec2.Region{{Name: testRegion, Zones: []string{"us-east-1a", "us-east-1b"}}, {Name: "eu-west-1", Zones: []string{"eu-west-1a", "eu-west-1b"}}}}).Server())
	return c
}

// An element is one of an answer.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

// find returns the elements of a path, at any depth below e.
func (e *element) find(name string) []*element {
	var found []*element
	for i := range e.Children {
		child := &e.Children[i]
		if child.XMLName.Local == name {
			found = append(found, child)
		}
		found = append(found, child.find(name)...)
	}
	return found
}

// text is that of the first element of a name; "" if there is none.
func (e *element) text(name string) string {
	if found := e.find(name); len(found) > 0 {
		return strings.TrimSpace(found[0].Text)
	}
	return ""
}

// texts are those of all elements of a name.
func (e *element) texts(name string) string {
	var all []string
	for _, f := range e.find(name) {
		all = append(all, strings.TrimSpace(f.Text))
	}
	return strings.Join(all, " ")
}

// as makes a call with some keys: service and action as in "ec2:CreateVpc", names
// and values in turn. It returns the code of a refusal.
func (c *cloud) as(k keys, region, call string, pairs ...string) (answer *element, code string) {
	c.Helper()
	service, action, _ := strings.Cut(call, ":")
	form := url.Values{"Action": {action}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	signer := sigv4test.Signer{AccessKeyID: k.id, Secret: k.secret, Region: region, Service: service, Now: c.now}
	r := signer.Post("http://iam.example/", form)
	r.RemoteAddr = "192.0.2.7:50000"
	if k.token != "" {
		r.Header.Set("X-Amz-Security-Token", k.token)
		signer.Sign(r, "content-type", "host", "x-amz-date", "x-amz-security-token")
	}
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, r)
	answer = new(element)
	if err := xml.Unmarshal(w.Body.Bytes(), answer); err != nil {
		c.Fatalf("%s: %v: %s", call, err, w.Body)
	}
	if w.Code == http.StatusOK {
		return answer, ""
	}
	return answer, answer.text("Code")
}

// call calls as root what must succeed.
func (c *cloud) call(call string, pairs ...string) *element {
	c.Helper()
	return c.may(c.root, call, pairs...)
}

// may calls what must be allowed, and succeed.
func (c *cloud) may(k keys, call string, pairs ...string) *element {
	c.Helper()
	answer, code := c.as(k, testRegion, call, pairs...)
	if code != "" {
		c.Fatalf("%s %q: %s: %s", call, pairs, code, answer.text("Message"))
	}
	return answer
}

// refused calls what must be refused with a code and words of the message.
func (c *cloud) refused(k keys, code, words, call string, pairs ...string) {
	c.Helper()
	answer, got := c.as(k, testRegion, call, pairs...)
	if message := answer.text("Message"); got != code || !strings.Contains(message, words) {
		c.Errorf("%s %q: %q: %q, want %q: …%q", call, pairs, got, message, code, words)
	}
}

// user makes a user with a key and, if there is one, a policy.
func (c *cloud) user(name, policy string) keys {
	c.Helper()
	c.call("iam:CreateUser", "UserName", name)
	if policy != "" {
		c.call("iam:PutUserPolicy", "UserName", name, "PolicyName", "p", "PolicyDocument", policy)
	}
	return c.key(name)
}

func (c *cloud) key(user string) keys {
	c.Helper()
	answer := c.call("iam:CreateAccessKey", "UserName", user)
	return keys{id: answer.text("AccessKeyId"), secret: answer.text("SecretAccessKey")}
}

// credentials are the temporary ones of an answer.
func credentials(answer *element) keys {
	return keys{answer.text("AccessKeyId"), answer.text("SecretAccessKey"), answer.text("SessionToken")}
}

// allow is a policy of one statement.
func allow(action, resource string, condition ...string) string {
	return statement("Allow", action, resource, condition...)
}

func statement(effect, action, resource string, condition ...string) string {
	s := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":%q,"Resource":%q`, effect, action, resource)
	if len(condition) > 0 {
		s += `,"Condition":` + condition[0]
	}
	return s + "}]}"
}

// putKey stores a key of a user.
func (c *cloud) putKey(user string) keys {
	c.Helper()
	id, secret, err := iam.NewCredentials(rand.Reader, iam.PrefixAccessKey, c.account)
	if err != nil {
		c.Fatal(err)
	}
	k := resource.AccessKey{
		Meta: resource.Meta{ID: id, Account: c.account, Region: resource.GlobalRegion, Created: c.now},
		User: user, Secret: string(secret), Status: resource.AccessKeyActive,
	}
	err = testStore.Update(c.Context(), func(tx *store.Tx) error {
		store.AccessKeys.Put(tx, k)
		return nil
	})
	if err != nil {
		c.Fatal(err)
	}
	return keys{id: id, secret: string(secret)}
}
