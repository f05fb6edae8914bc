// Command seed tells a running web to store a few links: seed http://localhost:8080
package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: seed ADDRESS, such as http://localhost:8080")
		os.Exit(2)
	}
	for name, address := range map[string]string{"go": "https://go.dev", "cnb": "https://buildpacks.io"} {
		answer, err := http.PostForm(os.Args[1]+"/links", url.Values{"name": {name}, "url": {address}})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer.Body.Close()
		fmt.Println(name, answer.Status)
	}
}
