package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	encpem "encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
)

// webAddress is where a web server answers in the box's network, over TLS.
const webAddress = "127.0.0.1:8443"

// makeWeb makes the folder of the web server, with images, and its certificate and key; the certificate is also in work/web-ca.pem.
func makeWeb(work string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "web"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	dir := filepath.Join(work, "web")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	certText := encpem.EncodeToMemory(&encpem.Block{Type: "CERTIFICATE", Bytes: cert})
	files := map[string][]byte{
		"web-ca.pem": certText, "web/cert": certText, "web/key": encpem.EncodeToMemory(&encpem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
	}
	for name, image := range fakeImages() {
		files[name], files["web/"+name] = image, image
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(work, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// serveWeb serves a folder until ctx ends: GET and PUT, and two images that do not arrive.
func serveWeb(ctx context.Context, dir string) error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("loopback up: %w", err)
	}
	l, err := net.Listen("tcp", webAddress)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir(dir)))
	mux.HandleFunc("PUT /{name}", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(r.PathValue("name"))), text, 0o600)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	half := func(w http.ResponseWriter) {
		image := fakeImages()["new.image"]
		w.Header().Set("Content-Length", fmt.Sprint(len(image)))
		w.Write(image[:len(image)/2])
		http.NewResponseController(w).Flush()
	}
	mux.HandleFunc("GET /torn.image", func(w http.ResponseWriter, _ *http.Request) { half(w) })
	mux.HandleFunc("GET /stuck.image", func(w http.ResponseWriter, r *http.Request) {
		half(w)
		<-r.Context().Done()
	})
	mux.HandleFunc("PUT /read-only/", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "read only", http.StatusForbidden) })
	server := &http.Server{Handler: mux}
	go server.ServeTLS(l, filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
	context.AfterFunc(ctx, func() { server.Close() })
	return nil
}
