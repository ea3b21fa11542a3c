package command

import (
	"fmt"
	"reflect"
	"strconv"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/word"
)

// Types returns the forms of words that have a Go type of their own, in statements and in commands.
func Types() map[reflect.Type]cli.Type {
	all := word.Types()
	all[reflect.TypeFor[start]()] = startType()
	all[reflect.TypeFor[copyFrom]()] = copyType("configuration, call:ID or URL", append([]string{RunningConfig, consoleText}, savedConfigs()...)...)
	all[reflect.TypeFor[copyTo]()] = copyType("configuration, flash:, pki:pkcs12/NAME or URL", RunningConfig, StartupConfig, consoleText, flashImages)
	all[reflect.TypeFor[configFile]()] = fileType()
	return all
}

// Kinds returns the forms of words that patterns name, in statements and in commands.
func Kinds() map[string]cli.Type {
	all := word.Kinds()
	all["version"] = cli.Type{What: "number, 1 is the newest", Outside: word.OutsideVersions, Parse: parseVersion, Print: func(v any) string { return fmt.Sprint(v) }}
	all["table"] = cli.Type{What: "table, function or service", Names: scopedNames(config.Ref[config.Switch, config.RoutingTable]{}.Names,
		config.FunctionRef{}.Names, config.ServiceRef{}.Names)}
	all["switch"] = cli.Type{What: "context cs", Names: func(root, _ any) []string {
		return config.Ref[config.Config, config.Switch]{}.Names(root.(*config.Config))
	}}
	services := func(root, _ any) []string {
		return config.Ref[config.Config, config.PresenceService]{}.Names(root.(*config.Config))
	}
	all["presence"] = cli.Type{What: "presence-service", Names: services}
	all["presence-certificate"] = cli.Type{What: "name for certificate and key", Names: services, Parse: func(w string, _ any) (any, error) {
		if _, err := all["certificate"].Parse("pki:certificate/"+w, nil); err != nil {
			return nil, err
		}
		return w, nil
	}}
	all["presence-user"] = cli.Type{What: "user, identity or extension", Outside: word.OutsidePresence}
	all["phone"] = cli.Type{What: "identity of phones", Outside: word.OutsidePhones}
	all["provisioning-template"] = cli.Type{What: "template", Names: func(any, any) []string { return templateNames }}
	all["survival"] = cli.Type{What: "survival", Names: scopedNames(config.Ref[config.Switch, config.Survival]{}.Names)}
	all["interface"] = cli.Type{What: "interface sip", Names: scopedNames(config.Ref[config.Switch, config.SIPInterface]{}.Names)}
	return all
}

// parseVersion parses the number of an earlier startup-config.
func parseVersion(w string, _ any) (any, error) {
	n, err := strconv.Atoi(w)
	if err != nil || n < 1 || n > keptConfigs {
		return nil, fmt.Errorf("n must be 1 to %d, not %s", keptConfigs, w)
	}
	return n, nil
}
