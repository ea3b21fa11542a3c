package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
)

// SaveAccount copies one account from the running configuration to the startup-config, and changes nothing else there. Without a
// startup-config it creates one from the factory settings, or the account would be lost at the next start. It reports false if the
// startup-config does not have the account, or has lines that are not understood and would be lost.
func (l *Language) SaveAccount(box device.Box, name string) (saved bool, err error) {
	running := box.Running().Account(name)
	if running == nil {
		return false, fmt.Errorf("no account %s", name)
	}
	text, err := box.ReadFile(command.StartupConfig)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		text, err = box.ReadFile(command.FactoryConfig)
	}
	if err != nil {
		return false, fmt.Errorf("read configuration: %w", err)
	}
	cfg, problems := l.Parse(text)
	if slices.ContainsFunc(problems, func(p check.Problem) bool { return p.Severity == check.Error }) {
		return false, nil
	}
	i := slices.IndexFunc(cfg.Accounts, func(a *config.Account) bool { return a.Name == name })
	switch {
	case i >= 0:
		cfg.Accounts[i] = running
	case fresh:
		cfg.Accounts = append(cfg.Accounts, running)
	default:
		return false, nil
	}
	if err := box.WriteFile(command.StartupConfig, l.Print(cfg, false)); err != nil {
		return false, fmt.Errorf("write %s: %w", command.StartupConfig, err)
	}
	return true, nil
}
