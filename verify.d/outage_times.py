"""Says how long after a NUT server a device reacts: outage_times.py PORT CONTROL_SOCKET VARIABLE WORD STAGES [FIELD...].

Looks at both every few milliseconds. Prints 'watching' when it does, then for each of the STAGES a line: the seconds from when the
server's VARIABLE first had WORD until the stage's conditions held, all in one answer of the daemon, and the FIELDs of that answer.
Stages are separated by semicolons, conditions by commas: FIELD=VALUE, FIELD~PART, FIELD<NUMBER. FIELD is as in mode or power.state.
"""

import http.client
import json
import re
import socket
import sys
import time

port, control, variable, word, stages = int(sys.argv[1]), *sys.argv[2:6]
fields = sys.argv[6:]
upsd = socket.create_connection(("127.0.0.1", port)).makefile("rw", newline="\n")
daemon = http.client.HTTPConnection("localhost")
deadline = time.monotonic() + 120


def connect():
    daemon.sock = socket.socket(socket.AF_UNIX)
    daemon.sock.connect(control)


daemon.connect = connect


def says():
    upsd.write(f"GET VAR ups {variable}\n")
    upsd.flush()
    answer = upsd.readline().split('"')  # without quotes: it has not heard from the driver for a while
    return len(answer) > 1 and word in answer[1].split()


def status():
    daemon.request("GET", "/status")
    return json.load(daemon.getresponse())


def value(answer, field):
    for key in field.split("."):
        answer = answer[key]
    return answer


def holds(answer, condition):
    field, operator, wanted = re.fullmatch(r"([A-Za-z.]+)([=~<])(.*)", condition).groups()
    seen = value(answer, field)
    if operator == "<":
        return seen < float(wanted)
    return wanted in str(seen) if operator == "~" else wanted == str(seen)


def wait_until(what, look):
    while not (seen := look()):
        if time.monotonic() > deadline:
            sys.exit(f"outage_times: never {what}")
        time.sleep(0.005)
    return seen


def stage(conditions):
    answer = status()
    return answer if all(holds(answer, condition) for condition in conditions.split(",")) else None


status()
if says():
    sys.exit(f"outage_times: {variable} has {word} already")
print("watching", flush=True)
wait_until(f"{variable} {word}", says)
said = time.monotonic()
for each in stages.split(";"):
    seen = wait_until(each, lambda: stage(each))
    print(f"{time.monotonic() - said:.2f}", *(value(seen, field) for field in fields), flush=True)
