"""The version of what each world draws and asks: it names the folders of drawn data."""

VERSIONS = {'workcell': 9, 'wide': 13, 'rooms': 1}  # to be raised when that changes
SPOKEN_VERSION = 1  # of the questions of language/spoken.py, which scenes of any version are asked
