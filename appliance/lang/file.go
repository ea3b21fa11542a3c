package lang

import "viaduct/appliance/config"

// Parse reads a configuration. What could not be taken is among the problems; everything else is in the configuration.
func (l *Language) Parse(text []byte) (*config.Config, []Problem) { return config.New(), nil }

// CheckFile reads a configuration and says everything that is wrong with it, in order of lines.
func (l *Language) CheckFile(name string, text []byte, env Env) []Problem { return nil }

// Check says everything that is wrong with cfg.
func (l *Language) Check(cfg *config.Config, env Env) []Problem { return nil }

// Print writes cfg as lines that Parse reads back; masked leaves secrets out.
func (l *Language) Print(cfg *config.Config, masked bool) []byte { return nil }
