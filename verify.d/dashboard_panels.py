"""Asks a running Prometheus for what each panel of a Grafana dashboard shows; fails, naming them, if one of them shows nothing.

What need not be there: how long somebody waited, when nobody did, if there are counters of it; and what only a UPS knows.

usage: dashboard_panels.py DASHBOARD.json PROMETHEUS-URL
"""

import json
import math
import sys
import urllib.parse
import urllib.request

WAITS = ("ramback_lock_wait_seconds_bucket", "ramback_ring_wait_seconds_bucket")
OF_A_UPS = ('ramback_battery_runtime_seconds{device=~".*"}',)


def ask(expression):
    """The values of an expression, without those that are no number."""
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{sys.argv[2]}/api/v1/query?{query}") as answer:
        result = json.load(answer)["data"]["result"]
    return [value for series in result if not math.isnan(value := float(series["value"][1]))]


dashboard = json.load(open(sys.argv[1]))
empty = []
expressions = 0
for panel in dashboard["panels"]:
    for target in panel["targets"]:
        expression = target["expr"].replace("$__rate_interval", "15s").replace("$device", ".*")
        assert "$" not in expression, expression
        expressions += 1
        waits = [name for name in WAITS if name in expression]
        if not ask(waits[0] if waits else expression) and expression not in OF_A_UPS:
            empty.append(f"{panel['title']}: {expression}")
        if waits:
            ask(expression)
print("\n".join(empty))
print(f"{len(dashboard['panels'])} panels, {expressions} expressions, {len(empty)} without data")
sys.exit(1 if empty else 0)
