#!/usr/bin/env bash
# The peak memory that Python reports of a child process is its parent's: ru_maxrss survives exec.
#
# Versions    Python 3.11, Linux 6.x; the standard library alone
# Behaviour   A benchmark starts each contender in a process of its own and asks it for
#             resource.getrusage(RUSAGE_SELF).ru_maxrss. On Linux that is the most of this program and of
#             what the process was before exec: a copy of its parent, or the parent's memory itself, for
#             subprocess uses vfork where it can. So the child of a parent that once held 300 MiB has
#             "used" 300 MiB, whatever it does, and all contenders come out alike. VmHWM of
#             /proc/self/status begins anew with the program.
# Seen        ru_maxrss over 300 MiB, VmHWM below 100 MiB, in a child that does nothing
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
python3 - <<'PY'
import platform
import subprocess
import sys

held = b"1" * (300 * 2**20)
CHILD = """
import re, resource
with open("/proc/self/status") as status:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, re.search("VmHWM:\\s*(.*) kB", status.read())[1])
"""
del held
answer = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
maxrss, hwm = (int(kib) / 1024 for kib in answer.stdout.split())
print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}")
print(f"ru_maxrss {maxrss:.0f} MiB, VmHWM {hwm:.0f} MiB")
sys.exit(not (maxrss > 300 and hwm < 100))
PY
