package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheckedIn: the generated packages are those of the models that lie beside
// them. If not, run go generate ./api/model/... .
func TestCheckedIn(t *testing.T) {
	const modelDir = "../../api/model"
	out := t.TempDir()
	if err := run(filepath.Join(modelDir, "spec"), filepath.Join(modelDir, "actions.txt"), out); err != nil {
		t.Fatal(err)
	}
	generated := readPackages(t, out)
	if len(generated) < 10 {
		t.Fatalf("only %d files were generated", len(generated))
	}
	checkedIn := readPackages(t, modelDir)
	for name := range checkedIn {
		if _, ok := generated[name]; !ok {
			t.Errorf("%s is checked in, but not generated", name)
		}
	}
	for name, text := range generated {
		if checkedIn[name] != text {
			t.Errorf("%s differs from what is generated", name)
		}
	}
}

// readPackages returns the Go files of the packages under dir.
func readPackages(t *testing.T, dir string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	return files
}

const zooSpec = `{
	"metadata": {"apiVersion": "2020-01-01", "endpointPrefix": "zoo", "protocol": "PROTOCOL", "xmlNamespace": "http://zoo/doc"},
	"operations": {
		"CreateBear": {"area": "Bears, brown", "tier": "core", "input": {"shape": "BearRequest"}, "output": {"shape": "BearResult"}},
		"DeleteBear": {"area": "Bears, brown", "tier": "core", "input": {"shape": "BearRequest"}},
		"DescribeFish": {"area": "Fish", "tier": "extended", "filters": ["name", "age"], "input": {"shape": "FishRequest"}}
	},
	"shapes": {
		"BearRequest": {"type": "structure", "required": ["Name"], "members": {
			"Name": {"shape": "String", "locationName": "name"},
			"Cubs": {"shape": "CubList", "locationName": "cub"},
			"Fur": {"shape": "Fur", "queryName": "FurColour", "locationName": "fur"},
			"Secret": {"shape": "secret"},
			"Age": {"shape": "Age"},
			"Born": {"shape": "Date"}}},
		"BearResult": {"type": "structure", "members": {
			"Cubs": {"shape": "CubList", "locationName": "cubSet"},
			"Return": {"shape": "Boolean", "locationName": "return"}}},
		"FishRequest": {"type": "structure", "members": {
			"ClientToken": {"shape": "String", "idempotencyToken": true},
			"DryRun": {"shape": "Boolean"}, "NextToken": {"shape": "String"}, "MaxResults": {"shape": "Age"}}},
		"CubList": {"type": "list", "member": {"shape": "Cub", "locationName": "kid"}},
		"Cub": {"type": "structure", "members": {"Furs": {"shape": "FurList", "locationName": "furs"}}},
		"FurList": {"type": "list", "member": {"shape": "Fur"}},
		"Fur": {"type": "string", "enum": ["light-brown", "black"]},
		"secret": {"type": "string", "sensitive": true, "min": 8, "max": 64},
		"Age": {"type": "integer", "min": 1, "max": 40},
		"Boolean": {"type": "boolean"}, "String": {"type": "string"}, "Date": {"type": "timestamp"}
	}
}`

// generateZoo generates the package of the made-up service, with changes to its
// model.
func generateZoo(t *testing.T, protocol string, actions []string, replace ...string) (map[string][]byte, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "zoo.json")
	text := strings.NewReplacer(append([]string{"PROTOCOL", protocol}, replace...)...).Replace(zooSpec)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := readSpec(path)
	if err != nil {
		t.Fatal(err)
	}
	return generate("zoo", s, actions)
}

// fields returns the members of a generated type as "Name type tag".
func fields(t *testing.T, files map[string][]byte, typeName string) []string {
	t.Helper()
	for name, text := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		object := f.Scope.Lookup(typeName)
		if object == nil {
			continue
		}
		var list []string
		for _, field := range object.Decl.(*ast.TypeSpec).Type.(*ast.StructType).Fields.List {
			typ := string(text[field.Type.Pos()-1 : field.Type.End()-1])
			list = append(list, field.Names[0].Name+" "+typ+" "+strings.Trim(field.Tag.Value, "`"))
		}
		return list
	}
	t.Fatalf("no type %s was generated", typeName)
	return nil
}

