package system

// Steps of the start that sbcd takes. PID 1 has others before them.
const (
	stepConfiguration = "configuration" // read
	stepNetwork       = "network"       // addresses, routes, firewall
	stepGateways      = "gateways"      // their sockets are open, those with TLS only once the clock is right
	stepTLS           = "tls"
	stepPrompt        = "prompt" // a console has asked who may log in
)

// listening notes that the gateways stand as configured.
func (s *System) listening(tlsWaits bool) {
	first := s.o.Start.Done(stepGateways)
	if !tlsWaits {
		first = s.o.Start.Done(stepTLS) || first
	}
	if first {
		s.begun()
	}
}

// Greeted notes that a console has asked who may log in.
func (s *System) Greeted() {
	if s.o.Start.Done(stepPrompt) {
		s.begun()
	}
}

// begun logs how the start went, once it is over.
func (s *System) begun() {
	if s.o.Start.Has(stepTLS, stepPrompt) && s.o.Start.Done("up") {
		s.log.Info("the box is up", "steps", s.o.Start.Steps().String())
	}
}
