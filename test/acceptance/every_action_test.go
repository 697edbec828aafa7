package acceptance

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

var everyAction = flag.Bool("commands", false, "let TestEveryActionByTheAWSCLI run; without it, the test is skipped")

// cliPython is the Python that has the AWS CLI: that of Debian's package awscli, or
// the one that CAUSEWAY_AWSCLI_PYTHON names, for a current CLI.
func cliPython() string { return cmp.Or(os.Getenv("CAUSEWAY_AWSCLI_PYTHON"), "/usr/bin/python3") }

// uncalled are built actions of EC2, IAM, STS and CloudWatch Logs that the command
// files leave out, with the reason.
var uncalled = map[string]string{
	"AssumeRole":                 "see TestIdentitiesByTheAWSCLI",
	"CreateDefaultVpc":           "see TestDefaultVPC of api/ec2: the default VPC would have to be emptied",
	"CreateSAMLProvider":         samlByTerraform,
	"DecodeAuthorizationMessage": "it needs a message of a refusal: see api/ec2",
	"DeleteLoginProfile":         "nobody has one",
	"DeleteSAMLProvider":         samlByTerraform,
	"DeleteServerCertificate":    "there are none",
	"GetLoginProfile":            "nobody has one",
	"GetSAMLProvider":            samlByTerraform,
	"GetServerCertificate":       "there are none",
	"ListSAMLProviderTags":       samlByTerraform,
	"ListSAMLProviders":          samlByTerraform,
	"ModifyVpnTunnelCertificate": "see TestCertificate: it needs a customer gateway with one",
	"TagSAMLProvider":            samlByTerraform,
	"UntagSAMLProvider":          samlByTerraform,
	"UpdateSAMLProvider":         samlByTerraform,
}

const samlByTerraform = "see testdata/identities.tf"

// commandForm is a line of a command file: what is kept, or what is waited for, and
// the command.
var (
	commandForm   = regexp.MustCompile(`^(?:(until )?([\w-]+) = )?(.*)$`)
	argumentsForm = regexp.MustCompile(`(?:[^\s"]|"[^"]*"(?:[^\s]|$))+|"[^"]*"`)
	variableForm  = regexp.MustCompile(`\$([a-z][\w-]*)`)
)

// Every action that is built is in a command file, or uncalled says why not.
func TestCommandFiles(t *testing.T) {
	commands := map[string]bool{}
	for _, file := range glob(t, "testdata/cli/*.txt") {
		for _, c := range readCommands(t, file) {
			_, action, _ := strings.Cut(c.text, " ")
			action, _, _ = strings.Cut(action, " ")
			commands[action] = true
		}
	}
	for _, action := range builtActions(t) {
		if found := commands[commandOf(action)]; found == (uncalled[action] != "") {
			t.Errorf("%s is in a command file: %v, and uncalled says %q", action, found, uncalled[action])
		}
	}
}

// Every action that is built is called by the AWS CLI with the parameters that its
// documentation shows. A CLI that is older than an action does not know it.
func TestEveryActionByTheAWSCLI(t *testing.T) {
	if !*everyAction {
		t.Skip("takes a minute: make test-cli")
	}
	if err := exec.Command(cliPython(), "-c", "import awscli").Run(); err != nil {
		t.Skip("the AWS CLI is not installed: make setup")
	}
	s := newSite(t)
	i := install(t, s.lab, s.internet, testAddresses)
	before := i.everything()
	for _, file := range glob(t, "testdata/cli/*.txt") {
		t.Logf("%s: the AWS CLI does not know %q", filepath.Base(file), i.runCommands(file))
	}
	if diff := gocmp.Diff(ignoringDefaults(before), ignoringDefaults(i.everything())); diff != "" {
		t.Errorf("what there was before (-) and is after (+):\n%s", diff)
	}
}

// ignoringDefaults leaves out subnets: one of the default VPC is made anew.
func ignoringDefaults(all map[string][]string) map[string][]string {
	delete(all, "DescribeSubnets")
	return all
}

// A command is a line of a command file.
type command struct {
	text  string
	name  string // of what it says, if that is kept
	until string // what it must say in the end
}

func readCommands(t testing.TB, file string) (all []command) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := commandForm.FindStringSubmatch(line)
		c := command{text: m[3]}
		if m[1] != "" {
			c.until = m[2]
		} else {
			c.name = m[2]
		}
		all = append(all, c)
	}
	return all
}

// exitUnknown is the AWS CLI's exit code for commands that it does not know.
const exitUnknown = 252

