package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"causeway.dev/api/server"
)

// awsCommand is the AWS command line, version 2, of Debian 12.
const awsCommand = "/usr/bin/aws"

// aws runs the AWS command line against a server, as the user alice, and returns
// what it printed.
func aws(t *testing.T, endpoint string, arguments ...string) (stdout, stderr string, err error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), awsCommand, append([]string{"--endpoint-url", endpoint, "--output", "json", "--no-cli-pager"}, arguments...)...)
	// Nothing of the environment, so that no profile or proxy takes part.
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + t.TempDir(),
		"AWS_ACCESS_KEY_ID=" + testKeys[1].ID,
		"AWS_SECRET_ACCESS_KEY=" + testSecret,
		"AWS_DEFAULT_REGION=" + testRegion,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_MAX_ATTEMPTS=1",
	}
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err = c.Run()
	return out.String(), errs.String(), err
}

// TestAWSCommand lets the real client judge signatures, requests and answers.
func TestAWSCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Python program several times")
	}
	if _, err := os.Stat(awsCommand); err != nil {
		t.Skipf("the AWS command line is not installed: %v", err)
	}
	f := newFixture(t, func(c *server.Config) { c.Now = time.Now })
	listener := httptest.NewServer(f)
	t.Cleanup(listener.Close) // when the parallel subtests have ended

	t.Run("sts get-caller-identity", func(t *testing.T) {
		t.Parallel()
		stdout, stderr, err := aws(t, listener.URL, "sts", "get-caller-identity")
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
		var got struct{ Account, Arn, UserId string }
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("%v\n%s", err, stdout)
		}
		want := got
		want.Account, want.Arn, want.UserId = "123456789012", "arn:aws:iam::123456789012:user/alice", "AIDAEXAMPLEALICE234567"
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("ec2 describe-vpcs", func(t *testing.T) {
		t.Parallel()
		stdout, stderr, err := aws(t, listener.URL, "ec2", "describe-vpcs", "--filters", "Name=tag:Näme,Values=a b+c/<d>&é~")
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
		var got struct {
			Vpcs []struct{ VpcId, CidrBlock string }
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("%v\n%s", err, stdout)
		}
		if len(got.Vpcs) != 1 || got.Vpcs[0].VpcId != "tag:Näme" || got.Vpcs[0].CidrBlock != "a b+c/<d>&é~" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("ec2 create-vpc --dry-run", func(t *testing.T) {
		t.Parallel()
		_, stderr, err := aws(t, listener.URL, "ec2", "create-vpc", "--cidr-block", "10.0.0.0/16", "--dry-run")
		if err == nil || !strings.Contains(stderr, "(DryRunOperation)") {
			t.Errorf("%v\n%s", err, stderr)
		}
	})
}

// TestPresignedOverHTTP fetches a presigned address without any header of AWS's,
// as a browser would.
func TestPresignedOverHTTP(t *testing.T) {
	listener := httptest.NewServer(newFixture(t, nil))
	defer listener.Close()
	r := signer("sts").Presign(listener.URL+"/", values("GetCallerIdentity", "Version", "2011-06-15"), time.Hour)
	answer, err := http.Get(r.URL.String())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || !strings.Contains(body.String(), "arn:aws:iam::123456789012:root") {
		t.Errorf("%s\n%s", answer.Status, &body)
	}
}
