package route

import "viaduct/appliance/config"

// Run runs a mapping table or a complex function on a call, as a route does that names it, and returns what becomes of the call. The error
// is an *Error.
func Run(sw *config.Switch, f config.FunctionRef, call Call) (Call, error) {
	if long := call.tooLong(); long != "" {
		_, err := newWalk(sw).tooLong(long)
		return call, err
	}
	p := &party{Call: call}
	err := newWalk(sw).function("start", "", f.Name, p)
	return p.Call, err
}
