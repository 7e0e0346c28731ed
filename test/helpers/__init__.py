"""Shared by the tests: fakes, sources as data, small data sets, a node under test."""
