"""pyflowctl as its users meet it: what goes to which stream, and the status it ends with."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli_peer import COMMAND, Pyflowctl
from support.client_peer import FakeDaemon
