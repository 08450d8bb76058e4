// A second opinion on the framing of HTTP/1 messages: that of Go's net/http.
//
// Each line of the input is a stream of bytes in hex and a dash before it, after "Q" for requests,
// or "S" and the methods they answer for responses. Each line of the output is what was found in it: every whole
// message as start:body, and how the stream ended.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for {
		line, err := input.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintln(output, strings.Join(judge(strings.Split(line, " ")), " "))
		}
		if err != nil {
			return
		}
	}
}

func judge(words []string) []string {
	stream, err := hex.DecodeString(strings.TrimPrefix(words[len(words)-1], "-"))
	if err != nil {
		return []string{"broken:hex"}
	}
	reader := bufio.NewReader(bytes.NewReader(stream))
	if words[0] == "Q" {
		return requests(reader)
	}
	return responses(reader, strings.Split(words[1], ","))
}

func requests(reader *bufio.Reader) []string {
	var found []string
	for {
		if _, err := reader.Peek(1); err == io.EOF {
			return append(found, "whole")
		}
		request, err := http.ReadRequest(reader)
		if err != nil {
			return append(found, ending(err))
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return append(found, ending(err))
		}
		found = append(found, message(request.Method+","+request.RequestURI, body))
	}
}

func responses(reader *bufio.Reader, methods []string) []string {
	var found []string
	for {
		if _, err := reader.Peek(1); err == io.EOF {
			return append(found, "whole")
		}
		method := "GET"
		if len(methods) > 0 {
			method = methods[0]
		}
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			return append(found, ending(err))
		}
		if response.StatusCode == http.StatusSwitchingProtocols {
			return append(found, message("101", nil), "tunnel")
		}
		if response.StatusCode < 200 {
			continue
		}
		if len(methods) > 0 {
			methods = methods[1:]
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return append(found, ending(err))
		}
		found = append(found, message(fmt.Sprint(response.StatusCode), body))
	}
}

func message(start string, body []byte) string {
	var text strings.Builder
	for _, octet := range []byte(start) {
		text.WriteRune(rune(octet))
	}
	return text.String() + ":" + hex.EncodeToString(body)
}

func ending(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "partial"
	}
	return "broken:" + strings.ReplaceAll(err.Error(), " ", "_")
}
