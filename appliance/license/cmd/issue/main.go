// Command issue makes license issuers and license keys.
package main

func main() {}