func TestTypes(t *testing.T) {
	tests := []struct {
		protocol, typeName string
		want               []string
	}{
		{"ec2", "CreateBearInput", []string{
			`Age *int32 req:"Age" rule:"min=1,max=40"`,
			`Born *time.Time req:"Born"`,
			`Cubs []Cub req:"Cub"`,
			`Fur *string req:"FurColour" enum:"light-brown,black"`,
			`Name *string req:"Name" rule:"required"`,
			`Secret *string req:"Secret" rule:"sensitive,min=8,max=64"`,
		}},
		{"ec2", "CreateBearOutput", []string{`Cubs []Cub res:"cubSet>kid"`, `Return *bool res:"return"`}},
		{"ec2", "Cub", []string{`Furs []string req:"Furs" res:"furs>item" enum:"light-brown,black"`}},
		{"ec2", "DeleteBearOutput", nil},
		{"query", "Cub", []string{`Furs []string req:"furs" res:"furs>member" enum:"light-brown,black"`}},
		{"json", "Cub", []string{`Furs []string req:"furs" res:"furs" enum:"light-brown,black"`}},
	}
	for _, test := range tests {
		t.Run(test.protocol+" "+test.typeName, func(t *testing.T) {
			files, err := generateZoo(t, test.protocol, []string{"CreateBear", "DeleteBear"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, fields(t, files, test.typeName)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	files, err := generateZoo(t, "ec2", []string{"CreateBear"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"bears_brown.go": "type CreateBearInput struct",
		"shapes.go":      "type Cub struct",
		"enums.go":       "FurLightBrown = \"light-brown\"",
		"service.go":     `"DescribeFish": {Name: "DescribeFish", Area: "Fish", Tier: "extended", Filters: []string{"age", "name"}, DryRun: true, Paged: true, IdempotencyToken: "ClientToken", MaxResults: model.Range{Min: 1, Max: 40}}`,
	} {
		text := string(files[name])
		if !strings.HasPrefix(text, header) || !strings.Contains(text, want) {
			t.Errorf("%s has no %q:\n%s", name, want, text)
		}
	}
	if len(files) != 4 {
		t.Errorf("%d files, want 4", len(files))
	}
}

// TestJSON: maps, the target and the token that is called nextToken.
func TestJSON(t *testing.T) {
	actions := []string{"CreateBear"}
	replace := []string{
		`"Age": {"shape": "Age"}`, `"Tags": {"shape": "TagMap"}`,
		`"Date": {"type": "timestamp"}`, `"Date": {"type": "timestamp"}, "TagMap": {"type": "map", "max": 50, "key": {"shape": "String"}, "value": {"shape": "String"}}`,
		`"endpointPrefix": "zoo"`, `"endpointPrefix": "zoo", "jsonVersion": "1.1", "targetPrefix": "Zoo_1"`,
		`"NextToken"`, `"nextToken"`,
	}
	files, err := generateZoo(t, "json", actions, replace...)
	if err != nil {
		t.Fatal(err)
	}
	if got := fields(t, files, "CreateBearInput")[5]; got != `Tags map[string]string req:"Tags" rule:"max=50"` {
		t.Errorf("a map became %s", got)
	}
	service := string(files["service.go"])
	for _, want := range []string{`JSONVersion: "1.1"`, `Target:      "Zoo_1"`, `DryRun: true, Paged: true`} {
		if !strings.Contains(service, want) {
			t.Errorf("no %q in\n%s", want, service)
		}
	}
	if _, err := generateZoo(t, "ec2", actions, replace...); err == nil {
		t.Error("a map in requests was generated for a form protocol")
	}
	replace[3] = strings.Replace(replace[3], `"value": {"shape": "String"}`, `"value": {"shape": "CubList"}`, 1)
	if _, err := generateZoo(t, "json", actions, replace...); err == nil {
		t.Error("a map to lists was generated")
	}
}

func TestBadSpecs(t *testing.T) {
	tests := []struct {
		name, protocol, action string
		replace                []string
	}{
		{"unknown protocol", "rest-xml", "CreateBear", nil},
		{"unknown action", "ec2", "CreateWolf", nil},
		{"missing shape", "ec2", "CreateBear", []string{`"Date": {"type"`, `"Day": {"type"`}},
		{"unknown type", "ec2", "CreateBear", []string{`{"type": "timestamp"}`, `{"type": "map"}`}},
		{"list of lists", "ec2", "CreateBear", []string{`{"shape": "Cub", "locationName": "kid"}`, `{"shape": "FurList"}`}},
		{"input that is no structure", "ec2", "CreateBear", []string{`"input": {"shape": "BearRequest"}, "output"`, `"input": {"shape": "Age"}, "output"`}},
		{"two values of one name", "ec2", "CreateBear", []string{`"black"`, `"light_brown"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := generateZoo(t, test.protocol, []string{test.action}, test.replace...); err == nil {
				t.Error("it was generated")
			}
		})
	}
}

func TestReadActions(t *testing.T) {
	got, err := readActions(strings.NewReader("# list\n\nec2: CreateVpc # a comment\nsts:GetCallerIdentity\nec2: DeleteVpc\n"))
	want := map[string][]string{"ec2": {"CreateVpc", "DeleteVpc"}, "sts": {"GetCallerIdentity"}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"CreateVpc", "ec2: A\nec2: A"} {
		if _, err := readActions(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestWritePackage: what is no longer generated goes, what people wrote stays.
func TestWritePackage(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"old.go": header + "package p\n", "mine.go": "package p\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := writePackage(dir, map[string][]byte{"new.go": []byte(header + "package p\n")}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"mine.go", "new.go"}; !slices.Equal(names, want) {
		t.Errorf("the directory has %v, want %v", names, want)
	}
}
