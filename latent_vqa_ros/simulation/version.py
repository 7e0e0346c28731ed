"""The version of each world's scenes and questions: it names the folders of drawn data."""

VERSIONS = {'workcell': 9, 'wide': 10}  # to be raised when a world changes what it draws or asks
