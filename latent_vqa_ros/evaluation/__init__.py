"""How good a bundle is: accuracy, calibration, familiarity, answers over time. Needs no torch."""
