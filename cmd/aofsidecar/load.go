package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

const (
	configPathEnv     = envPrefix + "CONFIG"
	defaultConfigPath = "/etc/aofsidecar/config.yaml"
)

// flagLayer is what the command line says of the configuration. It wins over every other layer.
type flagLayer struct {
	configPath string   // --config
	logLevel   string   // --log-level, short for --set logging.level=
	set        []string // --set key=value
}

// loaded is a valid configuration and where each value comes from.
type loaded struct {
	config  Config
	origins map[string]string // by dotted key; "default" if nothing gave it
}

// loadConfig puts the layers together: flags over environment over file over defaults. The error reports
// all that is wrong in all of them, and is a [*UsageError].
func loadConfig(flags flagLayer) (*loaded, error) {
	l := newLoader()
	if err := l.file(flags.configPath); err != nil {
		return nil, &UsageError{Err: err}
	}
	l.environment()
	l.flags(flags)
	return l.finish()
}

// configErrors is everything that is wrong in the configuration: at least one error.
type configErrors []error

func (e configErrors) Error() string {
	if len(e) == 1 {
		return "load configuration: " + e[0].Error()
	}
	var text strings.Builder
	fmt.Fprintf(&text, "load configuration: %d mistakes", len(e))
	for _, err := range e {
		text.WriteString("\n  " + err.Error())
	}
	return text.String()
}

func (e configErrors) Unwrap() []error { return e }

// loader collects the layers. Every value is text until it is parsed once, at the end: the rules for a
// duration are the same wherever it was written.
type loader struct {
	known   []setting
	layers  *viper.Viper
	origins map[string]string
	errs    []error
}

func newLoader() *loader {
	l := &loader{known: settings(), layers: viper.New(), origins: map[string]string{}}
	l.layers.SetEnvPrefix(strings.TrimSuffix(envPrefix, "_"))
	l.layers.SetEnvKeyReplacer(strings.NewReplacer("-", "_", ".", "_"))
	l.layers.AllowEmptyEnv(true)
	l.layers.AutomaticEnv()
	defaults := DefaultConfig()
	for _, s := range l.known {
		l.layers.SetDefault(s.key, fmt.Sprint(s.value(&defaults)))
		l.origins[s.key] = "default"
	}
	return l
}

// file merges the first of: --config, AOFSIDECAR_CONFIG, the default path if there is a file.
func (l *loader) file(path string) error {
	optional := false
	if path == "" {
		path = os.Getenv(configPathEnv)
	}
	if path == "" {
		path, optional = defaultConfigPath, true
	}
	if isSetting(path) {
		return errSettingForPath
	}
	file, err := readConfigFile(path, l.known)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range file.errs {
		l.errs = append(l.errs, e)
	}
	tree := map[string]any{}
	for key, value := range file.values {
		putNested(tree, strings.Split(key, "."), value.text)
		l.origins[key] = fmt.Sprintf("%s:%d", path, value.line)
	}
	if err := l.layers.MergeConfigMap(tree); err != nil {
		return fmt.Errorf("merge configuration: %w", err)
	}
	return nil
}

func putNested(tree map[string]any, path []string, text string) {
	for _, part := range path[:len(path)-1] {
		next, ok := tree[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[part] = next
		}
		tree = next
	}
	tree[path[len(path)-1]] = text
}

// environment notes which keys the environment gives, and refuses names that are none.
func (l *loader) environment() {
	names := make([]string, len(l.known))
	for i, s := range l.known {
		names[i] = s.env
		if _, given := os.LookupEnv(s.env); given {
			l.origins[s.key] = "environment " + s.env
		}
	}
	environ := slices.Sorted(slices.Values(os.Environ()))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(names, name) || isForeignVariable(name, value) {
			continue
		}
		l.errs = append(l.errs, &KeyError{Key: shownVariable(name), Where: "environment", Err: unknownKey(name, names)})
	}
}

// isForeignVariable reports whether a variable with our prefix is not a key: two of our own, and what Kubernetes sets
// in every pod beside a service whose name begins with aofsidecar (AOFSIDECAR_METRICS_SERVICE_HOST,
// AOFSIDECAR_PORT_9379_TCP_ADDR, AOFSIDECAR_PORT=tcp://10.0.0.1:9379).
func isForeignVariable(name, value string) bool {
	if name == configPathEnv || name == envPrefix+"SERVERS_DIR" {
		return true
	}
	if strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://") {
		return true
	}
	return serviceLink.MatchString(name)
}

// serviceLink matches the names of Kubernetes' service links (makeEnvVariables of its envvars package), but for
// <SERVICE>_PORT, which only its value tells from a mistaken key.
var serviceLink = regexp.MustCompile(`^AOFSIDECAR_(.+_)?(SERVICE_(HOST|PORT(_.+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// flags sets what the command line gives.
func (l *loader) flags(flags flagLayer) {
	if flags.logLevel != "" {
		l.layers.Set("logging.level", flags.logLevel)
		l.origins["logging.level"] = "--log-level"
	}
	keys := keysOf(l.known)
	for _, pair := range flags.set {
		key, text, ok := strings.Cut(pair, "=")
		switch {
		case !ok || isSetting(key):
			l.errs = append(l.errs, &KeyError{Key: shownGiven(key), Where: "--set", Err: errors.New("want section.key=value")})
		case !slices.Contains(keys, key):
			l.errs = append(l.errs, &KeyError{Key: shownGiven(key), Where: "--set", Err: unknownKey(key, keys)})
		default:
			l.layers.Set(key, text)
			l.origins[key] = "--set"
		}
	}
}

// finish parses every value, checks the whole, and reports everything that is wrong in the order of the keys.
func (l *loader) finish() (*loaded, error) {
	config := DefaultConfig()
	var invalid []*KeyError
	for _, s := range l.known {
		if err := s.set(&config, l.layers.GetString(s.key)); err != nil {
			invalid = append(invalid, &KeyError{Key: s.key, Err: err})
		}
	}
	for _, e := range append(invalid, config.Validate()...) {
		if origin := l.origins[e.Key]; origin != "default" {
			e.Where = origin
		}
		l.errs = append(l.errs, e)
	}
	if len(l.errs) > 0 {
		return nil, &UsageError{Err: configErrors(l.errs), Hint: "aofsidecar config --help"}
	}
	return &loaded{config: config, origins: l.origins}, nil
}
