"""Rooms as a robot or a person sees them: what a model of tabletops must refuse."""
