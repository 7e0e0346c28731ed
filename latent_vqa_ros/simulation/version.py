"""The version of the simulated scenes and questions: it names the folders of drawn data."""

VERSION = 9  # to be raised when the simulation changes what it draws or asks