// runCommands runs the commands of a file and returns those that the CLI does not
// know, with those that need what they would have said.
func (i *installation) runCommands(file string) (unknown []string) {
	i.t.Helper()
	run := i.startCLI()
	known := map[string]string{"now": fmt.Sprint(time.Now().UnixMilli())}
	missing := map[string]bool{} // what unknown commands would have said, by name
	for _, c := range readCommands(i.t, file) {
		arguments, lacks := i.arguments(c.text, known, missing)
		if lacks {
			unknown = append(unknown, arguments[1])
			missing[c.name] = c.name != ""
			continue
		}
		code, said := run(arguments)
		if c.until != "" {
			i.lab.Eventually(time.Minute, c.text, func() error {
				if code == 0 && said == c.until {
					return nil
				}
				err := fmt.Errorf("exit code %d: %s", code, said)
				code, said = run(arguments)
				return err
			})
		}
		switch {
		case code == exitUnknown && (strings.Contains(said, "Invalid choice") || strings.Contains(said, "Unknown parameter")):
			unknown = append(unknown, arguments[1])
			missing[c.name] = c.name != ""
		case code != 0:
			i.t.Errorf("%s: aws %s: exit code %d: %s", filepath.Base(file), strings.Join(arguments, " "), code, said)
			missing[c.name] = c.name != ""
		case c.name != "":
			known[c.name] = said
		}
	}
	return unknown
}

// startCLI starts the AWS CLI to run commands until the test ends.
func (i *installation) startCLI() (run func(arguments []string) (code int, said string)) {
	i.t.Helper()
	cmd := exec.Command(cliPython(), "testdata/cli/run.py")
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+accessSecret, "AWS_DEFAULT_REGION="+region,
		"AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_MAX_ATTEMPTS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		i.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		i.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			i.t.Errorf("the AWS CLI: %v", err)
		}
	})
	answers := bufio.NewScanner(out)
	answers.Buffer(nil, 1<<24)
	return func(arguments []string) (code int, said string) {
		i.t.Helper()
		line, err := json.Marshal(append([]string{"--endpoint-url", i.endpoint, "--output", "text"}, arguments...))
		if err != nil {
			i.t.Fatal(err)
		}
		if _, err := io.WriteString(in, string(line)+"\n"); err != nil || !answers.Scan() {
			i.t.Fatalf("the AWS CLI has ended: %v, %v", err, answers.Err())
		}
		var answer struct {
			Code int
			Said string
		}
		if err := json.Unmarshal(answers.Bytes(), &answer); err != nil {
			i.t.Fatal(err)
		}
		return answer.Code, strings.TrimSpace(answer.Said)
	}
}

// arguments splits a command and puts in what is known by its names. It lacks what
// an unknown command would have said.
func (i *installation) arguments(command string, known map[string]string, missing map[string]bool) (arguments []string, lacks bool) {
	i.t.Helper()
	for _, argument := range argumentsForm.FindAllString(command, -1) {
		if strings.HasPrefix(argument, `"`) {
			argument = strings.Trim(argument, `"`)
		}
		arguments = append(arguments, variableForm.ReplaceAllStringFunc(argument, func(name string) string {
			value, ok := known[name[1:]]
			if !ok && !missing[name[1:]] {
				i.t.Fatalf("%s: nothing is known of %s", command, name)
			}
			lacks = lacks || !ok
			return value
		}))
	}
	return arguments, lacks
}

var (
	sectionForm = regexp.MustCompile(`(?m)^## (\w+) \(version`)
	builtForm   = regexp.MustCompile(`\*\*(\w+)\*\*`)
)

// builtActions are those that docs/api-coverage.md has for what the command files
// call.
func builtActions(t *testing.T) (all []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/api-coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := sectionForm.FindAllSubmatchIndex(page, -1)
	for n, section := range sections {
		end := len(page)
		if n+1 < len(sections) {
			end = sections[n+1][0]
		}
		if !slices.Contains([]string{"ec2", "iam", "sts", "logs"}, string(page[section[2]:section[3]])) {
			continue
		}
		for _, action := range builtForm.FindAllSubmatch(page[section[1]:end], -1) {
			all = append(all, string(action[1]))
		}
	}
	if len(all) < 250 {
		t.Fatalf("docs/api-coverage.md has %d actions", len(all))
	}
	return all
}

// wordForm finds the words of an action's name, as the CLI writes them.
var wordForm = regexp.MustCompile(`[A-Z][a-z0-9]*`)

// commandOf is an action as the CLI calls it: "DescribeVpcs" is "describe-vpcs".
func commandOf(action string) string {
	for from, to := range map[string]string{"SAML": "Saml", "SSH": "Ssh", "MFA": "Mfa"} {
		action = strings.ReplaceAll(action, from, to)
	}
	return strings.ToLower(strings.Join(wordForm.FindAllString(action, -1), "-"))
}
