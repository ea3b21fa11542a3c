package web

import (
	"viaduct/appliance/web/calls"
	"viaduct/appliance/web/certificates"
	"viaduct/appliance/web/checks"
	"viaduct/appliance/web/configuration"
	"viaduct/appliance/web/firmware"
	"viaduct/appliance/web/licenses"
	"viaduct/appliance/web/log"
	"viaduct/appliance/web/overview"
	"viaduct/appliance/web/page"
	"viaduct/appliance/web/peers"
	"viaduct/appliance/web/people"
	"viaduct/appliance/web/phones"
	"viaduct/appliance/web/setup"
	"viaduct/appliance/web/users"
	"viaduct/appliance/web/who"
)

// pages are all pages, in the order of the navigation.
var pages = []*page.Page{
	&overview.Page,
	&overview.Alarms,
	&calls.Page,
	&peers.Page,
	&phones.Page,
	&people.Page,
	&setup.Page,
	&configuration.Page,
	&certificates.Page,
	&licenses.Page,
	&users.Page,
	&who.Page,
	firmware.New(),
	&checks.Page,
	&log.Page,
	&frame,
}

// frame has what stands around each page and keeps itself current.
var frame = page.Page{
	Path: "/frame", Title: "frame.alarms.none", For: page.Operator, Hidden: true,
	Topics: map[string]page.Topic{"frame.alarms": alarms},
}
