package lang

import "viaduct/appliance/config"

// Check says everything that is wrong with cfg.
func (l *Language) Check(cfg *config.Config, env Env) []Problem { return nil }

func sortProblems(p []Problem) {}
