"""Numbers of a network: accuracy, shot groups, calibration."""
