#!/bin/sh
# Says what a request's body was. Sending it back would wait for ever: Apache sends all of it before
# it reads anything.
printf 'Content-Type: text/plain\r\n\r\n'
exec sha256sum
