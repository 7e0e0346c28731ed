"""Ask a robot's camera a question and get an answer, on board."""

import os

# ONNX Runtime 1.29 and later reports to its maker and writes to ~/.cache/Microsoft, unless this
# is set before its import. Every process that imports it through this package passes here.
os.environ['ORT_DISABLE_TELEMETRY'] = '1'

__version__ = '0.2.0'
