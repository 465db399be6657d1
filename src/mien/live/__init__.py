"""The camera window: capture, inference and drawing, always the newest frame."""
