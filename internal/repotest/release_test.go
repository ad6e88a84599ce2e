package repotest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// workflow is what we read of a file in .github/workflows.
type workflow struct {
	Name        string            `yaml:"name"`
	On          yaml.Node         `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency yaml.Node         `yaml:"concurrency"`
	Jobs        map[string]job    `yaml:"jobs"`
}

type job struct {
	RunsOn      string            `yaml:"runs-on"`
	Container   string            `yaml:"container"`
	Timeout     int               `yaml:"timeout-minutes"`
	Permissions map[string]string `yaml:"permissions"`
	Env         map[string]string `yaml:"env"`
	Steps       []step            `yaml:"steps"`
}

type step struct {
	Uses string    `yaml:"uses"`
	With yaml.Node `yaml:"with"`
	Run  string    `yaml:"run"`
}

// TestWorkflowsCallTargets holds that what GitHub runs can be run here: each step is an action of GitHub's own, .ci/run, or targets of
// the Makefile. Nothing of an event comes into a shell, and no file starts with more rights than to read.
func TestWorkflowsCallTargets(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(repository(t), ".github", "workflows", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	action := regexp.MustCompile(`^actions/[a-z-]+@v[0-9]+$`)
	for _, file := range files {
		var w workflow
		decodeStrictly(t, file, &w)
		require.NotEmpty(t, w.Name, file)
		require.False(t, w.On.IsZero(), file)
		require.Equal(t, map[string]string{"contents": "read"}, w.Permissions, file)
		require.NotEmpty(t, w.Jobs, file)
		for name, j := range w.Jobs {
			require.NotEmpty(t, j.RunsOn, "%s: %s", file, name)
			require.Positive(t, j.Timeout, "%s: %s", file, name)
			require.NotEmpty(t, j.Steps, "%s: %s", file, name)
			if j.Container != "" {
				require.Equal(t, "safe.directory", j.Env["GIT_CONFIG_KEY_0"], "%s: %s: in a container the checkout is another user's", file, name)
			}
			for _, s := range j.Steps {
				require.NotEqual(t, s.Uses == "", s.Run == "", "%s: %s: a step either uses or runs", file, name)
				if s.Uses != "" {
					require.Regexp(t, action, s.Uses, "%s: %s", file, name)
					continue
				}
				require.NotContains(t, s.Run, "${{", "%s: %s", file, name)
				if s.Run != ".ci/run" {
					requireTargets(t, s.Run)
				}
			}
		}
	}
}

// TestReleaseNamesWhatExists holds what .goreleaser.yaml says of other files; `make release-check`, which is not quick, knows its own words.
func TestReleaseNamesWhatExists(t *testing.T) {
	root := repository(t)
	var release struct {
		Before struct {
			Hooks []string `yaml:"hooks"`
		} `yaml:"before"`
		Archives []struct {
			Files []struct {
				Source string `yaml:"src"`
			} `yaml:"files"`
		} `yaml:"archives"`
		Images []struct {
			Dockerfile string   `yaml:"dockerfile"`
			Files      []string `yaml:"extra_files"`
			Tags       []string `yaml:"tags"`
		} `yaml:"dockers_v2"`
	}
	text, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &release))
	require.Len(t, release.Before.Hooks, 1)
	hook, _, ok := strings.Cut(release.Before.Hooks[0], " VERSION=")
	require.True(t, ok)
	requireTargets(t, hook)
	require.Len(t, release.Archives, 1)
	for _, file := range release.Archives[0].Files {
		if !strings.HasPrefix(file.Source, ".cache/") { // made by the hook
			require.FileExists(t, filepath.Join(root, file.Source))
		}
	}
	require.Len(t, release.Images, 1)
	require.FileExists(t, filepath.Join(root, release.Images[0].Dockerfile))
	require.Equal(t, release.Images[0].Files, imageContext(t, root), "the image is built from the same files here and there")
	require.Contains(t, release.Images[0].Tags, "{{ .Version }}", "the chart asks for its appVersion")
	chart, err := os.ReadFile(filepath.Join(root, "helm", "Chart.yaml"))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^appVersion: "[0-9]`, string(chart), "a version, as the image's tag has it: without a v")
}

// imageContext lists what .dockerignore leaves to the image's build.
func imageContext(t *testing.T, root string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	require.NoError(t, err)
	var files []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			files = append(files, name)
		}
	}
	return files
}

// requireTargets holds that a line of shell is make and targets that the Makefile explains.
func requireTargets(t *testing.T, line string) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(repository(t), "Makefile"))
	require.NoError(t, err)
	words := strings.Fields(line)
	require.NotEmpty(t, words)
	require.Equal(t, "make", words[0], "%s", line)
	for _, target := range words[1:] {
		require.Regexp(t, `(?m)^`+regexp.QuoteMeta(target)+`:.*## `, string(makefile), "%s", line)
	}
}

// TestUnitDoesNotRestartForNothing holds that the exit codes for which systemd leaves the sidecar alone are ones that are documented.
func TestUnitDoesNotRestartForNothing(t *testing.T) {
	root := repository(t)
	unit, err := os.ReadFile(filepath.Join(root, "deploy", "systemd", "aofsidecar.service"))
	require.NoError(t, err)
	reference, err := os.ReadFile(filepath.Join(root, "docs", "reference.md"))
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^RestartPreventExitStatus=(.*)$`).FindSubmatch(unit)
	require.NotNil(t, found)
	codes := strings.Fields(string(found[1]))
	for _, code := range codes {
		require.Contains(t, string(reference), "\n| "+code+" | ")
	}
	require.NotContains(t, codes, "1")
	require.NotContains(t, codes, "9", "a start after that goes back to what was durable")
}

// TestImageWithoutATool holds that a machine without docker and buildah is told so, by an exit code of its own.
func TestImageWithoutATool(t *testing.T) {
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), bash, filepath.Join(repository(t), "scripts", "image.sh"), "name:tag")
	cmd.Env = []string{"PATH=" + t.TempDir()}
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 3, exit.ExitCode(), "%s", output)
	require.Contains(t, string(output), "no docker engine answers here, and there is no buildah")
	require.Contains(t, string(output), "Try: ")
}

// decodeStrictly reads a YAML file; a key that v has no place for fails the test.
func decodeStrictly(t *testing.T, file string, v any) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	decoder := yaml.NewDecoder(f)
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(v), file)
}
