"""The version of the whole distribution, read by setup.cfg without importing anything."""

VERSION = "0.1.0"
