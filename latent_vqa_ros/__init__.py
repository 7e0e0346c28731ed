"""Ask a robot's camera a question and get an answer, on board."""

__version__ = '0.1.0'
