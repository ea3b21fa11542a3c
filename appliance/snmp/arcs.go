package snmp

// enterprise is the number of the manufacturer at IANA, which is part of the engine's identity. There is none yet: 0 is reserved.
const enterprise = 0

// viaduct is the root of VIADUCT-SBC-MIB. The box has no enterprise number of its own yet, so the tree hangs below `experimental`, where
// nothing is registered at this place. This line and the one of docs/VIADUCT-SBC-MIB.txt move it; a test compares them.
var viaduct = oid{1, 3, 6, 1, 3, 9999}

// Modules of the IETF, parts of which the box shows.
var (
	mib2        = oid{1, 3, 6, 1, 2, 1}
	systemGroup = mib2.and(1) // SNMPv2-MIB
	interfaces  = mib2.and(2) // IF-MIB
	ifEntry     = interfaces.and(2, 1)
	snmpGroup   = mib2.and(11)    // SNMPv2-MIB
	hrSystem    = mib2.and(25, 1) // HOST-RESOURCES-MIB
	hrStorage   = mib2.and(25, 2)
	hrDevices   = mib2.and(25, 3)
	ifXEntry    = mib2.and(31, 1, 1, 1)
	snmpModules = oid{1, 3, 6, 1, 6, 3}
	traps       = snmpModules.and(1, 1, 5) // SNMPv2-MIB
	trapOID     = snmpModules.and(1, 1, 4, 1, 0)
	engineGroup = snmpModules.and(10, 2, 1) // SNMP-FRAMEWORK-MIB
	mpdStats    = snmpModules.and(11, 2, 1) // SNMP-MPD-MIB
	usmStats    = snmpModules.and(15, 1, 1) // SNMP-USER-BASED-SM-MIB
	upTime      = systemGroup.and(3, 0)
)

// Notifications.
var (
	coldStart             = traps.and(1)
	linkDown              = traps.and(3)
	linkUp                = traps.and(4)
	authenticationFailure = traps.and(5)
	alarmRaised           = viaduct.and(0, 1)
	alarmCleared          = viaduct.and(0, 2)
)
